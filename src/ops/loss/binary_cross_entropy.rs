//! `loss = mean_o (max(z, 0) - z y + log(1 + exp(-|z|)))`, `gradient_o = (sigmoid(z) - y) scale / O` for logits z and
//! targets y in [0, 1]; scale is the row's weight over the batch's sum of weights (PyTorch's `BCEWithLogitsLoss`, in the
//! form that cannot overflow).

use super::{Activation, Head, Row, RowLoss, Scalar, TargetKind};

/// Binary cross-entropy from logits, each output for itself.
pub(super) struct BinaryCrossEntropy;

impl RowLoss for BinaryCrossEntropy {
    const HEAD: Head = Head::Sigmoid;
    const TARGETS: TargetKind = TargetKind::Classes;
    const SHORT: &'static str = "bce";

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let outputs = T::real(row.outputs.len() as f32);
        let share = row.scale / outputs;
        let terms = row.outputs.iter().zip(gradient).enumerate().map(|(o, (z, g))| {
            let y: T = row.target.value(o, row.outputs.len());
            *g = (Activation::Sigmoid.value(*z) - y) * share;
            z.max(T::zero()) - *z * y + (T::one() + (-z.abs()).exp()).ln()
        });
        (T::sum(terms) / outputs, row.same_side())
    }
}
