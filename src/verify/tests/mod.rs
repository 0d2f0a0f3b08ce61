pub(crate) mod broken;
mod determinism;
mod fused;
mod golden;
mod gradients;
mod parity;
mod registry;
mod training;
