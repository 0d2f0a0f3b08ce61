//! Every argument of `wgrad train` is a key, and what a run writes gives the same run.

use clap::CommandFactory;

use super::*;
use crate::Cli;

fn line(words: &[&str]) -> Vec<OsString> {
    ["wgrad"].iter().chain(words).map(OsString::from).collect()
}

fn parsed(words: &[&str]) -> ArgMatches {
    parse(&Cli::command(), &line(words)).unwrap().unwrap()
}

/// The built definition, in which `train` has the global flags too.
fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

/// What `wgrad train --config` says to a file with this content.
fn refusal(content: &str) -> String {
    let file = file(content);
    match parse(&Cli::command(), &line(&["train", "mnist", "--config", &file.path().display().to_string()])) {
        Err(failure) => failure.to_string(),
        Ok(matches) => matches.unwrap_err().to_string(),
    }
}

/// A value that the argument's parser takes: its default, or the first of these that goes.
fn sample(arg: &Arg) -> Option<String> {
    let tries = ["0.5", "3", "0.25", "llvmpipe", "none", "all", "target", "runs/x", "rows.csv", "step", "1,2", "mse"];
    let candidates = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
    let possible = arg.get_possible_values().into_iter().map(|value| value.get_name().to_owned());
    let candidates = candidates.chain(possible).chain(tries.map(str::to_owned));
    let key = arg.get_long().map_or("dataset".to_owned(), str::to_owned);
    candidates.into_iter().find(|value| {
        let word = format!("--{key}={value}");
        let words = if key == DATASET { vec!["train", value] } else { vec!["train", "mnist", &word] };
        Cli::command().try_get_matches_from(line(&words)).is_ok()
    })
}

#[test]
fn every_argument_is_a_key_that_means_the_same_as_the_flag() {
    let command = built();
    let train = command.find_subcommand(TRAIN).unwrap();
    let mut seen = 0;
    for arg in train.get_arguments().filter(|arg| arg.get_long().is_some_and(|long| !NO_KEYS.contains(&long))) {
        let long = arg.get_long().unwrap();
        let switch = !arg.get_action().takes_values();
        // Arguments that demand another one cannot be tried alone.
        let value =
            if switch { "true".to_owned() } else { sample(arg).unwrap_or_else(|| panic!("--{long}: no value")) };
        let config = file(&format!("{long} = {}\n", literal(&value)));
        let by_key = parsed(&["train", "mnist", "--config", &config.path().display().to_string()]);
        let flag = if switch { format!("--{long}") } else { format!("--{long}={value}") };
        let by_flag = parsed(&["train", "mnist", &flag]);
        assert_eq!(Settings::of(&command, &by_key), Settings::of(&command, &by_flag), "{long}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn what_a_run_writes_names_every_argument_and_gives_the_same_settings() {
    let command = built();
    let words = ["train", "a dir", "--lr", "1e-4", "--seed", "18446744073709551615", "--no-shuffle", "--hidden", "7,5"];
    let matches = parsed(&[&words[..], &["--adapter", "0"]].concat());
    let settings = Settings::of(&command, &matches);
    let text = settings.to_toml();
    for (key, _) in keys(command.find_subcommand(TRAIN).unwrap()).filter(|(key, _)| !NOT_WRITTEN.contains(key)) {
        let named = text.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} =")));
        assert!(named, "{key} is not in\n{text}");
    }
    let file = file(&text);
    let again = parsed(&["train", "--config", &file.path().display().to_string()]);
    assert_eq!(Settings::of(&command, &again), settings, "{text}");
}

#[test]
fn flags_override_the_file() {
    let command = built();
    let file = file("dataset = \"mnist\"\nlr = 0.5\nlog-steps = true\nhidden = [9, 8]\nweight_decay = 0.25\n");
    let path = file.path().display().to_string();
    let line = |words: &[&str]| Settings::of(&command, &parsed(words)).to_toml();
    let plain = line(&["--json", "train", "--config", &path]);
    for wanted in ["lr = 0.5", "log-steps = true", "hidden = \"9,8\"", "weight-decay = 0.25", "dataset = \"mnist\""] {
        assert!(plain.lines().any(|line| line == wanted), "{wanted} is not in\n{plain}");
    }
    let config = format!("--config={path}");
    let over = line(&["train", "--lr=0.1", "iris", &config, "--log-steps=false"]);
    for wanted in ["lr = 0.1", "log-steps = false", "hidden = \"9,8\"", "dataset = \"iris\""] {
        assert!(over.lines().any(|line| line == wanted), "{wanted} is not in\n{over}");
    }
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_reason() {
    for (content, words) in [
        ("hiden = 3", ["unknown key `hiden`", "`hidden`"]),
        ("quux = 3", ["unknown key `quux`", "wgrad train --help"]),
        ("config = \"a\"", ["`config`", "command line only"]),
        ("lr = 1\nlr = 2", ["line 2", "duplicate"]),
        ("batch = 8\nlr = ", ["line 2", "not TOML"]),
        ("no-shuffle = 3", ["`no-shuffle`", "true or false"]),
        ("[quux]\nhidden = 3", ["unknown key `quux`", "keys"]),
        ("[hidden]\nwidths = 3", ["`hidden` is a table", "top level"]),
        ("lr = 2020-01-01", ["`lr`", "needs a number"]),
        ("lr = \"fast\"", ["--lr", "fast"]),
    ] {
        let message = refusal(content);
        assert!(words.iter().all(|word| message.contains(word)), "{content}: {message}");
    }
    let empty = file("lr = 0.5");
    let missing = parse(&Cli::command(), &line(&["train", "--config", &empty.path().display().to_string()]));
    assert!(missing.unwrap_err().to_string().contains("no dataset"));
}

/// Whatever is in the file, the answer is arguments or one line that says what is wrong.
#[test]
fn damaged_files_are_refused_and_never_a_panic() {
    let good = Settings::of(&built(), &parsed(&["train", "mnist", "--hidden", "7,6", "--lr", "0.02"])).to_toml();
    let mut stream = wgrad::random::Stream::new(1, wgrad::random::Purpose::Inputs, 0);
    let mut refused = 0;
    for _ in 0..400 {
        let mut bytes = good.clone().into_bytes();
        let mut below = |limit: usize| stream.word() as usize % limit;
        // Most of the file are comments: damage goes to its keys and values.
        let at = below(good.find("# Left").unwrap());
        match below(3) {
            0 => bytes[at] = below(256) as u8,
            1 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at + 2, *b"\"[=")),
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let words = ["train", "mnist", "--config", &file.path().display().to_string()].map(str::to_owned);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Err(failure) = parse(&Cli::command(), &line(&words)) {
            assert!(!crate::one_line(&failure.to_string()).is_empty());
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}
