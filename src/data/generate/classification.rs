//! Clusters of points, as classes.

use super::{
    Part, check_count, check_noise, check_samples, check_table, normals, permutation, refuse, stream, symmetric,
    uniform,
};
use crate::Result;
use crate::data::Dataset;
use ndarray::{Array2, Axis, s};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

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
/// [`Error::Spec`](crate::Error::Spec) that names the option.
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
