use super::sigmoid::Sigmoid;
use super::{Function, Init, Onnx, OnnxValue, Scalar};

/// f(z) = z (1 + tanh u) / 2 = z sigmoid(2u) with u = sqrt(2/π) (z + 0.044715 z³), f' = s + 2 z s (1 - s) u' with
/// s = sigmoid(2u) (Hendrycks and Gimpel, "Gaussian error linear units", arXiv 1606.08415; PyTorch's `approximate="tanh"`).
pub(crate) struct GeluTanh;

/// 2 sqrt(2/π)
const LINEAR: f32 = 1.595_769_2;
/// 0.044715 of it
const CUBIC: f32 = 0.071_354_814;
/// Beyond it the sigmoid is 0 or 1 in f32, and a cube might overflow.
const END: f32 = 12.0;

/// 2u
#[inline(always)]
fn doubled<T: Scalar>(z: T) -> T {
    let near = z.within(END);
    near * (T::real(LINEAR) + T::real(CUBIC) * near * near)
}

impl Function for GeluTanh {
    const NEEDS_SUM: bool = true;
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z * Sigmoid::value(doubled(z))
    }
    #[inline(always)]
    fn slope<T: Scalar>(z: T) -> T {
        let (near, u) = (z.within(END), doubled(z));
        let slope = T::real(LINEAR) + T::real(3.0) * T::real(CUBIC) * near * near;
        let s = Sigmoid::value(u);
        s + near * s * Sigmoid::value(-u) * slope
    }
    const INIT: Init = Init::HeUniform;
    const PYTORCH: Option<&'static str> = Some("nn.GELU(approximate=\"tanh\")");
    const ONNX: Onnx = Onnx::Operator("Gelu", &[("approximate", OnnxValue::Text("tanh"))]);
}
