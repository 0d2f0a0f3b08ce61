//! The library's one error type. Every message names the file, field, tensor or limit at fault and the way out.

use std::path::{Path, PathBuf};

use crate::hint::Hint;
use crate::precision::Precision;

/// An error of wgrad.
///
/// [`Error::is_usage`] distinguishes a usage error (an invalid field, an unknown name) from a run-time failure (a broken
/// file, a lost device); the command maps the first to exit status 2 and the second to 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a spec or an argument has an invalid value.
    #[error("{field}: {reason}{}", after(hint))]
    Spec {
        /// The field as the user wrote it, such as `hidden` or `batch`.
        field: String,
        /// What is wrong with its value, and which values are valid.
        reason: String,
        /// The way out, where that is another setting.
        hint: Option<Hint>,
    },
    /// A dataset name that is neither built in nor a file or directory.
    #[error(
        "unknown dataset `{name}`: known are {known}; or give a file (CSV, NPZ, NPY) or a directory with four IDX files"
    )]
    UnknownDataset {
        /// The requested name.
        name: String,
        /// The built-in names, comma-separated.
        known: String,
    },
    /// A data file that violates its format.
    #[error("{}: {reason}{}", path.display(), after(hint))]
    Data {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong, where, and what was expected.
        reason: String,
        /// The way out, where that is a setting.
        hint: Option<Hint>,
    },
    /// An array that does not fit the model or its counterpart.
    #[error("{operation}: {tensor} has shape {got}, but {wanted} is needed")]
    Shape {
        /// The operation, such as `fit` or `predict`.
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
        /// The operation, such as `load weights`.
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
        /// The attempted action, such as `read` or `create`.
        action: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A model file that cannot be used.
    #[error("{}: {reason}{}", path.display(), after(hint))]
    Model {
        /// The model file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The way out, where that is a setting.
        hint: Option<Hint>,
    },
    /// A run that cannot be resumed as requested.
    #[error("{}: cannot resume: {field} was {had}, and {wanted} is asked for; leave it as it was, or start a new run", path.display())]
    Resume {
        /// The checkpoint.
        path: PathBuf,
        /// The field that differs, such as `training.batch`.
        field: String,
        /// Its value in the checkpoint.
        had: String,
        /// Its requested value.
        wanted: String,
    },
    /// A file that describes a run, and cannot be used.
    #[error("{}: {}{reason}", path.display(), within(field))]
    RunFile {
        /// The file.
        path: PathBuf,
        /// The field at fault, such as `training.optimizer.learning_rate`; empty where it is the file as a whole.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No adapter matches the request.
    #[error("{reason}{}", after(hint))]
    Adapter {
        /// The request, and the available adapters.
        reason: String,
        /// The way out.
        hint: Option<Hint>,
    },
    /// The adapter lacks what a setting needs.
    #[error("adapter `{adapter}` has no {feature}, which {setting} needs; {hint}")]
    Feature {
        /// Its name.
        adapter: String,
        /// What it lacks, as wgpu calls it.
        feature: &'static str,
        /// The setting, such as `precision f16`.
        setting: &'static str,
        /// The way out.
        hint: Hint,
    },
    /// The plan exceeds the limits of the device or the machine. Nothing was allocated.
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
        hint: Hint,
    },
    /// A loss became NaN or infinite.
    #[error(
        "loss became {loss} at step {step} (epoch {epoch}{}, learning rate {}){}; {}",
        if *replicas > 1 { format!(", replica {replica}") } else { String::new() },
        if (1e-4..1e4).contains(learning_rate) { learning_rate.to_string() } else { format!("{learning_rate:e}") },
        kept.as_ref().map_or_else(String::new, |p| format!("; the last finite epoch's model is in {}", p.display())),
        slower(*precision)
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
        /// The storage precision between layers.
        precision: Precision,
        /// Where the last finite epoch's model was saved, if it was.
        kept: Option<PathBuf>,
    },
    /// The GPU failed: device loss, out of memory, a validation error.
    #[error("GPU failure: {0}")]
    Device(String),
}

/// The end of a message.
fn after(hint: &Option<Hint>) -> String {
    hint.map_or_else(String::new, |hint| format!("; {hint}"))
}

/// The field at the beginning of a message, if it is about one.
fn within(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

/// What to do about a loss that diverges.
fn slower(precision: Precision) -> Hint {
    if precision == Precision::F16 { Hint::SmallerRateOrF32 } else { Hint::SmallerRate }
}

/// `std::result::Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// More bytes than are available.
    pub(crate) fn too_large(what: String, [wanted, had]: [u64; 2], limit: &'static str, hint: Hint) -> Self {
        Self::Limit { what, limit, wanted, had, unit: "bytes", hint }
    }

    /// A bad value in a field of a spec.
    pub fn spec(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Spec { field: field.into(), reason: reason.into(), hint: None }
    }

    /// A data file that violates its format.
    pub fn data(path: &Path, reason: impl Into<String>) -> Self {
        Self::Data { path: path.to_path_buf(), reason: reason.into(), hint: None }
    }

    /// A refused file operation.
    pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), action, source }
    }

    /// A model file that cannot be used.
    pub fn model(path: &Path, reason: impl Into<String>) -> Self {
        Self::Model { path: path.to_path_buf(), reason: reason.into(), hint: None }
    }

    /// A file that describes a run, and cannot be used.
    pub(crate) fn run_file(path: &Path, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::RunFile { path: path.to_path_buf(), field: field.into(), reason: reason.into() }
    }

    /// No adapter for the request.
    pub fn adapter(reason: impl Into<String>, hint: impl Into<Option<Hint>>) -> Self {
        Self::Adapter { reason: reason.into(), hint: hint.into() }
    }

    /// The same with a way out.
    ///
    /// # Panics
    /// Where the kind of error has no room for one.
    #[must_use]
    pub fn hinting(mut self, way_out: Hint) -> Self {
        match &mut self {
            Self::Spec { hint, .. }
            | Self::Data { hint, .. }
            | Self::Model { hint, .. }
            | Self::Adapter { hint, .. } => {
                *hint = Some(way_out);
            }
            Self::Feature { hint, .. } | Self::Limit { hint, .. } => *hint = way_out,
            other => panic!("no room for a hint in: {other}"),
        }
        self
    }

    /// The way out, where that is a setting.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            Self::Spec { hint, .. }
            | Self::Data { hint, .. }
            | Self::Model { hint, .. }
            | Self::Adapter { hint, .. } => *hint,
            Self::Feature { hint, .. } | Self::Limit { hint, .. } => Some(*hint),
            Self::NonFinite { precision, .. } => Some(slower(*precision)),
            Self::UnknownDataset { .. }
            | Self::Shape { .. }
            | Self::MissingTensor { .. }
            | Self::Io { .. }
            | Self::Resume { .. }
            | Self::RunFile { .. }
            | Self::Device(_) => None,
        }
    }

    /// Its text, with the hint in other words.
    pub fn told(&self, words: impl FnOnce(Hint) -> String) -> String {
        let text = self.to_string();
        let Some(hint) = self.hint() else { return text };
        let own = hint.to_string();
        let Some(rest) = text.strip_suffix(&own) else { panic!("an error ends with its hint: {text}") };
        format!("{rest}{}", words(hint))
    }

    /// True for a usage error, false for a run-time failure.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever has a hint ends with it, so that a front end can say it in its own words.
    #[test]
    fn hints_are_told_in_other_words() {
        let path = Path::new("a.csv");
        let of_feature = Error::Feature {
            adapter: "llvmpipe".to_owned(),
            feature: "SHADER_F16",
            setting: "precision f16",
            hint: Hint::NoF16,
        };
        let non_finite = |precision, kept| Error::NonFinite {
            loss: f32::NAN,
            step: 3,
            epoch: 1,
            replica: 0,
            replicas: 2,
            learning_rate: 1e-9,
            precision,
            kept,
        };
        let errors = [
            Error::spec("batch", "0 rows").hinting(Hint::Widths),
            Error::data(path, "row 3 has no number").hinting(Hint::MissingDrop),
            Error::model(path, "a checkpoint").hinting(Hint::Resume),
            Error::adapter("no adapter", Hint::Driver),
            of_feature,
            Error::too_large("tensor x".to_owned(), [2, 1], "the limit", Hint::Smaller),
            non_finite(Precision::F32, None),
            non_finite(Precision::F16, Some(path.to_path_buf())),
        ];
        for error in errors {
            let hint = error.hint().unwrap();
            let text = error.to_string();
            let told = error.told(|own| {
                assert_eq!(own, hint);
                "use --other".to_owned()
            });
            assert_eq!(told, text.replace(&hint.to_string(), "use --other"), "{error:?}");
            assert!(told.ends_with("; use --other"), "{told}");
        }
        let plain = Error::spec("batch", "0 rows");
        assert_eq!(plain.told(|_| unreachable!("there is no hint")), plain.to_string());
    }
}
