use super::sigmoid::Sigmoid;
use super::{Function, Init, Onnx, Scalar};

/// f(z) = z sigmoid(z), f' = s + z s (1 - s) with s = sigmoid(z) (Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units",
/// Neural Networks 107, 2018; Hendrycks and Gimpel, arXiv 1606.08415; also called swish).
pub(crate) struct Silu;

impl Function for Silu {
    const NEEDS_SUM: bool = true;
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z * Sigmoid::value(z)
    }
    #[inline(always)]
    fn slope<T: Scalar>(z: T) -> T {
        let s = Sigmoid::value(z);
        s + z * s * Sigmoid::value(-z)
    }
    const INIT: Init = Init::HeUniform;
    const PYTORCH: Option<&'static str> = Some("nn.SiLU()");
    const ONNX: Onnx = Onnx::Gate("Sigmoid");
}
