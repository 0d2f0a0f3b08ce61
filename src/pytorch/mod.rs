//! Models to and from PyTorch, as safetensors files of plain state dicts.
//!
//! wgrad's own model files have PyTorch's shapes, but names of their own (`layers.0.weight`, `layers.0.norm.weight`):
//! those of a module with a list of layers. [`StateDict`] has the names of an `nn.Sequential`, which loads it as it is;
//! [`import`] reads the tensors of any module whose dense layers and norms follow one another.

mod export;
mod import;
mod names;
mod tensors;
#[cfg(test)]
mod tests;

pub use export::StateDict;
pub use import::{Import, Imported, import};
