//! Losses of how far each activated output is from its target: `loss = mean_o value(a_o - y_o)`, gradient by the logits
//! `slope(a - y) activation'(z) scale / O`; scale is the row's weight over the batch's sum of weights. Of a softmax
//! output the step reads the logits; its derivative mixes the row: `gradient_o = p_o (g_o - sum_j g_j p_j)` with
//! `g = slope(p - y) scale / O`.

use super::{Activation, Row, Scalar, Target};

/// The loss of one row by `value` and `slope` of a difference, the gradient, and 1 if the answer is right.
pub(super) fn row<T: Scalar>(
    row: &Row<'_, T>,
    gradient: &mut [T],
    value: impl Fn(T) -> T,
    slope: impl Fn(T) -> T,
) -> (T, T) {
    let count = row.outputs.len();
    let softmax = row.activation == Activation::Softmax;
    if softmax {
        let total = T::sum(gradient.iter().copied());
        gradient.iter_mut().for_each(|p| *p = *p / total);
    } else {
        gradient.copy_from_slice(row.outputs);
    }
    // The gradient's place holds the activated outputs until they are replaced.
    let difference = |o: usize, a: T| a - row.target.value(o, count);
    let share = row.scale / T::real(count as f32);
    let slope = |o: usize, a: T| slope(difference(o, a)) * share;
    let activated = || gradient.iter().copied().enumerate();
    let mixed = T::sum(activated().map(|(o, a)| slope(o, a) * a));
    let loss = T::sum(activated().map(|(o, a)| value(difference(o, a)))) / T::real(count as f32);
    for (o, g) in gradient.iter_mut().enumerate() {
        let a = *g;
        *g = if softmax { a * (slope(o, a) - mixed) } else { slope(o, a) * row.activation.derivative(a) };
    }
    let right = match row.target {
        Target::Class(class) if count > 1 => row.answers(class),
        Target::Class(class) => {
            let [above, below] = if class > 0 { [T::one(), T::zero()] } else { [T::zero(), T::one()] };
            row.outputs[0].if_above(T::real(0.5), above, below)
        }
        Target::Values(_) => T::zero(),
    };
    (loss, right)
}
