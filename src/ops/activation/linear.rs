use super::{Function, Init, Onnx, Scalar};

/// f(z) = z, f' = 1.
pub(crate) struct Linear;

impl Function for Linear {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z
    }
    #[inline(always)]
    fn derivative<T: Scalar>(_: T) -> T {
        T::one()
    }
    const INIT: Init = Init::GlorotUniform;
    const PYTORCH: Option<&'static str> = None;
    const ONNX: Onnx = Onnx::Sums;
}
