//! A plan's memory footprint, computed before anything is allocated.

use serde::Serialize;

use super::{Plan, ProgramId, Step};
use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::ops::Operation;
use crate::tensor::{Role, Tensor, TensorId};

/// Copies of the state that checkpoints may make at a time: one that is written, as tensors and as the file's bytes, one
/// that waits, and one that takes its place.
const STATE_COPIES: u64 = 4;

/// Bytes that an executor holds for a plan, from before the first step to the end, by purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// Weights, biases, the norms' scales and shifts.
    pub parameters: u64,
    /// Optimizer state.
    pub optimizer_state: u64,
    /// Running statistics of batch norms.
    pub statistics: u64,
    /// Outputs of layers and gradients, in training, evaluation and prediction.
    pub activations: u64,
    /// Stored gradients of parameters, if something needs them before the update.
    pub gradients: u64,
    /// Training samples, or the chunk that is on the device, with targets, weights and order.
    pub dataset: u64,
    /// The same for the chunk of an evaluation or a prediction.
    pub evaluation: u64,
    /// Losses and counts, and on a GPU the staging buffers for reading them.
    pub metrics: u64,
    /// The models of two earlier epochs, restored when a loss becomes non-finite.
    pub kept: u64,
    /// On a GPU, the kernels' uniforms and the small buffers bound where a step has no tensor.
    pub uniforms: u64,
}

impl MemoryUse {
    /// The total.
    pub fn total(&self) -> u64 {
        let Self { parameters, optimizer_state, statistics, activations, gradients, .. } = *self;
        let Self { dataset, evaluation, metrics, kept, uniforms, .. } = *self;
        let model = [parameters, optimizer_state, statistics, activations, gradients];
        let rest = [dataset, evaluation, metrics, kept, uniforms];
        // Shapes that no machine can hold are compared with the limits, not overflowed.
        model.into_iter().chain(rest).fold(0, u64::saturating_add)
    }
}

/// A device's limits, in bytes; none if there is no limit, or no way to query it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryLimits {
    /// Of a tensor that kernels see: wgpu's `max_storage_buffer_binding_size`.
    pub max_storage_binding: Option<u64>,
    /// Of any buffer: wgpu's `max_buffer_size`.
    pub max_buffer: Option<u64>,
    /// The machine's free memory, where the device's memory is the machine's.
    pub available: Option<u64>,
}

/// One tensor's size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TensorSize {
    /// Its name in the plan.
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// Its size in bytes.
    pub bytes: u64,
    /// What reduces it.
    pub way_out: Hint,
}

/// How much memory training needs, and how much is available: known before anything is allocated.
///
/// [`MemoryUse`] is exact; `scratch`, `transfer`, `host` and `checkpoint` are upper bounds of temporary memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryReport {
    /// Memory held from before the first step to the end.
    #[serde(flatten)]
    pub held: MemoryUse,
    /// The total of that.
    pub total: u64,
    /// Buffers that steps borrow, on the CPU.
    pub scratch: u64,
    /// Transfers to and from a GPU in flight.
    pub transfer: u64,
    /// The trainer's own copies of the weights in host memory: the initial ones, and those on their way to the device.
    pub host: u64,
    /// Copies of the state in host memory while a checkpoint is on its way to disk and the next one waits.
    pub checkpoint: u64,
    /// The largest tensor.
    pub largest: TensorSize,
    /// The device's limits.
    #[serde(flatten)]
    pub limits: MemoryLimits,
}

impl MemoryReport {
    /// The most memory in use at any time.
    pub fn peak(&self) -> u64 {
        let Self { total, scratch, transfer, host, checkpoint, .. } = *self;
        [total, scratch, transfer, host, checkpoint].into_iter().fold(0, u64::saturating_add)
    }

    /// The same for a fit that writes checkpoints.
    #[must_use]
    pub fn with_checkpoints(self) -> Self {
        let MemoryUse { parameters, optimizer_state, statistics, .. } = self.held;
        let state = parameters.saturating_add(optimizer_state).saturating_add(statistics);
        Self { checkpoint: state.saturating_mul(STATE_COPIES), ..self }
    }

    /// Whether it fits.
    ///
    /// # Errors
    /// [`Error::Limit`] that names the largest tensor, the required and the available bytes, and the remedy.
    pub fn check(&self) -> Result<()> {
        let TensorSize { name, shape, bytes, way_out } = &self.largest;
        let MemoryLimits { max_storage_binding, max_buffer, available } = self.limits;
        let bindings = [
            (max_storage_binding, "the adapter's max_storage_buffer_binding_size"),
            (max_buffer, "the adapter's max_buffer_size"),
        ];
        for (limit, name_of_limit) in bindings {
            if let Some(had) = limit.filter(|limit| bytes > limit) {
                let what = format!("tensor {name} {shape:?}");
                return Err(Error::too_large(what, [*bytes, had], name_of_limit, Hint::SmallerOrCpu));
            }
        }
        match available.filter(|available| self.peak() > *available) {
            None => Ok(()),
            Some(had) => {
                let what = format!("the run, of which tensor {name} {shape:?} is the largest with {bytes} bytes,");
                Err(Error::too_large(what, [self.peak(), had], "the machine's free memory", *way_out))
            }
        }
    }
}

impl Plan {
    /// The plan's tensors and the executor's two copies of the model, with `bytes` per tensor.
    pub(crate) fn memory(&self, bytes: impl Fn(&Tensor) -> u64) -> MemoryUse {
        let train = self.find(ProgramId::Train);
        let of_training = |id: TensorId| train.is_some_and(|train| train.ports.values().any(|port| *port == id));
        let mut own = MemoryUse::default();
        for id in self.ids() {
            let tensor = self.tensor(id);
            let held = bytes(tensor);
            let field = match tensor.role {
                Role::Parameter => &mut own.parameters,
                Role::OptimizerState => &mut own.optimizer_state,
                Role::Statistics => &mut own.statistics,
                Role::Gradient => &mut own.gradients,
                Role::Activation => &mut own.activations,
                Role::Metric => &mut own.metrics,
                Role::Input | Role::Target | Role::Order if of_training(id) => &mut own.dataset,
                Role::Input | Role::Target | Role::Order => &mut own.evaluation,
            };
            *field = field.saturating_add(held);
            if self.trains() && tensor.role.is_model() {
                own.kept = own.kept.saturating_add(held.saturating_mul(2));
            }
        }
        own
    }

    /// A report without scratch memory, with `bytes` per tensor.
    pub(crate) fn memory_report(
        &self,
        held: MemoryUse,
        bytes: impl Fn(&Tensor) -> u64,
        limits: MemoryLimits,
    ) -> MemoryReport {
        let largest = self.ids().max_by_key(|id| bytes(self.tensor(*id))).map(|id| {
            let tensor = self.tensor(id);
            let Tensor { name, shape, .. } = tensor.clone();
            TensorSize { name, shape, bytes: bytes(tensor), way_out: self.way_out(id) }
        });
        MemoryReport { held, total: held.total(), largest: largest.unwrap_or_default(), limits, ..Default::default() }
    }

    /// What reduces a tensor.
    fn way_out(&self, id: TensorId) -> Hint {
        let uses = |step: &Step| step.op.arguments().iter().any(|(_, own)| *own == Some(id));
        let trained = || self.find(ProgramId::Train).is_some_and(|train| train.steps.iter().any(uses));
        match self.tensor(id).role {
            Role::Parameter | Role::OptimizerState | Role::Gradient | Role::Statistics => Hint::Narrower,
            // Evaluation's batch is its own.
            Role::Activation if !trained() => Hint::Narrower,
            Role::Activation => Hint::Smaller,
            Role::Metric => Hint::SmallerBatch,
            Role::Input | Role::Target => Hint::FewerSamples,
            Role::Order => Hint::FewerSamplesOrReplicas,
        }
    }
}
