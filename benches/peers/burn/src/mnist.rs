//! The IDX files of MNIST, gzipped or not.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::Result;

pub const PIXELS: usize = 28 * 28;
const IMAGES_HEADER: usize = 16;
const LABELS_HEADER: usize = 8;

pub struct Mnist {
    /// N × 784, from 0 to 1.
    pub images: Vec<f32>,
    /// N.
    pub classes: Vec<i32>,
}

impl Mnist {
    /// `part` is `train` or `t10k`.
    pub fn read(directory: &str, part: &str) -> Result<Self> {
        let images = content(directory, &format!("{part}-images-idx3-ubyte"))?;
        let labels = content(directory, &format!("{part}-labels-idx1-ubyte"))?;
        let (images, labels) = (images.get(IMAGES_HEADER..), labels.get(LABELS_HEADER..));
        let (Some(images), Some(labels)) = (images, labels) else {
            return Err("a file is shorter than its header".into());
        };
        if images.len() != labels.len() * PIXELS {
            return Err(format!("{} labels do not fit {} pixels", labels.len(), images.len()).into());
        }
        Ok(Self {
            images: images.iter().map(|&pixel| f32::from(pixel) / 255.0).collect(),
            classes: labels.iter().map(|&class| i32::from(class)).collect(),
        })
    }

    /// Keeps the first `count` samples.
    pub fn truncate(&mut self, count: usize) {
        self.images.truncate(count * PIXELS);
        self.classes.truncate(count);
    }
}

fn content(directory: &str, name: &str) -> Result<Vec<u8>> {
    let plain = Path::new(directory).join(name);
    if plain.is_file() {
        return Ok(fs::read(plain)?);
    }
    let packed = Path::new(directory).join(format!("{name}.gz"));
    let file = File::open(&packed).map_err(|error| format!("{}: {error}", packed.display()))?;
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes)?;
    Ok(bytes)
}
