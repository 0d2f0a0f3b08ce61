pub(crate) mod broken;
mod determinism;
mod fused;
mod golden;
mod golden_activations;
mod gradients;
mod parity;
mod registry;
mod training;
