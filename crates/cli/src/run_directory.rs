//! The directory of a run: checked before training and filled during it, so that it can be resumed at any moment.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use wgrad::files::{check_writable, write_whole};
use wgrad::run::{FitSpec, RunSpec};
use wgrad::{Checkpoints, EpochReport, Error, Event, History, Trainer};

use crate::Result;
use crate::config::Settings;
use crate::run_lock::RunLock;
use crate::train::EpochEvent;

const MODEL: &str = "model.safetensors";
const HISTORY: &str = "history.json";
const HISTORY_LINES: &str = "history.jsonl";
const HISTORY_TABLE: &str = "history.csv";
const CONFIG: &str = "config.json";
/// Of the arguments; what `--resume` reads.
pub const SETTINGS: &str = "config.toml";

/// A directory that can be written to. It notes each epoch that it is told of.
pub struct RunDirectory {
    path: PathBuf,
    checkpoints: Checkpoints,
    /// Whether the directory was made for this run.
    new: bool,
    /// Nobody else writes to it.
    _lock: RunLock,
    /// What goes into the directory once training begins.
    beginning: Beginning,
    /// What went wrong while the run went on, which then is to stop.
    failure: Option<crate::Failure>,
}

/// What is known before the first step.
pub struct Beginning {
    /// The arguments.
    pub settings: Settings,
    /// The run, its model and training, in JSON.
    pub specs: Vec<u8>,
    /// Epochs before an interruption; none for a new run.
    pub resumed: Option<Vec<EpochReport>>,
    /// Whether epochs are validated on a validation part rather than on the test part.
    pub validates: bool,
}

impl Beginning {
    pub fn new(trainer: &Trainer, settings: Settings, spec: &RunSpec, validates: bool) -> Result<Self> {
        #[derive(Serialize)]
        struct Config<'a> {
            wgrad: &'a str,
            architecture: String,
            model: &'a wgrad::Sequential,
            training: &'a wgrad::TrainSpec,
            run: &'a RunSpec,
        }
        let (model, training) = (trainer.model(), trainer.spec());
        let (wgrad, architecture) = (env!("CARGO_PKG_VERSION"), model.architecture());
        // Checkpoints are where this file is, wherever it is taken.
        let run = &RunSpec { fit: FitSpec { checkpoints: None, ..spec.fit.clone() }, ..spec.clone() };
        let specs = pretty(CONFIG.as_ref(), &Config { wgrad, architecture, model, training, run })?;
        let resumed = trainer.resumes_after().map(|_| trainer.resumed_epochs().to_vec());
        Ok(Self { settings, specs, resumed, validates })
    }
}

impl RunDirectory {
    /// Makes the directory if need be, and sees whether it can be written to. A resumed run holds its lock already.
    pub fn prepare(path: &Path, lock: Option<RunLock>, checkpoints: Checkpoints, beginning: Beginning) -> Result<Self> {
        let new = !path.exists();
        std::fs::create_dir_all(path).map_err(|e| refused(path, "create this directory for --out", e))?;
        let lock = lock.map_or_else(|| RunLock::take(path), Ok)?;
        let directory = Self { path: path.to_path_buf(), checkpoints, new, _lock: lock, beginning, failure: None };
        directory.probe().inspect_err(|_| directory.abandon())?;
        Ok(directory)
    }

    fn probe(&self) -> Result<()> {
        check_writable(&self.path).map_err(|e| refused(&self.path, "write to this directory of a run", e))?;
        for name in [MODEL, HISTORY, HISTORY_LINES, HISTORY_TABLE, CONFIG, SETTINGS] {
            let path = self.path.join(name);
            if path.is_dir() {
                let source = std::io::Error::from(ErrorKind::IsADirectory);
                return Err(refused(&path, "replace", source));
            }
        }
        Ok(())
    }

    /// Whether there is something to go on with.
    pub fn has_begun(&self) -> bool {
        self.path.join(SETTINGS).exists() && self.checkpoints.are_there()
    }

    /// The command that resumes this run.
    pub fn way_on(&self) -> String {
        let path = self.path.display().to_string();
        let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
        let path = if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) };
        format!("wgrad train --resume {path}")
    }

    /// After a run that left nothing: the directory goes if it was made for it. One with files in it stays.
    pub fn abandon(&self) {
        if self.new {
            std::fs::remove_dir(&self.path).ok();
        }
    }

    /// Keeps what an event tells; after what goes wrong, nothing more.
    pub fn tell(&mut self, event: &Event) {
        match event {
            Event::Started(_) => self.failure = self.begin().err(),
            Event::Epoch(report) if self.failure.is_none() => self.failure = self.note(report).err(),
            _ => {}
        }
    }

    /// Whether something has gone wrong.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What went wrong while training went on.
    pub fn check(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Writes the model, and those of further replicas; gives the path of the first.
    pub fn save_model(&self, trainer: &mut Trainer) -> Result<PathBuf> {
        let path = self.path.join(MODEL);
        trainer.save(&path)?;
        for replica in 1..trainer.spec().replicas.len() {
            trainer.to_file(replica)?.save(&self.path.join(model_of(replica)))?;
        }
        Ok(path)
    }

    /// Whether another run is there, in whose place this one comes.
    pub fn replaces(&self) -> bool {
        self.beginning.resumed.is_none() && self.has_begun()
    }

    /// Writes how the run went.
    pub fn save_history(&self, history: &History) -> Result<()> {
        let path = self.path.join(HISTORY);
        Ok(write_whole(&path, &pretty(&path, history)?)?)
    }

    /// Before the first step: nothing of a former run is left, and the run can be resumed from now on. Of a run that goes
    /// on, the history is as long as the checkpoint says.
    fn begin(&mut self) -> Result<()> {
        let before = self.beginning.resumed.take();
        if before.is_none() {
            // First, and written last: where it is, the rest is this run's.
            let settings = self.path.join(SETTINGS);
            match std::fs::remove_file(&settings) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(refused(&settings, "replace", e)),
                _ => self.checkpoints.clear()?,
            }
            self.clear_results()?;
        }
        wgrad::files::remove_temporary(&self.path)?;
        let (mut lines, mut table) = (Vec::new(), Vec::new());
        for report in before.iter().flatten() {
            let event = EpochEvent::new(report, self.beginning.validates);
            lines.extend(line(&self.path, &event)?);
            table.extend(row(&event, table.is_empty())?);
        }
        write_whole(&self.path.join(HISTORY_LINES), &lines)?;
        write_whole(&self.path.join(HISTORY_TABLE), &table)?;
        write_whole(&self.path.join(CONFIG), &self.beginning.specs)?;
        write_whole(&self.path.join(SETTINGS), self.beginning.settings.to_toml().as_bytes())?;
        Ok(())
    }

    /// Removes what a former run ended with: it may have had more replicas, and this one may never end.
    fn clear_results(&self) -> Result<()> {
        let failed = |e| refused(&self.path, "read", e);
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let replica = name.split('.').nth(1).and_then(|number| number.parse().ok()).filter(|n| *n > 0);
            if name == MODEL || name == HISTORY || replica.is_some_and(|replica| name == model_of(replica)) {
                std::fs::remove_file(&path).map_err(|e| refused(&path, "replace", e))?;
            }
        }
        Ok(())
    }

    /// One line to each history, in one piece.
    fn note(&self, report: &EpochReport) -> Result<()> {
        let event = EpochEvent::new(report, self.beginning.validates);
        self.append(HISTORY_LINES, |_| line(&self.path, &event))?;
        self.append(HISTORY_TABLE, |empty| row(&event, empty))
    }

    fn append(&self, name: &str, bytes: impl FnOnce(bool) -> Result<Vec<u8>>) -> Result<()> {
        let path = self.path.join(name);
        let failed = |e| refused(&path, "append to", e);
        let mut file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
        let empty = file.metadata().map_err(failed)?.len() == 0;
        file.write_all(&bytes(empty)?).map_err(failed)
    }
}

/// The file of a replica's model, but for the first.
fn model_of(replica: usize) -> String {
    format!("model.{replica}.safetensors")
}

fn line(path: &Path, event: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(event).map_err(|e| refused(path, "write", e.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A row of the table, below its heading if it is the first.
fn row(event: &impl Serialize, first: bool) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(first).from_writer(Vec::new());
    let failed = |e: String| crate::Failure::Verdict(format!("cannot write {HISTORY_TABLE}: {e}"));
    writer.serialize(event).map_err(|e| failed(e.to_string()))?;
    writer.into_inner().map_err(|e| failed(e.to_string()))
}

fn pretty(path: &Path, content: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(content).map_err(|e| refused(path, "write", e.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn refused(path: &Path, action: &'static str, source: std::io::Error) -> crate::Failure {
    Error::Io { path: path.to_path_buf(), action, source }.into()
}
