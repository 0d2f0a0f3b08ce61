//! Sets that are made up: the same recipes as scikit-learn's generators, with random numbers of our own (Philox).
//!
//! Source: scikit-learn 1.9, `sklearn/datasets/_samples_generator.py`. Every quantity has a stream of its own, so that one
//! option does not change what another draws.

use super::Dataset;
use crate::random::{Purpose, Stream};
use crate::{Error, Result};
use ndarray::{Array1, Array2, Axis, s};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
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

/// Clusters of points at the corners of a hypercube, as `sklearn.datasets.make_classification` with `hypercube=True`, no
/// shift and no scaling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MakeClassification {
    /// N.
    pub samples: usize,
    /// I; what is not informative, redundant or repeated is noise.
    pub features: usize,
    /// Dimensions of the hypercube.
    pub informative: usize,
    /// Features that are random linear combinations of the informative ones.
    pub redundant: usize,
    /// Features that repeat an informative or redundant one.
    pub repeated: usize,
    /// Classes.
    pub classes: usize,
    /// Corners that a class has.
    pub clusters_per_class: usize,
    /// Share of the labels that are drawn again at random.
    pub flip: f64,
    /// Half the length of the hypercube's sides.
    pub separation: f64,
    /// Draws everything.
    pub seed: u64,
}

impl Default for MakeClassification {
    fn default() -> Self {
        Self {
            samples: 100,
            features: 20,
            informative: 2,
            redundant: 2,
            repeated: 0,
            classes: 2,
            clusters_per_class: 2,
            flip: 0.01,
            separation: 1.0,
            seed: 0,
        }
    }
}

impl MakeClassification {
    fn check(&self) -> Result<()> {
        check_count("features", self.features)?;
        check_count("informative", self.informative)?;
        check_samples(self.samples, 2, self.features)?;
        check_table("informative", self.informative, self.informative.saturating_add(self.redundant))?;
        let made = self.informative.saturating_add(self.redundant).saturating_add(self.repeated);
        if made > self.features {
            let reason =
                format!("informative, redundant and repeated ones are {made}, more than the {} in all", self.features);
            return Err(refuse("features", reason));
        }
        if self.classes < 2 || self.clusters_per_class == 0 {
            let (classes, clusters) = (self.classes, self.clusters_per_class);
            return Err(refuse(
                "classes",
                format!("at least 2 with a cluster each are needed, got {classes} with {clusters}"),
            ));
        }
        let corners = 1_usize.checked_shl(self.informative as u32).unwrap_or(usize::MAX);
        let clusters = self.classes.saturating_mul(self.clusters_per_class);
        if clusters > corners {
            let reason = format!(
                "{clusters} clusters need as many corners, but {} informative features make {corners}",
                self.informative
            );
            return Err(refuse("informative", reason));
        }
        check_table("classes", clusters, self.informative)?;
        if clusters > self.samples {
            let reason = format!("{clusters} clusters need as many samples, got {}", self.samples);
            return Err(refuse("samples", reason));
        }
        if !(0.0..=1.0).contains(&self.flip) {
            return Err(refuse("flip", format!("must be 0 to 1, got {}", self.flip)));
        }
        check_noise("separation", self.separation)
    }

    /// The corners of the clusters, all different: (clusters, informative) of -separation and separation.
    fn centroids(&self) -> Array2<f64> {
        let (clusters, width) = (self.classes * self.clusters_per_class, self.informative);
        let mut drawn = stream(self.seed, Part::Vertices);
        let (mut corners, mut taken) = (Vec::<Vec<bool>>::new(), HashSet::new());
        if width < usize::BITS as usize - 1 && clusters > 1 << (width - 1) {
            // More than half of all corners: drawing until they differ would take long.
            let mut all: Vec<usize> = (0..1 << width).collect();
            all.shuffle(&mut drawn);
            corners.extend(all[..clusters].iter().map(|bits| (0..width).map(|bit| bits >> bit & 1 == 1).collect()));
        }
        while corners.len() < clusters {
            let corner: Vec<bool> = (0..width).map(|_| drawn.word() >> 31 == 1).collect();
            if taken.insert(corner.clone()) {
                corners.push(corner);
            }
        }
        Array2::from_shape_fn(
            (clusters, width),
            |(k, i)| if corners[k][i] { self.separation } else { -self.separation },
        )
    }

    /// How many samples each cluster has, those left over going to the first ones.
    fn cluster_sizes(&self) -> Vec<usize> {
        let clusters = self.classes * self.clusters_per_class;
        let each = (self.samples as f64 / self.classes as f64 / self.clusters_per_class as f64) as usize;
        let rest = self.samples - each * clusters;
        (0..clusters).map(|k| each + rest / clusters + usize::from(k < rest % clusters)).collect()
    }
}

/// Makes a classification problem.
///
/// # Errors
/// [`Error::Spec`] that names the option.
pub fn make_classification(spec: &MakeClassification) -> Result<Dataset> {
    spec.check()?;
    let MakeClassification { samples, features, informative, redundant, repeated, seed, .. } = *spec;
    let mut x = Array2::zeros((samples, features));
    let mut labels = Vec::with_capacity(samples);
    let drawn = normals(&mut stream(seed, Part::Features), (samples, features));
    let mut covariances = stream(seed, Part::Covariance);
    let centroids = spec.centroids();
    for (k, size) in spec.cluster_sizes().into_iter().enumerate() {
        let rows = labels.len()..labels.len() + size;
        let covariance = symmetric(&mut covariances, (informative, informative));
        let points = drawn.slice(s![rows.clone(), ..informative]).dot(&covariance) + centroids.row(k);
        x.slice_mut(s![rows, ..informative]).assign(&points);
        labels.resize(labels.len() + size, (k % spec.classes) as u32);
    }
    let known = informative + redundant;
    let mix = symmetric(&mut stream(seed, Part::Redundant), (informative, redundant));
    let mixed = x.slice(s![.., ..informative]).dot(&mix);
    x.slice_mut(s![.., informative..known]).assign(&mixed);
    let mut repeats = stream(seed, Part::Repeated);
    for column in known..known + repeated {
        let copied = x.column(((known - 1) as f64 * uniform(&mut repeats) + 0.5) as usize).to_owned();
        x.column_mut(column).assign(&copied);
    }
    x.slice_mut(s![.., known + repeated..]).assign(&drawn.slice(s![.., known + repeated..]));
    let mut flips = stream(seed, Part::Flips);
    for label in &mut labels {
        let (flip, other) = (uniform(&mut flips) < spec.flip, uniform(&mut flips));
        *label = if flip { (other * spec.classes as f64) as u32 } else { *label };
    }
    let rows = permutation(seed, Part::Samples, samples);
    let x = x.select(Axis(0), &rows).select(Axis(1), &permutation(seed, Part::Columns, features));
    let labels: Vec<u32> = rows.iter().map(|row| labels[*row]).collect();
    let x = x.mapv(|value: f64| value as f32);
    Ok(Dataset::classification(x.view(), &labels)?.with_classes(spec.classes).with_name("make-classification"))
}
