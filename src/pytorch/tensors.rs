//! The tensors of a foreign safetensors file, as numbers in 32 bits.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

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
    let pairs = || data.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect(),
        Dtype::F16 => pairs().map(half).collect(),
        Dtype::BF16 => pairs().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect(),
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

/// The number of IEEE 754's binary16.
fn half(bits: u16) -> f32 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => mantissa * 2_f32.powi(-24),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + mantissa) * 2_f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn halves_are_those_of_the_standard() {
        let known = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2_f32.powi(-14)),
            (0x0001, 2_f32.powi(-24)),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, value) in known {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
