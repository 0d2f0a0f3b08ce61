mod broken;
mod determinism;
mod golden;
mod gradients;
mod parity;
mod registry;
mod training;
