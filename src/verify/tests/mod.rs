mod broken;
mod determinism;
mod golden;
mod gradients;
mod parity;
mod training;
