//! The arguments of `wgrad train` that say what the model is.

use std::path::{Path, PathBuf};

use clap::Args;
use wgrad::{Activation, Dataset, Error, Init, Loss, ModelFile, Sequential, Targets};

use super::layers::LayerArgs;
use crate::Result;
use crate::args::{self, Widths};

/// What the model is.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Widths of the hidden layers, comma-separated; `none` for none. The output layer has a unit per class (one of two
    /// classes with binary cross-entropy), or per target of a regression.
    #[arg(long, value_name = "WIDTHS", default_value = "128", allow_hyphen_values = true)]
    hidden: Widths,
    #[arg(long, value_name = "NAME", default_value = "relu", value_parser = args::activation,
          help = args::activation_help())]
    activation: Activation,
    /// How the weights of the hidden layers start: glorot-uniform, glorot-normal, he-uniform, he-normal, lecun-uniform,
    /// lecun-normal, orthogonal, zeros, or a number for all [default: what suits the activation].
    #[arg(long, value_name = "NAME", value_parser = args::init, allow_hyphen_values = true)]
    weights: Option<Init>,
    #[command(flatten)]
    layers: LayerArgs,
    /// Start from the weights of this model, which must have the same widths.
    #[arg(long, value_name = "FILE.safetensors")]
    from: Option<PathBuf>,
}

impl ModelArgs {
    /// The model for samples like these.
    pub fn model(&self, data: &Dataset, loss: Loss) -> Sequential {
        let hidden = self.hidden.0.iter();
        let init = self.weights.unwrap_or(self.activation.default_init());
        let model = hidden.fold(Sequential::new(data.inputs()), |model, units| {
            self.layers.dressed(model.dense_with(*units, self.activation, init))
        });
        let outputs = match data.targets() {
            Targets::Values(y) => y.ncols(),
            // One unit says how probable the second class is.
            Targets::Classes(_) if loss == Loss::BinaryCrossEntropy && data.classes() == 2 => 1,
            Targets::Classes(_) => data.classes(),
        };
        model.dense(outputs, Activation::Linear)
    }

    /// The file of `--from`, if there is one; its model must have the widths of this one.
    pub fn start(&self, model: &Sequential) -> Result<Option<ModelFile>> {
        self.from.as_deref().map(|path| same_widths(path, model)).transpose()
    }
}

fn same_widths(path: &Path, model: &Sequential) -> Result<ModelFile> {
    let file = ModelFile::load(path)?;
    if file.model.architecture() == model.architecture() {
        return Ok(file);
    }
    let (had, wanted) = (file.model.architecture(), model.architecture());
    let reason =
        format!("holds a {had} model, but dataset and --hidden make it {wanted}; widths must agree for --from");
    Err(Error::Model { path: path.to_path_buf(), reason }.into())
}
