use super::{Function, Init, Onnx, OnnxValue, Scalar};

/// f(z) = z where z >= 0, else 0.01 z; f' = 1 where f > 0, else 0.01 (Maas, Hannun, Ng, "Rectifier nonlinearities
/// improve neural network acoustic models", ICML 2013; the slope is PyTorch's default).
pub(crate) struct LeakyRelu;

const SLOPE: f32 = 0.01;

impl Function for LeakyRelu {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z.max(T::real(SLOPE) * z)
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        a.if_above(T::zero(), T::one(), T::real(SLOPE))
    }
    const KINKS: &'static [f32] = &[0.0];
    const INIT: Init = Init::HeUniform;
    const PYTORCH: Option<&'static str> = Some("nn.LeakyReLU(0.01)");
    const ONNX: Onnx = Onnx::Operator("LeakyRelu", &[("alpha", OnnxValue::Float(SLOPE))]);
}
