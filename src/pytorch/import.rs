//! A PyTorch module's tensors as a model.

use std::collections::BTreeMap;
use std::path::Path;

use super::names::{Piece, natural, places_between};
use super::tensors::{Tensor, read};
use crate::data::{Preprocessing, Task};
use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::ops::{Activation, Loss};
use crate::spec::{self, DenseSpec, Norm, OptimizerSpec, Part, Replica, Sequential, TensorSpec, TrainSpec};
use crate::train::{ModelFile, TrainingFacts};

/// What the tensors of a module do not say.
#[derive(Clone, Debug)]
pub struct Import {
    /// What stands behind each hidden layer's sums, or its norm.
    pub activation: Activation,
    /// What stands behind the last layer's sums; linear where the loss takes logits.
    pub output_activation: Activation,
    /// What the model was trained with: it decides what predictions are.
    pub loss: Loss,
    /// Of the norms; PyTorch's default is 1e-5.
    pub norm_epsilon: f32,
    /// Whether each hidden layer adds the outputs of the one before, where the two are as wide.
    pub residual: bool,
    /// Of each hidden layer, for further training.
    pub dropout: f32,
    /// What the outputs are for; none: values where the loss takes them for values, as the mean squared error does, else
    /// classes.
    pub task: Option<Task>,
    /// What the classes, or the values, are called; none: by number.
    pub names: Vec<String>,
    /// The modules that hold tensors, in order; none: as their names count (`net.2` before `net.10`).
    pub order: Vec<String>,
}

impl Import {
    /// Hidden layers with this activation, the loss, and PyTorch's defaults.
    pub fn new(activation: Activation, loss: Loss) -> Self {
        Self {
            activation,
            output_activation: Activation::Linear,
            loss,
            norm_epsilon: Norm::BATCH.epsilon(),
            residual: false,
            dropout: 0.0,
            task: None,
            names: Vec::new(),
            order: Vec::new(),
        }
    }

    /// What a model with so many outputs keeps of task and names.
    fn preprocessing(&self, outputs: usize) -> Result<Option<Preprocessing>> {
        let (loss, names) = (self.loss, self.names.clone());
        let values = loss.is_for_values();
        let regression = self.task.map_or(values, |task| task == Task::Regression);
        if regression && !values {
            let reason =
                format!("regression does not go with {loss}, whose outputs are about classes; give another loss");
            return Err(Error::spec("task", reason));
        }
        let wanted = if regression { outputs } else { outputs.max(2) };
        let double = names.iter().enumerate().find(|(n, name)| names[..*n].contains(name));
        if let Some((_, name)) = double.filter(|_| names.len() == wanted) {
            return Err(Error::spec("names", format!("`{name}` is there twice; every name must be another")));
        }
        if !names.is_empty() && names.len() != wanted {
            let what = if regression { "values" } else { "classes" };
            return Err(Error::spec("names", format!("the model has {wanted} {what}, got {} names", names.len())));
        }
        if !regression {
            // By the loss alone they would be taken for values.
            let numbered = if values { Preprocessing::numbered(outputs, false).classes } else { Vec::new() };
            let classes = if names.is_empty() { numbered } else { names };
            return Ok((!classes.is_empty()).then(|| Preprocessing { classes, ..Preprocessing::default() }));
        }
        let mut known = Preprocessing::numbered(outputs, true);
        for (target, name) in known.targets.iter_mut().zip(names) {
            target.source.name = name;
        }
        Ok(Some(known))
    }
}

/// A model that came from PyTorch.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The model, ready to be saved, applied or trained further.
    pub file: ModelFile,
    /// What is not as the tensors say, a line each: a bias that is not there, numbers that were rounded.
    pub notes: Vec<String>,
}

/// Reads a safetensors file of a module whose dense layers, each with a norm behind it or not, follow one another:
/// `*.weight` (O, I) and `*.bias` (O) of `nn.Linear`, and `*.weight`, `*.bias`, `*.running_mean`, `*.running_var` (O) of
/// `nn.BatchNorm1d`, or without the running ones of `nn.LayerNorm`. Widths follow from the shapes. A bias that is not there
/// is zero, and a norm's weight that is not there one, as in PyTorch. F16 and BF16 are widened; F64 is rounded.
///
/// # Errors
/// [`Error::Io`]; [`Error::Model`] that names the tensor that is missing, unknown, or of a wrong shape or type;
/// [`Error::Spec`] where what is asked for does not go with it.
pub fn import(path: &Path, options: &Import) -> Result<Imported> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    let mut notes = Vec::new();
    let refused = |reason| Error::model(path, reason);
    let modules = read(&bytes).and_then(|tensors| grouped(tensors, &mut notes)).map_err(refused)?;
    let modules = ordered(modules, &options.order).map_err(|reason| refused(reason).hinting(Hint::Order))?;
    let layers = layers(&modules, &mut notes).map_err(|Refusal { reason, of_order }| match of_order {
        true => refused(reason).hinting(Hint::Order),
        false => refused(reason),
    })?;
    let last = layers.len() - 1;
    let mut model = Sequential::new(layers[0].inputs);
    for (n, layer) in layers.iter().enumerate() {
        let spec = if n == last { output(layer, options) } else { hidden(layer, model.layers.last(), options) };
        model.layers.push(spec);
    }
    // Before anything is made in its widths.
    model.validate()?;
    let weights = model.state(|spec, part| layers[spec.layer].values(spec, part)).map_err(refused)?;
    let adam = OptimizerSpec::from(crate::Adam::new(1e-3));
    let spec = TrainSpec::new(options.loss, adam.optimizer, BATCH, vec![Replica::new(0, &adam)]);
    let facts = TrainingFacts {
        wgrad: env!("CARGO_PKG_VERSION").to_owned(),
        device: "pytorch".to_owned(),
        ..TrainingFacts::default()
    };
    let preprocessing = options.preprocessing(model.outputs())?;
    let file = ModelFile { model, spec, facts, preprocessing, weights };
    file.check()?;
    Ok(Imported { file, notes })
}

/// For further training, unless told otherwise.
const BATCH: usize = 128;

fn output(layer: &Layer<'_>, options: &Import) -> DenseSpec {
    let activation = options.output_activation;
    DenseSpec::new(layer.outputs, activation, activation.default_init())
}

fn hidden(layer: &Layer<'_>, before: Option<&DenseSpec>, options: &Import) -> DenseSpec {
    let Import { activation, norm_epsilon: epsilon, residual, dropout, .. } = *options;
    let units = layer.outputs;
    let norm = layer.norm.map(|norm| match (norm.get("running_mean"), Norm::BATCH) {
        (Some(_), Norm::Batch { momentum, .. }) => Norm::Batch { momentum, epsilon },
        _ => Norm::Layer { epsilon },
    });
    let residual = before.filter(|before| residual && before.units == units).map(|_| 1);
    DenseSpec { norm, residual, dropout, ..DenseSpec::new(units, activation, activation.default_init()) }
}

/// The tensors of one module.
#[derive(Debug, Default)]
struct Module {
    name: String,
    /// By their names within it, which are among [`PARTS`].
    tensors: BTreeMap<String, Tensor>,
}

/// What the tensors of modules are called.
const PARTS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// A dense layer: its modules, and the extents of its weight.
struct Layer<'a> {
    dense: &'a Module,
    norm: Option<&'a Module>,
    outputs: usize,
    inputs: usize,
}

/// Tensors by module, sorted as names count.
fn grouped(tensors: Vec<(String, Tensor)>, notes: &mut Vec<String>) -> Result<Vec<Module>, String> {
    let mut modules: BTreeMap<Vec<Piece>, Module> = BTreeMap::new();
    let rounded = tensors.iter().filter(|(_, tensor)| tensor.rounded).count();
    if rounded > 0 {
        notes.push(format!("{rounded} tensors are F64: rounded to F32"));
    }
    for (name, tensor) in tensors {
        let (module, part) = name.rsplit_once('.').unwrap_or(("", &name));
        let own = modules.entry(natural(module)).or_default();
        module.clone_into(&mut own.name);
        if !PARTS.contains(&part) {
            return Err(format!("tensor {name} is of no dense layer, batch norm or layer norm: {KNOWN}"));
        }
        own.tensors.insert(part.to_owned(), tensor);
    }
    if modules.is_empty() { Err(format!("it has no tensors: {KNOWN}")) } else { Ok(modules.into_values().collect()) }
}

const KNOWN: &str = "only nn.Linear, nn.BatchNorm1d and nn.LayerNorm can be taken over";

/// Modules in the order asked for.
fn ordered(mut modules: Vec<Module>, order: &[String]) -> Result<Vec<Module>, String> {
    if order.is_empty() {
        return Ok(modules);
    }
    let had: Vec<String> = modules.iter().map(|module| module.name.clone()).collect();
    let mut sorted = Vec::new();
    for name in order {
        let at = modules.iter().position(|module| module.name == *name);
        let at = at.ok_or_else(|| {
            format!("`{name}` is named once too often, or has no tensors; there are {}", had.join(", "))
        })?;
        sorted.push(modules.remove(at));
    }
    match modules.first() {
        None => Ok(sorted),
        Some(left) => Err(format!("`{}` is left out; name all of {}", left.name, had.join(", "))),
    }
}

/// Dense layers with their norms, at least one.
fn layers<'a>(modules: &'a [Module], notes: &mut Vec<String>) -> Result<Vec<Layer<'a>>, Refusal> {
    let order = order_of(modules);
    let mut layers: Vec<Layer<'a>> = Vec::new();
    for module in modules {
        let name = &module.name;
        if !module.is_dense()? {
            let Some(layer) = layers.last_mut() else {
                let reason = "comes before the first dense layer; wgrad normalizes the sums of dense layers only";
                return Err(misplaced(format!("the norm `{name}` {reason}"), &order));
            };
            add_norm(layer, module, &order)?;
            continue;
        }
        let layer = module.dense(notes)?;
        if let Some(Layer { dense, outputs, .. }) = layers.last().filter(|last| last.outputs != layer.inputs) {
            let (before, taken) = (&dense.name, layer.inputs);
            let reason = format!("`{before}` gives {outputs} numbers, but `{name}` behind it takes {taken}");
            return Err(misplaced(reason, &order));
        }
        layers.push(layer);
    }
    match layers.last() {
        None => Err(format!("it has no dense layer: no *.weight has two extents; {KNOWN}").into()),
        Some(Layer { dense, norm: Some(_), .. }) => {
            let reason =
                format!("a norm follows the last dense layer, `{}`; wgrad's output layer has none", dense.name);
            Err(misplaced(reason, &order))
        }
        Some(_) => Ok(layers),
    }
}

/// In which order modules were taken.
fn order_of(modules: &[Module]) -> String {
    let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
    format!("they were taken in the order {}", names.join(","))
}

/// Why modules are no model, and whether another order might make one of them.
struct Refusal {
    reason: String,
    of_order: bool,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, of_order: false }
    }
}

fn misplaced(reason: String, order: &str) -> Refusal {
    Refusal { reason: format!("{reason}; {order}"), of_order: true }
}

/// Puts a norm behind a layer.
fn add_norm<'a>(layer: &mut Layer<'a>, module: &'a Module, order: &str) -> Result<(), Refusal> {
    let (name, before) = (&module.name, &layer.dense.name);
    if layer.norm.is_some() {
        let reason = format!("the norm `{name}` is the second behind `{before}`; wgrad has one a layer");
        return Err(misplaced(reason, order));
    }
    // One place on is right behind it; between them there would be an activation.
    if places_between(before, name).is_some_and(|places| places > 1) {
        let reason = "does not stand right behind it; wgrad normalizes sums, before the activation";
        return Err(format!("the norm `{name}` of `{before}` {reason}").into());
    }
    module.check_norm()?;
    layer.norm = Some(module);
    Ok(())
}

impl Layer<'_> {
    /// A part of one of its tensors; where the file does not have it, its initial value, which is PyTorch's too.
    fn values(&self, spec: &TensorSpec, part: &Part) -> Result<Vec<f32>, String> {
        let module = match spec.module {
            spec::Module::Dense => self.dense,
            spec::Module::Norm => self.norm.expect("the model has the norms of its layers"),
        };
        match module.get(part.name) {
            None => Ok(spec.initial(part, 0)),
            Some(tensor) if tensor.shape == spec.part_shape() => Ok(tensor.values.clone()),
            Some(Tensor { shape, .. }) => {
                let (name, wanted) = (module.tensor(part.name), spec.part_shape());
                Err(format!("tensor {name} has shape {shape:?}, but {wanted:?} is needed; {KNOWN}"))
            }
        }
    }
}

impl Module {
    /// A tensor's full name.
    fn tensor(&self, part: &str) -> String {
        if self.name.is_empty() { part.to_owned() } else { format!("{}.{part}", self.name) }
    }

    fn get(&self, part: &str) -> Option<&Tensor> {
        self.tensors.get(part)
    }

    /// Whether it is a dense layer; else it is a norm.
    fn is_dense(&self) -> Result<bool, String> {
        let name = self.tensor("weight");
        match self.get("weight") {
            None if self.get("running_mean").or(self.get("running_var")).is_none() => {
                Err(format!("tensor {name} is missing"))
            }
            None => Ok(false),
            Some(Tensor { shape, .. }) if [1, 2].contains(&shape.len()) => Ok(shape.len() == 2),
            Some(Tensor { shape, .. }) => Err(format!("tensor {name} has shape {shape:?}: {KNOWN}")),
        }
    }

    /// The dense layer that it is.
    fn dense(&self, notes: &mut Vec<String>) -> Result<Layer<'_>, String> {
        let shape = &self.tensors["weight"].shape;
        if let Some(part) = ["running_mean", "running_var"].into_iter().find(|part| self.get(part).is_some()) {
            return Err(format!("tensor {} stands beside a dense layer's weight {shape:?}", self.tensor(part)));
        }
        if self.get("bias").is_none() {
            notes.push(format!("{} is not there: zeros", self.tensor("bias")));
        }
        Ok(Layer { dense: self, norm: None, outputs: shape[0], inputs: shape[1] })
    }

    /// Whether it has both running statistics or none, and no variance below 0.
    fn check_norm(&self) -> Result<(), String> {
        let missing = match (self.get("running_mean"), self.get("running_var")) {
            (Some(_), None) => "running_var",
            (None, Some(_)) => "running_mean",
            (_, None) => return Ok(()),
            (_, Some(variance)) => {
                let at = variance.values.iter().position(|value| *value < 0.0);
                let name = self.tensor("running_var");
                return at.map_or(Ok(()), |at| Err(format!("tensor {name} has a variance below 0 at {at}")));
            }
        };
        Err(format!("tensor {} is missing", self.tensor(missing)))
    }
}
