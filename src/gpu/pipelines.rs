//! Pipelines, made once per distinct specialization, and which variant of a kernel to take.

use std::collections::{BTreeMap, HashMap};

use super::Gpu;
use super::reflect::{Access, Reflection, Specialized};
use crate::error::{Error, Result};
use crate::executor::{KernelRecord, KernelRecords};
use crate::ops::{Constant, Halves, Op, Operation, Param, SUBGROUP, SubgroupKernel, Variant, with_subgroups};
use crate::plan::{Plan, ProgramId, Step};

/// Which variant of each kernel an executor takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// What the device was tuned to, else by adapter and shape.
    Automatic,
    /// The variant of this name where a kernel has it, for verification and benchmarks.
    Named(&'static str),
    /// For each step of a program one of the two, for the tuner.
    Steps(Vec<Option<&'static str>>),
    /// For each step of each program one of the two, for a resumed run.
    Programs(BTreeMap<ProgramId, Vec<Option<&'static str>>>),
}

impl Choice {
    /// The variants that ran before, where a plan's steps are those of the record.
    pub fn recorded(plan: &Plan, record: &KernelRecords) -> Self {
        let variant = |step: &Step, record: &KernelRecord| {
            let same = step.label == record.step && step.op.shader().stem == record.kernel;
            let variants = step.op.variants().iter().map(|variant| variant.name);
            variants.into_iter().find(|name| same && *name == record.variant)
        };
        let programs = record.iter().filter_map(|(id, records)| Some((*id, plan.find(*id)?, records)));
        Self::Programs(
            programs
                .map(|(id, program, records)| {
                    let records = records.iter().map(Some).chain(std::iter::repeat(None));
                    let steps = program.steps.iter().zip(records);
                    (id, steps.map(|(step, record)| variant(step, record?)).collect())
                })
                .collect(),
        )
    }

    /// The variant that a program's step is to take, if it is named.
    pub fn named(&self, program: ProgramId, step: usize) -> Option<&'static str> {
        match self {
            Self::Automatic => None,
            Self::Named(name) => Some(name),
            Self::Steps(names) => names.get(step).copied().flatten(),
            Self::Programs(programs) => programs.get(&program)?.get(step).copied().flatten(),
        }
    }
}

/// Workgroups with which a real GPU is busy; below it smaller tiles win by spreading wider.
const BUSY_WORKGROUPS: usize = 64;
/// The variant for software adapters alone, where invocations are lanes of a vector.
const DIRECT: &str = "direct";
/// The smallest tiles for real GPUs.
const LEAST_TILES: &str = "split8";

/// A kernel, ready to be dispatched.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    pub stem: &'static str,
    pub variant: &'static str,
    /// What it has as f16.
    pub halves: Halves,
    /// Whether the device was tuned to it.
    pub tuned: bool,
}

struct Module {
    shader: wgpu::ShaderModule,
    reflection: Reflection,
    layout: wgpu::BindGroupLayout,
}

/// A family, whether the subgroup variant is in it, and what it has as f16.
type ModuleKey = (&'static str, bool, Halves);

/// All that has been compiled for a device.
pub(super) struct Pipelines<'a> {
    gpu: &'a Gpu,
    iteration_layout: &'a wgpu::BindGroupLayout,
    modules: HashMap<ModuleKey, Module>,
    kernels: HashMap<String, Kernel>,
}

impl<'a> Pipelines<'a> {
    pub fn new(gpu: &'a Gpu, iteration_layout: &'a wgpu::BindGroupLayout) -> Self {
        Self { gpu, iteration_layout, modules: HashMap::new(), kernels: HashMap::new() }
    }

    /// The kernel of an operation with these tensors as f16, in the variant of this name if one is named, its uniform
    /// `Params`, and its workgroups along x and y.
    pub fn kernel(
        &mut self,
        op: &Op,
        halves: Halves,
        replicas: usize,
        named: Option<&'static str>,
    ) -> Result<(Kernel, Vec<u8>, [usize; 2])> {
        let stem = op.shader().stem;
        let subgroup = op.subgroup().filter(|_| self.gpu.subgroups && named.is_none_or(|name| name == SUBGROUP));
        let module = (stem, subgroup.is_some(), halves);
        if !self.modules.contains_key(&module) {
            let made = self.module(op, subgroup, halves)?;
            self.modules.insert(module, made);
        }
        let module = &self.modules[&module];
        let (variant, tuned) = match subgroup {
            Some(kernel) => (&kernel.variant, false),
            None => self.variant(op, &module.reflection, halves, replicas, named),
        };
        let constants = self::constants(op, variant, &module.reflection)?;
        let key = format!("{stem} {} {constants:?} {halves:?}", variant.entry);
        if !self.kernels.contains_key(&key) {
            let kernel = Kernel { halves, ..self.compile(module, stem, variant, &constants) };
            self.kernels.insert(key.clone(), kernel);
        }
        let specialized = Specialized { reflection: &module.reflection, overrides: &constants };
        let params = pack(op.params(), &module.reflection, stem)?;
        Ok((Kernel { tuned, ..self.kernels[&key].clone() }, params, op.grid(variant, &specialized)))
    }

    /// The bindings of an operation with the buffers' names, in order.
    pub fn reflection(&self, kernel: &Kernel) -> &Reflection {
        &self.modules[&(kernel.stem, kernel.variant == SUBGROUP, kernel.halves)].reflection
    }

    fn module(&self, op: &Op, subgroup: Option<&'static SubgroupKernel>, halves: Halves) -> Result<Module> {
        let own = self.gpu.shader(op.shader());
        // Of the text with f32: names, layout and constants are the same.
        let reflection = Reflection::of(own)?;
        let entries: Vec<_> = reflection
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupLayoutEntry {
                binding: binding.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match binding.access {
                        Access::Uniform(_) => wgpu::BufferBindingType::Uniform,
                        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = self
            .gpu
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(own.stem), entries: &entries });
        let mut text = own.text(halves, |part| self.gpu.shader(part));
        if let Some(kernel) = subgroup {
            let kernel = self.gpu.shader(&kernel.shader);
            text = with_subgroups(&text, kernel.source, self.gpu.compiler()).into();
        }
        let shader = self.gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(own.stem),
            source: wgpu::ShaderSource::Wgsl(text),
        });
        Ok(Module { shader, reflection, layout })
    }

    fn compile(
        &self,
        module: &Module,
        stem: &'static str,
        variant: &'static Variant,
        constants: &[(&'static str, f64)],
    ) -> Kernel {
        let layout = self.gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(stem),
            bind_group_layouts: &[Some(self.iteration_layout), Some(&module.layout)],
            immediate_size: 0,
        });
        let pipeline = self.gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(stem),
            layout: Some(&layout),
            module: &module.shader,
            entry_point: Some(variant.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                // Every kernel writes its workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Kernel {
            pipeline,
            layout: module.layout.clone(),
            stem,
            variant: variant.name,
            halves: Halves::default(),
            tuned: false,
        }
    }

    /// The variant to run, and whether tuning chose it.
    fn variant(
        &self,
        op: &Op,
        reflection: &Reflection,
        halves: Halves,
        replicas: usize,
        named: Option<&str>,
    ) -> (&'static Variant, bool) {
        let variants = op.variants();
        let find = |name: &str| variants.iter().find(|variant| variant.name == name);
        if let Some(name) = named {
            return (find(name).unwrap_or(&variants[0]), false);
        }
        let tuning = self.gpu.tuning.as_ref();
        match tuning.and_then(|tuning| tuning.variant(op, halves, replicas)).and_then(find) {
            Some(variant) => (variant, true),
            None => (usual(op, reflection, replicas, self.gpu.is_software()), false),
        }
    }
}

/// Software adapters gain nothing from workgroup memory; real GPUs want the largest tiles that fill them, and where none
/// do, the smallest, whose threads share each output's sum.
pub(crate) fn usual(op: &Op, reflection: &Reflection, replicas: usize, software: bool) -> &'static Variant {
    let variants = op.variants();
    let is_direct = |variant: &&Variant| variant.name == DIRECT;
    let preferred = match software {
        true => variants.iter().find(is_direct),
        false => variants.iter().rev().filter(|variant| !is_direct(variant)).find(|variant| {
            let specialized = Specialized { reflection, overrides: variant.constants };
            let [x, y] = op.grid(variant, &specialized);
            variant.name == LEAST_TILES || x * y * replicas >= BUSY_WORKGROUPS
        }),
    };
    preferred.unwrap_or(&variants[0])
}

/// Numbers of `override` constants by name.
type Constants = Vec<(&'static str, f64)>;

/// The numbers of all `override` constants that an operation and a variant set.
pub(crate) fn constants(op: &Op, variant: &Variant, reflection: &Reflection) -> Result<Constants> {
    let mut resolved: Constants = variant.constants.to_vec();
    for (name, value) in op.constants() {
        let number = match value {
            Constant::Number(number) => number,
            Constant::Named(constant) => f64::from(reflection.constant(&constant).ok_or_else(|| {
                Error::Device(format!("{}.wgsl: no constant {constant} for {name}", op.shader().stem))
            })?),
        };
        resolved.push((name, number));
    }
    Ok(resolved)
}

/// `Params` in the layout that WGSL gives them.
fn pack(params: Vec<(&'static str, Param)>, reflection: &Reflection, stem: &str) -> Result<Vec<u8>> {
    let mut bytes = vec![0; reflection.params_size as usize];
    if params.len() != reflection.params.len() {
        return Err(Error::Device(format!("{stem}.wgsl: Params has other fields than the operation")));
    }
    for (name, value) in params {
        let field = reflection.params.iter().find(|field| field.name == name);
        let offset = field.ok_or_else(|| Error::Device(format!("{stem}.wgsl: Params has no field {name}")))?.offset;
        let word = match value {
            Param::Unsigned(number) => u32::try_from(number)
                .map_err(|_| Error::Device(format!("{stem}: {name} is {number}, over 32 bits")))?
                .to_le_bytes(),
            Param::Float(number) => number.to_le_bytes(),
            Param::Named(name) => reflection
                .constant(&name.to_uppercase())
                .ok_or_else(|| Error::Device(format!("{stem}.wgsl: no constant for {name}")))?
                .to_le_bytes(),
        };
        bytes[offset..offset + 4].copy_from_slice(&word);
    }
    Ok(bytes)
}

/// For tests: the constants of each of an operation's variants, once every name that it uses is found in its shader.
#[cfg(test)]
pub(crate) fn specializations(op: &Op) -> Result<Vec<(&'static Variant, Constants)>> {
    let reflection = Reflection::of(op.shader())?;
    pack(op.params(), &reflection, op.shader().stem)?;
    op.variants().iter().map(|variant| Ok((variant, constants(op, variant, &reflection)?))).collect()
}
