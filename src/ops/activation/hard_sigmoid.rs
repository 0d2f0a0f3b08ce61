use super::{Function, Init, Onnx, OnnxValue, Scalar};

/// f(z) = z / 6 + 1/2, kept within [0, 1]; f' = 1/6 where 0 < f < 1, else 0 (Courbariaux, Bengio, David, "BinaryConnect",
/// NeurIPS 2015; the slope is PyTorch's).
pub(crate) struct HardSigmoid;

const SLOPE: f32 = 1.0 / 6.0;

impl Function for HardSigmoid {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        (z * T::real(SLOPE) + T::real(0.5)).max(T::zero()).min(T::one())
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        let below_one = T::one().if_above(a, T::real(SLOPE), T::zero());
        a.if_above(T::zero(), below_one, T::zero())
    }
    const KINKS: &'static [f32] = &[-3.0, 3.0];
    const INIT: Init = Init::GlorotUniform;
    const PYTORCH: Option<&'static str> = Some("nn.Hardsigmoid()");
    const ONNX: Onnx = Onnx::Operator("HardSigmoid", &[("alpha", OnnxValue::Float(SLOPE)), ("beta", OnnxValue::Float(0.5))]);
}
