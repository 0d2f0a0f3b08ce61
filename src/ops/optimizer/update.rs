use super::rule::{Rule, sign};
use super::{Hyper, Optimizer, SLOTS};
use crate::ops::{Constant, Param};
use crate::scalar::Scalar;

/// How gradients become steps: the update rule, and what stands between it and the gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    pub optimizer: Optimizer,
    /// Gradients are cut to this absolute value, if any.
    pub clip_value: Option<f32>,
    /// Whether weight decay and L1 are for biases and the parameters of norms too.
    pub decay_biases: bool,
}

impl Update {
    /// Values of the WGSL constants that specialize the update.
    pub fn constants(&self) -> impl Iterator<Item = (&'static str, Constant)> + use<> {
        let numbers = self.optimizer.constants().into_iter().map(|(name, value)| (name, Constant::Number(value)));
        [("OPTIMIZER", Constant::named(self.optimizer.name()))].into_iter().chain(numbers)
    }

    /// The fields of WGSL's `Params` that are the update's.
    pub fn params(&self) -> [(&'static str, Param); 3] {
        [
            ("slots", Param::Unsigned(self.optimizer.slots())),
            ("clip_value", Param::Float(self.clip_value.unwrap_or(0.0))),
            ("decay_biases", Param::Unsigned(usize::from(self.decay_biases))),
        ]
    }

    /// These fields where there is no update.
    pub const NO_PARAMS: [(&'static str, Param); 3] =
        [("slots", Param::Unsigned(0)), ("clip_value", Param::Float(0.0)), ("decay_biases", Param::Unsigned(0))];

    /// The hyper-parameters for weights, or for biases and the parameters of norms.
    pub fn hyper(&self, hyper: &Hyper, bias: bool) -> Hyper {
        if bias && !self.decay_biases { hyper.without_decay(self.optimizer) } else { *hyper }
    }

    /// As [`Update::apply`], for one rule. Which of clipping and penalties there are is decided here, once.
    #[inline(always)]
    pub(super) fn apply_rule<R: Rule, T: Scalar>(
        &self,
        rule: R,
        values: &mut [T],
        gradients: &[T],
        state: [&mut [T]; SLOTS],
        hyper: &Hyper,
    ) {
        let constants = rule.constants();
        let decay = T::real(hyper.decay);
        let decayed = |value: T, gradient: T| match rule.decoupled() {
            true => (value * decay, gradient),
            false => (value, gradient + decay * value),
        };
        if self.clip_value.is_none() && hyper.l1 == 0.0 {
            each(rule.slots(), values, gradients, state, |value, gradient, state| {
                let (value, gradient) = decayed(value, gradient);
                R::updated(&constants, value, state, gradient, hyper)
            });
        } else {
            let (limit, l1) = (T::real(self.clip_value.unwrap_or(f32::INFINITY)), T::real(hyper.l1));
            each(rule.slots(), values, gradients, state, |value, gradient, state| {
                let (value, gradient) = decayed(value, clipped(gradient, limit) + l1 * sign(value));
                R::updated(&constants, value, state, gradient, hyper)
            });
        }
    }
}

/// The states of parameters (S, `len`), slot by slot; slots behind the last are empty.
pub(crate) fn state_slots<'a, T>(state: &'a mut [T], len: usize, update: &Update) -> [&'a mut [T]; SLOTS] {
    let (count, mut slots) = (update.optimizer.slots(), state.chunks_mut(len.max(1)));
    std::array::from_fn(|s| if s < count { slots.next().unwrap_or_default() } else { Default::default() })
}

/// Cuts each slot of a state; slots that there are not stay empty.
pub(crate) fn split_slots<T>(state: [&mut [T]; SLOTS], at: usize) -> ([&mut [T]; SLOTS], [&mut [T]; SLOTS]) {
    let [first, second, third] = state.map(|slot| slot.split_at_mut(at.min(slot.len())));
    ([first.0, second.0, third.0], [first.1, second.1, third.1])
}

/// The nearest number of at most the absolute value `limit`. A NaN stays.
#[inline(always)]
fn clipped<T: Scalar>(value: T, limit: T) -> T {
    let below = value.if_above(limit, limit, value);
    (-limit).if_above(below, -limit, below)
}

/// Updates all parameters with as many numbers of state as there are.
#[inline(always)]
fn each<T: Scalar>(
    slots: usize,
    values: &mut [T],
    gradients: &[T],
    [first, second, third]: [&mut [T]; SLOTS],
    updated: impl Fn(T, T, [T; SLOTS]) -> (T, [T; SLOTS]),
) {
    let zero = T::zero();
    let parameters = values.iter_mut().zip(gradients);
    match slots {
        0 => parameters.for_each(|(value, gradient)| (*value, _) = updated(*value, *gradient, [zero; SLOTS])),
        1 => {
            for ((value, gradient), a) in parameters.zip(first) {
                (*value, [*a, ..]) = updated(*value, *gradient, [*a, zero, zero]);
            }
        }
        2 => {
            for ((value, gradient), (a, b)) in parameters.zip(first.iter_mut().zip(second)) {
                (*value, [*a, *b, ..]) = updated(*value, *gradient, [*a, *b, zero]);
            }
        }
        _ => {
            for ((value, gradient), ((a, b), c)) in parameters.zip(first.iter_mut().zip(second).zip(third)) {
                (*value, [*a, *b, *c]) = updated(*value, *gradient, [*a, *b, *c]);
            }
        }
    }
}
