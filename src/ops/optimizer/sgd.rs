use super::Hyper;
use crate::scalar::Scalar;

/// v = momentum v + g; w = w - learning_rate v, or with Nesterov w = w - learning_rate (g + momentum v). Gives w and v.
/// Source: PyTorch's `torch.optim.SGD`, dampening 0 (Sutskever et al., ICML 2013, in PyTorch's form).
#[inline(always)]
pub(super) fn updated<T: Scalar>(nesterov: bool, value: T, velocity: T, gradient: T, hyper: &Hyper) -> (T, T) {
    let momentum = T::real(hyper.momentum);
    let velocity = (momentum * velocity + gradient).flushed();
    let direction = if nesterov { gradient + momentum * velocity } else { velocity };
    (value - T::real(hyper.learning_rate) * direction, velocity)
}
