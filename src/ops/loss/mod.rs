//! Losses: the value, its gradient by the logits, and how many answers are right, in one pass over the batch's rows.
//! A new one is a file here, a word in the list below, and a shader of the same stem.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::softmax::{largest, shifted_exponentials};
use super::{Activation, Constant, Hyper, ModuleConstants, Operation, PLAIN, Param, Shader, Variant, shader};
use crate::cpu::Memory;
use crate::plan::{Iteration, TensorId};
use crate::scalar::Scalar;

/// What the targets of a dataset are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One class a sample, u32 (N).
    Classes,
    /// O numbers a sample, f32 (N, O).
    Values,
}

/// One row's target.
#[derive(Clone, Copy, Debug)]
enum Target<'a, T> {
    Class(usize),
    Values(&'a [T]),
}

impl<T: Scalar> Target<'_, T> {
    /// Target `o` of `outputs`: its value, or 1 for the class and 0 for the others; a single output takes the class.
    fn value(&self, o: usize, outputs: usize) -> T {
        match self {
            Self::Values(values) => values[o],
            Self::Class(class) if outputs == 1 => T::real(*class as f32),
            Self::Class(class) => T::real(f32::from(u8::from(*class == o))),
        }
    }
}

/// What a loss sees of one row.
struct Row<'a, T> {
    /// (O): logits, or what the output activation made of them.
    outputs: &'a [T],
    target: Target<'a, T>,
    /// The output layer's.
    activation: Activation,
    /// Rows that share in the batch's mean.
    rows: usize,
}

/// A loss over one row of outputs.
trait RowLoss {
    const SHADER: Shader;
    /// Stores the gradient of the batch's mean loss by the row's logits; gives the row's loss and whether it is right.
    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, bool);
}

macro_rules! losses {
    ($($module:ident: $name:ident),+ $(,)?) => {
        $(mod $module;)+

        /// What training minimizes, as the mean over the batch. Formulas and sources are in the file of each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Loss {
            $(#[doc = concat!("`", stringify!($module), "`")] $name,)+
        }

        impl Loss {
            /// Every loss, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name in specs and on the command line, and the shader's stem.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($module)),+ }
            }

            pub(crate) fn shader(self) -> &'static Shader {
                match self {
                    $(Self::$name => {
                        static SHADER: Shader = $module::$name::SHADER;
                        &SHADER
                    }),+
                }
            }

            fn row<T: Scalar>(self, row: &Row<'_, T>, gradient: &mut [T]) -> (T, bool) {
                match self { $(Self::$name => $module::$name::row(row, gradient)),+ }
            }
        }
    };
}

losses! {
    softmax_cross_entropy: SoftmaxCrossEntropy,
    binary_cross_entropy: BinaryCrossEntropy,
    mean_squared_error: MeanSquaredError,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A loss as a step of a plan.
#[derive(Clone, Debug)]
pub(crate) struct LossStep {
    pub loss: Loss,
    pub batch: usize,
    pub classes: usize,
    /// (R, B, O)
    pub outputs: TensorId,
    /// u32 (N) or f32 (N, O)
    pub targets: TensorId,
    pub target_kind: TargetKind,
    /// (R, N) or (N)
    pub order: TensorId,
    /// N, or 0 when all replicas share one order
    pub order_stride: usize,
    /// (R, B, O), of the loss by the logits
    pub gradient: TensorId,
    /// (R, slots, blocks, 2): loss sum and right answers of each block of rows
    pub metrics: TensorId,
    pub slots: usize,
    /// The output layer's.
    pub activation: Activation,
}

/// Rows that one workgroup sums the metrics of; WGSL's `ROW_GROUP`, which a test compares with it.
pub(crate) const METRIC_ROWS: usize = 64;

impl LossStep {
    /// Blocks of rows that a batch's metrics come in.
    pub fn blocks(batch: usize) -> usize {
        batch.div_ceil(METRIC_ROWS)
    }
}

impl Operation for LossStep {
    fn shader(&self) -> &'static Shader {
        self.loss.shader()
    }

    fn variants(&self) -> &'static [Variant] {
        PLAIN
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        let targets = match self.target_kind {
            TargetKind::Classes => "CLASSES",
            TargetKind::Values => "VALUES",
        };
        let mut constants = vec![("ACTIVATION", Constant::named(self.activation.name()))];
        if self.loss != Loss::SoftmaxCrossEntropy {
            constants.push(("TARGETS", Constant::named(targets)));
        }
        constants
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("batch", Param::Unsigned(self.batch)),
            ("outputs", Param::Unsigned(self.classes)),
            ("order_stride", Param::Unsigned(self.order_stride)),
            ("slots", Param::Unsigned(self.slots)),
            ("blocks", Param::Unsigned(Self::blocks(self.batch))),
        ]
    }

    fn arguments(&self) -> Vec<(&'static str, TensorId)> {
        vec![
            ("outputs", self.outputs),
            ("targets", self.targets),
            ("order", self.order),
            ("gradient", self.gradient),
            ("metrics", self.metrics),
        ]
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        [Self::blocks(self.batch), 1]
    }

    fn flops(&self) -> u64 {
        6 * (self.batch * self.classes) as u64
    }

    fn run<T: Scalar>(&self, memory: &mut Memory<T>, iteration: &Iteration, _: &[Hyper]) {
        let mut gradient = memory.take(self.gradient);
        let mut metrics = memory.take(self.metrics);
        let blocks = Self::blocks(self.batch);
        let replicas = gradient.chunks_mut(self.batch * self.classes);
        for (r, (gradient, metrics)) in replicas.zip(metrics.chunks_mut(self.slots * blocks * 2)).enumerate() {
            let slot = &mut metrics[iteration.slot as usize * blocks * 2..][..blocks * 2];
            let live = &mut gradient[..iteration.rows as usize * self.classes];
            let blocks = live.par_chunks_mut(METRIC_ROWS * self.classes).zip(slot.par_chunks_mut(2)).enumerate();
            blocks.for_each(|(block, (gradient, metrics))| {
                self.block(memory, iteration, r, block * METRIC_ROWS, gradient, metrics);
            });
        }
        memory.put(self.gradient, gradient);
        memory.put(self.metrics, metrics);
    }
}

impl LossStep {
    /// The rows of one block: their gradients, and the sums of their metrics.
    fn block<T: Scalar>(
        &self,
        memory: &Memory<T>,
        iteration: &Iteration,
        r: usize,
        first: usize,
        gradient: &mut [T],
        metrics: &mut [T],
    ) {
        let order = &memory.words(self.order)[r * self.order_stride + iteration.first as usize + first..];
        let outputs = &memory.real(self.outputs)[(r * self.batch + first) * self.classes..];
        let rows = gradient.chunks_mut(self.classes).zip(outputs.chunks(self.classes)).zip(order);
        let mut right_answers = 0;
        let losses = rows.map(|((gradient, outputs), n)| {
            let target = self.target(memory, *n as usize);
            let row = Row { outputs, target, activation: self.activation, rows: iteration.rows as usize };
            let (loss, right) = self.loss.row(&row, gradient);
            right_answers += u16::from(right);
            loss
        });
        metrics[0] = T::sum(losses);
        metrics[1] = T::real(f32::from(right_answers));
    }

    fn target<'a, T: Scalar>(&self, memory: &'a Memory<T>, n: usize) -> Target<'a, T> {
        match self.target_kind {
            TargetKind::Classes => Target::Class(memory.words(self.targets)[n] as usize),
            TargetKind::Values => Target::Values(&memory.real(self.targets)[n * self.classes..][..self.classes]),
        }
    }
}
