//! A PyTorch module's tensors as a model.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array1, Array2};

use super::names::{Piece, natural, places_between};
use super::tensors::{Tensor, read};
use crate::data::{Preprocessing, Task};
use crate::error::{Error, Result};
use crate::ops::{Activation, Loss};
use crate::spec::{DenseSpec, Norm, OptimizerSpec, Replica, Sequential, TrainSpec};
use crate::train::{LayerWeights, ModelFile, NormWeights, TrainingFacts};

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
    let layers = read(&bytes)
        .and_then(|tensors| grouped(tensors, &mut notes))
        .and_then(|modules| ordered(modules, &options.order))
        .and_then(|modules| layers(&modules, &mut notes))
        .map_err(|reason| Error::model(path, reason))?;
    let inputs = layers.first().map_or(0, |layer| layer.weight.ncols());
    let last = layers.len().saturating_sub(1);
    let mut model = Sequential::new(inputs);
    for (n, layer) in layers.iter().enumerate() {
        let spec = if n == last { output(layer, options) } else { hidden(layer, model.layers.last(), options) };
        model.layers.push(spec);
    }
    let adam = OptimizerSpec::from(crate::Adam::new(1e-3));
    let spec = TrainSpec::new(options.loss, adam.optimizer, BATCH, vec![Replica::new(0, &adam)]);
    let facts = TrainingFacts {
        wgrad: env!("CARGO_PKG_VERSION").to_owned(),
        device: "pytorch".to_owned(),
        ..TrainingFacts::default()
    };
    let preprocessing = options.preprocessing(model.outputs())?;
    let file = ModelFile { model, spec, facts, preprocessing, weights: layers };
    file.check()?;
    Ok(Imported { file, notes })
}

/// For further training, unless told otherwise.
const BATCH: usize = 128;

fn output(layer: &LayerWeights, options: &Import) -> DenseSpec {
    let activation = options.output_activation;
    DenseSpec::new(layer.bias.len(), activation, activation.default_init())
}

fn hidden(layer: &LayerWeights, before: Option<&DenseSpec>, options: &Import) -> DenseSpec {
    let Import { activation, norm_epsilon: epsilon, residual, dropout, .. } = *options;
    let units = layer.bias.len();
    let norm = layer.norm.as_ref().map(|norm| match (&norm.running, Norm::BATCH) {
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
    weight: Option<Tensor>,
    bias: Option<Tensor>,
    mean: Option<Tensor>,
    variance: Option<Tensor>,
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
        let place = match part {
            "weight" => &mut own.weight,
            "bias" => &mut own.bias,
            "running_mean" => &mut own.mean,
            "running_var" => &mut own.variance,
            _ => return Err(format!("tensor {name} is of no dense layer, batch norm or layer norm: {KNOWN}")),
        };
        *place = Some(tensor);
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
            format!("order names `{name}` once too often, or it has no tensors; there are {}", had.join(", "))
        })?;
        sorted.push(modules.remove(at));
    }
    match modules.first() {
        None => Ok(sorted),
        Some(left) => Err(format!("order leaves out `{}`; name all of {}", left.name, had.join(", "))),
    }
}

/// Dense layers with their norms.
fn layers(modules: &[Module], notes: &mut Vec<String>) -> Result<Vec<LayerWeights>, String> {
    let order = order_of(modules);
    let mut layers: Vec<LayerWeights> = Vec::new();
    let mut dense: Option<&str> = None;
    for module in modules {
        if !module.is_dense()? {
            let (Some(before), Some(layer)) = (dense, layers.last_mut()) else {
                let reason = "comes before the first dense layer; wgrad normalizes the sums of dense layers only";
                return Err(format!("the norm `{}` {reason}{order}", module.name));
            };
            add_norm(layer, before, module, &order)?;
            continue;
        }
        let layer = module.dense(notes)?;
        if let (Some(before), Some(last)) = (dense, layers.last()) {
            let (made, taken) = (last.bias.len(), layer.weight.ncols());
            if made != taken {
                let name = &module.name;
                return Err(format!("`{before}` gives {made} numbers, but `{name}` behind it takes {taken}{order}"));
            }
        }
        dense = Some(&module.name);
        layers.push(layer);
    }
    match layers.last() {
        None => Err(format!("it has no dense layer: no *.weight has two extents; {KNOWN}")),
        Some(last) if last.norm.is_some() => Err(format!(
            "a norm follows the last dense layer, `{}`; wgrad's output layer has none{order}",
            dense.unwrap_or_default()
        )),
        Some(_) => Ok(layers),
    }
}

/// In which order modules were taken.
fn order_of(modules: &[Module]) -> String {
    let names: Vec<_> = modules.iter().map(|module| module.name.as_str()).collect();
    format!("; they were taken in the order {}: give the right one as order", names.join(","))
}

/// Puts a norm behind the layer of the module `before`.
fn add_norm(layer: &mut LayerWeights, before: &str, module: &Module, order: &str) -> Result<(), String> {
    let name = &module.name;
    if layer.norm.is_some() {
        return Err(format!("the norm `{name}` is the second behind `{before}`; wgrad has one a layer{order}"));
    }
    // One place on is right behind it; between them there would be an activation.
    if places_between(before, name).is_some_and(|places| places > 1) {
        let reason = "does not stand right behind it; wgrad normalizes sums, before the activation";
        return Err(format!("the norm `{name}` of `{before}` {reason}"));
    }
    layer.norm = Some(module.norm(layer.bias.len())?);
    Ok(())
}

impl Module {
    /// A tensor's full name.
    fn tensor(&self, part: &str) -> String {
        if self.name.is_empty() { part.to_owned() } else { format!("{}.{part}", self.name) }
    }

    /// Whether it is a dense layer; else it is a norm.
    fn is_dense(&self) -> Result<bool, String> {
        let name = self.tensor("weight");
        match &self.weight {
            None if self.mean.is_none() && self.variance.is_none() => Err(format!("tensor {name} is missing")),
            None => Ok(false),
            Some(Tensor { shape, .. }) if [1, 2].contains(&shape.len()) => Ok(shape.len() == 2),
            Some(Tensor { shape, .. }) => Err(format!("tensor {name} has shape {shape:?}: {KNOWN}")),
        }
    }

    fn dense(&self, notes: &mut Vec<String>) -> Result<LayerWeights, String> {
        let missing = || format!("tensor {} is missing", self.tensor("weight"));
        let Tensor { shape, values, .. } = self.weight.clone().ok_or_else(missing)?;
        let (outputs, inputs) = (shape[0], shape[1]);
        for (part, tensor) in [("running_mean", &self.mean), ("running_var", &self.variance)] {
            if tensor.is_some() {
                return Err(format!("tensor {} stands beside a dense layer's weight {shape:?}", self.tensor(part)));
            }
        }
        let weight = Array2::from_shape_vec((outputs, inputs), values).map_err(|e| e.to_string())?;
        if self.bias.is_none() {
            notes.push(format!("{} is not there: zeros", self.tensor("bias")));
        }
        let bias = self.vector("bias", self.bias.as_ref(), outputs)?.unwrap_or_else(|| Array1::zeros(outputs));
        Ok(LayerWeights { weight, bias, norm: None })
    }

    /// A norm of a layer with so many outputs.
    fn norm(&self, outputs: usize) -> Result<NormWeights, String> {
        let weight = self.vector("weight", self.weight.as_ref(), outputs)?.unwrap_or_else(|| Array1::ones(outputs));
        let bias = self.vector("bias", self.bias.as_ref(), outputs)?.unwrap_or_else(|| Array1::zeros(outputs));
        let mean = self.vector("running_mean", self.mean.as_ref(), outputs)?;
        let variance = self.vector("running_var", self.variance.as_ref(), outputs)?;
        let running = match (mean, variance) {
            (Some(mean), Some(variance)) => Some([mean, variance]),
            (None, None) if self.weight.is_some() => None,
            (None, None) => return Err(format!("tensor {} is missing", self.tensor("weight"))),
            (Some(_), None) => return Err(format!("tensor {} is missing", self.tensor("running_var"))),
            (None, Some(_)) => return Err(format!("tensor {} is missing", self.tensor("running_mean"))),
        };
        if let Some(at) = running.iter().flat_map(|[_, variance]| variance).position(|value| *value < 0.0) {
            return Err(format!("tensor {} has a variance below 0 at {at}", self.tensor("running_var")));
        }
        Ok(NormWeights { weight, bias, running })
    }

    /// One of its tensors, which must be (wanted).
    fn vector(&self, part: &str, tensor: Option<&Tensor>, wanted: usize) -> Result<Option<Array1<f32>>, String> {
        match tensor {
            None => Ok(None),
            Some(tensor) if tensor.shape == [wanted] => Ok(Some(Array1::from(tensor.values.clone()))),
            Some(Tensor { shape, .. }) => {
                Err(format!("tensor {} has shape {shape:?}, but [{wanted}] is needed; {KNOWN}", self.tensor(part)))
            }
        }
    }
}
