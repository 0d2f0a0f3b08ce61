//! `loss = mean_o |d|`, slope `sign(d)`, 0 for d = 0, for `d = a - y`, activated outputs a and targets y (PyTorch's `L1Loss`).

use super::{Head, Row, RowLoss, Scalar, TargetKind, differences};

/// Mean absolute error of the activated outputs.
pub(super) struct MeanAbsoluteError;

impl RowLoss for MeanAbsoluteError {
    const HEAD: Head = Head::Values;
    const TARGETS: TargetKind = TargetKind::Values;
    const SHORT: &'static str = "mae";

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let [zero, one] = [T::zero(), T::one()];
        let sign = |d: T| d.if_above(zero, one, (-d).if_above(zero, -one, zero));
        differences::row(row, gradient, |d| d.abs(), sign)
    }
}
