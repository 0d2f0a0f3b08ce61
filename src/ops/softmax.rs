//! `probabilities = exp(z - max z) / sum exp(z - max z)` over each row of logits z; shapes (R, B, O). Subtracting the
//! largest logit keeps the exponentials from overflowing (Goodfellow et al., "Deep Learning", section 4.1).

use super::{Argument, Hyper, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, vectorized};
use crate::scalar::Scalar;
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("softmax", "iteration");

/// Probabilities from logits, for predictions.
#[derive(Clone, Debug)]
pub(crate) struct Softmax {
    pub batch: usize,
    pub outputs: usize,
    /// (R, B, O)
    pub logits: TensorId,
    /// (R, B, O)
    pub probabilities: TensorId,
}

impl Operation for Softmax {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![("batch", Param::Unsigned(self.batch)), ("outputs", Param::Unsigned(self.outputs))]
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![("logits", Some(self.logits)), ("probabilities", Some(self.probabilities))]
    }

    fn grid(&self, _: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
        [self.batch.div_ceil(module.value("ROW_GROUP") as usize), 1]
    }

    fn flops(&self) -> u64 {
        4 * (self.batch * self.outputs) as u64
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &Hyper) {
        let mut probabilities = memory.take(self.probabilities);
        let live = ..iteration.rows as usize * self.outputs;
        shifted_exponentials(&memory.real(self.logits)[live], self.outputs, &mut probabilities[live]);
        for row in probabilities[live].chunks_mut(self.outputs) {
            let total = T::sum(row.iter().copied());
            row.iter_mut().for_each(|p| *p = *p / total);
        }
        memory.put(self.probabilities, probabilities);
    }
}

/// Stores exp(z - max z) of each logit z of rows of `outputs`: of all rows together, which are short.
pub(super) fn shifted_exponentials<T: Scalar>(logits: &[T], outputs: usize, exponentials: &mut [T]) {
    for (row, out) in logits.chunks(outputs).zip(exponentials.chunks_mut(outputs)) {
        let (_, most) = first_largest(row);
        out.iter_mut().zip(row).for_each(|(e, z)| *e = *z - most);
    }
    vectorized(
        #[inline(always)]
        || exponentials.iter_mut().for_each(|e| *e = e.exp()),
    );
}

/// The index of the first largest number of a row.
pub(super) fn largest<T: Scalar>(row: &[T]) -> usize {
    first_largest(row).0
}

/// The first largest number of a row, which has one, and its index: both are carried along, so that the compiler chooses
/// without branches, which no processor could foresee.
fn first_largest<T: Scalar>(row: &[T]) -> (usize, T) {
    let larger = |(best, most): (usize, T), (o, value): (usize, &T)| match *value > most {
        true => (o, *value),
        false => (best, most),
    };
    row.iter().enumerate().skip(1).fold((0, row[0]), larger)
}
