//! Configuration files: TOML whose keys are the long flags of `wgrad train`, and `dataset`.
//!
//! A file becomes arguments that stand before those of the command line, and clap does the rest: a flag that is added to
//! `TrainArgs` is a key at once, with the flag's parser and checks, and stands in every file that a run writes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::{Table, Value};

use crate::args::ALIKE;
use crate::recipe::Recipe;
use crate::run_directory::SETTINGS;
use crate::{Failure, Result};

/// The subcommand that takes configurations.
const TRAIN: &str = "train";
/// The positional argument, which is a key too.
const DATASET: &str = "dataset";
/// What a file must not ask for: other files, and what ends the command without a run; and how to look at one.
const NO_KEYS: [&str; 8] = ["config", "resume", "help", "version", "json", "quiet", "print-plan", "dry-run"];
/// What may stand in a file but is left out of those that runs write: where the run was put.
const NOT_WRITTEN: [&str; 1] = ["out"];

/// What a run begins with, and one that goes on has behind it.
const NOT_ON_RESUME: [&str; 3] = ["--recipe", "--from", "--replace-head"];

/// The arguments of the command line, and those of the configuration that it names.
///
/// # Errors
/// A file that cannot be read, is no TOML, has an unknown key or a value that is no argument. Clap's own errors come out
/// as they are.
pub fn parse(command: &Command, line: &[OsString]) -> Result<Result<ArgMatches, clap::Error>> {
    let words = || line.iter().skip(train_at(line).unwrap_or(line.len())).take_while(|word| *word != "--");
    let says = |flag: &str| words().any(|word| word.to_string_lossy().split('=').next() == Some(flag));
    if let Some(flag) = NOT_ON_RESUME.into_iter().find(|flag| says("--resume") && says(flag)) {
        let reason = format!("{flag} is for a new run, but --resume continues one; leave one of them out");
        return Err(Failure::Usage(reason));
    }
    let parsed = parse_after(command, line, &[])?;
    let Some((recipe, dataset)) = parsed.as_ref().ok().and_then(recipe) else { return Ok(parsed) };
    let train = command.find_subcommand(TRAIN).ok_or_else(|| Failure::Usage("no such subcommand".to_owned()))?;
    let refused = |reason: String| Failure::Usage(format!("recipe {}: {reason}", recipe.name()));
    parse_after(command, line, &arguments(recipe.text(&dataset)?, train, refused)?.0)
}

/// The recipe that is asked for, and the dataset that it is for.
fn recipe(matches: &ArgMatches) -> Option<(Recipe, String)> {
    let (_, train) = matches.subcommand().filter(|(name, _)| *name == TRAIN)?;
    Some((*train.get_one::<Recipe>("recipe")?, train.get_one::<String>(DATASET)?.clone()))
}

/// As [`parse`], with arguments that stand before all others, those of the configuration too.
fn parse_after(command: &Command, line: &[OsString], usual: &[OsString]) -> Result<Result<ArgMatches, clap::Error>> {
    let named = named(line);
    if named.is_none() && usual.is_empty() {
        return Ok(command.clone().try_get_matches_from(line));
    }
    let train = command.find_subcommand(TRAIN).ok_or_else(|| Failure::Usage("no such subcommand".to_owned()))?;
    let (file, dataset) = named.as_ref().map(|path| read(path, train)).transpose()?.unwrap_or_default();
    let at = train_at(line).unwrap_or(0);
    let path = named.unwrap_or_default();
    let arguments = [usual, &file].concat();
    // What is said twice is meant the second time: on the command line.
    let command = command.clone().mut_subcommand(TRAIN, |train| {
        train.args_override_self(true).mut_args(switchable).mut_arg(DATASET, |arg| arg.required(false))
    });
    let full = [&line[..=at], &arguments, &line[at + 1..]].concat();
    let matches = command.clone().try_get_matches_from(&full);
    if let Some(reason) = matches.as_ref().err().and_then(|error| of_file(error, &file, &line[at + 1..])) {
        return Err(Failure::Usage(format!("{}: {reason}", path.display())));
    }
    let lacks = |matches: &ArgMatches| matches.subcommand().is_some_and(|(_, train)| !train.contains_id(DATASET));
    match dataset {
        Some(dataset) if matches.as_ref().is_ok_and(lacks) => {
            let full = [&full[..=at], &[dataset], &full[at + 1..]].concat();
            Ok(command.try_get_matches_from(full))
        }
        None if matches.as_ref().is_ok_and(lacks) => Err(Failure::Usage(format!(
            "{}: no dataset, neither here nor on the command line; add a line such as dataset = \"mnist\"",
            path.display()
        ))),
        _ => Ok(matches),
    }
}

/// What is wrong with a value, where it is the file that says it and not the command line.
fn of_file(error: &clap::Error, file: &[OsString], line: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = arg.split_whitespace().next()?;
    let says = |words: &[OsString]| {
        let flags = words.iter().map(|word| word.to_string_lossy());
        flags.into_iter().any(|word| word.split('=').next() == Some(flag))
    };
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or_default();
    (says(file) && !says(line)).then(|| what.strip_prefix("error: ").unwrap_or(what).to_owned())
}

/// Where `train` stands on a command line.
fn train_at(line: &[OsString]) -> Option<usize> {
    let at = 1 + line.iter().skip(1).position(|word| !word.to_string_lossy().starts_with('-'))?;
    (line[at] == TRAIN).then_some(at)
}

/// The file that `train`'s `--config` names or that is in its `--resume`.
fn named(line: &[OsString]) -> Option<PathBuf> {
    let at = train_at(line)?;
    let words = || line[at + 1..].iter().take_while(|word| *word != "--");
    let value = |flag: &str| {
        words().zip(words().skip(1).map(Some).chain([None])).find_map(|(word, next)| {
            match word.to_string_lossy().strip_prefix(flag)? {
                "" => next.map(PathBuf::from),
                rest => rest.strip_prefix('=').map(PathBuf::from),
            }
        })
    };
    value("--config").or_else(|| Some(value("--resume")?.join(SETTINGS)))
}

/// On a command line beside a configuration, a switch can be turned off again: `--log-steps=false`.
fn switchable(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    let arg = arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).default_missing_value("true");
    arg.default_value("false").value_parser(clap::value_parser!(bool))
}

/// A file's content as arguments, and its dataset.
fn read(path: &Path, train: &Command) -> Result<(Vec<OsString>, Option<OsString>)> {
    let action = match path.file_name() {
        Some(name) if name == SETTINGS => "read this configuration (a directory to --resume holds one)",
        _ => "read this configuration",
    };
    let failed = |source| wgrad::Error::Io { path: path.to_path_buf(), action, source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    arguments(&text, train, |reason| Failure::Usage(format!("{}: {reason}", path.display())))
}

/// A configuration as arguments, and its dataset.
fn arguments(
    text: &str,
    train: &Command,
    refused: impl Fn(String) -> Failure,
) -> Result<(Vec<OsString>, Option<OsString>)> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        refused(format!("line {line}: not TOML: {}", error.message()))
    })?;
    let (mut arguments, mut dataset) = (Vec::new(), None);
    for (key, value) in &table {
        let arg = find(key, train).map_err(&refused)?;
        let words = words(key, value, arg).map_err(&refused)?;
        match arg.get_long() {
            Some(long) => arguments.extend(words.into_iter().map(|word| OsString::from(format!("--{long}={word}")))),
            None => dataset = words.into_iter().next().map(OsString::from),
        }
    }
    Ok((arguments, dataset))
}

/// What a file may set: name and argument.
fn keys(train: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let name = |arg: &'_ Arg| arg.get_long().is_some() || arg.get_id() == DATASET;
    let keyed = train.get_arguments().filter(move |arg| name(arg)).map(|arg| (arg.get_long().unwrap_or(DATASET), arg));
    keyed.filter(|(key, _)| !NO_KEYS.contains(key))
}

fn find<'a>(key: &str, train: &'a Command) -> Result<&'a Arg, String> {
    let wanted = key.replace('_', "-");
    if let Some((_, arg)) = keys(train).find(|(name, _)| *name == wanted) {
        return Ok(arg);
    }
    if NO_KEYS.contains(&wanted.as_str()) {
        return Err(format!("`{key}` is for the command line only"));
    }
    let alike = keys(train).map(|(name, _)| (strsim::jaro_winkler(name, &wanted), name));
    match alike.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((likeness, name)) if likeness > ALIKE => {
            Err(format!("unknown key `{key}`; a similar one exists: `{name}`"))
        }
        _ => Err(format!("unknown key `{key}`; keys are the long flags of `wgrad train --help`, and dataset")),
    }
}

/// The values of an argument: one, or one for each time that it is given.
fn words(key: &str, value: &Value, arg: &Arg) -> Result<Vec<String>, String> {
    let switch = !arg.get_action().takes_values();
    match value {
        Value::Boolean(value) => Ok(vec![value.to_string()]),
        _ if switch => Err(format!("`{key}` is true or false, got {value}")),
        Value::Array(values) => {
            let words = values.iter().map(|value| scalar(key, value)).collect::<Result<Vec<_>, _>>()?;
            let many = matches!(arg.get_action(), ArgAction::Append);
            Ok(if many { words } else { vec![words.join(",")] })
        }
        _ => Ok(vec![scalar(key, value)?]),
    }
}

fn scalar(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Table(_) => Err(format!("`{key}` is a table; keys stand at the top level, none below another")),
        _ => Err(format!("`{key}` needs a number, a text or a list of those, got {value}")),
    }
}

/// Every argument of a run, whether it was given or is a default: what a configuration that reproduces it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    key: String,
    /// In TOML; none where the argument was left to wgrad.
    value: Option<String>,
    about: String,
}

impl Settings {
    /// Of a command line that was parsed.
    pub fn of(command: &Command, matches: &ArgMatches) -> Self {
        let (Some(train), Some((TRAIN, matches))) = (command.find_subcommand(TRAIN), matches.subcommand()) else {
            return Self::default();
        };
        let written = keys(train).filter(|(key, _)| !NOT_WRITTEN.contains(key));
        let line = |(key, arg): (&str, &Arg)| Line {
            key: key.to_owned(),
            value: value(arg, matches),
            about: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        };
        Self { lines: written.map(line).collect() }
    }

    /// Notes what an argument that was left to wgrad came to.
    pub fn resolve(&mut self, key: &str, value: impl ToString) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.key == key) {
            line.value.get_or_insert_with(|| literal(&value.to_string()));
        }
    }

    /// The file: keys with values first, then the others as comments.
    pub fn to_toml(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("# wgrad {version}: every argument of this run, for `wgrad train --config`\n");
        for Line { key, value, .. } in &self.lines {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text.push_str("\n# Left to wgrad:\n");
        for Line { key, value, about } in &self.lines {
            if value.is_none() {
                text.push_str(&format!("# {key} =  # {}\n", crate::one_line(about)));
            }
        }
        text
    }
}

/// An argument's value in TOML, if it has one.
fn value(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let words = matches.get_raw(arg.get_id().as_str())?.map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = words.collect();
    match (arg.get_action(), &words[..]) {
        (ArgAction::Append, words) => {
            Some(format!("[{}]", words.iter().map(|word| literal(word)).collect::<Vec<_>>().join(", ")))
        }
        (_, [word]) => Some(literal(word)),
        _ => None,
    }
}

/// A word in TOML: as it is where that is a number or a truth value, else quoted.
fn literal(word: &str) -> String {
    let parsed = format!("value = {word}").parse::<Table>();
    match parsed.ok().as_ref().and_then(|table| table.get("value")) {
        // As a file that holds it reads it, so that writing it again changes nothing.
        Some(Value::Integer(number)) => number.to_string(),
        Some(Value::Float(number)) => number.to_string(),
        Some(Value::Boolean(value)) => value.to_string(),
        _ => Value::String(word.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests;
