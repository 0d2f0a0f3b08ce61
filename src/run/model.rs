use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::ops::{Activation, Loss};
use crate::spec::{DenseSpec, Sequential};
use crate::state::State;
use crate::train::ModelFile;

/// The model: hidden layers, between inputs and outputs that follow from the data and the loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSpec {
    /// The hidden layers, from the inputs on.
    pub hidden: Vec<DenseSpec>,
    /// The file of a model whose weights it starts from.
    pub from: Option<PathBuf>,
    /// Whether the last layer starts anew all the same.
    pub replace_head: bool,
}

impl ModelSpec {
    /// Hidden layers of these widths, whose weights start as suits the activation.
    pub fn hidden(widths: &[usize], activation: Activation) -> Self {
        let layer = |units: &usize| DenseSpec::new(*units, activation, activation.default_init());
        Self { hidden: widths.iter().map(layer).collect(), ..Self::default() }
    }

    /// The model for samples like these: a linear output for each class (one of two classes with binary cross-entropy), or
    /// for each value.
    pub fn model(&self, data: &Dataset, loss: Loss) -> Sequential {
        let outputs = match data.targets() {
            Targets::Values(y) => y.ncols(),
            // One unit says how probable the second class is.
            Targets::Classes(_) if loss == Loss::BinaryCrossEntropy && data.classes() == 2 => 1,
            Targets::Classes(_) => data.classes(),
        };
        let hidden = Sequential { layers: self.hidden.clone(), ..Sequential::new(data.inputs()) };
        hidden.dense(outputs, Activation::Linear)
    }

    /// The layers of the model's file that training starts from, if there is one: its widths must be those of this model.
    pub(super) fn first_layers(&self, model: &Sequential) -> Result<Option<State>> {
        let Some(path) = &self.from else { return Ok(None) };
        let file = ModelFile::load(path)?;
        let compared = if self.replace_head { Sequential::hidden_architecture } else { Sequential::architecture };
        let (had, wanted) = (compared(&file.model), compared(model));
        if had != wanted {
            let what = if self.replace_head { "below the head" } else { "model" };
            let reason = format!("holds {had} ({what}), but dataset and hidden layers make it {wanted}");
            return Err(Error::model(path, reason).hinting(Hint::Widths));
        }
        let layers = file.model.layers.len() - usize::from(self.replace_head);
        Ok(Some(file.first_layers(layers)?))
    }
}
