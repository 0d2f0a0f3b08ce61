//! Runs in files: as JSON, by itself or in the `config.json` of a run's directory, and in checkpoints.

use std::path::Path;

use serde_json::Value;

use super::{FitSpec, RunSpec};
use crate::error::{Error, Result};
use crate::train::{Checkpoints, run_of};

/// The field of a `config.json`, and what errors call what a checkpoint carries.
const RUN: &str = "run";

impl RunSpec {
    /// Writes it as JSON, which [`RunSpec::load`] reads.
    ///
    /// # Errors
    /// [`Error::RunFile`] for a path in it that is not UTF-8; [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| Error::run_file(path, "", format!("not written: {error}")))?;
        crate::files::write_whole(path, (text + "\n").as_bytes())
    }

    /// Reads what [`RunSpec::save`] wrote, the `run` of a run directory's `config.json`, or what a checkpoint carries: a
    /// `.safetensors` file, or the newest good one of a directory. Relative paths are as they were.
    ///
    /// With a directory's checkpoints, [`RunSpec::start`] goes on where they stand, wherever that directory is now. A
    /// checkpoint under a name of its own gives no such directory; [`Prepared::resume`](super::Prepared::resume) takes it.
    ///
    /// ```
    /// use wgrad::run::{DataSpec, FitSpec, ModelSpec, RunSpec, TrainingSpec};
    /// use wgrad::{Activation, Adam, Checkpoints, Device};
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// let (data, model) = (DataSpec::named("iris"), ModelSpec::hidden(&[8], Activation::Tanh));
    /// let checkpoints = Some(Checkpoints::in_directory(directory.path()));
    /// let fit = FitSpec { checkpoints, ..FitSpec::epochs(3) };
    /// let spec = RunSpec { data, model, training: TrainingSpec::new(Adam::new(0.01)), fit };
    /// let mut run = spec.start(Device::cpu())?;
    /// run.next()?; // and so on, until it is interrupted
    /// # while run.next()?.is_some() {}
    /// drop(run);
    ///
    /// let mut spec = RunSpec::load(directory.path())?;
    /// spec.fit.epochs = Some(5);
    /// let mut run = spec.start(Device::cpu())?; // goes on
    /// # assert!(matches!(run.next()?, Some(wgrad::Event::Note(wgrad::Note::GoesOn { epochs: 3, .. }))));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Model`] for a damaged checkpoint; [`Error::RunFile`] that names the field, for what is not
    /// JSON or no run, an unknown field or a value of the wrong kind, and for a checkpoint that carries no run: one of an
    /// earlier wgrad, or of a fit that was not started from a `RunSpec`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let of_checkpoint = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
        if path.is_dir() || of_checkpoint {
            return Self::of_checkpoint(path);
        }
        let text = std::fs::read(path).map_err(|error| Error::io(path, "read", error))?;
        let parsed: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::run_file(path, "", format!("not JSON, or cut off: {error}")))?;
        match (parsed.get(RUN), parsed.get("data").or(parsed.get("fit"))) {
            (Some(run), _) => read(path, RUN, run),
            (None, None) if parsed.is_object() => {
                let reason = "missing: a run has data, model, training and fit, or a config.json has all this as `run`";
                Err(Error::run_file(path, RUN, reason))
            }
            _ => read(path, "", &parsed),
        }
    }

    fn of_checkpoint(path: &Path) -> Result<Self> {
        let (run, file) = run_of(path)?;
        let Some(run) = run else {
            let reason = "this checkpoint carries none: it is of an earlier wgrad, or of a fit that was not started from \
                          a RunSpec; prepare the RunSpec that it is of, and resume that, or use Trainer::resume";
            return Err(Error::run_file(&file, RUN, reason));
        };
        let spec: Self = read(&file, RUN, &run)?;
        let directory = file.parent().filter(|_| Checkpoints::is_name(&file));
        let checkpoints = directory.and_then(|directory| Some(spec.fit.checkpoints?.moved_to(directory)));
        Ok(Self { fit: FitSpec { checkpoints, ..spec.fit }, ..spec })
    }

    /// What its checkpoints carry: they are where they are found, and not in a directory by name.
    pub(super) fn carried(&self) -> Result<Value> {
        let checkpoints = self.fit.checkpoints.clone().map(|checkpoints| checkpoints.moved_to(""));
        let spec = Self { fit: FitSpec { checkpoints, ..self.fit.clone() }, ..self.clone() };
        serde_json::to_value(&spec).map_err(|error| Error::spec(RUN, format!("checkpoints cannot carry it: {error}")))
    }
}

/// A run that is in a file's field.
fn read(path: &Path, prefix: &str, run: &Value) -> Result<RunSpec> {
    // As text, for an error then says where it is.
    let text = run.to_string();
    serde_json::from_str(&text).map_err(|error| {
        let field = field_at(&text.as_bytes()[..error.column().min(text.len())]);
        let field = [prefix, &field].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        let reason = error.to_string();
        Error::run_file(path, field, reason.rsplit_once(" at line ").map_or(&*reason, |(reason, _)| reason))
    })
}

/// Where in a JSON text its beginning ends, as `training.augment` or `model.hidden.0.units`.
fn field_at(text: &[u8]) -> String {
    // What has only been opened is the value of the field.
    let text = text.strip_suffix(b"{").or(text.strip_suffix(b"[")).unwrap_or(text);
    // Of each object and list that is open: the key, or how many elements are before.
    let mut open: Vec<String> = Vec::new();
    let (mut string, mut key) = (None, false);
    for (at, byte) in text.iter().enumerate() {
        match (string, byte) {
            (Some(start), b'"') if !is_escaped(&text[start..at]) => {
                if let Some(last) = open.last_mut().filter(|_| key) {
                    *last = String::from_utf8_lossy(&text[start..at]).into_owned();
                }
                (string, key) = (None, false);
            }
            (Some(_), _) => {}
            (None, b'"') => string = Some(at + 1),
            (None, b'{') => {
                open.push(String::new());
                key = true;
            }
            (None, b'[') => open.push("0".to_owned()),
            (None, b'}' | b']') => {
                open.pop();
                key = false;
            }
            (None, b',') => {
                let before = open.last().and_then(|last| last.parse::<usize>().ok());
                key = before.is_none();
                open.last_mut().zip(before).into_iter().for_each(|(last, before)| *last = (before + 1).to_string());
            }
            (None, _) => {}
        }
    }
    open.retain(|part| !part.is_empty());
    open.join(".")
}

/// Whether what follows a part of a string is escaped in it.
fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}
