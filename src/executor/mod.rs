//! The interface of both executors.

mod probe;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::plan::{Plan, Port, ProgramId};
use crate::schedule::Pace;
use crate::state::{NamedTensor, State};
use crate::tensor::{Iteration, Metrics, Role, TensorData, TensorId};

pub(crate) use probe::{Probe, copy_source};

/// The loss of one step of one replica, as it was before that step's update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepMetrics {
    /// Which step.
    pub iteration: Iteration,
    /// Which replica.
    pub replica: usize,
    /// Sum of the rows' losses, each times its weight.
    pub loss_sum: f64,
    /// Sum of the rows' weights; without weights, their number.
    pub weight: f64,
    /// Correct predictions among the rows.
    pub right: f64,
    /// The norm of all gradients before they were clipped, where clipping by global norm computes it.
    pub gradient_norm: Option<f64>,
}

impl StepMetrics {
    /// The batch's mean loss; 0 where no row counts.
    pub fn loss(&self) -> f32 {
        if self.weight == 0.0 { 0.0 } else { (self.loss_sum / self.weight) as f32 }
    }
}

/// What ran the plan, for every report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// `gpu` or `cpu`.
    pub device: Cow<'static, str>,
    /// The adapter's name; for the CPU, how many threads.
    pub adapter: String,
    /// `vulkan`, `metal`, `dx12`, or `ndarray` on the CPU.
    pub backend: String,
    /// Driver name and version; empty on the CPU.
    pub driver: String,
}

/// What measured a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The device's own, by timestamp queries.
    Device,
    /// The host's, from the submission to the answer.
    Host,
}

/// A measured time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The total.
    pub seconds: f64,
    /// By which clock.
    pub clock: Clock,
}

/// The kernel that runs a step on a GPU. Variants sum in different orders, so a run's bits depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelChoice {
    /// `layers.0 forward`
    pub step: String,
    /// The kernel family.
    pub kernel: Cow<'static, str>,
    /// Its variant.
    pub variant: Cow<'static, str>,
    /// Whether `wgrad tune` measured it for this shape; else it is the default by adapter and shape.
    pub tuned: bool,
}

/// The kernel that ran a step, as a checkpoint notes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KernelRecord {
    pub step: String,
    pub kernel: String,
    pub variant: String,
}

/// Of each program that ran.
pub(crate) type KernelRecords = BTreeMap<ProgramId, Vec<KernelRecord>>;

impl From<&KernelChoice> for KernelRecord {
    fn from(choice: &KernelChoice) -> Self {
        let KernelChoice { step, kernel, variant, .. } = choice;
        Self { step: step.clone(), kernel: kernel.to_string(), variant: variant.to_string() }
    }
}

/// A device that runs plans.
pub trait Executor: Send {
    /// The plan it was made for.
    fn plan(&self) -> &Plan;

    /// What runs it.
    fn info(&self) -> DeviceInfo;

    /// Bytes of the buffers that it has made for the plan: once a fit has begun, those that
    /// [`Device::memory`](crate::train::Device::memory) foretells in all.
    fn held_bytes(&self) -> u64;

    /// Bytes of scratch buffers that steps have borrowed so far, in addition.
    fn borrowed_bytes(&self) -> u64 {
        0
    }

    /// Writes elements of a tensor from `offset` on, behind all work submitted so far.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for data of another type or beyond the tensor's end, [`Error::Device`](crate::Error::Device).
    fn write(&mut self, id: TensorId, offset: usize, data: TensorData<'_>) -> Result<()>;

    /// An f32 or f16 tensor's numbers, after all work submitted so far.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn read(&mut self, id: TensorId) -> Result<Vec<f32>>;

    /// The tensors of some roles, by name, all f32: (R, ...).
    ///
    /// # Errors
    /// As [`Executor::read`].
    fn read_state(&mut self, wanted: fn(Role) -> bool) -> Result<State> {
        let ids: Vec<_> = self.plan().ids().filter(|id| wanted(self.plan().tensor(*id).role)).collect();
        let read = |id: TensorId| {
            let values = self.read(id)?;
            let tensor = self.plan().tensor(id);
            NamedTensor::new(&tensor.name, &tensor.shape, values)
        };
        State::from_tensors(ids.into_iter().map(read).collect::<Result<Vec<_>>>()?)
    }

    /// Writes tensors by name, (R, ...), and leaves the others as they are.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for a tensor that the plan does not have, or has in another shape, and as
    /// [`Executor::write`].
    fn write_state(&mut self, state: &State) -> Result<()> {
        state.iter().try_for_each(|tensor| {
            let id = self.plan().find_tensor(tensor.name());
            let shape = id.map(|id| self.plan().tensor(id).shape.as_slice());
            match id.filter(|_| shape == Some(tensor.shape())) {
                Some(id) => self.write(id, 0, TensorData::F32(tensor.values())),
                None => Err(tensor.misfit("take over state", shape)),
            }
        })
    }

    /// A u32 tensor's numbers, after all work submitted so far.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn read_words(&mut self, id: TensorId) -> Result<Vec<u32>>;

    /// Sets the fit's position, for the schedules of iterations submitted from now on.
    fn set_pace(&mut self, pace: Pace);

    /// Queues a program's steps for each of the iterations, in order. It does not wait for them to run, only for room
    /// in a full queue.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn submit(&mut self, program: ProgramId, iterations: &[Iteration]) -> Result<()> {
        self.submit_weighted(program, iterations, &[])
    }

    /// [`Executor::submit`] where samples or classes have weights: `weights` (steps, R) are the sums of the rows' weights
    /// in each iteration and replica, by which losses are divided; without any, all rows count 1.
    ///
    /// # Errors
    /// As there.
    fn submit_weighted(&mut self, program: ProgramId, iterations: &[Iteration], weights: &[f64]) -> Result<()>;

    /// Queues one step of a program.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn submit_step(&mut self, program: ProgramId, step: usize, iteration: Iteration) -> Result<()>;

    /// Runs one step of a program many times over, after all work submitted so far, and waits for it: for benchmarks. On
    /// a GPU that is one submission, so that what is timed is the step and not its submission.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn time_step(&mut self, program: ProgramId, step: usize, iteration: Iteration, times: usize) -> Result<Timing>;

    /// The kernels that run a program's steps, in order; none on the CPU.
    fn kernels(&self, _program: ProgramId) -> Vec<KernelChoice> {
        Vec::new()
    }

    /// Applies the program that predicts to rows (N, I), the plan's samples being f32 and its order that of the rows; their
    /// answers go to `into` (R, N, O).
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn predict(&mut self, rows: &[f32], into: &mut [f32]) -> Result<()> {
        let (plan, program) = (self.plan(), self.plan().program(ProgramId::Predict));
        let [samples, outputs] = [Port::Samples, Port::Outputs].map(|port| program.port(port));
        let (batch, inputs, replicas) = (program.batch, plan.tensor(samples).shape[1], plan.replicas);
        let width = plan.tensor(outputs).shape[2];
        let count = rows.len() / inputs;
        for (at, rows) in (0..count).step_by(batch).zip(rows.chunks(batch * inputs)) {
            let own = rows.len() / inputs;
            self.write(samples, 0, TensorData::F32(rows))?;
            self.submit(ProgramId::Predict, &[Iteration { rows: own as u32, first: 0, slot: 0, number: 1 }])?;
            let answers = self.read(outputs)?;
            for r in 0..replicas {
                let to = (r * count + at) * width;
                into[to..to + own * width].copy_from_slice(&answers[r * batch * width..][..own * width]);
            }
        }
        Ok(())
    }

    /// Metrics of iterations that have finished since the last call, in order; with `wait`, of all that were submitted.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn metrics(&mut self, wait: bool) -> Result<Vec<StepMetrics>>;

    /// Saves the current parameters on the device, in one of two places.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn keep_parameters(&mut self, generation: usize) -> Result<()>;

    /// Restores the parameters last saved there.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device).
    fn restore_parameters(&mut self, generation: usize) -> Result<()>;
}

/// The metrics of one iteration, read from its slot of a program's metrics (R, slots, blocks, 2), of which `live` blocks
/// hold rows. `weights` (R) are the sums of the rows' weights, or none.
pub(crate) fn slot_metrics(
    values: impl Fn(usize) -> f64,
    (iteration, weights): (Iteration, &[f64]),
    (metrics, [replicas, slots, pairs]): (Metrics, [usize; 3]),
    into: &mut Vec<StepMetrics>,
) {
    for replica in 0..replicas {
        let start = (replica * slots + iteration.slot as usize) * pairs * 2;
        let live = metrics.blocks(iteration.rows as usize);
        let gradient_norm = metrics.has_norm.then(|| values(start + 2 * (pairs - 1)));
        // Blocks without live rows hold what an earlier, longer batch left.
        let sum = |part: usize| (0..live).map(|block| values(start + 2 * block + part)).sum();
        let weight = weights.get(replica).copied().unwrap_or(f64::from(iteration.rows));
        into.push(StepMetrics { iteration, replica, loss_sum: sum(0), weight, right: sum(1), gradient_norm });
    }
}

/// The weights (R) of iteration `index`, of weights (steps, R) or none.
pub(crate) fn own_weights(weights: &[f64], index: usize, replicas: usize) -> &[f64] {
    if weights.is_empty() { weights } else { &weights[index * replicas..(index + 1) * replicas] }
}
