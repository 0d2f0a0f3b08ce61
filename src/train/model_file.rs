//! Model files: safetensors, with the names and shapes of PyTorch's `nn.Linear` state dict.

use std::collections::HashMap;
use std::path::Path;

use ndarray::{Array1, Array2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::fit_state::SampleRecord;
use crate::data::Preprocessing;
use crate::error::{Error, Result};
use crate::spec::{DenseSpec, Norm, Sequential, TrainSpec};

/// The metadata key under which a model file carries its spec.
const METADATA_KEY: &str = "wgrad";

/// One dense layer's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights {
    /// (O, I)
    pub weight: Array2<f32>,
    /// (O)
    pub bias: Array1<f32>,
    /// Of its norm, if it has one.
    pub norm: Option<NormWeights>,
}

/// A norm's numbers, all (O), as in PyTorch's `nn.BatchNorm1d` and `nn.LayerNorm`.
#[derive(Clone, Debug, PartialEq)]
pub struct NormWeights {
    /// The scales.
    pub weight: Array1<f32>,
    /// The shifts.
    pub bias: Array1<f32>,
    /// Of batch norm: running mean and variance.
    pub running: Option<[Array1<f32>; 2]>,
}

impl NormWeights {
    /// What its tensors' names begin with.
    pub(crate) const PREFIX: &str = "norm.";

    /// Before training: scales and variances 1, shifts and means 0.
    fn initial(layer: &DenseSpec) -> Option<Self> {
        let (ones, zeros) = (|| Array1::ones(layer.units), || Array1::zeros(layer.units));
        let running = matches!(layer.norm?, Norm::Batch { .. }).then(|| [zeros(), ones()]);
        Some(Self { weight: ones(), bias: zeros(), running })
    }

    /// Its tensors with PyTorch's names.
    pub fn tensors(&self) -> impl Iterator<Item = (&'static str, &Array1<f32>)> {
        let [mean, variance] =
            self.running.as_ref().map_or([None, None], |[mean, variance]| [Some(mean), Some(variance)]);
        let all = [Some(&self.weight), Some(&self.bias), mean, variance];
        NORM_NAMES.into_iter().zip(all).filter_map(|(name, values)| Some((name, values?)))
    }

    /// From tensors asked for by name.
    fn of<E>(layer: &DenseSpec, get: impl Fn(&str) -> Result<Vec<f32>, E>) -> Result<Option<Self>, E> {
        let Some(norm) = layer.norm else { return Ok(None) };
        let array = |name| get(name).map(Array1::from);
        let [weight, bias, mean, variance] = NORM_NAMES;
        let running = match norm {
            Norm::Batch { .. } => Some([array(mean)?, array(variance)?]),
            Norm::Layer { .. } => None,
        };
        Ok(Some(Self { weight: array(weight)?, bias: array(bias)?, running }))
    }
}

const NORM_NAMES: [&str; 4] = ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"];

impl LayerWeights {
    /// A model's parameters before training: drawn from `seed`, biases zero.
    pub fn initial(model: &Sequential, seed: u64) -> Vec<Self> {
        let layers = model.shapes().zip(&model.layers).enumerate();
        let draw = |(n, ((outputs, inputs), layer)): (usize, ((usize, usize), &DenseSpec))| Self {
            weight: Array2::from_shape_vec((outputs, inputs), layer.init.weights(seed, n, outputs, inputs))
                .unwrap_or_else(|_| Array2::zeros((outputs, inputs))),
            bias: Array1::zeros(outputs),
            norm: NormWeights::initial(layer),
        };
        layers.map(draw).collect()
    }

    pub(super) fn from_parts(weight: &[f32], bias: &[f32], inputs: usize) -> Result<Self> {
        let shape = (bias.len(), inputs);
        let weight = Array2::from_shape_vec(shape, weight.to_vec()).map_err(|_| Error::Shape {
            operation: "read",
            tensor: "weight".to_owned(),
            wanted: format!("{shape:?}"),
            got: format!("{} numbers", weight.len()),
        })?;
        Ok(Self { weight, bias: Array1::from(bias.to_vec()), norm: None })
    }

    /// With its norm's numbers, of which executors have (2, O) scales and shifts, and running means and variances.
    pub(super) fn with_norm(mut self, scales: &[f32], running: Option<&[f32]>) -> Self {
        let halves = |pair: &[f32]| {
            let (first, second) = pair.split_at(pair.len() / 2);
            [first, second].map(|half| Array1::from(half.to_vec()))
        };
        let [weight, bias] = halves(scales);
        self.norm = Some(NormWeights { weight, bias, running: running.map(halves) });
        self
    }

    /// Whether layers are those of a model.
    pub(super) fn check(layers: &[Self], model: &Sequential) -> Result<()> {
        let mismatch = |tensor: String, wanted: String, got: String| {
            Err(Error::Shape { operation: "load weights", tensor, wanted, got })
        };
        if layers.len() != model.layers.len() {
            let (wanted, got) = (model.architecture(), format!("{} layers", layers.len()));
            return mismatch("the model".to_owned(), wanted, got);
        }
        for (n, (layer, (outputs, inputs))) in layers.iter().zip(model.shapes()).enumerate() {
            if layer.weight.dim() != (outputs, inputs) {
                let (wanted, got) = (format!("({outputs}, {inputs})"), format!("{:?}", layer.weight.dim()));
                return mismatch(format!("layers.{n}.weight"), wanted, got);
            }
            if layer.bias.len() != outputs {
                return mismatch(format!("layers.{n}.bias"), format!("({outputs})"), format!("({})", layer.bias.len()));
            }
            let wanted = NormWeights::initial(&model.layers[n]);
            let names = |norm: &Option<NormWeights>| {
                let tensors = norm.iter().flat_map(NormWeights::tensors);
                let texts: Vec<_> = tensors.map(|(name, values)| format!("{name} ({})", values.len())).collect();
                if texts.is_empty() { "no norm".to_owned() } else { texts.join(", ") }
            };
            let (wanted, got) = (names(&wanted), names(&layer.norm));
            if wanted != got {
                return mismatch(format!("layers.{n}.norm"), wanted, got);
            }
        }
        Ok(())
    }

    fn is_finite(&self) -> bool {
        let norm = self.norm.iter().flat_map(NormWeights::tensors).flat_map(|(_, values)| values);
        self.weight.iter().chain(&self.bias).chain(norm).all(|value| value.is_finite())
    }
}

/// How a model came to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingFacts {
    /// wgrad's version.
    pub wgrad: String,
    /// The dataset's name.
    pub dataset: Option<String>,
    /// Which samples those of training were, where the set was divided into parts: names do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<SampleRecord>,
    /// Epochs trained.
    pub epochs: usize,
    /// Steps trained.
    pub steps: u32,
    /// `gpu` or `cpu`.
    pub device: String,
    /// The adapter's name.
    pub adapter: String,
    /// Whether its samples were bytes, which are scaled where they are read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub bytes: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A trained model: spec, parameters and where they come from.
///
/// On disk it is a safetensors file with f32 tensors `layers.N.weight` (O, I) and `layers.N.bias` (O), N counting dense
/// layers from 0, those of norms `layers.N.norm.weight`, `.bias`, `.running_mean` and `.running_var` (O), and under the
/// metadata key `wgrad` a JSON object of `model`, `spec`, `facts` and, where raw rows need it, `preprocessing`.
///
/// ```
/// use ndarray::array;
/// use wgrad::{Activation::*, Adam, Device, Loss::*, ModelFile, Sequential, Trainer};
///
/// let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).build()?;
/// let path = tempfile::tempdir().unwrap().keep().join("model.safetensors");
/// trainer.save(&path)?;
///
/// let mut loaded = Trainer::from_file(ModelFile::load(&path)?, Device::cpu())?;
/// let rows = array![[0.5, -1.0]];
/// assert_eq!(loaded.predict(rows.view())?, trainer.predict(rows.view())?);
/// # std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// The layers.
    pub model: Sequential,
    /// How it was trained.
    pub spec: TrainSpec,
    /// How it came to be.
    pub facts: TrainingFacts,
    /// How raw rows become its inputs, and what its outputs are called.
    pub preprocessing: Option<Preprocessing>,
    /// Its parameters.
    pub weights: Vec<LayerWeights>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    model: Sequential,
    spec: TrainSpec,
    facts: TrainingFacts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preprocessing: Option<Preprocessing>,
}

impl ModelFile {
    /// Writes the file: to a temporary name beside it, synced, then renamed, so that it appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Model`] if a parameter is not finite.
    pub fn save(&self, path: &Path) -> Result<()> {
        if let Some(n) = self.weights.iter().position(|layer| !layer.is_finite()) {
            return Err(Error::model(path, format!("not written: layer {n} has a weight that is not finite")));
        }
        let bytes = self.to_bytes().map_err(|reason| Error::model(path, format!("not written: {reason}")))?;
        crate::files::write_whole(path, &bytes)
    }

    /// Checks that spec, preprocessing and parameters go together, and that every parameter is finite.
    ///
    /// # Errors
    /// [`Error::Spec`] or [`Error::Shape`] that names what does not fit.
    pub fn check(&self) -> Result<()> {
        self.spec.validate(&self.model)?;
        LayerWeights::check(&self.weights, &self.model)?;
        if let Some(n) = self.weights.iter().position(|layer| !layer.is_finite()) {
            return Err(Error::spec(format!("layers.{n}"), "has a weight that is not finite: the model is not usable"));
        }
        let known = self.preprocessing.iter();
        let reason = known.map(|known| known.check(self.model.inputs, self.model.outputs())).find_map(Result::err);
        reason.map_or(Ok(()), |reason| Err(Error::spec("preprocessing", reason)))
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Model`] that says what is wrong: not safetensors, cut off, no `wgrad` metadata, a tensor
    /// that is missing or of another shape or type, a number that is not finite.
    pub fn load(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let inside = path.join("model.safetensors");
            let reason = match inside.is_file() {
                true => format!("is a directory; its model is {}", inside.display()),
                false => "is a directory, without a model.safetensors in it; name a model's file".to_owned(),
            };
            return Err(Error::model(path, reason));
        }
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        Self::from_bytes(&bytes).map_err(|reason| Error::model(path, reason))
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let Self { model, spec, facts, preprocessing, .. } = self.clone();
        let metadata =
            serde_json::to_string(&Metadata { model, spec, facts, preprocessing }).map_err(|e| e.to_string())?;
        let mut tensors = Vec::new();
        for (n, layer) in self.weights.iter().enumerate() {
            let (outputs, inputs) = layer.weight.dim();
            let weight: Vec<u8> = layer.weight.iter().flat_map(|value| value.to_le_bytes()).collect();
            let bias: Vec<u8> = layer.bias.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((format!("layers.{n}.weight"), vec![outputs, inputs], weight));
            tensors.push((format!("layers.{n}.bias"), vec![outputs], bias));
            for (name, values) in layer.norm.iter().flat_map(NormWeights::tensors) {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                tensors.push((format!("layers.{n}.{name}"), vec![outputs], bytes));
            }
        }
        let views = tensors.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), metadata)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let broken = |e| format!("not a safetensors file, or cut off: {e}");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let metadata = |key: &str| header.metadata().as_ref().and_then(|map| map.get(key));
        let text = metadata(METADATA_KEY).ok_or_else(|| match metadata(super::checkpoint::METADATA_KEY) {
            Some(_) => {
                "a checkpoint, from which training goes on, and no model; models are model.safetensors and \
                        best.safetensors beside it"
            }
            None => {
                "a safetensors file, but without wgrad's metadata: not saved by wgrad; `wgrad import` makes a model of \
                     a PyTorch state dict"
            }
        })?;
        let Metadata { model, spec, facts, preprocessing } =
            serde_json::from_str(text).map_err(|e| format!("wgrad's metadata cannot be read: {e}"))?;
        spec.validate(&model).map_err(|e| format!("wgrad's metadata make no sense: {e}"))?;
        if let Some(preprocessing) = &preprocessing {
            preprocessing.check(model.inputs, model.outputs())?;
        }
        let layers = model.shapes().enumerate();
        let weights = layers.map(|(n, (outputs, inputs))| {
            let weight = numbers(&tensors, &format!("layers.{n}.weight"), &[outputs, inputs])?;
            let bias = numbers(&tensors, &format!("layers.{n}.bias"), &[outputs])?;
            let norm =
                NormWeights::of(&model.layers[n], |name| numbers(&tensors, &format!("layers.{n}.{name}"), &[outputs]));
            let weights = LayerWeights::from_parts(&weight, &bias, inputs).map_err(|e| e.to_string())?;
            Ok(LayerWeights { norm: norm?, ..weights })
        });
        let weights = weights.collect::<Result<Vec<_>, String>>()?;
        let wanted: usize =
            weights.iter().map(|layer| 2 + layer.norm.iter().flat_map(NormWeights::tensors).count()).sum();
        if tensors.len() != wanted {
            return Err(format!("{} tensors, but the model has {wanted}", tensors.len()));
        }
        Ok(Self { model, spec, facts, preprocessing, weights })
    }
}

/// A tensor's numbers, checked.
fn numbers(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let view = tensors.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
    if view.dtype() != Dtype::F32 {
        return Err(format!("tensor {name} is {:?}, F32 is needed", view.dtype()));
    }
    if view.shape() != shape {
        return Err(format!("tensor {name} has shape {:?}, the model needs {shape:?}", view.shape()));
    }
    let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(at) => Err(format!("tensor {name} has {} at {at}: the model is not usable", values[at])),
    }
}
