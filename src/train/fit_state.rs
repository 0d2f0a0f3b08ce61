//! Where a fit stands: what its checkpoints hold beside the tensors.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::checkpoint::fingerprint;
use super::pace::plateaus;
use super::report::EpochReport;
use super::stopping::{EarlyStopping, Standing};
use crate::data::{Dataset, Features, Targets};
use crate::schedule::PlateauState;
use crate::spec::Replica;

/// Which samples a run is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DataRecord {
    pub name: String,
    pub samples: usize,
    pub inputs: usize,
    /// Of all numbers, so that another order, or one other pixel, is noticed.
    pub values_fingerprint: String,
}

impl DataRecord {
    pub fn of(data: &Dataset) -> Self {
        let [features, targets] = samples(data);
        let weights = data.weights().map(|weights| fingerprint(bytemuck::cast_slice(weights)));
        let values_fingerprint = joined(&[features, targets, weights.unwrap_or_default()]);
        Self { name: data.name().to_owned(), samples: data.len(), inputs: data.inputs(), values_fingerprint }
    }
}

/// Of a dataset's features and of its targets.
fn samples(data: &Dataset) -> [u64; 2] {
    let features = match data.features() {
        Features::U8(x) => of_array(x),
        Features::F32(x) => of_array(x),
    };
    let targets = match data.targets() {
        Targets::Classes(labels) => fingerprint(bytemuck::cast_slice(labels)),
        Targets::Values(y) => of_array(y),
    };
    [features, targets]
}

/// Of an array's numbers, row by row.
fn of_array<T: bytemuck::Pod>(array: &Array2<T>) -> u64 {
    let rows = array.as_standard_layout();
    fingerprint(bytemuck::cast_slice(rows.as_slice().expect("the standard layout is contiguous")))
}

fn joined(parts: &[u64]) -> String {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    format!("{:016x}", fingerprint(&bytes))
}

/// What tells the samples of a training from others: how many there were, and a fingerprint of their numbers, as the model
/// saw them, and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// N.
    pub count: usize,
    /// 64 bits in hexadecimal digits.
    pub fingerprint: String,
}

impl SampleRecord {
    /// Of a training set.
    pub fn of(data: &Dataset) -> Self {
        Self { count: data.len(), fingerprint: joined(&samples(data)) }
    }

    /// Whether the first of these samples, of which there may be more, are those.
    pub fn begins(&self, data: &Dataset) -> bool {
        data.len() >= self.count && data.take(self.count).is_ok_and(|own| Self::of(&own) == *self)
    }
}

/// What a fit was asked for and must be asked for again when it is resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FitRecord {
    pub data: DataRecord,
    pub validation: Option<DataRecord>,
    pub stopping: Option<EarlyStopping>,
}

/// How far an epoch has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Batches done.
    pub batches: usize,
    /// Each replica's sums over them: loss, right answers, weight.
    pub sums: Vec<[f64; 3]>,
    pub samples: f64,
    pub seconds: f64,
}

/// Where a fit stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FitState {
    pub asked: FitRecord,
    /// Of whole epochs.
    pub reports: Vec<EpochReport>,
    /// Within the next epoch, unless that has not begun.
    pub position: Option<Position>,
    /// Steps of whole epochs.
    pub steps: u64,
    /// Of whole epochs.
    pub training_seconds: f64,
    /// Each replica's best and patience.
    pub standings: Vec<Standing>,
    /// What each replica's plateau remembers.
    #[serde(default)]
    pub plateaus: Vec<PlateauState>,
}

impl FitState {
    /// Before the first step.
    pub fn new(asked: FitRecord, replicas: &[Replica]) -> Self {
        let (standings, plateaus) = (vec![Standing::default(); replicas.len()], plateaus(replicas));
        Self { asked, reports: Vec::new(), position: None, steps: 0, training_seconds: 0.0, standings, plateaus }
    }

    pub fn steps_within_epoch(&self) -> usize {
        self.position.as_ref().map_or(0, |position| position.batches)
    }

    /// Whether every replica has run out of patience.
    pub fn has_stopped(&self) -> bool {
        self.standings.iter().all(Standing::has_stopped)
    }
}
