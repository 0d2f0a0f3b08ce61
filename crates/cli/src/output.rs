//! Where results, progress and errors go.

use std::io::{ErrorKind, Write, stderr, stdout};

use serde::Serialize;

/// Results on stdout, as text or as JSON lines; notes on stderr.
pub struct Output {
    json: bool,
    quiet: bool,
}

/// One JSON line: its kind first, then the fields of what it tells.
#[derive(Serialize)]
struct Event<'a, T> {
    event: &'a str,
    #[serde(flatten)]
    fields: &'a T,
}

impl Output {
    pub fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether results are JSON lines.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether stderr is for errors only.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// A result for people; nothing with `--json`.
    pub fn text(&self, text: &str) {
        if !self.json {
            write_line(text);
        }
    }

    /// A result for programs; nothing without `--json`.
    pub fn event(&self, event: &str, fields: &impl Serialize) {
        if !self.json {
            return;
        }
        match serde_json::to_string(&Event { event, fields }) {
            Ok(line) => write_line(&line),
            Err(error) => leave(&format!("cannot write the event `{event}` as JSON: {error}")),
        }
    }

    /// Something to know beside the results, on stderr.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            // A stderr that nobody reads any more is no reason to stop.
            writeln!(stderr(), "{}", crate::one_line(text)).ok();
        }
    }
}

/// An error, on stderr.
pub fn complain(text: &str) {
    writeln!(stderr(), "error: {text}").ok();
}

/// Where stdout is closed, as by `head`, nobody wants the rest: the command ends quietly, like other programs. This
/// never happens while a file is being written.
fn write_line(text: &str) {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => leave(&format!("cannot write to stdout: {error}")),
    }
}

fn leave(reason: &str) -> ! {
    complain(reason);
    std::process::exit(1)
}
