use super::scratch::scratch_bytes;
use crate::error::Result;
use crate::executor::{Clock, DeviceInfo, Executor, StepMetrics, Timing, own_weights, slot_metrics};
use crate::host::{Compute, GROUP, Layout, Memory, Own, Shared, side_by_side, tensor_bytes, within};
use crate::ops::{Hyper, Op, Operation};
use crate::plan::{MemoryLimits, MemoryReport, Plan, Port, ProgramId};
use crate::platform::{available_memory, now};
use crate::schedule::Pace;
use crate::tensor::TensorData;
use crate::tensor::{Iteration, Metrics, TensorId};

/// Runs a plan on host memory.
#[derive(Debug)]
pub struct CpuExecutor<T: Compute = f32> {
    plan: Plan,
    shared: Shared<T>,
    replicas: Vec<Replica<T>>,
    /// Of the iterations of a submission, each (R).
    hypers: Vec<Hyper>,
    finished: Vec<StepMetrics>,
}

/// A replica, which knows nothing of the others.
#[derive(Debug)]
struct Replica<T> {
    own: Own<T>,
    kept: [Vec<(TensorId, Vec<T>)>; 2],
    /// Losses of a submission's iterations, each (pairs, 2).
    losses: Vec<T>,
}

impl<T: Compute> CpuExecutor<T> {
    /// Room for all of the plan's tensors, zeroed.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) if the machine has less free memory than the plan needs.
    pub fn new(plan: Plan) -> Result<Self> {
        Self::footprint(&plan).check()?;
        let layout = layout::<T>(&plan);
        let replica =
            |_| Replica { own: Own::new(&plan.tensors, &layout), kept: Default::default(), losses: Vec::new() };
        let replicas = (0..layout.lanes.unwrap_or(plan.replicas)).map(replica).collect();
        Ok(Self {
            shared: Shared::new(&plan.tensors, &layout),
            replicas,
            plan,
            hypers: Vec::new(),
            finished: Vec::new(),
        })
    }

    /// The memory that a plan needs, and what the machine has.
    pub(crate) fn footprint(plan: &Plan) -> MemoryReport {
        let limits = MemoryLimits { available: available_memory(), ..MemoryLimits::default() };
        let mut held = plan.memory(tensor_bytes::<T>);
        held.activations = held.activations.saturating_mul(layout::<T>(plan).lanes.unwrap_or(1) as u64);
        let report = plan.memory_report(held, tensor_bytes::<T>, limits);
        MemoryReport { scratch: scratch_bytes(plan), ..report }
    }

    /// Iterations of a program with their weights, (steps, R) or none. Each replica goes through all of them by itself, so
    /// that what it trains stays in cache from step to step.
    fn run(&mut self, program: ProgramId, iterations: &[Iteration], weights: &[f64]) {
        self.prepare(iterations, weights);
        let replicas = self.plan.replicas;
        let Self { plan, shared, replicas: all, hypers, .. } = self;
        let program = plan.program(program);
        let row = |metrics: Metrics| plan.tensor(metrics.tensor).shape[2] * 2;
        side_by_side(all, iterations.len(), &|r, Replica { own, losses, .. }| {
            let mut memory = Memory::new(own, shared);
            losses.clear();
            for (index, iteration) in iterations.iter().enumerate() {
                // Losses are read at once, so that one slot is enough.
                let iteration = Iteration { slot: 0, ..*iteration };
                let hyper = &hypers[index * replicas + r];
                program.steps.iter().for_each(|step| step.op.run(&mut memory, &iteration, hyper));
                if let Some(metrics) = program.metrics {
                    losses.extend_from_slice(&memory.real(metrics.tensor)[..row(metrics)]);
                }
            }
        });
        let Some(metrics) = program.metrics else { return };
        let (row, pairs) = (row(metrics), row(metrics) / 2);
        for (index, iteration) in iterations.iter().enumerate() {
            let iteration = Iteration { slot: 0, ..*iteration };
            let loss = |at: usize| all[at / row].losses[index * row + at % row].value();
            let own = (iteration, own_weights(weights, index, replicas));
            slot_metrics(loss, own, (metrics, [replicas, 1, pairs]), &mut self.finished);
        }
    }

    /// The hyper-parameters of iterations, (steps, R).
    fn prepare(&mut self, iterations: &[Iteration], weights: &[f64]) {
        let replicas = self.plan.replicas;
        self.hypers.clear();
        for (index, iteration) in iterations.iter().enumerate() {
            self.hypers.extend(self.plan.hypers(*iteration, own_weights(weights, index, replicas)));
        }
    }

    /// Floating-point operations of so many rows below which the caller's thread does the work itself, rather than wake the
    /// pool: about 0.1 ms on one core. An estimate from the rate of products.
    const SMALL: u64 = 6_000_000;

    /// Applies the program that predicts to rows (N, I) that lie with the caller; their answers go to `into` (R, N, O). Each
    /// lane takes some of the rows.
    fn apply(&mut self, rows: &[T], into: &mut [f32]) {
        let program = self.plan.program(ProgramId::Predict);
        let [samples, outputs] = [Port::Samples, Port::Outputs].map(|port| program.port(port));
        let inputs = self.plan.tensor(samples).shape[1];
        let count = rows.len() / inputs;
        let flops = program.steps.iter().map(|step| step.op.flops()).sum::<u64>() / program.batch as u64 * count as u64;
        let width = into.len() / count / self.plan.replicas;
        let lanes = self.replicas.len() / self.plan.replicas;
        let part = if flops < Self::SMALL { count } else { count.div_ceil(lanes).next_multiple_of(GROUP).min(count) };
        // Of each replica all rows, or of each lane its part.
        let parts = rows.chunks(part * inputs).cycle().zip(into.chunks_mut(part * width));
        let mut work: Vec<_> = self.replicas.iter_mut().zip(parts).collect();
        let shared = &self.shared;
        let run = |_: usize, (replica, (rows, into)): &mut (&mut Replica<T>, (&[T], &mut [f32]))| {
            let mut memory = Memory::new(&mut replica.own, shared);
            let batches = rows.chunks(program.batch * inputs).zip(into.chunks_mut(program.batch * width));
            for (rows, into) in batches {
                memory.lend(samples, rows);
                let iteration = Iteration { rows: (rows.len() / inputs) as u32, first: 0, slot: 0, number: 1 };
                let hyper = Hyper::neutral(&iteration);
                program.steps.iter().for_each(|step| step.op.run(&mut memory, &iteration, &hyper));
                into.iter_mut().zip(memory.real(outputs)).for_each(|(to, value)| *to = value.value() as f32);
            }
        };
        match work.as_mut_slice() {
            [own] if flops < Self::SMALL => within(1, || run(0, own)),
            all => side_by_side(all, part.div_ceil(program.batch), &run),
        }
    }

    /// One step, so many times over.
    fn repeat(&mut self, program: ProgramId, step: usize, iteration: Iteration, times: usize) {
        self.prepare(&[iteration], &[]);
        let op = &self.plan.program(program).steps[step].op;
        side_by_side(&mut self.replicas, times, &|r, replica| {
            let mut memory = Memory::new(&mut replica.own, &self.shared);
            (0..times).for_each(|_| op.run(&mut memory, &iteration, &self.hypers[r]));
        });
    }

    /// The numbers of an f32 or f16 tensor, replica after replica.
    pub(crate) fn numbers(&self, id: TensorId) -> Vec<T> {
        let own = self.replicas.iter().map(|replica| replica.own.real(id));
        own.fold(self.shared.numbers(id).into_owned(), |mut all, own| {
            all.extend_from_slice(own);
            all
        })
    }

    /// The numbers of a u32 tensor, replica after replica.
    pub(crate) fn words(&self, id: TensorId) -> Vec<u32> {
        let own = self.replicas.iter().flat_map(|replica| replica.own.words(id));
        self.shared.words(id).iter().chain(own).copied().collect()
    }

    /// Leaves out no columns of samples, for tests that compare.
    #[cfg(test)]
    pub(crate) fn keep_all_columns(&mut self) {
        self.shared.keep_all_columns();
    }

    /// Whether a step has left out columns of samples.
    #[cfg(test)]
    pub(crate) fn leaves_out_columns(&self) -> bool {
        self.shared.leaves_out_columns()
    }

    /// A number of an f32 or f16 tensor, for tests that perturb it.
    #[cfg(test)]
    pub(crate) fn number_mut(&mut self, id: TensorId, at: usize) -> &mut T {
        let share = self.replicas[0].own.len(id);
        &mut self.replicas[at / share].own.real_mut(id)[at % share]
    }
}

impl<T: Compute> Executor for CpuExecutor<T> {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn info(&self) -> DeviceInfo {
        info()
    }

    fn held_bytes(&self) -> u64 {
        let replicas = self.replicas.iter().map(|replica| {
            let kept = replica.kept.iter().flatten().map(|(_, values)| (values.capacity() * size_of::<T>()) as u64);
            replica.own.held() + kept.sum::<u64>()
        });
        self.shared.held()[0] + replicas.sum::<u64>()
    }

    fn borrowed_bytes(&self) -> u64 {
        self.shared.held()[1]
    }

    fn write(&mut self, id: TensorId, offset: usize, data: TensorData<'_>) -> Result<()> {
        data.check(self.plan.tensor(id), offset)?;
        if self.shared.has(id) {
            self.shared.write(id, offset, data);
            return Ok(());
        }
        let mut written = 0;
        for (r, replica) in self.replicas.iter_mut().enumerate() {
            let share = replica.own.len(id);
            let end = ((r + 1) * share).min(offset + data.len());
            let start = offset + written;
            if start < end {
                replica.own.write(id, start - r * share, data.slice(written..written + end - start));
                written += end - start;
            }
        }
        Ok(())
    }

    fn read(&mut self, id: TensorId) -> Result<Vec<f32>> {
        Ok(self.numbers(id).iter().map(|value| value.value() as f32).collect())
    }

    fn read_words(&mut self, id: TensorId) -> Result<Vec<u32>> {
        Ok(self.words(id))
    }

    fn submit_weighted(&mut self, program: ProgramId, iterations: &[Iteration], weights: &[f64]) -> Result<()> {
        self.run(program, iterations, weights);
        Ok(())
    }

    fn set_pace(&mut self, pace: Pace) {
        self.plan.set_pace(pace);
    }

    fn submit_step(&mut self, program: ProgramId, step: usize, iteration: Iteration) -> Result<()> {
        self.repeat(program, step, iteration, 1);
        Ok(())
    }

    fn time_step(&mut self, program: ProgramId, step: usize, iteration: Iteration, times: usize) -> Result<Timing> {
        let started = now();
        self.repeat(program, step, iteration, times);
        Ok(Timing { seconds: started.elapsed().as_secs_f64(), clock: Clock::Host })
    }

    fn predict(&mut self, rows: &[f32], into: &mut [f32]) -> Result<()> {
        if !rows.is_empty() {
            self.apply(&T::reals(rows), into);
        }
        Ok(())
    }

    fn metrics(&mut self, _wait: bool) -> Result<Vec<StepMetrics>> {
        Ok(std::mem::take(&mut self.finished))
    }

    fn keep_parameters(&mut self, generation: usize) -> Result<()> {
        for Replica { own, kept, .. } in &mut self.replicas {
            let kept = &mut kept[generation];
            if kept.is_empty() {
                let parameters = self.plan.ids().filter(|id| self.plan.tensor(*id).role.is_model());
                kept.extend(parameters.map(|id| (id, Vec::new())));
            }
            for (id, values) in kept {
                values.clear();
                values.reserve_exact(own.len(*id));
                values.extend_from_slice(own.real(*id));
            }
        }
        Ok(())
    }

    fn restore_parameters(&mut self, generation: usize) -> Result<()> {
        for Replica { own, kept, .. } in &mut self.replicas {
            kept[generation].iter().for_each(|(id, values)| own.real_mut(*id).copy_from_slice(values));
        }
        Ok(())
    }
}

/// Where its tensors lie. A predictor's rows are shared out among the threads.
fn layout<T: Compute>(plan: &Plan) -> Layout {
    let predicts = plan.replicas == 1 && plan.programs.keys().eq(&[ProgramId::Predict]);
    let steps = plan.programs.values().flat_map(|program| &program.steps);
    let weights = steps.filter_map(|step| match &step.op {
        Op::DenseForward(op) if predicts && T::SQUEEZES => Some(op.layer.weight),
        _ => None,
    });
    let in_panels = weights.collect();
    let lanes = predicts.then(rayon::current_num_threads);
    Layout { replicas: plan.replicas, lanes, in_panels, squeezes: T::SQUEEZES }
}

/// For reports.
pub(crate) fn info() -> DeviceInfo {
    let adapter = format!("{} threads", rayon::current_num_threads());
    DeviceInfo { device: "cpu".into(), adapter, backend: "ndarray".to_owned(), driver: String::new() }
}
