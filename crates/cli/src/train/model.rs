//! The arguments of `wgrad train` for the model.

use std::path::PathBuf;

use clap::Args;
use wgrad::run::ModelSpec;
use wgrad::{Activation, DenseSpec, Init};

use super::layers::LayerArgs;
use crate::args::{self, Widths};
use crate::{Failure, Result};

/// The model.
#[derive(Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Widths of the hidden layers, comma-separated, or `none`. The output layer has one unit per class (one for two classes
    /// with binary cross-entropy) or per regression target.
    #[arg(long, value_name = "WIDTHS", default_value = "128", allow_hyphen_values = true)]
    hidden: Widths,
    #[arg(long, value_name = "NAME", default_value = "relu", value_parser = args::activation,
          help = args::activation_help())]
    activation: Activation,
    /// Initialization of the hidden layers' weights: glorot-uniform, glorot-normal, he-uniform, he-normal, lecun-uniform,
    /// lecun-normal, orthogonal, zeros, or a number for all [default: by activation].
    #[arg(long, value_name = "NAME", value_parser = args::init, allow_hyphen_values = true)]
    weights: Option<Init>,
    #[command(flatten)]
    layers: LayerArgs,
    /// Start from the weights of this model, whose widths must match.
    #[arg(long, value_name = "FILE.safetensors")]
    from: Option<PathBuf>,
    /// Take all layers of --from except the last, which is initialized for the present number of classes.
    #[arg(long)]
    replace_head: bool,
    /// Freeze the weights of the first N layers; the output layer counts too.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = args::whole::<usize>, allow_hyphen_values = true)]
    pub freeze: usize,
}

impl ModelArgs {
    /// Rejects flags that have no effect.
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

    /// The hidden layers, and what they start from.
    pub fn spec(&self) -> ModelSpec {
        let widths = &self.hidden.0;
        let init = self.weights.unwrap_or(self.activation.default_init());
        let before = std::iter::once(None).chain(widths.iter().copied().map(Some));
        let layer = |(units, before): (&usize, Option<usize>)| {
            self.layers.dressed(DenseSpec::new(*units, self.activation, init), before)
        };
        let hidden = widths.iter().zip(before).map(layer).collect();
        ModelSpec { hidden, from: self.from.clone(), replace_head: self.replace_head }
    }
}
