//! `loss = sum_o t_o (log(sum_j exp(z_j)) - z_o)`, `gradient_o = (softmax(z)_o sum_j t_j - t_o) scale` for logits z and
//! targets `t_o = w_o ((1 - s) y_o + s / O)`: y is 1 for the class and 0 for the others, or probabilities; w are class
//! weights, s is the label smoothing, and scale the row's weight over the batch's sum of weights. With a class, and
//! without the rest, that is `log(sum_j exp(z_j)) - z_class` and `(softmax(z)_o - [o = class]) / rows`.
//! (Goodfellow, Bengio, Courville, "Deep Learning", section 6.2.2.3; label smoothing: Szegedy et al., CVPR 2016;
//! PyTorch's `CrossEntropyLoss`, whose mean over classes as targets is by the sum of their weights and over probabilities
//! by the rows.)

use super::{Head, Row, RowLoss, Scalar, Target, TargetKind, largest};

/// Softmax cross-entropy from logits, with classes or probabilities as targets.
pub(super) struct SoftmaxCrossEntropy;

impl RowLoss for SoftmaxCrossEntropy {
    const HEAD: Head = Head::Softmax;
    const TARGETS: TargetKind = TargetKind::Classes;
    const SHORT: &'static str = "ce";

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let (best, total) = (largest(row.outputs), T::sum(gradient.iter().copied()));
        let shifted = |o: usize| row.outputs[o] - row.outputs[best];
        if let (Target::Class(class), 0.0) = (row.target, row.label_smoothing) {
            let weight = row.class_weight(class);
            let share = weight * row.scale;
            let own = (gradient[class] / total - T::one()) * share;
            gradient.iter_mut().for_each(|g| *g = *g / total * share);
            gradient[class] = own;
            return (weight * (total.ln() - shifted(class)), row.answers(class));
        }
        let smoothing = T::real(row.label_smoothing);
        let (kept, even) = (T::one() - smoothing, smoothing / T::real(gradient.len() as f32));
        let target = |o: usize| row.class_weight(o) * (kept * row.target.share(o) + even);
        let sum = T::sum((0..gradient.len()).map(target));
        let inner = T::sum((0..gradient.len()).map(|o| target(o) * shifted(o)));
        for (o, g) in gradient.iter_mut().enumerate() {
            *g = (*g / total * sum - target(o)) * row.scale;
        }
        (sum * total.ln() - inner, row.answers(row.target.class()))
    }
}
