//! The operations that plans consist of: one file each, of the same stem as its shader.
//!
//! An operation knows its parameters, the tensors it reads and writes, its grid, its WGSL source, and its CPU function,
//! which is generic over [`Scalar`](crate::scalar::Scalar) and so also derives the error bound that verification uses.
//! Bindings, access, parameter layout and tile constants belong to the WGSL; Rust looks them up by name.

mod activation;
mod augment;
mod batch_norm_backward;
mod batch_norm_forward;
mod class_counts;
mod clip_norm;
mod dense;
mod dense_forward;
mod dense_input_gradient;
mod dense_loss;
mod dense_weight_gradient;
mod difference_sums;
mod gradient_norm;
mod input;
mod layer_norm_backward;
mod layer_norm_forward;
mod layer_norm_gradient;
mod loss;
mod loss_step;
mod mann_whitney;
mod matmul;
mod max_norm;
mod merge_keys;
mod prepare_input;
mod score_keys;
mod softmax;
mod tail;
mod tail_backward;
mod tail_forward;
mod update;

pub mod optimizer;

pub use activation::Activation;
pub(crate) use activation::{Onnx, OnnxValue};
pub use augment::Augment;
pub use loss::Loss;

pub(crate) use dense::{Dense, DenseLayer};
pub(crate) use dense_weight_gradient::Destination;
pub(crate) use gradient_norm::StoredGradient;
pub(crate) use input::{Input, InputKind};
pub(crate) use loss::{Head, LossRows, LossWeights, TargetKind};
pub(crate) use matmul::{ALIGNED, MATMUL_VARIANTS, adds_alike, tile};
pub(crate) use optimizer::Hyper;
pub(crate) use score_keys::{NO_KEY, score_key};
pub(crate) use tail::{Dropout, Passed, Tail};
pub(crate) use tail_backward::Incoming;
pub(crate) use tail_forward::Running;
pub(crate) use update::{Updated, UpdatedTensors};

use std::borrow::Cow;

use crate::host::{Compute, Memory, Scratch};
use crate::tensor::{Element, Iteration, Tensor, TensorId};

/// One kernel family: a WGSL file with what it includes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shader {
    /// The file's stem under `shaders/`, which is also its Rust file's.
    pub stem: &'static str,
    /// The whole source: the included parts, then the file.
    pub source: &'static str,
}

/// Which tensors a kernel has as f16, each of which is another text of its shader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Halves {
    /// The input that a layer before has stored.
    pub read: bool,
    /// That which the operation calls [`Operation::stored`].
    pub stored: bool,
}

impl Halves {
    /// Of an operation on a plan's tensors.
    pub fn of(op: &Op, tensors: &[Tensor]) -> Self {
        let is_half = |id: TensorId| tensors[id.index()].element == Element::F16;
        let read = op.read().is_some_and(is_half);
        Self { read, stored: op.stored().is_some_and(is_half) }
    }
}

/// The part of a shader by which activations are read, and what takes its place where they are f16.
static READ: [Shader; 2] = [
    Shader { stem: "include/read", source: include_str!("../../shaders/include/read.wgsl") },
    Shader { stem: "f16/read", source: include_str!("../../shaders/f16/read.wgsl") },
];
/// The part that shaders begin with which store them, or gradients, and what takes its place where those are f16.
static STORED: [Shader; 2] = [
    Shader { stem: "include/stored", source: include_str!("../../shaders/include/stored.wgsl") },
    Shader { stem: "f16/stored", source: include_str!("../../shaders/f16/stored.wgsl") },
];

impl Shader {
    /// Its text for a device with `SHADER_F16`, where some tensors are f16: the same bindings, parameters and constants.
    /// `part` may put another part in the place of one.
    pub(crate) fn text(&self, halves: Halves, part: impl Fn(&'static Shader) -> &'static Shader) -> Cow<'static, str> {
        let mut text = Cow::Borrowed(self.source);
        for (is_half, [whole, half]) in [(halves.read, &READ), (halves.stored, &STORED)] {
            if is_half && text.contains(whole.source) {
                text = Cow::Owned(text.replacen(whole.source, part(half).source, 1));
            }
        }
        text
    }

    /// Whether it comes in f16 too: with tensors that an operation calls [`Operation::stored`].
    #[cfg(test)]
    pub(crate) fn stores_halves(&self) -> bool {
        self.source.starts_with(STORED[0].source)
    }

    /// The parts that take others' places where tensors are f16.
    pub(crate) fn half_parts() -> [&'static Self; 2] {
        [&READ[1], &STORED[1]]
    }
}

/// The [`Shader`] of a stem, with the parts of `shaders/include/` that it needs.
macro_rules! shader {
    ($stem:literal, $($part:literal),+) => {
        $crate::ops::Shader {
            stem: $stem,
            source: concat!(
                $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/include/", $part, ".wgsl")), "\n",)+
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $stem, ".wgsl")),
            ),
        }
    };
}
pub(crate) use shader;

/// One way to run a shader: an entry point and the constants that shape its tiles.
#[derive(Debug, PartialEq)]
pub(crate) struct Variant {
    /// Its name in reports.
    pub name: &'static str,
    /// The WGSL entry point.
    pub entry: &'static str,
    /// Values of WGSL `override` constants.
    pub constants: &'static [(&'static str, f64)],
}

/// The only variant of a shader that has one way to run.
pub(crate) const PLAIN: &[Variant] = &[Variant { name: "plain", entry: "main", constants: &[] }];

/// The name of every variant that needs subgroup operations.
pub(crate) const SUBGROUP: &str = "subgroup";

/// A variant that only devices with subgroup operations can compile: WGSL that is appended to the operation's own, and
/// never part of it, since a module that uses them is refused elsewhere. Its order of adding is the driver's, so it runs
/// only where it is asked for.
#[derive(Debug)]
pub(crate) struct SubgroupKernel {
    /// The file under `shaders/`, and its text.
    pub shader: Shader,
    /// The variant, called [`SUBGROUP`].
    pub variant: Variant,
}

/// Who compiles WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// naga, in wgpu, for Vulkan, Metal and DX12.
    Naga,
    /// The browser's own, as WebGPU has it.
    Browser,
}

/// A shader's text with a [`SubgroupKernel`]'s behind it. WGSL wants `enable subgroups;` before all that is no directive; naga
/// knows the operations without it, and refuses it (naga 30, its issue 5555).
pub(crate) fn with_subgroups(text: &str, kernel: &str, compiler: Compiler) -> String {
    let directive = match compiler {
        Compiler::Naga => "",
        Compiler::Browser => "enable subgroups;\n",
    };
    format!("{directive}{text}\n{kernel}")
}

/// The value of a WGSL `override` constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Constant {
    /// A number.
    Number(f64),
    /// The value of the WGSL constant of this name.
    Named(String),
}

impl Constant {
    /// The constant that is called like `name`, in capitals.
    fn named(name: &str) -> Self {
        Self::Named(name.to_uppercase())
    }
}

/// The value of a field of an operation's uniform `Params`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Param {
    /// A `u32`.
    Unsigned(usize),
    /// An `f32`.
    Float(f32),
    /// The value of the WGSL constant that is called so, in capitals.
    Named(&'static str),
}

/// A WGSL storage binding's name with its tensor; without one where this step neither reads nor writes it. Executors bind
/// something of their own there: WebGPU lets no buffer be bound twice where one of the bindings is writable.
pub(crate) type Argument = (&'static str, Option<TensorId>);

/// WGSL constants of a module by name, such as tile sizes; known after reflection.
pub(crate) trait ModuleConstants {
    /// The value of `const name` or of `override name` as it is specialized.
    fn value(&self, name: &str) -> u32;
}

/// What every operation tells the executors.
pub(crate) trait Operation {
    /// The kernel family.
    fn shader(&self) -> &'static Shader;
    /// The ways to run it.
    fn variants(&self) -> &'static [Variant] {
        PLAIN
    }
    /// The way to run it with subgroup operations.
    fn subgroup(&self) -> Option<&'static SubgroupKernel> {
        None
    }
    /// WGSL `override` constants by name.
    fn constants(&self) -> Vec<(&'static str, Constant)> {
        Vec::new()
    }
    /// Fields of `Params` by name.
    fn params(&self) -> Vec<(&'static str, Param)>;
    /// Each WGSL storage binding with its tensor.
    fn arguments(&self) -> Vec<Argument>;
    /// The tensor that its shader reads or writes as `Stored`, of shaders that come in f32 and in f16: which of them runs
    /// follows from this tensor's element.
    fn stored(&self) -> Option<TensorId> {
        None
    }
    /// The input that its shader reads through `include/read.wgsl`, which comes in f32 and in f16 too.
    fn read(&self) -> Option<TensorId> {
        None
    }
    /// The extents of the product that it is, and what it reads, where these decide which variant is fastest: for every
    /// operation of several variants.
    fn product(&self) -> Option<(Dense, InputKind)> {
        None
    }
    /// Workgroups per replica, along x and y.
    fn grid(&self, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2];
    /// Floating-point operations of a full batch of one replica, a multiply-add counted as two.
    fn flops(&self) -> u64;
    /// What its tasks borrow on the CPU, where a replica has `width` threads for itself.
    fn scratch(&self, _width: usize) -> Scratch {
        Scratch::default()
    }
    /// Runs it on the CPU, for one replica: tensors of R replicas are there with R = 1.
    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper);
}

macro_rules! operations {
    ($($module:ident: $name:ident),+ $(,)?) => {
        $(pub(crate) use $module::$name;)+

        /// A step's operation.
        #[derive(Clone, Debug)]
        pub(crate) enum Op { $($name($name)),+ }

        /// Every kernel family, for the registry's tests and verification.
        pub(crate) fn shaders() -> Vec<&'static Shader> {
            vec![$(&$module::SHADER),+]
        }

        impl Operation for Op {
            fn shader(&self) -> &'static Shader {
                match self { $(Self::$name(op) => op.shader()),+ }
            }
            fn variants(&self) -> &'static [Variant] {
                match self { $(Self::$name(op) => op.variants()),+ }
            }
            fn subgroup(&self) -> Option<&'static SubgroupKernel> {
                match self { $(Self::$name(op) => op.subgroup()),+ }
            }
            fn constants(&self) -> Vec<(&'static str, Constant)> {
                match self { $(Self::$name(op) => op.constants()),+ }
            }
            fn params(&self) -> Vec<(&'static str, Param)> {
                match self { $(Self::$name(op) => op.params()),+ }
            }
            fn arguments(&self) -> Vec<Argument> {
                match self { $(Self::$name(op) => op.arguments()),+ }
            }
            fn stored(&self) -> Option<TensorId> {
                match self { $(Self::$name(op) => op.stored()),+ }
            }
            fn read(&self) -> Option<TensorId> {
                match self { $(Self::$name(op) => op.read()),+ }
            }
            fn product(&self) -> Option<(Dense, InputKind)> {
                match self { $(Self::$name(op) => op.product()),+ }
            }
            fn grid(&self, variant: &Variant, module: &dyn ModuleConstants) -> [usize; 2] {
                match self { $(Self::$name(op) => op.grid(variant, module)),+ }
            }
            fn scratch(&self, width: usize) -> Scratch {
                match self { $(Self::$name(op) => op.scratch(width)),+ }
            }
            fn flops(&self) -> u64 {
                match self { $(Self::$name(op) => op.flops()),+ }
            }
            fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
                match self { $(Self::$name(op) => op.run(memory, iteration, hyper)),+ }
            }
        }
    };
}

operations! {
    batch_norm_backward: BatchNormBackward,
    batch_norm_forward: BatchNormForward,
    class_counts: ClassCounts,
    clip_norm: ClipNorm,
    dense_forward: DenseForward,
    dense_input_gradient: DenseInputGradient,
    dense_loss: DenseLoss,
    dense_weight_gradient: DenseWeightGradient,
    difference_sums: DifferenceSums,
    gradient_norm: GradientNorm,
    layer_norm_backward: LayerNormBackward,
    layer_norm_forward: LayerNormForward,
    layer_norm_gradient: LayerNormGradient,
    loss_step: LossStep,
    mann_whitney: MannWhitney,
    max_norm: MaxNorm,
    merge_keys: MergeKeys,
    prepare_input: PrepareInput,
    score_keys: ScoreKeys,
    softmax: Softmax,
    tail_backward: TailBackward,
    tail_forward: TailForward,
    update: UpdateStep,
}
