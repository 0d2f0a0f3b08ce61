mod broken;
mod golden;
mod parity;
mod training;
