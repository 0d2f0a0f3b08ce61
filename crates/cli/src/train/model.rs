//! The arguments of `wgrad train` that say what the model is.

use std::path::PathBuf;

use clap::Args;
use wgrad::{Activation, Dataset, Error, Init, Loss, ModelFile, Sequential, State, Targets};

use super::layers::LayerArgs;
use crate::args::{self, Widths};
use crate::{Failure, Result};

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
    /// Take all layers of --from but the last, which starts anew, for as many classes as there are now.
    #[arg(long)]
    replace_head: bool,
    /// Keep the weights of the first N layers as they are; the output layer counts too.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = args::whole::<usize>, allow_hyphen_values = true)]
    pub freeze: usize,
}

impl ModelArgs {
    /// What nothing would come of is a mistake.
    pub fn check(&self) -> Result<()> {
        let widths = &self.hidden.0;
        let own = [("--activation", self.activation != Activation::Relu), ("--weights", self.weights.is_some())];
        let flags = own.into_iter().chain(self.layers.given());
        if let Some((flag, _)) = flags.into_iter().find(|(_, given)| *given && widths.is_empty()) {
            let reason = format!("{flag} is for hidden layers, of which --hidden none leaves none; leave it out");
            return Err(Failure::Usage(reason));
        }
        if self.layers.residual && widths.windows(2).all(|pair| pair[0] != pair[1]) {
            let reason = "--residual adds to a hidden layer the one before where the two are as wide, and no two are; give \
                          --hidden such as 128,128, or leave it out";
            return Err(Failure::Usage(reason.to_owned()));
        }
        match (self.replace_head, &self.from) {
            (true, None) => Err(Failure::Usage("--replace-head is for --from; add --from FILE.safetensors".to_owned())),
            _ => Ok(()),
        }
    }

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

    /// The layers of `--from`, if there is one, that training starts from: its widths must be those of this model.
    pub fn start(&self, model: &Sequential) -> Result<Option<State>> {
        let Some(path) = &self.from else { return Ok(None) };
        let file = ModelFile::load(path)?;
        let compared = if self.replace_head { Sequential::hidden_architecture } else { Sequential::architecture };
        let (had, wanted) = (compared(&file.model), compared(model));
        if had != wanted {
            let what = if self.replace_head { "below the head" } else { "model" };
            let reason = format!(
                "holds {had} ({what}), but dataset and --hidden make it {wanted}; widths must agree for --from"
            );
            return Err(Error::Model { path: path.clone(), reason }.into());
        }
        let layers = file.model.layers.len() - usize::from(self.replace_head);
        Ok(Some(file.first_layers(layers)?))
    }
}
