//! The two kernels that measure what a device can do at most; no plan runs them.

use super::Gpu;
use super::clock::time_pass;
use super::reflect::Reflection;
use crate::error::{Error, Result};
use crate::executor::Timing;
use crate::executor::{Probe, copy_source};
use crate::ops::Shader;

static COPY: Shader =
    Shader { stem: "copy", source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/measure/copy.wgsl")) };
static MULTIPLY_ADD: Shader = Shader {
    stem: "multiply_add",
    source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/measure/multiply_add.wgsl")),
};

/// For the registry's tests.
#[cfg(test)]
pub(crate) static PROBES: [&Shader; 2] = [&COPY, &MULTIPLY_ADD];

/// Bytes that are copied: the largest binding that every device allows, several times the caches of most.
const COPY_BYTES: usize = 128 << 20;
/// Bytes that one invocation copies.
const VECTOR_BYTES: usize = 16;
/// Enough to keep every core of a large GPU busy.
const WORKGROUPS: u32 = 4096;

/// A kernel with its tensors bound.
struct Kernel {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: u32,
}

impl Kernel {
    fn new(gpu: &Gpu, shader: &'static Shader, buffers: [&wgpu::Buffer; 2], workgroups: u32) -> Self {
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(shader.stem),
            source: wgpu::ShaderSource::Wgsl(gpu.shader(shader).source.into()),
        });
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(shader.stem),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let entries = [0, 1].map(|binding| wgpu::BindGroupEntry {
            binding: binding as u32,
            resource: buffers[binding].as_entire_binding(),
        });
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(shader.stem),
            layout: &pipeline.get_bind_group_layout(1),
            entries: &entries,
        });
        Self { pipeline, group, workgroups }
    }

    fn run(&self, gpu: &Gpu, times: usize) -> Result<Timing> {
        time_pass(gpu, |pass| {
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(1, &self.group, &[]);
            (0..times).for_each(|_| pass.dispatch_workgroups(self.workgroups, 1, 1));
        })
    }
}

/// Copies a buffer to another.
pub(crate) struct Copy {
    gpu: Gpu,
    kernel: Kernel,
    source: wgpu::Buffer,
    copied: wgpu::Buffer,
}

impl Copy {
    pub fn new(gpu: &Gpu) -> Result<Self> {
        let group = constant(&COPY, "GROUP")? as usize;
        let [source, copied] = ["source", "copied"].map(|label| buffer(gpu, label, COPY_BYTES as u64, STORAGE));
        gpu.queue.write_buffer(&source, 0, bytemuck::cast_slice(&copy_source(COPY_BYTES / 4)));
        let workgroups = (COPY_BYTES / VECTOR_BYTES / group) as u32;
        let kernel = Kernel::new(gpu, &COPY, [&source, &copied], workgroups);
        Ok(Self { gpu: gpu.clone(), kernel, source, copied })
    }
}

impl Probe for Copy {
    fn work(&self) -> f64 {
        2.0 * COPY_BYTES as f64
    }

    fn run(&mut self, times: usize) -> Result<Timing> {
        self.kernel.run(&self.gpu, times)
    }

    fn check(&mut self) -> Result<()> {
        match self.gpu.read_buffer(&self.source)? == self.gpu.read_buffer(&self.copied)? {
            true => Ok(()),
            false => Err(Error::Device("a copy in device memory is not what was copied".to_owned())),
        }
    }
}

/// Chains of multiply-adds in registers.
pub(crate) struct MultiplyAdd {
    gpu: Gpu,
    kernel: Kernel,
    sums: wgpu::Buffer,
    params: wgpu::Buffer,
    group: u32,
    chains: u32,
    unrolled: u32,
    /// Of the loop, in the last run.
    rounds: u32,
}

impl MultiplyAdd {
    /// Sums stay whole numbers below 2^24, which f32 holds exactly.
    pub const MOST_ROUNDS: usize = 1 << 17;

    pub fn new(gpu: &Gpu) -> Result<Self> {
        let [group, chains, unrolled] = ["GROUP", "CHAINS", "UNROLLED"].map(|name| constant(&MULTIPLY_ADD, name));
        let (group, chains, unrolled) = (group?, chains?, unrolled?);
        let sums = buffer(gpu, "sums", u64::from(4 * group * WORKGROUPS), STORAGE);
        let bytes = Reflection::of(&MULTIPLY_ADD)?.params_size;
        let params = buffer(gpu, "params", bytes, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
        let kernel = Kernel::new(gpu, &MULTIPLY_ADD, [&sums, &params], WORKGROUPS);
        Ok(Self { gpu: gpu.clone(), kernel, sums, params, group, chains, unrolled, rounds: 0 })
    }

    /// What each chain of an invocation starts from and is then added to, over all chains.
    fn wanted(&self, thread: u32) -> u32 {
        let starts = self.chains * (thread % self.group) + self.chains * (self.chains - 1) / 2;
        starts + self.chains * self.unrolled * self.rounds
    }
}

impl Probe for MultiplyAdd {
    fn work(&self) -> f64 {
        2.0 * f64::from(self.chains * self.unrolled) * f64::from(self.group * WORKGROUPS)
    }

    fn run(&mut self, times: usize) -> Result<Timing> {
        self.rounds = times as u32;
        let reflection = Reflection::of(&MULTIPLY_ADD)?;
        let mut params = vec![0; reflection.params_size as usize];
        for field in &reflection.params {
            let word = if field.name == "rounds" { self.rounds } else { 1f32.to_bits() };
            params[field.offset..field.offset + 4].copy_from_slice(&word.to_le_bytes());
        }
        self.gpu.queue.write_buffer(&self.params, 0, &params);
        self.kernel.run(&self.gpu, 1)
    }

    fn most(&self) -> usize {
        Self::MOST_ROUNDS
    }

    fn check(&mut self) -> Result<()> {
        let bytes = self.gpu.read_buffer(&self.sums)?;
        let sums = bytemuck::pod_collect_to_vec::<u8, f32>(&bytes);
        let wrong = (0..).zip(&sums).find(|(thread, sum)| f64::from(**sum) != f64::from(self.wanted(*thread)));
        wrong.map_or(Ok(()), |(thread, sum)| {
            let wanted = self.wanted(thread);
            Err(Error::Device(format!("multiply-adds on the device came to {sum}, not to {wanted}")))
        })
    }
}

const STORAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

fn buffer(gpu: &Gpu, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
}

/// A constant that the WGSL owns.
fn constant(shader: &Shader, name: &str) -> Result<u32> {
    let missing = || Error::Device(format!("{}.wgsl: no constant {name}", shader.stem));
    Reflection::of(shader)?.constant(name).ok_or_else(missing)
}
