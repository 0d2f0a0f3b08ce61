//! What ends the command early, its exit status, and its one line on stderr.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::{interrupt, output, words};

const FAILED: u8 = 1;
const MISUSED: u8 = 2;

/// Why the command ends early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// From the library, which knows whether it is a mistake or a failure.
    #[error("{}", words::of(.0, true))]
    Library(#[from] wgrad::Error),
    /// From the library, in a command that is for GPUs only.
    #[error("{}", words::of(.0, false))]
    GpuOnly(wgrad::Error),
    /// Arguments that do not go together.
    #[error("{0}")]
    Usage(String),
    /// A run that ended early and can go on.
    #[error("{}; resume the run with `{way_on}`", words::of(error, true))]
    Resumable {
        /// Why it ended.
        error: wgrad::Error,
        /// The command that resumes.
        way_on: String,
    },
    /// Ctrl-C; what to do next.
    #[error("{0}")]
    Interrupted(String),
    /// What was asked for was done, and came out badly.
    #[error("{0}")]
    Verdict(String),
}

impl Failure {
    /// 2 for a mistake in what was asked for, else 1.
    pub fn status(&self) -> ExitCode {
        let usage = match self {
            Self::Interrupted(_) => return ExitCode::from(interrupt::STATUS),
            Self::Library(error) | Self::GpuOnly(error) | Self::Resumable { error, .. } => error.is_usage(),
            Self::Usage(_) => true,
            Self::Verdict(_) => false,
        };
        ExitCode::from(if usage { MISUSED } else { FAILED })
    }
}

/// A mistake in a field of a run, in the words of the flag that sets it.
pub fn in_flags(error: wgrad::Error) -> Failure {
    let wgrad::Error::Spec { field, reason, hint: None } = &error else { return error.into() };
    Failure::Usage(match field.as_str() {
        "augment" if reason.starts_with("samples") => format!("--augment: {reason}"),
        "augment" | "batch" | "limit" => format!("--{field} {reason}"),
        "scale targets" => format!("--scale-target {reason}; leave it out, or give --task regression"),
        "validation" => format!("--validation {reason}"),
        _ => return error.into(),
    })
}

/// Help and version go to stdout as they are. A mistake becomes one line, as every other error is: what is wrong, a tip
/// where clap has one, and where to read on. Which word of the command line is no text, clap does not say.
pub fn of_clap(error: &clap::Error, line: &[OsString]) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            error.print().ok();
            return ExitCode::SUCCESS;
        }
        // No arguments at all: the help itself is the answer.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            error.print().ok();
            return ExitCode::from(MISUSED);
        }
        ErrorKind::InvalidUtf8 => {
            let words = line.iter().filter(|word| word.to_str().is_none());
            let words: Vec<_> = words.map(|word| format!("`{}`", word.to_string_lossy())).collect();
            output::complain(&one_line(&format!(
                "{}: not UTF-8 text, which names of datasets and values of flags have to be; rename the file, or pipe it \
                 in and give - for its name",
                words.join(", ")
            )));
            return ExitCode::from(MISUSED);
        }
        _ => {}
    }
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n").filter(|part| !part.trim_start().starts_with("Usage:"));
    let what = paragraphs.next().unwrap_or_default();
    let what = one_line(what.strip_prefix("error: ").unwrap_or(what));
    // Of clap's tips only the likely spelling helps; how to pass a flag as a value is never what was meant here.
    let tips = paragraphs.flat_map(str::lines).filter_map(|line| line.trim().strip_prefix("tip: "));
    let tips: Vec<_> = tips.filter(|tip| tip.contains("similar")).collect();
    let tip = if tips.is_empty() { "see --help".to_owned() } else { tips.join("; ") };
    output::complain(&format!("{what}; {tip}"));
    ExitCode::from(MISUSED)
}

/// The text on one line, whatever file names or drivers put into it.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
