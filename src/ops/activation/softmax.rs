use super::{Function, Init, Onnx, OnnxValue, Scalar};

/// f(z)_o = exp(z_o) / sum_j exp(z_j) over a row; of the output layer only. It needs the whole row, so that a step of
/// its own takes it (`ops/softmax.rs`, or the loss) and the layer's own epilogue leaves the logits as they are.
pub(crate) struct Softmax;

impl Function for Softmax {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        z
    }
    #[inline(always)]
    fn derivative<T: Scalar>(_: T) -> T {
        T::one()
    }
    const INIT: Init = Init::GlorotUniform;
    const PYTORCH: Option<&'static str> = Some("nn.Softmax(dim=1)");
    const ONNX: Onnx = Onnx::Operator("Softmax", &[("axis", OnnxValue::Int(-1))]);
}
