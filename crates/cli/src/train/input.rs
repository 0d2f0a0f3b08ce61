//! The arguments of `wgrad train` that say what training does to its inputs.

use std::str::FromStr;

use clap::Args;
use wgrad::data::Preprocessing;
use wgrad::{Augment, Dataset, TrainerBuilder};

use crate::args;
use crate::{Failure, Result};

/// What training does to its inputs; evaluation takes them as they are.
#[derive(Args)]
#[command(next_help_heading = "Inputs")]
pub struct InputArgs {
    /// Standard deviation of Gaussian noise on the inputs; pixels are in 0 to 1.
    #[arg(long, value_name = "STD", default_value_t = 0.0, value_parser = args::rate::<f32>, allow_hyphen_values = true)]
    noise: f32,
    /// How images are moved and bent, each step anew, by at most: shift=PIXELS, rotate=DEGREES, scale=SHARE,
    /// elastic=PIXELS, comma-separated; size=WIDTHxHEIGHT unless they are square. Or `none` [default: none].
    #[arg(long, value_name = "KEY=NUMBER,...")]
    augment: Option<Amounts>,
}

impl InputArgs {
    /// The builder with noise and augmentation, for samples like these.
    pub fn apply(&self, builder: TrainerBuilder, data: &Dataset) -> Result<TrainerBuilder> {
        let builder = builder.noise(self.noise);
        let augment = self.augment.filter(|amounts| amounts.augment.is_some());
        if augment.is_some() && data.preprocessing().is_some_and(Preprocessing::knows_columns) {
            let reason = format!("--augment is for images, and {} is a table; leave it out", data.name());
            return Err(Failure::Usage(reason));
        }
        match augment.map(|amounts| amounts.of(data.inputs())).transpose()?.flatten() {
            Some(augment) => Ok(builder.augment(augment)),
            None => Ok(builder),
        }
    }
}

/// What `--augment` says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Amounts {
    size: Option<[usize; 2]>,
    /// Of images whose size is yet to be known; `none` if there is nothing to be done.
    augment: Option<Augment>,
}

impl Amounts {
    fn of(self, inputs: usize) -> Result<Option<Augment>> {
        let Some(augment) = self.augment else { return Ok(None) };
        let side = inputs.isqrt();
        let [width, height] = match self.size {
            Some(size) => size,
            None if side * side == inputs => [side, side],
            None => {
                let reason = format!("samples of {inputs} numbers are no square images; say size=WIDTHxHEIGHT");
                return Err(Failure::Usage(format!("--augment: {reason}")));
            }
        };
        Ok(Some(Augment { width, height, ..augment }))
    }
}

impl FromStr for Amounts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self { size: None, augment: None });
        }
        let (mut augment, mut size) = (Augment::new(1, 1), None);
        for part in text.split(',') {
            let known = "shift=2,rotate=10,scale=0.1,elastic=5,size=28x28";
            let Some((key, value)) = part.trim().split_once('=') else {
                return Err(format!("`{part}` is no KEY=NUMBER; write for instance {known}"));
            };
            let number = || args::rate(value).map_err(|reason| format!("{key}: {reason}"));
            match key.trim() {
                "shift" => augment.shift = number()?,
                "rotate" => augment.rotate = number()?,
                "scale" => augment.scale = number()?,
                "elastic" => augment.elastic = number()?,
                "size" => size = Some(self::size(value)?),
                _ => return Err(format!("no `{key}` here; known are shift, rotate, scale, elastic and size")),
            }
        }
        Ok(Self { size, augment: Some(augment) })
    }
}

fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once('x').and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    sides.ok_or_else(|| format!("size: `{text}` is no WIDTHxHEIGHT such as 28x28"))
}
