use super::{Function, Init, Onnx, Scalar};

/// f(z) = max(z, 0), f' = 1 where f > 0, else 0 (Nair and Hinton, "Rectified linear units improve restricted Boltzmann
/// machines", ICML 2010).
pub(crate) struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z.max(T::zero())
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        a.if_above(T::zero(), T::one(), T::zero())
    }
    const KINKS: &'static [f32] = &[0.0];
    const INIT: Init = Init::HeUniform;
    const PYTORCH: Option<&'static str> = Some("nn.ReLU()");
    const ONNX: Onnx = Onnx::Operator("Relu", &[]);
}
