use super::{Function, Init, Scalar};

/// f(z) = 1 / (1 + e^-z), f' = f (1 - f).
pub(crate) struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn value<T: Scalar>(z: T) -> T {
        T::one() / (T::one() + (-z).exp())
    }
    #[inline(always)]
    fn derivative<T: Scalar>(a: T) -> T {
        a * (T::one() - a)
    }
    const INIT: Init = Init::GlorotUniform;
}
