//! Margins. Of one output z, and of values as targets, each output for itself: `loss = mean_o max(0, 1 - t z)`,
//! `gradient_o = -t [1 - t z > 0] scale / O` for `t = 2 y - 1`, y being 0 or 1 (Cortes and Vapnik, "Support-vector
//! networks", 1995; Keras' `Hinge`). Of several outputs with a class c: `loss = mean_o [o != c] max(0, 1 + z_o - z_c)`,
//! `gradient_o = [o != c] [1 + z_o - z_c > 0] scale / O`, and for the class minus the sum of the others' (Crammer and
//! Singer, JMLR 2001, summed instead of the maximum: PyTorch's `MultiMarginLoss`). Scale is the row's weight over the
//! batch's sum of weights.

use super::{Head, Row, RowLoss, Scalar, Target, TargetKind};

/// Hinge loss, binary or of several classes.
pub(super) struct Hinge;

impl RowLoss for Hinge {
    const HEAD: Head = Head::Margin;
    const TARGETS: TargetKind = TargetKind::Classes;
    const SHORT: &'static str = "hinge";

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let count = row.outputs.len();
        let (one, zero, outputs) = (T::one(), T::zero(), T::real(count as f32));
        let share = row.scale / outputs;
        let class = match row.target {
            Target::Class(class) if count > 1 => class,
            _ => {
                let terms = row.outputs.iter().zip(gradient).enumerate().map(|(o, (z, g))| {
                    let t = T::real(2.0) * row.target.value(o, count) - one;
                    let margin = one - t * *z;
                    *g = margin.if_above(zero, -(t * share), zero);
                    margin.max(zero)
                });
                return (T::sum(terms) / outputs, row.same_side());
            }
        };
        let margin = |o: usize| one + row.outputs[o] - row.outputs[class];
        let others = || (0..count).filter(|o| *o != class);
        for o in others() {
            gradient[o] = margin(o).if_above(zero, share, zero);
        }
        gradient[class] = -T::sum(others().map(|o| gradient[o]));
        let loss = T::sum(others().map(|o| margin(o).max(zero))) / outputs;
        (loss, row.answers(class))
    }
}
