use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How training moves and bends its images, each one anew in each step, by numbers drawn from the replica's seed.
/// Evaluation and prediction take images as they are.
///
/// Each pixel takes its value from another place of the image, between four pixels, zero beyond its edges: the place is
/// turned about the centre, scaled and shifted, all by amounts that are uniform up to those given, and moved by a smooth
/// random field (elastic distortion: Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied
/// to visual document analysis", ICDAR 2003). The field is a cubic B-spline over a coarse grid of points, each moved on its
/// own (Rueckert et al., "Nonrigid registration using free-form deformations", IEEE TMI 18, 1999; Ronneberger et al.,
/// "U-Net", MICCAI 2015, draw a coarse grid too): 4 by 4 cells smooth about as Simard's Gaussian of 4 pixels does for MNIST.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Pixels of a row.
    pub width: usize,
    /// Pixels of a column.
    pub height: usize,
    /// The largest shift, in pixels, along each side.
    #[serde(default)]
    pub shift: f32,
    /// The largest angle, in degrees, to either side; at most 180.
    #[serde(default)]
    pub rotate: f32,
    /// How much larger or smaller at most: 0.1 is from 0.9 to 1.1.
    #[serde(default)]
    pub scale: f32,
    /// How far a point of the elastic grid moves at most along each side, in pixels. The field's standard deviation is 0.28
    /// of it: 5 is about the strength of Simard et al.
    #[serde(default)]
    pub elastic: f32,
}

impl Augment {
    /// Images of this width and height, as they are.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, shift: 0.0, rotate: 0.0, scale: 0.0, elastic: 0.0 }
    }

    /// Shifted by up to so many pixels.
    #[must_use]
    pub fn shift(self, shift: f32) -> Self {
        Self { shift, ..self }
    }

    /// Turned by up to so many degrees.
    #[must_use]
    pub fn rotate(self, rotate: f32) -> Self {
        Self { rotate, ..self }
    }

    /// Larger or smaller by up to this share.
    #[must_use]
    pub fn scale(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// Bent by a field whose points move up to so many pixels.
    #[must_use]
    pub fn elastic(self, elastic: f32) -> Self {
        Self { elastic, ..self }
    }

    /// Checks that samples are such images, and every amount.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the field.
    pub(crate) fn validate(&self, inputs: usize) -> Result<()> {
        let Self { width, height, shift, rotate, scale, elastic } = *self;
        if width == 0 || width.checked_mul(height) != Some(inputs) {
            let reason = format!("images of {width}x{height} are not the model's {inputs} inputs");
            return Err(Error::spec("augment size", reason));
        }
        for (name, value, most) in [
            ("shift", shift, f32::MAX),
            ("rotate", rotate, 180.0),
            ("scale", scale, 0.99),
            ("elastic", elastic, f32::MAX),
        ] {
            if !(0.0..=most).contains(&value) {
                let range = if most == f32::MAX { "at least 0".to_owned() } else { format!("from 0 to {most}") };
                return Err(Error::spec(format!("augment {name}"), format!("must be {range}, got {value}")));
            }
        }
        Ok(())
    }
}
