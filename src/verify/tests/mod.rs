mod broken;
mod parity;
