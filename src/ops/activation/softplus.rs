use super::{Function, Init, Onnx, Scalar};

/// f(z) = ln(1 + e^z) = max(z, 0) + ln(1 + e^-|z|), which cannot overflow; f' = sigmoid(z) = 1 - e^-f (Dugas, Bengio,
/// Bélisle, Nadeau, Garcia, "Incorporating second-order functional knowledge for better option pricing", NIPS 2000; beta is
/// 1, PyTorch's default).
pub(crate) struct Softplus;

impl Function for Softplus {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z.max(T::zero()) + (-z.abs()).exp().ln_1p()
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        -(-a).exp_m1()
    }
    const INIT: Init = Init::HeUniform;
    const PYTORCH: Option<&'static str> = Some("nn.Softplus()");
    const ONNX: Onnx = Onnx::Operator("Softplus", &[]);
}
