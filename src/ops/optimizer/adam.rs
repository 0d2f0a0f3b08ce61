use super::{Hyper, Parameter};
use crate::scalar::Scalar;

/// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²;
/// w = w - learning_rate / c1 * m / (sqrt(v) / c2 + epsilon), with c1 = 1 - beta1^t and c2 = sqrt(1 - beta2^t).
/// Source: Kingma and Ba, ICLR 2015, in the arrangement of PyTorch's `torch.optim.Adam`.
pub(super) fn update<T: Scalar>(
    [beta2, beta2_complement]: [f32; 2],
    epsilon: f32,
    before: Parameter<T>,
    gradient: T,
    hyper: &Hyper,
) -> Parameter<T> {
    let first = T::real(hyper.momentum) * before.state[0] + T::real(hyper.momentum_complement) * gradient;
    let second = T::real(beta2) * before.state[1] + T::real(beta2_complement) * (gradient * gradient);
    let rate = T::real(hyper.learning_rate) / T::real(hyper.correction[0]);
    let scale = second.sqrt() / T::real(hyper.correction[1]) + T::real(epsilon);
    Parameter { value: before.value - rate * (first / scale), state: [first, second] }
}
