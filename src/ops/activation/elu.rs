use super::{Function, Init, Onnx, OnnxValue, Scalar};

/// f(z) = z where z > 0, else e^z - 1; f' = 1 where f > 0, else f + 1 (Clevert, Unterthiner, Hochreiter, "Fast and accurate
/// deep network learning by exponential linear units", ICLR 2016; alpha is 1, PyTorch's default).
pub(crate) struct Elu;

impl Function for Elu {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z.if_above(T::zero(), z, z.min(T::zero()).exp_m1())
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        a.if_above(T::zero(), T::one(), a + T::one())
    }
    const KINKS: &'static [f32] = &[0.0];
    const INIT: Init = Init::HeUniform;
    const PYTORCH: Option<&'static str> = Some("nn.ELU()");
    const ONNX: Onnx = Onnx::Operator("Elu", &[("alpha", OnnxValue::Float(1.0))]);
}
