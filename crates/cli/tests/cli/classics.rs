//! The five classic programs, by the lines that the README shows: read from it, so that they cannot drift apart.

use std::fs;

use serde_json::Value;

use crate::support::{adapter, repository, wgrad};

/// The section's heading.
const HEADING: &str = "## The five classic programs";

/// The arguments of the README's line for a dataset.
fn line(dataset: &str) -> Vec<String> {
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let section = readme.split_once(HEADING).expect("the README has the section").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let start = format!("wgrad train {dataset}");
    // A line that goes on ends with a backslash.
    let joined = section.replace("\\\n", " ");
    let mut found = joined.lines().filter(|line| line.starts_with(&start));
    let line = found.next().unwrap_or_else(|| panic!("no line of the README begins with `{start}`"));
    let command = line.split('#').next().unwrap_or_default();
    command.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// Runs a dataset's line on a device, with other values for some of its flags; gives the summary.
fn run(dataset: &str, device: &[&str], changed: &[(&str, &str)]) -> Value {
    let mut words = line(dataset);
    for (flag, value) in changed {
        let at = words.iter().position(|word| word == flag).unwrap_or_else(|| panic!("{flag} is not in {words:?}"));
        words[at + 1] = (*value).to_owned();
    }
    let words: Vec<&str> = words.iter().map(String::as_str).chain(device.iter().copied()).collect();
    wgrad(&[&words[..], &["--json", "-q"]].concat()).events_called("summary").remove(0)
}

fn number(summary: &Value, field: &str) -> f64 {
    summary[field].as_f64().unwrap_or_else(|| panic!("{field}: {summary}"))
}

const CPU: [&str; 2] = ["--device", "cpu"];

#[test]
fn xor_is_solved_by_a_share_of_a_hundred_seeds() {
    let solved = |more: &[&str]| {
        let summary = run("xor", &[&CPU[..], more].concat(), &[]);
        let replicas = summary["replicas"].as_array().unwrap();
        assert_eq!(replicas.len(), 100, "{summary}");
        let right: Vec<f64> = replicas.iter().map(|replica| number(replica, "test_accuracy")).collect();
        assert!((right.iter().sum::<f64>() / 100.0 - number(&summary, "test_accuracy")).abs() < 1e-9, "{summary}");
        right.iter().filter(|accuracy| **accuracy == 1.0).count()
    };
    // Two ReLU units often die; tanh does better.
    let (relu, tanh) = (solved(&[]), solved(&["--activation", "tanh"]));
    assert!((5..40).contains(&relu) && (35..75).contains(&tanh), "relu {relu}, tanh {tanh}");
}

#[test]
fn irises_are_told_apart() {
    let summary = run("iris", &CPU, &[]);
    // Of this split's 30 test flowers scikit-learn's network gets 27 right too, from each of ten seeds.
    assert!(number(&summary, "test_accuracy") > 0.85 && summary["test_samples"] == 30, "{summary}");
    assert_eq!((&summary["architecture"], &summary["epochs"]), (&"4-4-3".into(), &100.into()));
}

#[test]
fn a_line_is_recovered() {
    let summary = run("line", &CPU, &[]);
    let layer = &summary["layer"];
    let (slope, intercept) = (layer["weight"][0][0].as_f64().unwrap(), layer["bias"][0].as_f64().unwrap());
    // Of 160 points with noise 0.1 the slope is off by 0.014 (deviation), the intercept by 0.008.
    assert!((slope - 3.0).abs() < 0.05 && intercept.abs() < 0.03, "{summary}");
    assert!(number(&summary, "test_r2") > 0.99, "{summary}");
}

#[test]
fn a_regression_is_on_its_way() {
    let r2 = |epochs| number(&run("make-regression", &CPU, &[("--epochs", epochs)]), "test_r2");
    let (few, more) = (r2("20"), r2("200"));
    assert!(few < more && more > 0.2, "{few} {more}");
}

/// A few epochs of each on the tests' adapter.
#[test]
fn they_run_on_a_gpu_too() {
    let adapter = adapter();
    for dataset in ["mnist", "xor", "iris", "make-regression", "line"] {
        let device = ["--adapter", &adapter];
        let summary = match dataset {
            "mnist" => run(dataset, &[&device[..], &["--limit", "320"]].concat(), &[("--epochs", "1")]),
            _ => run(dataset, &device, &[("--epochs", "2")]),
        };
        assert!(summary["device"] == "gpu" && number(&summary, "test_loss") > 0.0, "{summary}");
    }
}
