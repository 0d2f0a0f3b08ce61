//! The directory that `--out` names: checked before training, filled after it, each file whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;
use wgrad::files::write_whole;
use wgrad::{Error, History, Trainer};

use crate::Result;
use crate::config::Settings;

const MODEL: &str = "model.safetensors";
const HISTORY: &str = "history.json";
const CONFIG: &str = "config.json";
const SETTINGS: &str = "config.toml";

/// A directory that can be written to.
pub struct RunDirectory {
    path: PathBuf,
    /// Whether it was made for this run.
    new: bool,
}

impl RunDirectory {
    /// Makes the directory if need be, and writes a file to it and removes it again: permissions alone do not tell.
    pub fn prepare(path: &Path) -> Result<Self> {
        let new = !path.exists();
        std::fs::create_dir_all(path).map_err(|e| refused(path, "create this directory for --out", e))?;
        let directory = Self { path: path.to_path_buf(), new };
        directory.probe().inspect_err(|_| directory.abandon())?;
        Ok(directory)
    }

    fn probe(&self) -> Result<()> {
        let written = NamedTempFile::new_in(&self.path).and_then(|mut file| file.write_all(b"probe"));
        written.map_err(|e| refused(&self.path, "write to this directory for --out", e))?;
        for name in [MODEL, HISTORY, CONFIG, SETTINGS] {
            let path = self.path.join(name);
            if path.is_dir() {
                let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                return Err(refused(&path, "replace", source));
            }
        }
        Ok(())
    }

    /// After a run that left nothing: the directory goes if it was made for it. One with files in it stays.
    pub fn abandon(&self) {
        if self.new {
            std::fs::remove_dir(&self.path).ok();
        }
    }

    /// Writes the model and its configuration; gives the model's path.
    pub fn save_model(&self, trainer: &mut Trainer, settings: &Settings) -> Result<PathBuf> {
        #[derive(Serialize)]
        struct Config<'a> {
            wgrad: &'a str,
            architecture: String,
            model: &'a wgrad::Sequential,
            training: &'a wgrad::TrainSpec,
        }
        let path = self.path.join(MODEL);
        trainer.save(&path)?;
        let (model, training) = (trainer.model(), trainer.spec());
        let wgrad = env!("CARGO_PKG_VERSION");
        self.write_json(CONFIG, &Config { wgrad, architecture: model.architecture(), model, training })?;
        write_whole(&self.path.join(SETTINGS), settings.to_toml().as_bytes())?;
        Ok(path)
    }

    /// Writes how the run went.
    pub fn save_history(&self, history: &History) -> Result<()> {
        self.write_json(HISTORY, history)
    }

    fn write_json(&self, name: &str, content: &impl Serialize) -> Result<()> {
        let path = self.path.join(name);
        let mut bytes = serde_json::to_vec_pretty(content).map_err(|e| refused(&path, "write", e.into()))?;
        bytes.push(b'\n');
        Ok(write_whole(&path, &bytes)?)
    }
}

fn refused(path: &Path, action: &'static str, source: std::io::Error) -> crate::Failure {
    Error::Io { path: path.to_path_buf(), action, source }.into()
}
