//! `loss = mean_o (a_o - y_o)²` for activated outputs a, gradient by the logits `2 (a - y) activation'(z) / (rows O)`
//! (PyTorch's `MSELoss`). Of a softmax output the step reads the logits; its derivative mixes the row:
//! `gradient_o = p_o (g_o - sum_j g_j p_j)` with `g = 2 (p - y) / (rows O)`.

use super::{Activation, Row, RowLoss, Scalar, Shader, Target, largest, shader, shifted_exponentials};

/// Mean squared error of the activated outputs.
pub(super) struct MeanSquaredError;

impl RowLoss for MeanSquaredError {
    const SHADER: Shader = shader!("mean_squared_error", "iteration", "activation", "loss");

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, bool) {
        let count = row.outputs.len();
        let softmax = row.activation == Activation::Softmax;
        let activated: Vec<T> = if softmax {
            let (_, exponentials, total) = shifted_exponentials(row.outputs);
            exponentials.into_iter().map(|e| e / total).collect()
        } else {
            row.outputs.to_vec()
        };
        let difference = |o: usize| activated[o] - row.target.value(o, count);
        let share = T::real(row.rows as f32) * T::real(count as f32);
        let slope = |o: usize| T::real(2.0) * difference(o) / share;
        let mixed = T::sum((0..count).map(|o| slope(o) * activated[o]));
        for (o, g) in gradient.iter_mut().enumerate() {
            let a = activated[o];
            *g = if softmax { a * (slope(o) - mixed) } else { slope(o) * row.activation.derivative(a) };
        }
        let loss = T::sum((0..count).map(|o| difference(o) * difference(o))) / T::real(count as f32);
        let right = match row.target {
            Target::Class(class) if count > 1 => largest(row.outputs) == class,
            Target::Class(class) => (row.outputs[0] > T::real(0.5)) == (class > 0),
            Target::Values(_) => false,
        };
        (loss, right)
    }
}
