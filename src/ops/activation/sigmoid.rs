use super::{Function, Init, Onnx, Scalar};

/// f(z) = 1 / (1 + e^-z), f' = f (1 - f); with e = exp(-|z|), which cannot overflow, f is 1 / (1 + e), or e / (1 + e) where
/// z is negative.
pub(crate) struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        let e = (-z.abs()).exp();
        T::zero().if_above(z, e, T::one()) / (T::one() + e)
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        a * (T::one() - a)
    }
    const INIT: Init = Init::GlorotUniform;
    const PYTORCH: Option<&'static str> = Some("nn.Sigmoid()");
    const ONNX: Onnx = Onnx::Operator("Sigmoid", &[]);
}
