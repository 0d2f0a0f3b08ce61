//! Checkpoints: all that the rest of a run depends on, in one safetensors file.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::fit_state::{FitState, SampleRecord};
use crate::data::Preprocessing;
use crate::error::{Error, Result};
use crate::executor::{DeviceInfo, KernelRecord, KernelRecords};
use crate::plan::ProgramId;
use crate::spec::{Sequential, TrainSpec};
use crate::state::{NamedTensor, State};

/// The metadata key under which a checkpoint carries everything but its tensors.
pub(super) const METADATA_KEY: &str = "wgrad-checkpoint";
/// The metadata key of that object's own checksum. Checkpoints of before there was one go without.
const METADATA_CHECKSUM_KEY: &str = "wgrad-checkpoint-checksum";
/// What the format is called; another one is refused.
const FORMAT: u32 = 1;
/// Names of the best epoch's tensors start like this.
const BEST: &str = "best.";

/// What ran so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceRecord {
    pub device: String,
    pub adapter: String,
    pub backend: String,
    pub driver: String,
    /// Of each program. Earlier checkpoints list those of training, evaluation and prediction.
    #[serde(deserialize_with = "kernel_records")]
    pub kernels: KernelRecords,
}

/// By program, or a list as earlier checkpoints have it.
fn kernel_records<'de, D: Deserializer<'de>>(from: D) -> Result<KernelRecords, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        ByProgram(KernelRecords),
        Listed([Vec<KernelRecord>; 3]),
    }
    Ok(match Form::deserialize(from)? {
        Form::ByProgram(records) => records,
        Form::Listed(records) => {
            [ProgramId::Train, ProgramId::Evaluate, ProgramId::Predict].into_iter().zip(records).collect()
        }
    })
}

impl DeviceRecord {
    pub fn of(info: &DeviceInfo, kernels: KernelRecords) -> Self {
        let DeviceInfo { device, adapter, backend, driver } = info.clone();
        Self { device: device.into_owned(), adapter, backend, driver, kernels }
    }
}

/// Everything but the tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub model: Sequential,
    pub spec: TrainSpec,
    pub device: DeviceRecord,
    pub trained_on: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_samples: Option<SampleRecord>,
    #[serde(default)]
    pub bytes: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Preprocessing>,
    /// Whole epochs, and optimizer steps before the epoch at hand.
    pub epochs: usize,
    pub steps: u32,
    /// Where a fit stood; none between two fits.
    pub fit: Option<FitState>,
    /// The run that the fit is of, as `run::RunSpec` writes it; none where it was not started from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Value>,
}

/// A run at one moment.
///
/// On disk it is a safetensors file: under their names all of the plan's tensors whose role says that they are state,
/// with the replicas as first extent, under `best.NAME` those of the best epoch, and under the metadata key
/// `wgrad-checkpoint` a JSON object.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub header: Header,
    /// (R, ...)
    pub state: State,
    /// The model's tensors of each replica's best epoch, where the run keeps them.
    pub best: State,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    format: u32,
    wgrad: String,
    /// Over all tensors: a file that was damaged later is known by it.
    checksum: String,
    #[serde(flatten)]
    header: Header,
}

impl Checkpoint {
    /// Steps that it stands after: the larger, the later.
    pub fn steps(&self) -> u64 {
        let within = self.header.fit.as_ref().map_or(0, FitState::steps_within_epoch);
        u64::from(self.header.steps) + within as u64
    }

    /// Writes the file, whole.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes().map_err(|reason| Error::model(path, format!("not written: {reason}")))?;
        crate::files::write_whole(path, &bytes)
    }

    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
        Self::from_bytes(&bytes).map_err(|reason| Error::model(path, reason))
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let best = self.best.iter().map(|tensor| (format!("{BEST}{}", tensor.name()), tensor));
        let named: Vec<_> = self.state.iter().map(|tensor| (tensor.name().to_owned(), tensor)).chain(best).collect();
        let views = named.iter().map(|(name, tensor)| {
            let bytes = bytemuck::cast_slice(tensor.values());
            TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        let checksum = checksum(views.iter().map(|(name, view)| (*name, view.data())));
        let (wgrad, header) = (env!("CARGO_PKG_VERSION").to_owned(), self.header.clone());
        let metadata = Metadata { format: FORMAT, wgrad, checksum, header };
        let metadata = serde_json::to_string(&metadata).map_err(|e| e.to_string())?;
        let checksum = format!("{:016x}", fingerprint(metadata.as_bytes()));
        let metadata =
            HashMap::from([(METADATA_KEY.to_owned(), metadata), (METADATA_CHECKSUM_KEY.to_owned(), checksum)]);
        safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let broken = |e| format!("not a safetensors file, or cut off: {e}");
        let (_, names) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let text = names.metadata().as_ref().and_then(|map| map.get(METADATA_KEY));
        let text = text.ok_or("a safetensors file, but no checkpoint of wgrad")?;
        let wanted = names.metadata().as_ref().and_then(|map| map.get(METADATA_CHECKSUM_KEY));
        if wanted.is_some_and(|wanted| *wanted != format!("{:016x}", fingerprint(text.as_bytes()))) {
            return Err("damaged: its metadata are not those that were written".to_owned());
        }
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            wgrad: String,
        }
        let unreadable = |e| format!("the checkpoint's metadata cannot be read: {e}");
        let Version { format, wgrad } = serde_json::from_str(text).map_err(unreadable)?;
        if format != FORMAT {
            return Err(format!("a checkpoint of wgrad {wgrad} in format {format}; this wgrad reads format {FORMAT}"));
        }
        let Metadata { checksum: wanted, header, .. } = serde_json::from_str(text).map_err(unreadable)?;
        header.spec.validate(&header.model).map_err(|e| format!("the checkpoint's metadata make no sense: {e}"))?;
        let all: Vec<_> = tensors.iter().collect();
        let had = checksum(all.iter().map(|(name, view)| (*name, view.data())));
        if had != wanted {
            return Err("damaged: its tensors are not those that were written".to_owned());
        }
        let [mut state, mut best] = [State::default(), State::default()];
        for (name, view) in &all {
            let (into, name) = name.strip_prefix(BEST).map_or((&mut state, *name), |name| (&mut best, name));
            into.insert(tensor(name, view)?).map_err(|e| e.to_string())?;
        }
        Ok(Self { header, state, best })
    }
}

fn tensor(name: &str, view: &TensorView<'_>) -> Result<NamedTensor, String> {
    if view.dtype() != Dtype::F32 {
        return Err(format!("tensor {name} is {:?}, F32 is needed", view.dtype()));
    }
    let values = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    NamedTensor::new(name, view.shape(), values).map_err(|e| e.to_string())
}

/// Of names and bytes, in the order of the names.
fn checksum<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut sorted: Vec<_> = tensors.collect();
    sorted.sort_by_key(|(name, _)| *name);
    let parts = sorted.into_iter().flat_map(|(name, bytes)| [fingerprint(name.as_bytes()), fingerprint(bytes)]);
    let parts: Vec<u8> = parts.flat_map(u64::to_le_bytes).collect();
    format!("{:016x}", fingerprint(&parts))
}

/// 64 bits that differ where bytes differ by accident: four lanes of multiply and rotate, 8 bytes at a time, so that
/// the whole of MNIST costs some milliseconds. Nothing for which anyone would forge an equal one.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    const PRIMES: [u64; 4] =
        [0x9E37_79B1_85EB_CA87, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9, 0x85EB_CA77_C2B2_AE63];
    let mix = |lane: u64, word: u64, prime: u64| (lane ^ word).wrapping_mul(prime).rotate_left(29);
    let mut lanes = PRIMES;
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        for (lane, (word, prime)) in lanes.iter_mut().zip(block.as_chunks::<8>().0.iter().zip(PRIMES)) {
            *lane = mix(*lane, u64::from_le_bytes(*word), prime);
        }
    }
    let tail = rest.iter().fold(bytes.len() as u64, |hash, byte| mix(hash, u64::from(*byte), PRIMES[0]));
    let mut hash = lanes.iter().zip(PRIMES).fold(tail, |hash, (lane, prime)| mix(hash, *lane, prime));
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(PRIMES[1]);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_sees_every_byte_and_the_length() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in [0, 1, 31, 32, 33, 100] {
            let whole = fingerprint(&bytes[..len]);
            for at in 0..len {
                let mut other = bytes[..len].to_vec();
                other[at] ^= 1;
                assert_ne!(fingerprint(&other), whole, "byte {at} of {len}");
            }
        }
        assert_ne!(fingerprint(&[0; 32]), fingerprint(&[0; 64]));
        assert_ne!(fingerprint(&[0; 3]), fingerprint(&[0; 4]));
    }
}
