use std::ops::Range;
use std::time::Instant;

use super::memory::{Memory, tensor_bytes};
use super::pool::in_pool;
use super::scratch::scratch_bytes;
use crate::error::Result;
use crate::executor::{Clock, DeviceInfo, Executor, StepMetrics, TensorData, Timing, own_weights, slot_metrics};
use crate::ops::{Hyper, Operation};
use crate::plan::{Iteration, MemoryLimits, MemoryReport, Plan, ProgramId, TensorId};
use crate::scalar::Scalar;
use crate::spec::Pace;

/// Runs a plan on host memory.
#[derive(Debug)]
pub struct CpuExecutor<T: Scalar = f32> {
    plan: Plan,
    memory: Memory<T>,
    kept: [Vec<(TensorId, Vec<T>)>; 2],
    /// Of the iterations of a submission, each (R).
    hypers: Vec<Hyper>,
    /// Losses of a submission's iterations, each (R, pairs, 2).
    losses: Vec<T>,
    finished: Vec<StepMetrics>,
}

impl<T: Scalar> CpuExecutor<T> {
    /// Room for all of the plan's tensors, zeroed.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) if the machine has less free memory than the plan needs.
    pub fn new(plan: Plan) -> Result<Self> {
        Self::footprint(&plan).check()?;
        let memory = Memory::new(&plan);
        Ok(Self {
            plan,
            memory,
            kept: Default::default(),
            hypers: Vec::new(),
            losses: Vec::new(),
            finished: Vec::new(),
        })
    }

    /// What it takes for a plan, and what the machine has.
    pub(crate) fn footprint(plan: &Plan) -> MemoryReport {
        let limits = MemoryLimits { available: available_memory(), ..MemoryLimits::default() };
        let report = plan.memory_report(plan.memory(tensor_bytes::<T>), tensor_bytes::<T>, limits);
        MemoryReport { scratch: scratch_bytes(plan), ..report }
    }

    /// Iterations of a program with their weights, (steps, R) or none: of all replicas together or of some after others,
    /// so that what they train stays in cache from step to step.
    fn run(&mut self, program: ProgramId, iterations: &[Iteration], weights: &[f64]) {
        let replicas = self.plan.replicas.len();
        let pairs = self.plan.program(program).metrics.map_or(0, |metrics| self.plan.tensor(metrics.tensor).shape[2]);
        self.hypers.clear();
        for (index, iteration) in iterations.iter().enumerate() {
            self.hypers.extend(self.plan.hypers(*iteration, own_weights(weights, index, replicas)));
        }
        self.losses.clear();
        self.losses.resize(iterations.len() * replicas * pairs * 2, T::zero());
        let together = replicas_together(&self.plan);
        for first in (0..replicas).step_by(together) {
            let group = first..replicas.min(first + together);
            self.memory.look_at((together < replicas).then(|| group.clone()));
            for (index, iteration) in iterations.iter().enumerate() {
                // Losses are read at once, so that one slot is enough.
                let iteration = Iteration { slot: 0, ..*iteration };
                let own = index * replicas + group.start..index * replicas + group.end;
                for step in &self.plan.program(program).steps {
                    step.op.run(&mut self.memory, &iteration, &self.hypers[own.clone()]);
                }
                self.read_losses(program, pairs, own);
            }
        }
        self.memory.look_at(None);
        let Some(metrics) = self.plan.program(program).metrics else { return };
        for (index, iteration) in iterations.iter().enumerate() {
            let iteration = Iteration { slot: 0, ..*iteration };
            let losses = &self.losses[index * replicas * pairs * 2..];
            let own = (iteration, own_weights(weights, index, replicas));
            slot_metrics(|at| losses[at].value(), own, (metrics, [replicas, 1, pairs]), &mut self.finished);
        }
    }

    /// Keeps the losses of the replicas in sight, which are `own` of (steps, R).
    fn read_losses(&mut self, program: ProgramId, pairs: usize, own: Range<usize>) {
        let Some(metrics) = self.plan.program(program).metrics else { return };
        let slots = self.plan.tensor(metrics.tensor).shape[1];
        let from = self.memory.real(metrics.tensor).chunks(slots * pairs * 2);
        let to = self.losses[own.start * pairs * 2..own.end * pairs * 2].chunks_mut(pairs * 2);
        to.zip(from).for_each(|(to, from)| to.copy_from_slice(&from[..pairs * 2]));
    }

    fn run_step(&mut self, program: ProgramId, step: usize, iteration: &Iteration) {
        self.plan.program(program).steps[step].op.run(&mut self.memory, iteration, &self.hypers);
    }

    /// One step, so many times over.
    fn repeat(&mut self, program: ProgramId, step: usize, iteration: Iteration, times: usize) {
        self.hypers.clear();
        self.hypers.extend(self.plan.hypers(iteration, &[]));
        in_pool(times, || {
            (0..times).for_each(|_| self.run_step(program, step, &iteration));
        });
    }

    /// The tensors, for checks.
    pub(crate) fn memory(&self) -> &Memory<T> {
        &self.memory
    }

    /// The tensors, for tests that perturb them.
    #[cfg(test)]
    pub(crate) fn memory_mut(&mut self) -> &mut Memory<T> {
        &mut self.memory
    }
}

impl<T: Scalar> Executor for CpuExecutor<T> {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn info(&self) -> DeviceInfo {
        info()
    }

    fn held_bytes(&self) -> u64 {
        let kept = self.kept.iter().flatten().map(|(_, values)| (values.capacity() * size_of::<T>()) as u64);
        self.memory.held()[0] + kept.sum::<u64>()
    }

    fn borrowed_bytes(&self) -> u64 {
        self.memory.held()[1]
    }

    fn write(&mut self, id: TensorId, offset: usize, data: TensorData<'_>) -> Result<()> {
        data.check(&self.plan, id, offset)?;
        self.memory.write(id, offset, data);
        Ok(())
    }

    fn read(&mut self, id: TensorId) -> Result<Vec<f32>> {
        Ok(self.memory.real(id).iter().map(|value| value.value() as f32).collect())
    }

    fn read_words(&mut self, id: TensorId) -> Result<Vec<u32>> {
        Ok(self.memory.words(id).to_vec())
    }

    fn submit_weighted(&mut self, program: ProgramId, iterations: &[Iteration], weights: &[f64]) -> Result<()> {
        in_pool(iterations.len(), || self.run(program, iterations, weights));
        Ok(())
    }

    fn set_pace(&mut self, pace: Pace) {
        self.plan.pace = pace;
    }

    fn submit_step(&mut self, program: ProgramId, step: usize, iteration: Iteration) -> Result<()> {
        self.repeat(program, step, iteration, 1);
        Ok(())
    }

    fn time_step(&mut self, program: ProgramId, step: usize, iteration: Iteration, times: usize) -> Result<Timing> {
        let started = Instant::now();
        self.repeat(program, step, iteration, times);
        Ok(Timing { seconds: started.elapsed().as_secs_f64(), clock: Clock::Host })
    }

    fn metrics(&mut self, _wait: bool) -> Result<Vec<StepMetrics>> {
        Ok(std::mem::take(&mut self.finished))
    }

    fn keep_parameters(&mut self, generation: usize) -> Result<()> {
        let parameters = self.plan.ids().filter(|id| self.plan.tensor(*id).role.is_model());
        let kept = &mut self.kept[generation];
        if kept.is_empty() {
            kept.extend(parameters.map(|id| (id, Vec::new())));
        }
        for (id, values) in kept {
            values.clear();
            values.reserve_exact(self.memory.real(*id).len());
            values.extend_from_slice(self.memory.real(*id));
        }
        Ok(())
    }

    fn restore_parameters(&mut self, generation: usize) -> Result<()> {
        for (id, values) in &self.kept[generation] {
            self.memory.real_mut(*id).copy_from_slice(values);
        }
        Ok(())
    }
}

/// Bytes of trained numbers and optimizer state that a thread's cache holds beside other things.
const CACHED_BYTES: usize = 512 << 10;

/// How many replicas go through a submission together: as many as the threads' caches hold, at least one for each thread.
fn replicas_together(plan: &Plan) -> usize {
    let (replicas, threads) = (plan.replicas.len(), rayon::current_num_threads());
    let state = plan.tensors.iter().filter(|tensor| tensor.role.is_state());
    let bytes = state.map(|tensor| plan.share_of_a_replica(tensor) * size_of::<f32>()).sum::<usize>();
    let each = (CACHED_BYTES / bytes.max(1)).max(1);
    each.saturating_mul(threads).min(replicas)
}

/// For reports.
pub(crate) fn info() -> DeviceInfo {
    let adapter = format!("{} threads", rayon::current_num_threads());
    DeviceInfo { device: "cpu", adapter, backend: "ndarray".to_owned(), driver: String::new() }
}

/// Bytes that the machine can still give out. Where the system does not say, the allocator decides.
pub(crate) fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024)
}
