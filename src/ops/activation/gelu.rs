use super::{Function, Init, Onnx, OnnxValue, Scalar};

/// f(z) = z Φ(z) with Φ(z) = erfc(-z / sqrt 2) / 2, the normal distribution; f' = Φ(z) + z φ(z) with its density
/// φ(z) = exp(-z²/2) / sqrt(2π) (Hendrycks and Gimpel, "Gaussian error linear units", arXiv 1606.08415; the exact one, PyTorch's
/// default). erfc by `special::erfc`.
pub(crate) struct Gelu;

/// 1 / sqrt(2π) in two parts, of which f32 has the first only and f64 both, so that value and derivative agree there.
const INVERSE_ROOT_OF_TAU: [f32; 2] = [0.398_942_3, -1.133_517_2e-8];

/// Φ(z)
#[inline(always)]
fn share<T: Scalar>(z: T) -> T {
    T::real(0.5) * (-z * T::real(0.5).sqrt()).erfc()
}

impl Function for Gelu {
    const NEEDS_SUM: bool = true;
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z * share(z)
    }
    #[inline(always)]
    fn slope<T: Scalar>(z: T) -> T {
        // Beyond 16 the density is zero in f32; the square of a large sum would overflow.
        let (near, [first, second]) = (z.within(16.0), INVERSE_ROOT_OF_TAU);
        let density = (T::real(-0.5) * near * near).exp() * (T::real(first) + T::real(second));
        share(z) + near * density
    }
    const INIT: Init = Init::HeUniform;
    const PYTORCH: Option<&'static str> = Some("nn.GELU()");
    const ONNX: Onnx = Onnx::Operator("Gelu", &[("approximate", OnnxValue::Text("none"))]);
}
