//! The arguments of `wgrad train` for noise and augmentation.

use std::str::FromStr;

use clap::Args;
use wgrad::Augment;
use wgrad::run::TrainingSpec;

use crate::args;

/// Noise and augmentation, in training only.
#[derive(Args)]
#[command(next_help_heading = "Inputs")]
pub struct InputArgs {
    /// Standard deviation of Gaussian noise added to the inputs; pixels are in [0, 1].
    #[arg(long, value_name = "STD", default_value_t = 0.0, value_parser = args::rate::<f32>, allow_hyphen_values = true)]
    noise: f32,
    /// Random augmentation of images in each step, comma-separated maxima: shift=PIXELS, rotate=DEGREES, scale=FRACTION,
    /// elastic=PIXELS; size=WIDTHxHEIGHT for images that are not square. Or `none` [default: none].
    #[arg(long, value_name = "KEY=NUMBER,...")]
    augment: Option<Amounts>,
}

impl InputArgs {
    /// The training with noise and augmentation.
    pub fn apply(&self, training: TrainingSpec) -> TrainingSpec {
        let augment = self.augment.and_then(|amounts| amounts.augment);
        TrainingSpec { noise: self.noise, augment, ..training }
    }
}

/// What `--augment` says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Amounts {
    /// Of images of this size, or of square ones, where it is 0; none if there is nothing to be done.
    augment: Option<Augment>,
}

impl FromStr for Amounts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self { augment: None });
        }
        let mut augment = Augment::new(0, 0);
        for part in text.split(',') {
            let known = "shift=2,rotate=10,scale=0.1,elastic=5,size=28x28";
            let Some((key, value)) = part.trim().split_once('=') else {
                return Err(format!("`{part}` is not KEY=NUMBER; for example {known}"));
            };
            let number = || args::rate(value).map_err(|reason| format!("{key}: {reason}"));
            match key.trim() {
                "shift" => augment.shift = number()?,
                "rotate" => augment.rotate = number()?,
                "scale" => augment.scale = number()?,
                "elastic" => augment.elastic = number()?,
                "size" => [augment.width, augment.height] = size(value)?,
                _ => return Err(format!("no `{key}` here; known are shift, rotate, scale, elastic and size")),
            }
        }
        Ok(Self { augment: Some(augment) })
    }
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    let sides = sides.filter(|[width, height]| *width > 0 && *height > 0);
    sides.ok_or_else(|| format!("size: `{text}` is not WIDTHxHEIGHT, such as 28x28"))
}
