//! Sets that are made up: the same recipes as scikit-learn's generators, with random numbers of our own (Philox).
//!
//! Source: scikit-learn 1.9, `sklearn/datasets/_samples_generator.py`. Every quantity has a stream of its own, so that one
//! option does not change what another draws.

mod classification;

pub use classification::{MakeClassification, make_classification};

use super::Dataset;
use crate::random::{Purpose, Stream};
use crate::{Error, Result};
use ndarray::{Array1, Array2, Axis, s};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// What a stream of random numbers is for.
#[derive(Clone, Copy)]
enum Part {
    Features,
    Coefficients,
    Noise,
    Samples,
    Columns,
    Vertices,
    Covariance,
    Redundant,
    Repeated,
    Flips,
}

fn stream(seed: u64, part: Part) -> Stream {
    Stream::new(seed, Purpose::Generate, part as u32)
}

/// Uniform in [0, 1).
fn uniform(stream: &mut Stream) -> f64 {
    f64::from(stream.unit())
}

fn normals(stream: &mut Stream, dim: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_simple_fn(dim, || f64::from(stream.normal()))
}

/// Uniform in [-1, 1).
fn symmetric(stream: &mut Stream, dim: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_simple_fn(dim, || 2.0 * uniform(stream) - 1.0)
}

fn permutation(seed: u64, part: Part, len: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.shuffle(&mut stream(seed, part));
    order
}

/// A name for what is wrong with a generator's options.
fn refuse(field: &str, reason: impl Into<String>) -> Error {
    Error::spec(field, reason)
}

/// Numbers of all samples: more take gigabytes on the way.
const MOST_NUMBERS: usize = 1 << 28;

fn check_samples(samples: usize, least: usize, width: usize) -> Result<()> {
    let most = MOST_NUMBERS / width.clamp(1, MOST_NUMBERS);
    match samples {
        few if few < least => Err(refuse("samples", format!("must be at least {least}, got {samples}"))),
        many if many > most => {
            Err(refuse("samples", format!("must be at most {most}, of {width} numbers each, got {samples}")))
        }
        _ => Ok(()),
    }
}

/// A matrix of this extent is made on the way.
fn check_table(field: &str, rows: usize, columns: usize) -> Result<()> {
    match rows.checked_mul(columns) {
        Some(numbers) if numbers <= MOST_NUMBERS => Ok(()),
        _ => Err(refuse(field, format!("make a matrix of {rows} by {columns} numbers, more than {MOST_NUMBERS}"))),
    }
}

fn check_noise(field: &str, noise: f64) -> Result<()> {
    if noise.is_finite() && noise >= 0.0 {
        return Ok(());
    }
    Err(refuse(field, format!("must be a finite number of at least 0, got {noise}")))
}

/// A linear model with noise, as `sklearn.datasets.make_regression`:
/// `y = X c + bias + noise`, X standard normal, the first `informative` rows of c uniform in [0, 100) and the others 0, then
/// samples and features in random order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MakeRegression {
    /// N.
    pub samples: usize,
    /// I.
    pub features: usize,
    /// Features that the targets depend on; at most I are.
    pub informative: usize,
    /// O.
    pub targets: usize,
    /// Added to every target.
    pub bias: f64,
    /// Standard deviation of the normal noise on the targets.
    pub noise: f64,
    /// Draws everything.
    pub seed: u64,
}

impl Default for MakeRegression {
    fn default() -> Self {
        Self { samples: 100, features: 100, informative: 10, targets: 1, bias: 0.0, noise: 0.0, seed: 0 }
    }
}

/// Makes a linear regression problem.
///
/// ```
/// use wgrad::datasets::{MakeRegression, make_regression};
/// let data = make_regression(&MakeRegression { samples: 1000, features: 2, noise: 0.1, ..MakeRegression::default() })?;
/// assert_eq!((data.len(), data.inputs()), (1000, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// [`Error::Spec`] for no samples, features or targets, and for numbers that are not finite.
pub fn make_regression(spec: &MakeRegression) -> Result<Dataset> {
    make_regression_with_coefficients(spec).map(|(data, _)| data)
}

/// [`make_regression`], and the coefficients (I, O) that the targets were made with.
///
/// # Errors
/// As there.
pub fn make_regression_with_coefficients(spec: &MakeRegression) -> Result<(Dataset, Array2<f64>)> {
    let MakeRegression { samples, features, informative, targets, bias, noise, seed } = *spec;
    for (field, value) in [("features", features), ("targets", targets)] {
        check_count(field, value)?;
    }
    check_samples(samples, 1, features + targets)?;
    check_table("targets", features, targets)?;
    check_noise("noise", noise)?;
    if !bias.is_finite() {
        return Err(refuse("bias", format!("must be finite, got {bias}")));
    }
    let x = normals(&mut stream(seed, Part::Features), (samples, features));
    let mut drawn = stream(seed, Part::Coefficients);
    let mut coefficients = Array2::zeros((features, targets));
    let informative = informative.min(features);
    coefficients.slice_mut(s![..informative, ..]).mapv_inplace(|_: f64| 100.0 * uniform(&mut drawn));
    let mut y = x.dot(&coefficients) + bias;
    if noise > 0.0 {
        y = y + normals(&mut stream(seed, Part::Noise), (samples, targets)) * noise;
    }
    let rows = permutation(seed, Part::Samples, samples);
    let columns = permutation(seed, Part::Columns, features);
    let x = x.select(Axis(0), &rows).select(Axis(1), &columns).mapv(|value| value as f32);
    let y = y.select(Axis(0), &rows).mapv(|value| value as f32);
    let data = Dataset::regression(x.view(), y.view())?.with_name("make-regression");
    Ok((data, coefficients.select(Axis(0), &columns)))
}

fn check_count(field: &str, value: usize) -> Result<()> {
    const MOST: usize = 1 << 24; // what a spec's layers may have
    if (1..=MOST).contains(&value) {
        return Ok(());
    }
    Err(refuse(field, format!("must be 1 to {MOST}, got {value}")))
}

/// Points on a line: `y = slope x + intercept + noise`, x uniform in [-1, 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MakeLine {
    /// N.
    pub samples: usize,
    /// By how much y grows with x.
    pub slope: f64,
    /// y at 0.
    pub intercept: f64,
    /// Standard deviation of the normal noise on y.
    pub noise: f64,
    /// Draws everything.
    pub seed: u64,
}

impl Default for MakeLine {
    fn default() -> Self {
        Self { samples: 100, slope: 3.0, intercept: 0.0, noise: 0.1, seed: 0 }
    }
}

/// Makes points on a line.
///
/// # Errors
/// [`Error::Spec`] for no samples, and for numbers that are not finite.
pub fn make_line(spec: &MakeLine) -> Result<Dataset> {
    let MakeLine { samples, slope, intercept, noise, seed } = *spec;
    check_samples(samples, 1, 2)?;
    check_noise("noise", noise)?;
    for (field, value) in [("slope", slope), ("intercept", intercept)] {
        if !value.is_finite() {
            return Err(refuse(field, format!("must be finite, got {value}")));
        }
    }
    let x = symmetric(&mut stream(seed, Part::Features), (samples, 1));
    let noise = normals(&mut stream(seed, Part::Noise), (samples, 1)) * noise;
    let y = &x * slope + intercept + noise;
    let (x, y) = (x.mapv(|value| value as f32), y.mapv(|value| value as f32));
    Ok(Dataset::regression(x.view(), y.view())?.with_name("line"))
}

/// Two interleaving half circles, as `sklearn.datasets.make_moons`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MakeMoons {
    /// N; half of them, rounded down, are on the outer moon, class 0.
    pub samples: usize,
    /// Standard deviation of the normal noise on both coordinates.
    pub noise: f64,
    /// Draws everything.
    pub seed: u64,
}

impl Default for MakeMoons {
    fn default() -> Self {
        Self { samples: 100, noise: 0.0, seed: 0 }
    }
}

/// Makes two moons: (cos t, sin t) and (1 - cos t, 1/2 - sin t) for t evenly from 0 to π, in random order.
///
/// # Errors
/// [`Error::Spec`] for fewer than two samples, or a noise that is negative or not finite.
pub fn make_moons(spec: &MakeMoons) -> Result<Dataset> {
    let MakeMoons { samples, noise, seed } = *spec;
    check_samples(samples, 2, 2)?;
    check_noise("noise", noise)?;
    let outer = samples / 2;
    let angle = |n: usize, count: usize| if count > 1 { PI * n as f64 / (count - 1) as f64 } else { 0.0 };
    let mut x = Array2::zeros((samples, 2));
    for (n, mut row) in x.rows_mut().into_iter().enumerate() {
        let t = if n < outer { angle(n, outer) } else { angle(n - outer, samples - outer) };
        let point = if n < outer { [t.cos(), t.sin()] } else { [1.0 - t.cos(), 0.5 - t.sin()] };
        row.assign(&Array1::from(point.to_vec()));
    }
    let rows = permutation(seed, Part::Samples, samples);
    let x = x.select(Axis(0), &rows) + normals(&mut stream(seed, Part::Noise), (samples, 2)) * noise;
    let labels: Vec<u32> = rows.iter().map(|row| u32::from(*row >= outer)).collect();
    let x = x.mapv(|value: f64| value as f32);
    Ok(Dataset::classification(x.view(), &labels)?.with_name("make-moons"))
}
