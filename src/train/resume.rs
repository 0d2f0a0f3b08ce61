//! Going on after a stop or a crash: checkpoints of a trainer, and trainers from checkpoints.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::Device;
use super::builder::TrainerBuilder;
use super::checkpoint::{Checkpoint, DeviceRecord, Header};
use super::event::{CheckpointReport, Event};
use super::fit_state::{FitRecord, FitState};
use super::run::Course;
use super::saver::latest;
use super::trainer::Trainer;
use crate::error::{Error, Result};
use crate::plan::ProgramId;
use crate::state::State;
use crate::tensor::Role;

/// The most characters of a value that an error repeats.
const LONGEST_VALUE: usize = 60;

/// A fit that waits to go on.
pub(super) struct Resumed {
    pub path: PathBuf,
    pub state: FitState,
    pub best: State,
}

impl Resumed {
    /// Whether a fit is asked for what the checkpoint's was; names and places may differ, numbers may not.
    pub fn check(&self, asked: &FitRecord, epochs: usize) -> Result<()> {
        let nameless = |record: &FitRecord| {
            let mut record = record.clone();
            record.data.name.clear();
            record.validation.iter_mut().for_each(|data| data.name.clear());
            record
        };
        compare(&self.path, "", &nameless(&self.state.asked), &nameless(asked))?;
        // More of them there may be; but it cannot end before where it stands.
        let begun = self.state.reports.len() + usize::from(self.state.position.is_some());
        if epochs < begun {
            let (field, had, wanted) = ("epochs".to_owned(), format!("at least {begun}"), epochs.to_string());
            return Err(Error::Resume { path: self.path.clone(), field, had, wanted });
        }
        Ok(())
    }
}

/// [`Error::Resume`] for the first field in which two of a kind differ.
fn compare(path: &Path, prefix: &str, had: &impl serde::Serialize, wanted: &impl serde::Serialize) -> Result<()> {
    let json = |value: serde_json::Result<Value>| value.map_err(|e| Error::model(path, e.to_string()));
    let (had, wanted) = (json(serde_json::to_value(had))?, json(serde_json::to_value(wanted))?);
    match difference(prefix.to_owned(), &had, &wanted) {
        None => Ok(()),
        Some((field, had, wanted)) => {
            let field = field.replace("values_fingerprint", "values, by their fingerprint,");
            Err(Error::Resume { path: path.to_path_buf(), field, had, wanted })
        }
    }
}

/// The first field in which two values differ, and both values.
fn difference(field: String, had: &Value, wanted: &Value) -> Option<(String, String, String)> {
    let below = |key: &str| if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") };
    match (had, wanted) {
        (Value::Object(had), Value::Object(wanted)) => {
            let keys = had.keys().chain(wanted.keys().filter(|key| !had.contains_key(*key)));
            let value = |map: &serde_json::Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(Value::Null);
            keys.into_iter().find_map(|key| difference(below(key), &value(had, key), &value(wanted, key)))
        }
        (Value::Array(had), Value::Array(wanted)) if had.len() == wanted.len() => {
            let pairs = had.iter().zip(wanted).enumerate();
            pairs.into_iter().find_map(|(n, (had, wanted))| difference(below(&n.to_string()), had, wanted))
        }
        (Value::Array(had), Value::Array(wanted)) => {
            Some((format!("the number of {field}"), had.len().to_string(), wanted.len().to_string()))
        }
        _ if had == wanted => None,
        _ => Some((field, short(had), short(wanted))),
    }
}

fn short(value: &Value) -> String {
    let text = match value.as_f64().filter(|_| value.is_f64()) {
        // Most are f32, and have fewer digits as such.
        Some(number) if f64::from(number as f32) == number => format!("{:?}", number as f32),
        _ if value.is_null() => "none".to_owned(),
        _ => value.to_string(),
    };
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// The description of the run that the latest checkpoint is of, and that checkpoint's path; as [`Trainer::resume`] finds it.
pub(crate) fn run_of(path: &Path) -> Result<(Option<Value>, PathBuf)> {
    latest(path).map(|(checkpoint, file, _)| (checkpoint.header.run, file))
}

impl TrainerBuilder {
    /// Continues from a checkpoint as [`Trainer::resume`] does, provided that it is of this model with these settings.
    ///
    /// # Errors
    /// As [`TrainerBuilder::build`] and [`Trainer::resume`]; [`Error::Resume`] that names the first field that differs.
    pub fn resume(self, path: impl AsRef<Path>) -> Result<Trainer> {
        let asked = self.build()?;
        let (checkpoint, file, note) = latest(path.as_ref())?;
        compare(&file, "model", &checkpoint.header.model, &asked.model)?;
        compare(&file, "training", &checkpoint.header.spec, &asked.spec)?;
        Trainer::from_checkpoint(checkpoint, file, note, asked.device, asked.streaming_bytes)
    }
}

impl Trainer {
    /// A trainer that continues from a checkpoint: the file, or the newest good one of a directory of
    /// [`Checkpoints`](super::Checkpoints). The next fit continues the interrupted one; asked for the same data, it ends with the bits
    /// that it would have had without the interruption, on the same device and driver. On a GPU it takes the kernel variants that ran before.
    /// [`Trainer::resume_note`] says where any of this does not hold.
    ///
    /// # Errors
    /// [`Error::Io`] where there is no checkpoint; [`Error::Model`] where none is sound.
    pub fn resume(path: impl AsRef<Path>, device: Device) -> Result<Self> {
        let (checkpoint, file, note) = latest(path.as_ref())?;
        Self::from_checkpoint(checkpoint, file, note, device, None)
    }

    fn from_checkpoint(
        checkpoint: Checkpoint,
        path: PathBuf,
        damaged: Option<String>,
        device: Device,
        streaming_bytes: Option<u64>,
    ) -> Result<Self> {
        let Checkpoint { header, state, best } = checkpoint;
        let Header { model, spec, device: record, trained_on, trained_samples, bytes, .. } = header;
        let (preprocessing, epochs, steps, fit) = (header.preprocessing, header.epochs, header.steps, header.fit);
        let (keep_kernels, moved) = record.compare(&device);
        let mut trainer = Self::assemble(model, spec, device, state, streaming_bytes);
        (trainer.epochs, trainer.steps, trainer.trained_on, trainer.bytes) = (epochs, steps, trained_on, bytes);
        trainer.trained_samples = trained_samples;
        trainer.preprocessing = preprocessing.map(Arc::new);
        let plan = trainer.usual_shape().plan(&trainer.model, &trainer.spec)?;
        let of = |wanted: fn(Role) -> bool| plan.tensors.iter().filter(move |tensor| wanted(tensor.role));
        let mut checked = trainer.carried.check("take over state", of(Role::is_state));
        if !best.is_empty() {
            checked = checked.and_then(|()| best.check("take over the best epoch", of(Role::is_model)));
        }
        checked.map_err(|error| Error::model(&path, error.to_string()))?;
        trainer.kernel_record = keep_kernels.then_some(record.kernels);
        trainer.resumed = fit.map(|state| Resumed { path, state, best });
        trainer.resume_note = [damaged, moved].into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
        Ok(trainer)
    }

    /// Saves all that the rest of training depends on, as a checkpoint between two fits; [`Trainer::resume`] reads it.
    /// Checkpoints within a fit are written by the fit itself ([`Fit::checkpoints`](super::Fit::checkpoints)).
    ///
    /// # Errors
    /// [`Error::Io`], and what the device reports.
    pub fn save_checkpoint(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.any_session()?;
        self.snapshot(None, State::default())?.save(path.as_ref())
    }

    /// What of a resumed run is not as it was: another device or driver, a damaged checkpoint that was passed over.
    pub fn resume_note(&self) -> Option<&str> {
        self.resume_note.as_deref()
    }

    /// Epochs and steps that the resumed fit has done, including those of its current epoch.
    pub fn resumes_after(&self) -> Option<(usize, u64)> {
        let state = &self.resumed.as_ref()?.state;
        Some((state.reports.len(), state.steps + state.steps_within_epoch() as u64))
    }

    /// The epochs that it has behind it.
    pub fn resumed_epochs(&self) -> &[super::EpochReport] {
        self.resumed.as_ref().map_or(&[], |resumed| &resumed.state.reports)
    }

    /// Hands a checkpoint of a fit over to be written, where the fit keeps any.
    pub(super) fn checkpoint(&mut self, course: &mut Course) -> Result<()> {
        let (epochs, steps) = (course.state.reports.len(), course.steps());
        let Some(saver) = &mut course.saver else { return Ok(()) };
        let mut checkpoint = self.snapshot(Some(course.state.clone()), course.captured.clone())?;
        checkpoint.header.run = course.run.clone();
        saver.offer(checkpoint, steps)?;
        course.events.push_back(Event::Checkpoint(CheckpointReport { epochs, steps }));
        Ok(())
    }

    fn snapshot(&mut self, fit: Option<FitState>, best: State) -> Result<Checkpoint> {
        let kernels = [ProgramId::Train, ProgramId::Evaluate, ProgramId::Predict]
            .map(|program| (program, self.kernels(program).iter().map(Into::into).collect()))
            .into();
        let header = Header {
            model: self.model.clone(),
            spec: self.spec.clone(),
            device: DeviceRecord::of(&self.device.info(), kernels),
            trained_on: self.trained_on.clone(),
            trained_samples: self.trained_samples.clone(),
            bytes: self.bytes,
            preprocessing: self.preprocessing.as_deref().cloned(),
            epochs: self.epochs,
            steps: self.steps,
            fit,
            run: None,
        };
        Ok(Checkpoint { header, state: self.any_session()?.executor.read_state(Role::is_state)?, best })
    }

    /// The model's tensors, those of all replicas.
    pub(super) fn model_tensors(&mut self) -> Result<State> {
        self.any_session()?.executor.read_state(Role::is_model)
    }
}

impl DeviceRecord {
    /// Whether the kernels of a record are to be taken on a device, and what is different on it.
    fn compare(&self, device: &Device) -> (bool, Option<String>) {
        let now = Self::of(&device.info(), Default::default());
        if self.device != now.device || (now.device == "gpu" && self.adapter != now.adapter) {
            let (had, has) = (self.name(), now.name());
            return (false, Some(format!("it ran on {had} and continues on {has}: results differ in their last bits")));
        }
        let same = now.device != "gpu" || (self.backend == now.backend && self.driver == now.driver);
        let note = || {
            let (had, has) = (&self.driver, &now.driver);
            format!("the driver was {had} and is now {has}: results may differ in their last bits")
        };
        (true, (!same).then(note))
    }

    fn name(&self) -> String {
        if self.device == "gpu" { format!("{} ({})", self.adapter, self.driver) } else { "the CPU".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let had = json!({"batch": 8, "layers": [{"units": 3}, {"units": 4}], "loss": "mse"});
        let mut wanted = had.clone();
        assert_eq!(difference("spec".to_owned(), &had, &wanted), None);
        wanted["layers"][1]["units"] = json!(5);
        let expected = Some(("spec.layers.1.units".to_owned(), "4".to_owned(), "5".to_owned()));
        assert_eq!(difference("spec".to_owned(), &had, &wanted), expected);
        let more = json!({"batch": 8, "layers": had["layers"], "loss": "mse", "clip": 1.0});
        assert_eq!(difference(String::new(), &had, &more).unwrap(), ("clip".into(), "none".into(), "1.0".into()));
        assert_eq!(difference(String::new(), &more, &had).unwrap(), ("clip".into(), "1.0".into(), "none".into()));
        let rate = |rate: f32| json!({ "rate": f64::from(rate) });
        let expected = Some(("rate".to_owned(), "0.001".to_owned(), "0.1".to_owned()));
        assert_eq!(difference(String::new(), &rate(0.001), &rate(0.1)), expected, "with the digits that f32 has");
        let shorter = json!({"batch": 8, "layers": [], "loss": "mse"});
        let counts = ("the number of layers".into(), "2".into(), "0".into());
        assert_eq!(difference(String::new(), &had, &shorter).unwrap(), counts);
    }
}
