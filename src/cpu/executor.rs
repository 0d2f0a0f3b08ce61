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
    hypers: Vec<Hyper>,
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
        Ok(Self { plan, memory, kept: Default::default(), hypers: Vec::new(), finished: Vec::new() })
    }

    /// What it takes for a plan, and what the machine has.
    pub(crate) fn footprint(plan: &Plan) -> MemoryReport {
        let limits = MemoryLimits { available: available_memory(), ..MemoryLimits::default() };
        let report = plan.memory_report(plan.memory(tensor_bytes::<T>), limits);
        MemoryReport { scratch: scratch_bytes(plan), ..report }
    }

    /// One iteration of a program.
    fn run(&mut self, program: ProgramId, iteration: Iteration, weights: &[f64]) {
        // Metrics are read at once, so that one slot is enough.
        let iteration = Iteration { slot: 0, ..iteration };
        self.set_hypers(iteration, weights);
        for step in 0..self.plan.program(program).steps.len() {
            self.run_step(program, step, &iteration);
        }
        let Some(metrics) = self.plan.program(program).metrics else { return };
        let values = self.memory.real(metrics.tensor);
        let shape = &self.plan.tensor(metrics.tensor).shape;
        let shape = (metrics, [shape[0], shape[1], shape[2]]);
        slot_metrics(|at| values[at].value(), (iteration, weights), shape, &mut self.finished);
    }

    fn set_hypers(&mut self, iteration: Iteration, weights: &[f64]) {
        self.hypers.clear();
        self.hypers.extend(self.plan.hypers(iteration, weights));
    }

    fn run_step(&mut self, program: ProgramId, step: usize, iteration: &Iteration) {
        self.plan.program(program).steps[step].op.run(&mut self.memory, iteration, &self.hypers);
    }

    /// One step, so many times over.
    fn repeat(&mut self, program: ProgramId, step: usize, iteration: Iteration, times: usize) {
        in_pool(times, || {
            self.set_hypers(iteration, &[]);
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
        let replicas = self.plan.replicas.len();
        in_pool(iterations.len(), || {
            for (index, iteration) in iterations.iter().enumerate() {
                self.run(program, *iteration, own_weights(weights, index, replicas));
            }
        });
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
