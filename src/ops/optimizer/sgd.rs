use super::{Hyper, Parameter};
use crate::scalar::Scalar;

/// v = momentum v + g; w = w - learning_rate v, or with Nesterov w = w - learning_rate (g + momentum v).
/// Source: PyTorch's `torch.optim.SGD`, dampening 0 (Sutskever et al., ICML 2013, in PyTorch's form).
pub(super) fn update<T: Scalar>(nesterov: bool, before: Parameter<T>, gradient: T, hyper: &Hyper) -> Parameter<T> {
    let momentum = T::real(hyper.momentum);
    let velocity = momentum * before.state[0] + gradient;
    let direction = if nesterov { gradient + momentum * velocity } else { velocity };
    let value = before.value - T::real(hyper.learning_rate) * direction;
    Parameter { value, state: [velocity, before.state[1]] }
}
