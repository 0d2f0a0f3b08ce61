//! A step of a plan as a GPU runs it: pipeline, uniforms, bind group and number of workgroups.

use super::Gpu;
use super::footprint::PARAMS_BYTES;
use super::pipelines::{Kernel, Pipelines};
use super::reflect::{Access, Binding, Reflection};
use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::ops::{Halves, Operation};
use crate::plan::{Plan, Step};
use crate::tensor::TensorId;

/// One dispatch, ready.
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    pub kernel: Kernel,
    pub params: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Dispatch {
    /// Makes a step's pipeline and uniforms, and binds its tensors; of the variant `named`, or the one that fits best. The
    /// buffers are those of the plan's tensors, and behind them its stand-ins.
    pub fn new(
        gpu: &Gpu,
        pipelines: &mut Pipelines<'_>,
        (plan, buffers): (&Plan, &[wgpu::Buffer]),
        step: &Step,
        named: Option<&'static str>,
    ) -> Result<Self> {
        let replicas = plan.replicas;
        let halves = Halves::of(&step.op, &plan.tensors);
        let (kernel, params, [x, y]) = pipelines.kernel(&step.op, halves, replicas, named)?;
        let limit = gpu.device.limits().max_compute_workgroups_per_dimension;
        let workgroups = workgroups(limit, &step.label, [x, y, replicas])?;
        let params_buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(&step.label),
            size: (params.len() as u64).next_multiple_of(PARAMS_BYTES),
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu.queue.write_buffer(&params_buffer, 0, &params);
        let (tensors, mut stand_ins) = (&buffers[..plan.tensors.len()], buffers[plan.tensors.len()..].iter());
        let mut entries = Vec::new();
        for (binding, tensor) in bound(plan, step, pipelines.reflection(&kernel))? {
            let buffer = match (binding.access, tensor) {
                (Access::Uniform(_), _) => &params_buffer,
                (_, Some(id)) => &tensors[id.index()],
                (_, None) => stand_ins.next().expect("there are as many stand-ins as any step lacks tensors"),
            };
            entries.push(wgpu::BindGroupEntry { binding: binding.index, resource: buffer.as_entire_binding() });
        }
        let bind_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&step.label),
            layout: &kernel.layout,
            entries: &entries,
        });
        Ok(Self { kernel, params: params_buffer, bind_group, workgroups })
    }

    /// Adds it to a compute pass whose group 0 is set.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        let [x, y, z] = self.workgroups;
        pass.set_pipeline(&self.kernel.pipeline);
        pass.set_bind_group(1, &self.bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Each of a step's bindings with its tensor; none where the step lacks one, and for the uniforms.
///
/// # Errors
/// [`Error::Device`] if the operation does not name a binding, or if a tensor is bound twice and may be written: WebGPU
/// forbids it, though wgpu on Vulkan lets two writable bindings pass.
pub(crate) fn bound<'a>(
    plan: &Plan,
    step: &Step,
    reflection: &'a Reflection,
) -> Result<Vec<(&'a Binding, Option<TensorId>)>> {
    let (stem, arguments) = (step.operation(), step.op.arguments());
    let mut all: Vec<(&Binding, Option<TensorId>)> = Vec::new();
    for binding in &reflection.bindings {
        if matches!(binding.access, Access::Uniform(_)) {
            all.push((binding, None));
            continue;
        }
        let argument = arguments.iter().find(|(name, _)| *name == binding.name);
        let missing = || Error::Device(format!("{stem}.wgsl: no tensor for {}", binding.name));
        let tensor = argument.ok_or_else(missing)?.1;
        let writable = |other: &Binding| [binding.access, other.access].contains(&Access::ReadWrite);
        let twice = all.iter().find(|(other, own)| own.is_some() && *own == tensor && writable(other));
        if let (Some(id), Some((other, _))) = (tensor, twice) {
            let (label, name) = (&step.label, &plan.tensor(id).name);
            return Err(Error::Device(format!(
                "{label} ({stem}.wgsl) binds tensor {name} twice, as {} and as {}, and may write it",
                other.name, binding.name
            )));
        }
        all.push((binding, tensor));
    }
    Ok(all)
}

/// Workgroup counts along each dimension, within the device's limit.
fn workgroups(limit: u32, label: &str, counts: [usize; 3]) -> Result<[u32; 3]> {
    match counts.iter().find(|count| **count > limit as usize) {
        None => Ok(counts.map(|count| count as u32)),
        Some(count) => Err(Error::Limit {
            what: format!("{label}, a kernel,"),
            limit: "the adapter's max_compute_workgroups_per_dimension",
            wanted: *count as u64,
            had: u64::from(limit),
            unit: "workgroups",
            hint: Hint::Smaller,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_that_the_adapter_does_not_allow_is_refused_in_its_own_unit() {
        assert_eq!(workgroups(65_535, "max norm", [65_535, 1, 1024]).unwrap(), [65_535, 1, 1024]);
        let error = workgroups(65_535, "layers.0 max norm", [70_000, 1, 1]).unwrap_err().to_string();
        let wanted = "layers.0 max norm, a kernel, needs 70000 workgroups, but the adapter's \
                      max_compute_workgroups_per_dimension is 65535 workgroups; use a smaller batch, narrower layers or \
                      fewer replicas";
        assert_eq!(error, wanted);
    }
}
