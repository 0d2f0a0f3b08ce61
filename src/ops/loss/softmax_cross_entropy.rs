//! `loss = log(sum_o exp(z_o)) - z_t`, `gradient_o = (softmax(z)_o - [o = t]) / rows` for logits z and class t
//! (Goodfellow, Bengio, Courville, "Deep Learning", section 6.2.2.3; PyTorch's `CrossEntropyLoss`).

use super::{Row, RowLoss, Scalar, Target, shifted_exponentials};

/// Softmax cross-entropy from logits with integer classes.
pub(super) struct SoftmaxCrossEntropy;

impl RowLoss for SoftmaxCrossEntropy {
    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let (best, total) = shifted_exponentials(row.outputs, gradient);
        let Target::Class(class) = row.target else {
            // The plan refuses such targets; a NaN shows the mistake where a wrong number would hide it.
            return (T::real(f32::NAN), T::zero());
        };
        let rows = T::real(row.rows as f32);
        for (o, g) in gradient.iter_mut().enumerate() {
            *g = (*g / total - T::real(f32::from(u8::from(o == class)))) / rows;
        }
        let loss = total.ln() - (row.outputs[class] - row.outputs[best]);
        (loss, row.answers(class))
    }
}
