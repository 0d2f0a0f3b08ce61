use super::{Function, Init, Onnx, OnnxValue, Scalar};

/// f(z) = s z where z > 0, else s α (e^z - 1); f' = s where f > 0, else f + s α (Klambauer, Unterthiner, Mayr, Hochreiter,
/// "Self-normalizing neural networks", NeurIPS 2017, which gives s and α and asks for LeCun's normal initialization).
pub(crate) struct Selu;

/// s and s α, rounded once.
const SCALE: f32 = 1.050_701;
const SCALE_ALPHA: f32 = 1.758_099_3;
/// α alone.
const ALPHA: f32 = 1.673_263_2;

impl Function for Selu {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z.if_above(T::zero(), T::real(SCALE) * z, T::real(SCALE_ALPHA) * z.min(T::zero()).exp_m1())
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        a.if_above(T::zero(), T::real(SCALE), a + T::real(SCALE_ALPHA))
    }
    const KINKS: &'static [f32] = &[0.0];
    const INIT: Init = Init::LecunNormal;
    const PYTORCH: Option<&'static str> = Some("nn.SELU()");
    const ONNX: Onnx = Onnx::Operator("Selu", &[("alpha", OnnxValue::Float(ALPHA)), ("gamma", OnnxValue::Float(SCALE))]);
}
