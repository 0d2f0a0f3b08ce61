//! Arguments that several subcommands share, and the parsers of their values.

use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use wgrad::executor::KernelChoice;
use wgrad::files::cache_directory;
use wgrad::gpu::{GpuOptions, GpuRequest};
use wgrad::spec::{MAX_REPLICAS, check_rate};
use wgrad::{Activation, Device, Error, Init, Loss, Precision, Sequential};

use crate::output::Output;
use crate::{Failure, Result};

/// Minimum similarity of a known name that is suggested for an unknown one.
pub const ALIKE: f64 = 0.7;

/// Where to run.
#[derive(Args)]
pub struct DeviceArgs {
    /// Where to run: `auto` picks the best real GPU, else the CPU.
    #[arg(long, value_enum, default_value_t = DeviceChoice::Auto, hide_possible_values = true, value_name = "auto|gpu|cpu")]
    device: DeviceChoice,
    /// Run on this adapter, given by a part of its name or its index in `wgrad adapters`; software adapters are used only when
    /// named. Implies `--device gpu`.
    #[arg(long, value_name = "NAME|INDEX", value_parser = NonEmptyStringValueParser::new())]
    adapter: Option<String>,
    /// GPU kernels: `auto` uses tuned variants where the shape was measured, `default` never does, `subgroup` uses subgroup
    /// operations, on adapters that support them. Results differ in their last bits.
    #[arg(long, value_enum, default_value_t = KernelSource::Auto, hide_possible_values = true, value_name = "auto|default|subgroup")]
    kernels: KernelSource,
}

/// Storage precision.
#[derive(Args)]
pub struct PrecisionArgs {
    /// Storage of outputs and gradients between layers: f32, or f16, which halves their memory and traffic on adapters with
    /// SHADER_F16 and rounds the same on the CPU. Weights, their gradients, losses and all arithmetic are f32. Results differ
    /// from the fourth digit on.
    #[arg(long, value_name = "f32|f16", default_value_t = Precision::F32, value_parser = precision)]
    pub precision: Precision,
}

/// How a kernel's variant is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KernelSource {
    Auto,
    Default,
    Subgroup,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DeviceChoice {
    Auto,
    Gpu,
    Cpu,
}

impl DeviceArgs {
    /// Opens the device for plans of this precision.
    pub fn open(&self, precision: Precision) -> Result<Device> {
        let (subgroups, f16) = (self.kernels == KernelSource::Subgroup, precision == Precision::F16);
        let gpu = |request| Device::gpu_with(&GpuOptions { request, subgroups, f16, ..GpuOptions::default() });
        let device = match (self.device, &self.adapter) {
            (DeviceChoice::Cpu, None) if subgroups => {
                let reason = "--kernels subgroup is for GPUs; leave it out, or leave out --device cpu".to_owned();
                return Err(Failure::Usage(reason));
            }
            (DeviceChoice::Cpu, Some(name)) => {
                let reason = format!("--adapter {name} is for GPUs; leave it out, or leave out --device cpu");
                return Err(Failure::Usage(reason));
            }
            (DeviceChoice::Cpu, None) => Device::cpu(),
            (_, Some(name)) => gpu(GpuRequest::Named(name.clone()))?,
            (DeviceChoice::Gpu, None) => gpu(GpuRequest::Best)?,
            // Asked for by name: never the CPU instead.
            (DeviceChoice::Auto, None) if subgroups => gpu(GpuRequest::Best).map_err(gpu_only)?,
            (DeviceChoice::Auto, None) => Device::auto_for(precision)?,
        };
        Ok(match (self.kernels, cache_directory()) {
            (KernelSource::Auto, Some(directory)) => device.with_tuned_kernels(&directory),
            _ => device,
        })
    }
}

impl DeviceArgs {
    /// Whether kernels are those that were found fastest.
    pub fn takes_tuned(&self) -> bool {
        self.kernels == KernelSource::Auto
    }
}

/// The variants that a program's kernels run in, and who chose them, in one line; nothing for the CPU.
pub fn kernel_line(kernels: &[KernelChoice]) -> Option<String> {
    let variants: Vec<&str> = kernels.iter().map(|kernel| &*kernel.variant).collect();
    let chosen = match kernels.iter().filter(|kernel| kernel.tuned).count() {
        0 if variants.contains(&"subgroup") => "asked for".to_owned(),
        0 => "default".to_owned(),
        tuned if tuned == kernels.len() => "tuned".to_owned(),
        tuned => format!("{tuned} tuned"),
    };
    (!kernels.is_empty()).then(|| format!("{} ({chosen})", variants.join(" ")))
}

/// An error of a command that is for GPUs only, where another device is no way out.
pub fn gpu_only(error: Error) -> Failure {
    Failure::GpuOnly(error)
}

/// Reports why the CPU is used, if it was not requested, and why tuned kernels are ignored. Called only once the work is
/// sure to begin, so that an error's line stands alone.
pub fn announce(device: &Device, output: &Output) {
    if let Some(reason) = device.note() {
        output.note(&format!("running on the CPU: {reason}"));
    }
    if let Some(note) = device.kernel_note() {
        output.note(note);
    }
}

/// Hidden widths: `128`, `256,128` or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widths(pub Vec<usize>);

impl FromStr for Widths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        text.split(',').map(width).collect::<Result<_, _>>().map(Self)
    }
}

fn width(text: &str) -> Result<usize, String> {
    let units = text.trim().parse();
    let units = units.map_err(|_| format!("`{text}` is not a width; give units such as 128 or 256,128, or none"))?;
    // The library knows how wide a layer may be.
    match Sequential::new(1).dense(units, Activation::Linear).validate() {
        Ok(()) => Ok(units),
        Err(Error::Spec { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

/// A whole number of at least 1.
pub fn count<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let value = text.parse::<T>().ok().filter(|value| *value >= T::from(1));
    value.ok_or_else(|| "must be a whole number of at least 1".to_owned())
}

/// A whole number of at least 0.
pub fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "must be a whole number of at least 0, in at most 64 bits".to_owned())
}

/// Models side by side.
pub fn replicas(text: &str) -> Result<usize, String> {
    let value = text.parse().ok().filter(|value| (1..=MAX_REPLICAS).contains(value));
    value.ok_or_else(|| format!("must be a whole number from 1 to {MAX_REPLICAS}"))
}

/// f32 or f64.
pub trait Float: std::str::FromStr + Copy + Into<f64> {}

impl Float for f32 {}
impl Float for f64 {}

/// A learning rate or a decay.
pub fn rate<T: Float>(text: &str) -> Result<T, String> {
    let value: T = text.parse().map_err(|_| "must be a finite number of at least 0".to_owned())?;
    // The library knows what devices can compute with.
    match check_rate("rate", value.into()) {
        Ok(()) => Ok(value),
        Err(Error::Spec { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

/// A limit or a distance.
pub fn positive(text: &str) -> Result<f32, String> {
    let value = text.parse::<f32>().ok().filter(|value| value.is_finite() && *value > 0.0);
    value.ok_or_else(|| "must be a finite number above 0".to_owned())
}

/// A name that is not among the known ones: the one that it resembles, if any, and all of them.
pub fn unknown(text: &str, known: impl Iterator<Item = &'static str>) -> String {
    let known: Vec<_> = known.collect();
    let alike = known.iter().map(|name| (strsim::jaro_winkler(name, text), name));
    let nearest = alike.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(likeness, _)| *likeness > ALIKE);
    let hint = nearest.map_or_else(String::new, |(_, name)| format!("a similar one exists: `{name}`; "));
    format!("{hint}known are {}", known.join(", "))
}

/// A storage precision by name.
pub fn precision(text: &str) -> Result<Precision, String> {
    let found = Precision::ALL.into_iter().find(|precision| precision.name() == text);
    found.ok_or_else(|| format!("known are {}", names(Precision::ALL.into_iter().map(Precision::name))))
}

/// A momentum or a label smoothing.
pub fn below_one<T: Float>(text: &str) -> Result<T, String> {
    let value = text.parse::<T>().ok().filter(|value| (0.0..1.0).contains(&(*value).into()));
    value.ok_or_else(|| "must be at least 0 and below 1".to_owned())
}

/// Seconds to spend.
pub fn duration(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| *value > 0.0 && *value <= 3600.0);
    value.ok_or_else(|| "must be above 0 and at most 3600".to_owned())
}

/// Activations of hidden layers; softmax is for the output only.
fn hidden_activations() -> impl Iterator<Item = Activation> {
    Activation::ALL.iter().copied().filter(|activation| *activation != Activation::Softmax)
}

/// An activation by name, with a hyphen or an underscore.
pub fn activation(text: &str) -> Result<Activation, String> {
    let found = hidden_activations().find(|activation| same_name(activation.name(), text));
    found.ok_or_else(|| format!("known are {}", names(hidden_activations().map(Activation::name))))
}

/// An activation of the output layer by name.
pub fn any_activation(text: &str) -> Result<Activation, String> {
    let found = Activation::ALL.iter().find(|activation| same_name(activation.name(), text));
    found.copied().ok_or_else(|| format!("known are {}", names(Activation::ALL.iter().map(|one| one.name()))))
}

/// An initialization by name, with hyphens or underscores; a number is one too.
pub fn init(text: &str) -> Result<Init, String> {
    if let Ok(value) = text.parse::<f32>() {
        return if value.is_finite() { Ok(Init::Constant(value)) } else { Err("must be finite".to_owned()) };
    }
    let all = Init::EXAMPLES.into_iter().filter(|init| !matches!(init, Init::Constant(_)));
    let found = all.clone().find(|init| same_name(init.name(), text));
    found.ok_or_else(|| format!("known are {}, or a number", names(all.map(Init::name))))
}

/// A loss by name or by its usual abbreviation.
pub fn loss(text: &str) -> Result<Loss, String> {
    let losses = || Loss::ALL.iter().copied();
    let found = losses().find(|loss| same_name(loss.name(), text) || loss.short() == text);
    found.ok_or_else(|| format!("known are {}", names(losses().map(Loss::name))))
}

/// The weight of each class in the loss.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    /// N / (C count): every class weighs the same in total.
    Balanced,
    /// One number a class.
    Each(Vec<f32>),
}

impl FromStr for ClassWeights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "balanced" {
            return Ok(Self::Balanced);
        }
        let weights = text.split(',').map(|part| rate(part.trim()).map_err(|reason| format!("`{part}` {reason}")));
        let weights = weights.collect::<Result<_, _>>();
        weights
            .map(Self::Each)
            .map_err(|reason| format!("{reason}; give balanced, or a number for each class: 1,2.5,1"))
    }
}

/// The help of `--activation`, from the library's list.
pub fn activation_help() -> String {
    format!("Activation of the hidden layers: {}", names(hidden_activations().map(Activation::name)))
}

/// The help of `--loss`, from the library's list.
pub fn loss_help() -> String {
    format!("Loss: {} [default: ce for classes, mse for values]", losses())
}

/// The help of `wgrad import --loss`.
pub fn import_loss_help() -> String {
    format!("Loss that the module was trained with, which determines its outputs: {}", losses())
}

/// Every loss with its abbreviation.
fn losses() -> String {
    let described = Loss::ALL.iter().map(|loss| match loss.name().replace('_', "-") {
        name if name == loss.short() => name,
        name => format!("{name} ({})", loss.short()),
    });
    described.collect::<Vec<_>>().join(", ")
}

fn same_name(name: &str, text: &str) -> bool {
    name == text.replace('-', "_")
}

fn names(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| name.replace('_', "-")).collect::<Vec<_>>().join(", ")
}
