//! Recipes: settings that are known to train a model well. A recipe is a configuration whose arguments stand before all
//! others, so that files and flags override it.

use clap::ValueEnum;

use crate::{Failure, Result};

/// A set of defaults by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Recipe {
    /// 784-512-512-10 with dropout and RMSprop, as in Keras's examples.
    Classic,
    /// The best that we know of for the dataset: mnist or fashion-mnist.
    Best,
}

impl Recipe {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Best => "best",
        }
    }

    /// Its configuration for a dataset.
    ///
    /// # Errors
    /// [`Failure::Usage`] where it is not for that dataset.
    pub fn text(self, dataset: &str) -> Result<&'static str> {
        match (self, dataset) {
            (Self::Classic, _) => Ok(include_str!("recipes/classic.toml")),
            (Self::Best, "mnist") => Ok(include_str!("recipes/best-mnist.toml")),
            (Self::Best, "fashion-mnist") => Ok(include_str!("recipes/best-fashion-mnist.toml")),
            (Self::Best, other) => Err(Failure::Usage(format!(
                "--recipe best is for mnist and fashion-mnist, not for {other}; try classic"
            ))),
        }
    }

    /// What it sets, as flags, to be told with the run.
    pub fn flags(self, dataset: &str) -> Result<String> {
        let lines = self.text(dataset)?.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let flag = |line: &str| {
            let (key, value) = line.split_once(" = ").unwrap_or((line, ""));
            format!("--{key} {}", value.trim_matches('"'))
        };
        Ok(lines.map(flag).collect::<Vec<_>>().join(" "))
    }
}
