use super::{Function, Init, Onnx, Scalar};

/// f(z) = sign(z) (1 - e) / (1 + e) with e = exp(-2|z|), which cannot overflow; f' = 1 - f². The same formula as in
/// WGSL, whose built-in tanh may be 1e-5 off.
pub(crate) struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        let e = (T::real(-2.0) * z.abs()).exp();
        let size = (T::one() - e) / (T::one() + e);
        if z < T::zero() { -size } else { size }
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        T::one() - a * a
    }
    const INIT: Init = Init::GlorotUniform;
    const PYTORCH: Option<&'static str> = Some("nn.Tanh()");
    const ONNX: Onnx = Onnx::Operator("Tanh", &[]);
}
