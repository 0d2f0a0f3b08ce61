//! `loss = mean_o d²`, slope `2 d`, for `d = a - y`, activated outputs a and targets y (PyTorch's `MSELoss`).

use super::{Head, Row, RowLoss, Scalar, TargetKind, differences};

/// Mean squared error of the activated outputs.
pub(super) struct MeanSquaredError;

impl RowLoss for MeanSquaredError {
    const HEAD: Head = Head::Values;
    const TARGETS: TargetKind = TargetKind::Values;
    const SHORT: &'static str = "mse";

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        differences::row(row, gradient, |d| d * d, |d| T::real(2.0) * d)
    }
}
