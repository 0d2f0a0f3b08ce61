//! The tensors of a foreign safetensors file, as numbers in 32 bits.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::scalar::binary16;

/// A tensor.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
    /// Whether numbers were rounded.
    pub rounded: bool,
}

/// All tensors of a file by name; what PyTorch counts in batch norms is left out.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| format!("not a safetensors file, or cut off: {e}; save one with safetensors.torch.save_file"))?;
    let mut wanted = tensors.tensors();
    wanted.retain(|(name, _)| !name.ends_with("num_batches_tracked"));
    // Of several that cannot be read it is always the same one that is named.
    wanted.sort_by(|(one, _), (other, _)| one.cmp(other));
    wanted.into_iter().map(|(name, view)| Ok((name.clone(), tensor(&name, &view)?))).collect()
}

fn tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor, String> {
    let data = view.data();
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        Dtype::F16 => binary16::unpacked(data),
        Dtype::BF16 => data.as_chunks().0.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).to_f32()).collect(),
        other => {
            return Err(format!(
                "tensor {name} is {other:?}; F32, F64, F16 and BF16 can be read: convert it in PyTorch"
            ));
        }
    };
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(Tensor { shape: view.shape().to_vec(), values, rounded: view.dtype() == Dtype::F64 }),
        Some(at) => Err(format!("tensor {name} has {} at {at}: the model is not usable", values[at])),
    }
}
