//! The library's one error type. Every message names the file, field, tensor or limit at fault and the way out.

use std::path::{Path, PathBuf};

use crate::precision::Precision;

/// What can go wrong in wgrad.
///
/// [`Error::is_usage`] tells a mistake in what was asked for (a bad field, an unknown name) from a failure on the way
/// (a broken file, a lost device); the command maps the first to exit status 2 and the second to 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a spec or an argument has a value that cannot be meant.
    #[error("{field}: {reason}")]
    Spec {
        /// The field as the user wrote it, such as `hidden` or `batch`.
        field: String,
        /// What is wrong with its value, and which values are right.
        reason: String,
    },
    /// A dataset name that is neither built in nor a file or directory.
    #[error(
        "unknown dataset `{name}`: known are {known}; or give a file (CSV, NPZ, NPY) or a directory with four IDX files"
    )]
    UnknownDataset {
        /// The name that was asked for.
        name: String,
        /// The built-in names, comma-separated.
        known: String,
    },
    /// A data file whose content is not what its format promises.
    #[error("{}: {reason}", path.display())]
    Data {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong, where, and what was expected.
        reason: String,
    },
    /// An array that does not fit the model or its counterpart.
    #[error("{operation}: {tensor} has shape {got}, but {wanted} is needed")]
    Shape {
        /// The operation that was asked for, such as `fit` or `predict`.
        operation: &'static str,
        /// The array at fault.
        tensor: String,
        /// The shape that is needed, as text.
        wanted: String,
        /// The shape that was given, as text.
        got: String,
    },
    /// State without a tensor that is needed.
    #[error("{operation}: tensor {tensor} {wanted} is missing{hint}")]
    MissingTensor {
        /// The operation that was asked for, such as `load weights`.
        operation: &'static str,
        /// The tensor's name.
        tensor: String,
        /// The shape that is needed, as text.
        wanted: String,
        /// A name that is near, or nothing.
        hint: String,
    },
    /// The operating system refused a file operation.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, such as `read` or `create`.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A model file that cannot be used.
    #[error("{}: {reason}", path.display())]
    Model {
        /// The model file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run that cannot go on as it is asked to.
    #[error("{}: cannot resume: {field} was {had}, and {wanted} is asked for; leave it as it was, or start a new run", path.display())]
    Resume {
        /// The checkpoint.
        path: PathBuf,
        /// The field that differs, such as `training.batch`.
        field: String,
        /// Its value in the checkpoint.
        had: String,
        /// Its value as asked for.
        wanted: String,
    },
    /// No adapter fits what was asked for.
    #[error("{reason}; {way_out}")]
    Adapter {
        /// What was asked for, and which adapters there are.
        reason: String,
        /// What to do.
        way_out: String,
    },
    /// The adapter lacks what a setting needs.
    #[error("adapter `{adapter}` has no {feature}, which {setting} needs; {way_out}")]
    Feature {
        /// Its name.
        adapter: String,
        /// What it lacks, as wgpu calls it.
        feature: &'static str,
        /// The setting, such as `--precision f16`.
        setting: &'static str,
        /// What to do.
        way_out: &'static str,
    },
    /// The plan needs more than the device or the machine has. Nothing was allocated.
    #[error("{what} needs {wanted} {unit}, but {limit} is {had} {unit}; {hint}")]
    Limit {
        /// The tensor or total that is too large.
        what: String,
        /// The limit's name.
        limit: &'static str,
        /// How much is wanted.
        wanted: u64,
        /// How much the limit allows.
        had: u64,
        /// Of what: `bytes`, `workgroups`.
        unit: &'static str,
        /// The way out.
        hint: &'static str,
    },
    /// A loss became NaN or infinite.
    #[error(
        "loss became {loss} at step {step} (epoch {epoch}{}, learning rate {}); try a smaller learning rate{}{}",
        if *replicas > 1 { format!(", replica {replica}") } else { String::new() },
        if (1e-4..1e4).contains(learning_rate) { learning_rate.to_string() } else { format!("{learning_rate:e}") },
        if *precision == Precision::F16 { ", or `--precision f32`, whose range is larger" } else { "" },
        kept.as_ref().map_or_else(String::new, |p| format!("; the last finite epoch's model is in {}", p.display()))
    )]
    NonFinite {
        /// The loss as it came from the device.
        loss: f32,
        /// From 1, since the model's training began.
        step: u64,
        /// One-based epoch.
        epoch: usize,
        /// The replica whose loss it was.
        replica: usize,
        /// Replicas in the run.
        replicas: usize,
        /// That replica's learning rate.
        learning_rate: f32,
        /// What layers hand on to each other was stored as.
        precision: Precision,
        /// Where the last finite epoch's model was saved, if it was.
        kept: Option<PathBuf>,
    },
    /// The GPU failed under us: device loss, out of memory, a validation error.
    #[error("GPU failure: {0}")]
    Device(String),
}

/// `std::result::Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// More bytes than there are.
    pub(crate) fn too_large(what: String, [wanted, had]: [u64; 2], limit: &'static str, hint: &'static str) -> Self {
        Self::Limit { what, limit, wanted, had, unit: "bytes", hint }
    }

    /// A bad value in a field of a spec.
    pub(crate) fn spec(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Spec { field: field.into(), reason: reason.into() }
    }

    /// A data file that breaks its format.
    pub(crate) fn data(path: &Path, reason: impl Into<String>) -> Self {
        Self::Data { path: path.to_path_buf(), reason: reason.into() }
    }

    /// A refused file operation.
    pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), action, source }
    }

    /// A model file that cannot be used.
    pub(crate) fn model(path: &Path, reason: impl Into<String>) -> Self {
        Self::Model { path: path.to_path_buf(), reason: reason.into() }
    }

    /// No adapter for what was asked.
    pub(crate) fn adapter(reason: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::Adapter { reason: reason.into(), way_out: way_out.into() }
    }

    /// True for a mistake in what was asked for, false for a failure on the way.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Spec { .. }
                | Self::UnknownDataset { .. }
                | Self::Adapter { .. }
                | Self::Feature { .. }
                | Self::Limit { .. }
                | Self::Resume { .. }
        )
    }
}
