use std::collections::BTreeMap;

use super::Gpu;
use super::clock::time_pass;
use super::dispatch::Dispatch;
use super::footprint::{at_once, iteration_bound, iterations_bytes, padded, stand_ins, stride};
use super::pipelines::{Choice, Pipelines};
use super::queue::Flight;
use super::upload::Uploads;
use crate::error::{Error, Result};
use crate::executor::{DeviceInfo, Executor, KernelChoice, StepMetrics, Timing, own_weights, slot_metrics};
use crate::plan::{Plan, ProgramId, Step};
use crate::platform::wait;
use crate::scalar::binary16;
use crate::schedule::Pace;
use crate::tensor::TensorData;
use crate::tensor::{Element, Iteration, TensorId};

/// Runs a plan on a GPU. Pipelines, buffers and bind groups are made when it is made, none later but those of metrics,
/// which no training run needs.
pub struct GpuExecutor {
    gpu: Gpu,
    plan: Plan,
    /// Of the plan's tensors, then the stand-ins for those that steps lack.
    buffers: Vec<wgpu::Buffer>,
    kept: [Vec<(TensorId, wgpu::Buffer)>; 2],
    programs: BTreeMap<ProgramId, Vec<Dispatch>>,
    iteration_layout: wgpu::BindGroupLayout,
    iterations: wgpu::Buffer,
    iteration_group: wgpu::BindGroup,
    stride: u64,
    staged: Vec<u8>,
    flights: BTreeMap<ProgramId, Flight>,
    uploads: Uploads,
}

impl GpuExecutor {
    /// Compiles a plan for an open device.
    ///
    /// # Errors
    /// [`Error::Limit`] if a tensor is too large for the device, before anything is allocated; [`Error::Device`].
    pub fn new(gpu: Gpu, plan: Plan) -> Result<Self> {
        Self::with_choice(gpu, plan, Choice::Automatic)
    }

    /// As [`GpuExecutor::new`], with the kernels' variants chosen.
    pub(crate) fn with_choice(gpu: Gpu, plan: Plan, choice: Choice) -> Result<Self> {
        gpu.check_precision(&plan)?;
        Self::footprint(&gpu, &plan).check()?;
        guarded(&gpu.clone(), || Self::build(gpu, plan, choice))
    }

    fn build(gpu: Gpu, plan: Plan, choice: Choice) -> Result<Self> {
        let tensors = plan.tensors.iter().map(|t| storage(&gpu, &t.name, t.bytes()));
        let stand_ins = (0..stand_ins(&plan)).map(|_| storage(&gpu, "stand-in", 0));
        let buffers: Vec<_> = tensors.chain(stand_ins).collect();
        let parameters: Vec<_> = plan.ids().filter(|id| plan.trains() && plan.tensor(*id).role.is_model()).collect();
        let keep = || parameters.iter().map(|id| (*id, storage(&gpu, "kept", plan.tensor(*id).bytes()))).collect();
        let kept = [keep(), keep()];
        let (stride, bound) = (stride(&plan), iteration_bound());
        let iterations = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("iterations"),
            size: iterations_bytes(&plan),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let layout = iteration_layout(&gpu, bound);
        let iteration_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("iteration"),
            layout: &layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &iterations,
                    offset: 0,
                    size: wgpu::BufferSize::new(bound),
                }),
            }],
        });
        let mut pipelines = Pipelines::new(&gpu, &layout);
        let (mut programs, mut flights) = (BTreeMap::new(), BTreeMap::new());
        for (id, program) in at_once(&plan) {
            let steps = program.steps.iter().enumerate();
            let made = steps.map(|(index, step)| {
                Dispatch::new(&gpu, &mut pipelines, (&plan, &buffers), step, choice.named(id, index))
            });
            programs.insert(id, made.collect::<Result<Vec<_>>>()?);
            flights.insert(id, Flight::for_metrics(&gpu, &plan, program));
        }
        let staged = Vec::new();
        let iteration_layout = layout;
        Ok(Self {
            gpu,
            plan,
            buffers,
            kept,
            programs,
            iteration_layout,
            iterations,
            iteration_group,
            stride,
            staged,
            flights,
            uploads: Uploads::default(),
        })
    }

    /// Makes what a program needs beyond the one that it extends, the first time that it is asked for.
    fn prepare(&mut self, id: ProgramId) -> Result<()> {
        if self.programs.contains_key(&id) {
            return Ok(());
        }
        let program = self.plan.program(id);
        let mut own = program.extends.map(|base| self.programs[&base].clone()).unwrap_or_default();
        let (gpu, plan, buffers) = (&self.gpu, &self.plan, &self.buffers);
        let more = guarded(gpu, || {
            let mut pipelines = Pipelines::new(gpu, &self.iteration_layout);
            let steps = program.steps[own.len()..].iter();
            steps
                .map(|step| Dispatch::new(gpu, &mut pipelines, (plan, buffers), step, None))
                .collect::<Result<Vec<_>>>()
        })?;
        own.extend(more);
        self.flights.insert(id, Flight::for_metrics(gpu, plan, program));
        self.programs.insert(id, own);
        Ok(())
    }

    /// Writes the uniforms of the next submission's steps, in one piece.
    fn write_iterations(&mut self, iterations: &[Iteration], weights: &[f64]) {
        self.staged.clear();
        for (index, iteration) in iterations.iter().enumerate() {
            let start = self.staged.len();
            let Iteration { rows, first, slot, number } = *iteration;
            self.staged.extend_from_slice(bytemuck::cast_slice(&[rows, first, slot, number]));
            for hyper in self.plan.hypers(*iteration, own_weights(weights, index, self.plan.replicas)) {
                self.staged.extend_from_slice(bytemuck::bytes_of(&hyper));
            }
            self.staged.resize(start + self.stride as usize, 0);
        }
        self.gpu.queue.write_buffer(&self.iterations, 0, &self.staged);
    }

    /// One submission: a compute pass with all steps of all iterations, then the copy of the metrics.
    fn submit_chunk(&mut self, program: ProgramId, iterations: &[Iteration], weights: &[f64]) -> Result<()> {
        let metrics = self.plan.program(program).metrics.map(|metrics| metrics.tensor);
        let staging = match metrics {
            Some(_) => Some(flight(&mut self.flights, program).staging(&self.gpu)?),
            None => None,
        };
        self.write_iterations(iterations, weights);
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for (slot, _) in iterations.iter().enumerate() {
                pass.set_bind_group(0, &self.iteration_group, &[slot as u32 * self.stride as u32]);
                self.programs[&program].iter().for_each(|dispatch| dispatch.encode(&mut pass));
            }
        }
        if let (Some(id), Some(staging)) = (metrics, &staging) {
            encoder.copy_buffer_to_buffer(&self.buffers[id.index()], 0, staging, 0, staging.size());
        }
        let index = self.gpu.queue.submit([encoder.finish()]);
        if let Some(staging) = staging {
            flight(&mut self.flights, program).push(program, (iterations, weights), staging, index);
        }
        self.gpu.check()
    }

    fn copy_parameters(&self, generation: usize, keep: bool) -> Result<()> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        for (id, kept) in &self.kept[generation] {
            let live = &self.buffers[id.index()];
            let (from, to) = if keep { (live, kept) } else { (kept, live) };
            encoder.copy_buffer_to_buffer(from, 0, to, 0, kept.size());
        }
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.check()
    }
}

impl Executor for GpuExecutor {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn info(&self) -> DeviceInfo {
        self.gpu.info()
    }

    fn held_bytes(&self) -> u64 {
        let kept = self.kept.iter().flatten().map(|(_, buffer)| buffer);
        let params = at_once(&self.plan).flat_map(|(id, _)| &self.programs[&id]).map(|dispatch| &dispatch.params);
        let buffers = self.buffers.iter().chain(kept).chain(params).chain([&self.iterations]);
        let staged = at_once(&self.plan).map(|(id, _)| self.flights[&id].held_bytes());
        buffers.map(wgpu::Buffer::size).sum::<u64>() + staged.sum::<u64>()
    }

    fn write(&mut self, id: TensorId, offset: usize, data: TensorData<'_>) -> Result<()> {
        data.check(self.plan.tensor(id), offset)?;
        let packed;
        let (start, bytes) = match data {
            TensorData::F32(values) if self.plan.tensor(id).element == Element::F16 => {
                packed = binary16::packed(values);
                (2 * offset, packed.as_slice())
            }
            TensorData::F32(values) => (4 * offset, bytemuck::cast_slice(values)),
            TensorData::U32(values) => (4 * offset, bytemuck::cast_slice(values)),
            TensorData::U8(values) => (offset, values),
        };
        self.uploads.write(&self.gpu, &self.buffers[id.index()], start, bytes)?;
        self.gpu.check()
    }

    fn read(&mut self, id: TensorId) -> Result<Vec<f32>> {
        let (bytes, tensor) = (self.gpu.read_buffer(&self.buffers[id.index()])?, self.plan.tensor(id));
        let mut values = match tensor.element {
            Element::F16 => binary16::unpacked(&bytes),
            _ => bytemuck::pod_collect_to_vec(&bytes),
        };
        // Buffers are padded to whole vec4s; the tensor may end before.
        values.truncate(tensor.len());
        Ok(values)
    }

    fn read_words(&mut self, id: TensorId) -> Result<Vec<u32>> {
        let mut words: Vec<u32> = bytemuck::pod_collect_to_vec(&self.gpu.read_buffer(&self.buffers[id.index()])?);
        words.truncate(self.plan.tensor(id).bytes() as usize / size_of::<u32>());
        Ok(words)
    }

    fn submit_weighted(&mut self, program: ProgramId, iterations: &[Iteration], weights: &[f64]) -> Result<()> {
        self.prepare(program)?;
        let (mut rest, mut rest_weights) = (iterations, weights);
        while !rest.is_empty() {
            let steps = flight(&mut self.flights, program).steps().min(self.plan.slots).min(rest.len());
            let numbered: Vec<_> =
                rest[..steps].iter().enumerate().map(|(slot, i)| Iteration { slot: slot as u32, ..*i }).collect();
            let own = rest_weights.len().min(steps * self.plan.replicas);
            self.submit_chunk(program, &numbered, &rest_weights[..own])?;
            (rest, rest_weights) = (&rest[steps..], &rest_weights[own..]);
        }
        Ok(())
    }

    fn set_pace(&mut self, pace: Pace) {
        self.plan.set_pace(pace);
    }

    fn submit_step(&mut self, program: ProgramId, step: usize, iteration: Iteration) -> Result<()> {
        self.prepare(program)?;
        self.write_iterations(&[iteration], &[]);
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_bind_group(0, &self.iteration_group, &[0]);
            self.programs[&program][step].encode(&mut pass);
        }
        self.gpu.queue.submit([encoder.finish()]);
        self.gpu.check()
    }

    fn time_step(&mut self, program: ProgramId, step: usize, iteration: Iteration, times: usize) -> Result<Timing> {
        self.write_iterations(&[iteration], &[]);
        let dispatch = &self.programs[&program][step];
        time_pass(&self.gpu, |pass| {
            pass.set_bind_group(0, &self.iteration_group, &[0]);
            (0..times).for_each(|_| dispatch.encode(pass));
        })
    }

    fn kernels(&self, program: ProgramId) -> Vec<KernelChoice> {
        let steps = self.plan.program(program).steps.iter().zip(self.programs.get(&program).into_iter().flatten());
        let choice = |(step, Dispatch { kernel, .. }): (&Step, &Dispatch)| KernelChoice {
            step: step.label.clone(),
            kernel: kernel.stem.into(),
            variant: kernel.variant.into(),
            tuned: kernel.tuned,
        };
        steps.map(choice).collect()
    }

    fn metrics(&mut self, wait: bool) -> Result<Vec<StepMetrics>> {
        let mut all = Vec::new();
        for flight in self.flights.values_mut() {
            for finished in flight.finished(&self.gpu, wait)? {
                let Some(metrics) = self.plan.program(finished.program).metrics else { continue };
                let shape = &self.plan.tensor(metrics.tensor).shape;
                for (index, iteration) in finished.iterations.into_iter().enumerate() {
                    let own = (iteration, own_weights(&finished.weights, index, self.plan.replicas));
                    let value = |at: usize| f64::from(finished.metrics[at]);
                    slot_metrics(value, own, (metrics, [shape[0], shape[1], shape[2]]), &mut all);
                }
            }
        }
        Ok(all)
    }

    fn keep_parameters(&mut self, generation: usize) -> Result<()> {
        self.copy_parameters(generation, true)
    }

    fn restore_parameters(&mut self, generation: usize) -> Result<()> {
        self.copy_parameters(generation, false)
    }
}

/// The submissions of a program that has been prepared.
fn flight(flights: &mut BTreeMap<ProgramId, Flight>, program: ProgramId) -> &mut Flight {
    flights.get_mut(&program).expect("a program that runs has been prepared")
}

/// Runs `make` with out-of-memory and validation errors turned into typed ones.
fn guarded<T>(gpu: &Gpu, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    for scope in [validation, memory] {
        if let Some(error) = wait(scope.pop()) {
            let message = error.to_string();
            return Err(Error::Device(message.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    made
}

/// A tensor's buffer: whole vec4s, since shaders see many tensors as arrays of them.
fn storage(gpu: &Gpu, label: &str, bytes: u64) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: padded(bytes),
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

/// The layout of group 0, which all pipelines share, so that it is set once a step.
fn iteration_layout(gpu: &Gpu, bytes: u64) -> wgpu::BindGroupLayout {
    gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("iteration"),
        entries: &[wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset: true,
                min_binding_size: wgpu::BufferSize::new(bytes),
            },
            count: None,
        }],
    })
}
