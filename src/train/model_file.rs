//! Model files: safetensors, with the names and shapes of PyTorch's `nn.Linear` state dict.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::fit_state::SampleRecord;
use crate::data::Preprocessing;
use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::spec::{PartValues, Sequential, TrainSpec, parts};
use crate::state::State;

/// The metadata key under which a model file carries its spec.
const METADATA_KEY: &str = "wgrad";

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
    /// Its parameters and running statistics: those of [`Sequential::tensors`].
    pub weights: State,
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
    /// [`Error::Io`]; [`Error::Model`] if a parameter is not finite, is missing or does not have the model's shape.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = match self.weights.not_finite() {
            Some(reason) => Err(reason),
            None => self.to_bytes(),
        };
        let bytes = bytes.map_err(|reason| Error::model(path, format!("not written: {reason}")))?;
        crate::files::write_whole(path, &bytes)
    }

    /// Checks that spec, preprocessing and parameters go together, and that every parameter is finite.
    ///
    /// # Errors
    /// [`Error::Spec`], [`Error::Shape`] or [`Error::MissingTensor`] that names what does not fit.
    pub fn check(&self) -> Result<()> {
        self.spec.validate(&self.model)?;
        self.model.check_state(&self.weights)?;
        if let Some(reason) = self.weights.not_finite() {
            return Err(Error::spec("weights", format!("{reason}: the model is not usable")));
        }
        let known = self.preprocessing.iter();
        let reason = known.map(|known| known.check(self.model.inputs, self.model.outputs())).find_map(Result::err);
        reason.map_or(Ok(()), |reason| Err(Error::spec("preprocessing", reason)))
    }

    /// The tensors of its first layers, for [`Trainer::set_first_layers`](super::Trainer::set_first_layers).
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::MissingTensor`] where the weights are not those of the model.
    pub fn first_layers(&self, layers: usize) -> Result<State> {
        let specs = self.model.tensors();
        let wanted = specs.iter().filter(|spec| spec.layer < layers).map(|spec| &spec.tensor);
        self.weights.clone().select(wanted)
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
        Self::from_bytes(&bytes).map_err(|reason| match is_checkpoint(&bytes) {
            true => Error::model(path, "a checkpoint and no model").hinting(Hint::Resume),
            false => Error::model(path, reason),
        })
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let Self { model, spec, facts, preprocessing, .. } = self.clone();
        let metadata =
            serde_json::to_string(&Metadata { model, spec, facts, preprocessing }).map_err(|e| e.to_string())?;
        let specs = self.model.tensors();
        let parts = parts(&specs, &self.weights).map_err(|e| e.to_string())?;
        let views = parts.into_iter().map(|PartValues { spec, part, values }| {
            let view = TensorView::new(Dtype::F32, spec.part_shape().to_vec(), bytemuck::cast_slice(values));
            view.map(|view| (spec.file_name(part), view))
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
        let text = metadata(METADATA_KEY).ok_or(
            "a safetensors file, but without wgrad's metadata: not saved by wgrad; `wgrad import` makes a model of a \
             PyTorch state dict",
        )?;
        let Metadata { model, spec, facts, preprocessing } =
            serde_json::from_str(text).map_err(|e| format!("wgrad's metadata cannot be read: {e}"))?;
        spec.validate(&model).map_err(|e| format!("wgrad's metadata make no sense: {e}"))?;
        if let Some(preprocessing) = &preprocessing {
            preprocessing.check(model.inputs, model.outputs())?;
        }
        let weights = model.state(|spec, part| numbers(&tensors, &spec.file_name(part), spec.part_shape()))?;
        let known = model.tensors();
        let known = known.iter().flat_map(|spec| spec.parts.iter().map(|part| spec.file_name(part)));
        let known: BTreeSet<_> = known.collect();
        if let Some(name) = tensors.names().into_iter().filter(|name| !known.contains(*name)).min() {
            return Err(format!("tensor {name} is none of the model's, which has {}", known.len()));
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

/// Whether this is a checkpoint of a run.
fn is_checkpoint(bytes: &[u8]) -> bool {
    let header = SafeTensors::read_metadata(bytes).ok().and_then(|(_, header)| header.metadata().clone());
    header.is_some_and(|map| map.contains_key(super::checkpoint::METADATA_KEY))
}
