//! The optimizer's update from gradients that were stored, for those that something else must see first, as clipping by
//! global norm must: two tensors of parameters at a time, (R, I) and (R, J), or one.

use super::optimizer::{Hyper, SLOTS, Update, split_slots, state_slots};
use super::tail::flag;
use super::{Argument, Constant, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, Scratch, join, share, tasks, vectorized};
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("update", "iteration", "optimizer", "parameters");

/// Parameters that an invocation updates, about; software adapters gain from more work at a time.
const EACH: usize = 4;
/// Workgroups along x that every adapter allows.
const MOST_GROUPS: usize = 65_535;
/// Gradients that are scaled at a time, so that they stay in cache.
const PART: usize = 1 << 12;

/// A tensor of parameters with what its update reads and writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Updated {
    /// (R, len)
    pub value: TensorId,
    /// (R, len)
    pub gradient: TensorId,
    /// (R, S, len)
    pub state: TensorId,
    pub len: usize,
    /// Whether it is a weight; biases and parameters of norms may be left out of weight decay and L1.
    pub is_weight: bool,
}

/// What one step updates: a layer's weight and bias, or a norm's scales and shifts, which are one tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpdatedTensors {
    pub first: Updated,
    pub second: Option<Updated>,
}

impl UpdatedTensors {
    /// Those that there are.
    pub fn each(&self) -> impl Iterator<Item = Updated> + use<> {
        [self.first].into_iter().chain(self.second)
    }
}

/// The update of one or two tensors.
#[derive(Clone, Debug)]
pub(crate) struct UpdateStep {
    pub tensors: UpdatedTensors,
    /// (R): what gradients are multiplied by first, if anything.
    pub scale: Option<TensorId>,
    pub update: Update,
}

impl Operation for UpdateStep {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        self.update.constants().collect()
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let UpdatedTensors { first, second } = self.tensors;
        let decays = |tensor: Updated| tensor.is_weight || self.update.decay_biases;
        let [slots, clip_value, _] = self.update.params();
        vec![
            ("first_len", Param::Unsigned(first.len)),
            ("second_len", Param::Unsigned(second.map_or(0, |tensor| tensor.len))),
            ("scaled", flag(self.scale.is_some())),
            ("decay_first", flag(decays(first))),
            ("decay_second", flag(second.is_some_and(decays))),
            slots,
            clip_value,
        ]
    }

    fn arguments(&self) -> Vec<Argument> {
        let UpdatedTensors { first, second } = self.tensors;
        vec![
            ("first_gradient", Some(first.gradient)),
            ("second_gradient", second.map(|tensor| tensor.gradient)),
            ("scale", self.scale),
            ("first", Some(first.value)),
            ("second", second.map(|tensor| tensor.value)),
            ("first_state", Some(first.state)),
            ("second_state", second.map(|tensor| tensor.state)),
        ]
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        let total: usize = self.tensors.each().map(|tensor| tensor.len).sum();
        [total.div_ceil(EACH * module.value("UPDATE_GROUP") as usize).min(MOST_GROUPS), 1]
    }

    fn flops(&self) -> u64 {
        self.tensors.each().map(|tensor| 4 * tensor.len as u64).sum()
    }

    fn scratch(&self, _: usize) -> Scratch {
        Scratch::of(1, &[PART])
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, _: &Iteration, hyper: &Hyper) {
        for Updated { value, gradient, state, len, is_weight } in self.tensors.each() {
            let (mut values, mut states) = (memory.take(value), memory.take(state));
            let slots = state_slots(&mut states, len, &self.update);
            let part = Part { values: &mut values[..len], gradients: &memory.real(gradient)[..len], state: slots };
            let scale = self.scale.map(|id| memory.real(id)[0]);
            let hyper = self.update.hyper(hyper, !is_weight);
            self.update_part(memory, part, scale, &hyper, tasks(4 * len as u64));
            memory.put(value, values);
            memory.put(state, states);
        }
    }
}

/// Parameters, with all that their update reads and writes.
struct Part<'a, T> {
    values: &'a mut [T],
    gradients: &'a [T],
    state: [&'a mut [T]; SLOTS],
}

impl<T> Part<'_, T> {
    /// The first of them, at most `len`, and the others.
    fn split_at_most(self, len: usize) -> [Self; 2] {
        let at = len.min(self.values.len());
        let (values, other_values) = self.values.split_at_mut(at);
        let (gradients, other_gradients) = self.gradients.split_at(at);
        let (state, other_state) = split_slots(self.state, at);
        [
            Self { values, gradients, state },
            Self { values: other_values, gradients: other_gradients, state: other_state },
        ]
    }
}

impl UpdateStep {
    /// Updates parameters, in parallel, so many at a time.
    fn update_part<T: Compute>(
        &self,
        memory: &Memory<T>,
        part: Part<T>,
        scale: Option<T>,
        hyper: &Hyper,
        tasks: usize,
    ) {
        let len = part.values.len();
        if tasks > 1 && len > 1 {
            let [first, others] = part.split_at_most(share(len, 1, tasks));
            join(
                || self.update_part(memory, first, scale, hyper, tasks / 2),
                || self.update_part(memory, others, scale, hyper, tasks - tasks / 2),
            );
            return;
        }
        let Some(scale) = scale else {
            return vectorized(
                #[inline(always)]
                || self.update.apply(part.values, part.gradients, part.state, hyper),
            );
        };
        memory.with_scratch(len.min(PART), |scratch| {
            let mut rest = part;
            while !rest.values.is_empty() {
                let [next, others] = rest.split_at_most(PART);
                let scaled = &mut scratch[..next.values.len()];
                vectorized(
                    #[inline(always)]
                    || {
                        scaled.iter_mut().zip(next.gradients).for_each(|(to, gradient)| *to = *gradient * scale);
                        self.update.apply(next.values, scaled, next.state, hyper);
                    },
                );
                rest = others;
            }
        });
    }
}
