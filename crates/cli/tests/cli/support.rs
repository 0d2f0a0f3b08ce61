//! Runs the binary, and makes the small datasets that it is run on.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A driver list with nothing in it: the Vulkan loader then finds no adapter.
pub const NO_DRIVER: (&str, &str) = ("VK_DRIVER_FILES", "/dev/null/nothing");

/// A directory for caches in which no test writes.
const EMPTY_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/empty-cache");

/// A file of the repository; its path.
pub fn repository(path: &str) -> String {
    format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))
}

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The binary with arguments, ready to run or to be changed.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
    // Never the user's own cache; tests that fill one name their own.
    command.args(args).env_remove("WGRAD_DATA").env("XDG_CACHE_HOME", EMPTY_CACHE);
    command
}

pub fn finish(mut command: Command) -> Run {
    run_of(command.output().unwrap())
}

fn run_of(Output { status, stdout, stderr }: Output) -> Run {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    // A signal has no code, and is never right.
    Run { status: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs the binary.
pub fn wgrad(args: &[&str]) -> Run {
    finish(command(args))
}

/// Runs it with something piped in.
pub fn wgrad_fed(args: &[&str], input: &[u8]) -> Run {
    let mut command = command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Small enough for a pipe's own buffer; whoever does not read it has closed it.
    child.stdin.take().unwrap().write_all(input).ok();
    run_of(child.wait_with_output().unwrap())
}

/// Runs it where there is no adapter.
pub fn wgrad_without_adapter(args: &[&str]) -> Run {
    let mut command = command(args);
    command.env(NO_DRIVER.0, NO_DRIVER.1);
    finish(command)
}

/// An adapter for tests, software ones too: part of its name or its number. Panics without one.
pub fn adapter() -> String {
    if let Err(error) = wgrad::verify::test_gpu() {
        panic!("this test needs an adapter: {error}");
    }
    std::env::var("WGRAD_TEST_ADAPTER").unwrap_or_else(|_| "0".to_owned())
}

impl Run {
    /// Asserts success, and gives stdout.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.status, 0, "{self:?}");
        &self.stdout
    }

    /// Asserts a failure with this status and just one line on stderr that holds all these words.
    #[track_caller]
    pub fn refused(&self, status: i32, words: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "one line: {self:?}");
        assert!(self.stderr.starts_with("error: ") && self.stderr.ends_with('\n'), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing: {self:?}");
        }
        assert_eq!(self.stdout, "", "a refused command has no results: {self:?}");
    }

    /// Every line of stdout as JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.ok().lines().map(parse).collect()
    }

    /// The events of one kind.
    #[track_caller]
    pub fn events_called(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }
}

/// Whether a JSON field is a finite number.
pub fn is_number(event: &Value, field: &str) -> bool {
    event[field].as_f64().is_some_and(f64::is_finite)
}

/// A directory with small datasets, gone with the value.
pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    /// A file inside; its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A path inside, as text.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A dataset of `classes` classes that is easy to learn, with `samples` training samples and half as many for the
    /// test; its path.
    pub fn dataset(&self, name: &str, samples: usize, classes: usize) -> String {
        let dir = self.dir.path().join(name);
        write_part(&dir, "train", samples, classes);
        write_part(&dir, "t10k", samples / 2, classes);
        dir.display().to_string()
    }

    /// A small model, trained on the CPU for an epoch; the path of its file.
    pub fn model(&self, name: &str, dataset: &str, hidden: &str) -> String {
        let out = self.path(name);
        let args =
            ["train", dataset, "--device", "cpu", "--hidden", hidden, "--batch", "8", "--epochs", "1", "--out", &out];
        wgrad(&args).ok();
        format!("{out}/model.safetensors")
    }

    /// Names in the directory, sorted.
    pub fn listing(&self) -> Vec<PathBuf> {
        let mut names: Vec<_> = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names
    }
}

/// Images of 4 by 4 pixels: faint noise, and bright where the class says.
fn write_part(dir: &Path, part: &str, samples: usize, classes: usize) {
    fs::create_dir_all(dir).unwrap();
    let label = |n: usize| n % classes;
    let pixel = |n: usize, p: usize| ((n * 37 + p * 101) % 60 + if p % classes == label(n) { 190 } else { 0 }) as u8;
    let pixels: Vec<u8> = (0..samples).flat_map(|n| (0..16).map(move |p| pixel(n, p))).collect();
    let labels: Vec<u8> = (0..samples).map(|n| label(n) as u8).collect();
    let count = samples as u32;
    fs::write(dir.join(format!("{part}-images-idx3-ubyte")), idx(&[count, 4, 4], &pixels)).unwrap();
    fs::write(dir.join(format!("{part}-labels-idx1-ubyte")), idx(&[count], &labels)).unwrap();
}

/// An IDX file of bytes with any header, true to its data or not.
pub fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    bytes.extend(data);
    bytes
}
