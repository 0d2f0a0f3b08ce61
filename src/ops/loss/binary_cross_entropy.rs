//! `loss = mean_o (max(z, 0) - z y + log(1 + exp(-|z|)))`, `gradient_o = (sigmoid(z) - y) / (rows O)` for logits z and
//! targets y in [0, 1] (PyTorch's `BCEWithLogitsLoss`, in the form that cannot overflow).

use super::{Activation, Row, RowLoss, Scalar, Target};

/// Binary cross-entropy from logits, each output for itself.
pub(super) struct BinaryCrossEntropy;

impl RowLoss for BinaryCrossEntropy {
    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let outputs = row.outputs.len();
        let share = T::real(row.rows as f32) * T::real(outputs as f32);
        let half = T::real(0.5);
        let mut same_side = T::one();
        let terms = row.outputs.iter().zip(gradient).enumerate().map(|(o, (z, g))| {
            let y: T = row.target.value(o, outputs);
            *g = (Activation::Sigmoid.value(*z) - y) / share;
            let [above, below] = if y > half { [same_side, T::zero()] } else { [T::zero(), same_side] };
            same_side = z.if_above(T::zero(), above, below);
            z.max(T::zero()) - *z * y + (T::one() + (-z.abs()).exp()).ln()
        });
        let loss = T::sum(terms) / T::real(outputs as f32);
        let right = match row.target {
            Target::Class(class) if outputs > 1 => row.answers(class),
            _ => same_side,
        };
        (loss, right)
    }
}
