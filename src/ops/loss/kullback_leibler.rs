//! `loss = sum_o y_o (log y_o - log softmax(z)_o)`, `gradient_o = (softmax(z)_o sum_j y_j - y_o) scale` for logits z and
//! probabilities y, where y log y is 0 for y = 0; scale is the row's weight over the batch's sum of weights.
//! (Kullback and Leibler, "On information and sufficiency", 1951; PyTorch's `KLDivLoss(reduction="batchmean")` on
//! `log_softmax(z)`, which divides by the rows and not by the outputs.)

use super::{Head, Row, RowLoss, Scalar, TargetKind, largest};

/// Below it WGSL may flush y to zero, whose logarithm is no number.
const LEAST: f32 = 1.2e-38;

/// The Kullback-Leibler divergence of the softmax of logits from the targets.
pub(super) struct KullbackLeibler;

impl RowLoss for KullbackLeibler {
    const HEAD: Head = Head::Softmax;
    const TARGETS: TargetKind = TargetKind::Values;
    const SHORT: &'static str = "kl";

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let (best, total) = (largest(row.outputs), T::sum(gradient.iter().copied()));
        let outputs = || 0..row.outputs.len();
        let sum = T::sum(outputs().map(|o| row.target.share(o)));
        let entropy = T::sum(outputs().map(|o| {
            let y: T = row.target.share(o);
            y.if_above(T::real(LEAST), y * y.max(T::real(LEAST)).ln(), T::zero())
        }));
        let inner = T::sum(outputs().map(|o| row.target.share(o) * (row.outputs[o] - row.outputs[best])));
        for (o, g) in gradient.iter_mut().enumerate() {
            *g = (*g / total * sum - row.target.share(o)) * row.scale;
        }
        (entropy + sum * total.ln() - inner, row.answers(row.target.class()))
    }
}
