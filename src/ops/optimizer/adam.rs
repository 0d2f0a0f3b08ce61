use super::{Hyper, complement};
use crate::scalar::Scalar;

/// What all of Adam's parameters share, in f32 as every device gets it.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    beta2: f32,
    beta2_complement: f32,
    epsilon: f32,
}

impl Shared {
    pub fn new(beta2: f64, epsilon: f32) -> Self {
        Self { beta2: beta2 as f32, beta2_complement: complement(beta2), epsilon }
    }

    /// m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²;
    /// w = w - learning_rate / c1 * m / (sqrt(v) / c2 + epsilon), with c1 = 1 - beta1^t and c2 = sqrt(1 - beta2^t);
    /// the host brings learning_rate / c1 and 1 / c2.
    /// Gives w, m, v. Source: Kingma and Ba, ICLR 2015, in the arrangement of PyTorch's `torch.optim.Adam`.
    #[inline(always)]
    pub fn updated<T: Scalar>(&self, value: T, [first, second]: [T; 2], gradient: T, hyper: &Hyper) -> (T, T, T) {
        let first = T::real(hyper.momentum) * first + T::real(hyper.momentum_complement) * gradient;
        let second = T::real(self.beta2) * second + T::real(self.beta2_complement) * (gradient * gradient);
        let (first, second) = (first.flushed(), second.flushed());
        let [rate, correction] = [hyper.correction_x, hyper.correction_y].map(T::real);
        let scale = second.sqrt() * correction + T::real(self.epsilon);
        (value - rate * (first / scale), first, second)
    }
}
