//! Which kernel variants are fastest on an adapter: what `wgrad tune` has measured, kept in the user's cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Gpu;
use crate::error::{Error, Result};
use crate::files::write_whole;
use crate::ops::{Halves, MATMUL_VARIANTS, Op, Operation, Shader, shaders};

/// Measured choices for one adapter with one driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    made_for: MadeFor,
    /// Variants that verification has passed, by kernel family, those with f16 apart.
    passed: BTreeMap<String, BTreeSet<String>>,
    /// The variant to take, by the step's shape.
    chosen: BTreeMap<String, String>,
    /// The variant to take of other shapes: it has given the default's bits there.
    #[serde(default)]
    refined: BTreeMap<String, String>,
}

/// What a tuning is good for; where any of it differs, it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct MadeFor {
    wgrad: String,
    /// Of the shaders: a version in the making has many.
    kernels: String,
    adapter: String,
    backend: String,
    driver: String,
}

impl MadeFor {
    fn of(gpu: &Gpu) -> Self {
        let info = gpu.info();
        let texts = shaders().into_iter().chain(Shader::half_parts());
        let sources = texts.flat_map(|own| gpu.shader(own).source.bytes());
        let kernels = format!("{:016x}", hash(sources.chain(format!("{MATMUL_VARIANTS:?}").bytes())));
        let (wgrad, adapter) = (env!("CARGO_PKG_VERSION").to_owned(), info.adapter);
        Self { wgrad, kernels, adapter, backend: info.backend, driver: info.driver }
    }
}

/// FNV-1a: names and fingerprints, nothing that anyone would attack.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// What decides, on one adapter, which variant of a step's kernel is fastest:
/// `dense_forward R=1 B=64 I=784 O=128 samples_u8`, and behind that what is f16. None for kernels that come in one variant.
pub(crate) fn shape_of(op: &Op, halves: Halves, replicas: usize) -> Option<String> {
    let (dense, input) = op.product()?;
    let (stem, input) = (op.shader().stem, input.name());
    let read = if halves.read { " reads-f16" } else { "" };
    let stored = if halves.stored { " stores-f16" } else { "" };
    Some(format!("{stem} R={replicas} B={} I={} O={} {input}{read}{stored}", dense.batch, dense.inputs, dense.outputs))
}

/// What is verified together: a kernel family, or its texts with f16.
fn family(stem: &str, halves: Halves) -> String {
    if halves == Halves::default() { stem.to_owned() } else { format!("{stem} f16") }
}

impl Tuning {
    /// Nothing known yet.
    pub fn new(gpu: &Gpu) -> Self {
        Self { made_for: MadeFor::of(gpu), passed: BTreeMap::new(), chosen: BTreeMap::new(), refined: BTreeMap::new() }
    }

    /// The file for an adapter with its driver, in a directory.
    pub fn path(directory: &Path, gpu: &Gpu) -> PathBuf {
        let MadeFor { adapter, backend, driver, .. } = MadeFor::of(gpu);
        let device = hash(format!("{adapter}\n{backend}\n{driver}").bytes());
        let readable: String =
            adapter.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        directory.join(format!("tuning-{readable}-{device:016x}.json"))
    }

    /// Reads the file of an adapter with its driver, if there is one.
    ///
    /// # Errors
    /// [`Error::Data`] if it is damaged or made for something else, [`Error::Io`]: nothing to stop for, but to tell.
    pub fn load(directory: &Path, gpu: &Gpu) -> Result<Option<Self>> {
        let path = Self::path(directory, gpu);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(&path, "read", error)),
        };
        let tuning: Self = serde_json::from_slice(&bytes)
            .map_err(|error| Error::data(&path, format!("is not a valid record of tuned kernels: {error}")))?;
        let (made, wanted) = (&tuning.made_for, MadeFor::of(gpu));
        if *made == wanted {
            return Ok(Some(tuning));
        }
        let MadeFor { wgrad, adapter, driver, .. } = made;
        let other = MadeFor { wgrad: wanted.wgrad.clone(), kernels: wanted.kernels.clone(), ..made.clone() };
        Err(Error::data(
            &path,
            match other == wanted {
                true => format!("was tuned with other kernels, those of wgrad {wgrad}"),
                false => format!("was tuned for {adapter} with driver {driver}"),
            },
        ))
    }

    /// Writes the file, whole, and the directory where it is missing; gives the file's path.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, directory: &Path, gpu: &Gpu) -> Result<PathBuf> {
        let path = Self::path(directory, gpu);
        std::fs::create_dir_all(directory).map_err(|error| Error::io(directory, "create", error))?;
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| Error::io(&path, "write", error.into()))?;
        bytes.push(b'\n');
        write_whole(&path, &bytes)?;
        Ok(path)
    }

    /// Deletes the file of an adapter with its driver; gives its path if there was one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn forget(directory: &Path, gpu: &Gpu) -> Result<Option<PathBuf>> {
        let path = Self::path(directory, gpu);
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(&path, "delete", error)),
        }
    }

    /// Shapes and the variants that they take.
    pub fn chosen(&self) -> impl Iterator<Item = (&str, &str)> {
        let refined = self.refined.iter().filter(|(shape, _)| !self.chosen.contains_key(*shape));
        self.chosen.iter().chain(refined).map(|(shape, variant)| (shape.as_str(), variant.as_str()))
    }

    /// The variant for an operation with these tensors as f16, where there is one that has passed verification, or has given
    /// the default's bits.
    pub(crate) fn variant(&self, op: &Op, halves: Halves, replicas: usize) -> Option<&str> {
        let shape = shape_of(op, halves, replicas)?;
        let stem = op.shader().stem;
        let passed = |variant: &&String| self.has_passed(stem, halves, variant);
        let verified = self.passed.contains_key(&family(stem, halves));
        match self.chosen.get(&shape) {
            Some(variant) => Some(variant).filter(passed),
            // Where the family was verified since, that counts too.
            None => self.refined.get(&shape).filter(|variant| !verified || passed(variant)),
        }
        .map(String::as_str)
    }

    /// Whether a shape's variant is decided.
    pub(crate) fn knows(&self, shape: &str) -> bool {
        self.chosen.contains_key(shape) || self.refined.contains_key(shape)
    }

    /// Notes the variant of a shape that has given the default's bits there.
    pub(crate) fn refine(&mut self, shape: String, variant: &str) {
        self.refined.insert(shape, variant.to_owned());
    }

    pub(crate) fn choose(&mut self, shape: String, variant: &str) {
        self.chosen.insert(shape, variant.to_owned());
    }

    pub(crate) fn has_passed(&self, stem: &str, halves: Halves, variant: &str) -> bool {
        self.passed.get(&family(stem, halves)).is_some_and(|names| names.contains(variant))
    }

    /// Notes which variants of a kernel family, or of its texts with f16, passed; others have not.
    pub(crate) fn set_passed(&mut self, stem: &str, halves: Halves, variants: BTreeSet<String>) {
        self.passed.insert(family(stem, halves), variants);
    }
}
