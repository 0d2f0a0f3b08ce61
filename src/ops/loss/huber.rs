//! `loss = mean_o c (d - c / 2)`, slope `c`, for `d = a - y`, activated outputs a and targets y, where c is d cut to
//! [-delta, delta]: `d² / 2` near the target and `delta (|d| - delta / 2)` beyond (Huber, "Robust estimation of a location
//! parameter", 1964; PyTorch's `HuberLoss`).

use super::{Head, Row, RowLoss, Scalar, TargetKind, differences};

/// Huber's loss of the activated outputs.
pub(super) struct Huber;

impl RowLoss for Huber {
    const HEAD: Head = Head::Values;
    const TARGETS: TargetKind = TargetKind::Values;
    const SHORT: &'static str = "huber";

    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
        let delta = T::real(row.huber_delta);
        let cut = |d: T| -(-d.max(-delta)).max(-delta);
        differences::row(row, gradient, |d| cut(d) * (d - T::real(0.5) * cut(d)), cut)
    }
}
