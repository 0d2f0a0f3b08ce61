//! Runs in files and in checkpoints.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::data::{Missing, Scale};
use crate::ops::Activation;
use crate::spec::{Adam, Augment, Clip, Norm, Rmsprop};
use crate::train::{Checkpoints, EarlyStopping, Event, Monitor, Note, Trainer};
use crate::{Error, Schedule};

fn iris() -> RunSpec {
    RunSpec {
        data: DataSpec { validation: Some(Portion::Share(0.2)), ..DataSpec::named("iris") },
        model: ModelSpec::hidden(&[6], Activation::Tanh),
        training: TrainingSpec { seed: 7, batch: Some(16), ..TrainingSpec::new(Adam::new(0.03)) },
        fit: FitSpec::epochs(4),
    }
}

/// With something in every field.
fn full() -> RunSpec {
    let mut spec = iris();
    spec.data.directory = Some(PathBuf::from("some \"where\""));
    spec.data.one_hot = vec!["a".to_owned(), "b\\".to_owned()];
    (spec.data.missing, spec.data.scale) = (Missing::Mean, Some(Scale::MinMax));
    spec.data.test = Some(Portion::File(PathBuf::from("test.csv")));
    spec.model.hidden[0].norm = Some(Norm::BATCH);
    spec.model.from = Some(PathBuf::from("model.safetensors"));
    spec.training.optimizer = Rmsprop::new(0.1 + 0.2).into();
    spec.training.optimizer.schedule = Schedule::Exponential { factor: 0.97 };
    (spec.training.seed, spec.training.clip) = (u64::MAX, Some(Clip::Norm(0.1)));
    spec.training.augment = Some(Augment::new(4, 3));
    spec.training.class_weights = ClassWeights::Balanced;
    spec.fit.stopping = Some(EarlyStopping::patience(3).monitor(Monitor::TrainLoss).min_delta(1e-300));
    spec.fit.checkpoints = Some(Checkpoints::in_directory("here").every_steps(3).every_seconds(f64::INFINITY));
    spec
}

/// Pulls it to its end, or to the first event that is enough, and gives its weights.
fn bits(mut run: Run<'_>, enough: impl Fn(&Event) -> bool) -> Vec<u32> {
    while let Some(event) = run.next().unwrap() {
        if enough(&event) {
            run.stop();
        }
    }
    bits_of(run.close())
}

fn bits_of(trainer: &mut Trainer) -> Vec<u32> {
    let weights = trainer.weights(0).unwrap();
    weights.iter().flat_map(|tensor| tensor.values()).map(|value| value.to_bits()).collect()
}

#[track_caller]
fn refused(path: &Path, wanted: &str, words: &[&str]) {
    let error = RunSpec::load(path).unwrap_err();
    let text = error.to_string();
    let Error::RunFile { path: file, field, .. } = error else { panic!("{text}") };
    assert_eq!(field, wanted, "{text}");
    assert!(file.starts_with(path) && words.iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn a_spec_is_read_back_as_it_was_and_trains_the_same_bits() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("spec.json");
    for spec in [iris(), full()] {
        spec.save(&path).unwrap();
        assert_eq!(RunSpec::load(&path).unwrap(), spec);
        let config = json!({ "wgrad": "0.1.0", "model": {}, "training": {}, "run": spec });
        fs::write(&path, config.to_string()).unwrap();
        assert_eq!(RunSpec::load(&path).unwrap(), spec);
    }
    iris().prepare(Device::cpu()).unwrap().spec.save(&path).unwrap();
    let again = RunSpec::load(&path).unwrap();
    let whole = bits(iris().start(Device::cpu()).unwrap(), |_| false);
    assert_eq!(bits(again.start(Device::cpu()).unwrap(), |_| false), whole);
}

#[test]
fn what_is_no_run_is_refused_by_file_and_field() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.json");
    let spec = serde_json::to_value(full()).unwrap();
    let with = |pointer: &str, value| {
        let mut spec = spec.clone();
        *spec.pointer_mut(pointer).unwrap() = value;
        spec
    };
    let and = |pointer: &str, key: &str| {
        let mut spec = spec.clone();
        spec.pointer_mut(pointer).unwrap()[key] = json!(1);
        spec
    };
    let cases = [
        (with("/training/batch", json!("many")), "training.batch", "\"many\""),
        (with("/training/optimizer/learning_rate", json!(null)), "training.optimizer.learning_rate", "null"),
        (with("/training/augment", json!([1])), "training.augment", "invalid"),
        (with("/model/hidden/0/units", json!(-1)), "model.hidden.0.units", "-1"),
        (with("/data/one_hot", json!(["a", {}])), "data.one_hot.1", "map"),
        (with("/data", json!(5)), "data", "5"),
        (with("/training/optimizer", json!({"momentum": 0.5})), "training.optimizer", "missing field `optimizer`"),
        (and("", "more"), "more", "unknown field"),
        (and("/fit", "epoch"), "fit.epoch", "unknown field `epoch`, expected"),
        (and("/fit/stopping", "patient"), "fit.stopping.patient", "unknown"),
        (and("/fit/checkpoints", "minutes"), "fit.checkpoints.minutes", "unknown"),
        (and("/data/format", "quote"), "data.format.quote", "unknown"),
        (and("/model/hidden/0", "width"), "model.hidden.0.width", "unknown"),
        (and("/model/hidden/0/norm/batch", "decay"), "model.hidden.0.norm.batch.decay", "unknown"),
        (and("/training/optimizer", "lr"), "training.optimizer.lr", "unknown"),
        (and("/training/optimizer/optimizer/rmsprop", "eps"), "training.optimizer.optimizer.rmsprop.eps", "unknown"),
        (
            and("/training/optimizer/schedule/exponential", "rate"),
            "training.optimizer.schedule.exponential.rate",
            "unknown",
        ),
        (and("/training/loss_options", "gamma"), "training.loss_options.gamma", "unknown"),
    ];
    for (spec, field, word) in cases {
        fs::write(&path, spec.to_string()).unwrap();
        refused(&path, field, &[word]);
        fs::write(&path, json!({ "run": spec }).to_string()).unwrap();
        refused(&path, &format!("run.{field}"), &[word]);
    }
    for (text, field, word) in [
        ("{", "", "not JSON"),
        ("\u{0}", "", "not JSON"),
        ("[]", "", "invalid"),
        ("7", "", "7"),
        ("{}", "run", "missing"),
        (r#"{"model": {}, "training": {}}"#, "run", "missing"),
        (r#"{"data": {}}"#, "", "missing field `model`"),
        (r#"{"run": null}"#, "run", "null"),
    ] {
        fs::write(&path, text).unwrap();
        refused(&path, field, &[word]);
    }
    assert!(matches!(RunSpec::load(directory.path().join("none.json")), Err(Error::Io { .. })));
    assert!(matches!(RunSpec::load(directory.path()), Err(Error::Io { .. })));
}

#[test]
fn a_run_goes_on_from_its_checkpoints_alone_to_the_same_bits() {
    let (before, after) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut spec = iris();
    let whole = bits(spec.start(Device::cpu()).unwrap(), |_| false);
    spec.fit.checkpoints = Some(Checkpoints::in_directory(before.path()).every_steps(2));
    let second = |event: &Event| matches!(event, Event::Epoch(report) if report.epoch == 2);
    bits(spec.start(Device::cpu()).unwrap(), second);
    // The directory is somewhere else by now.
    for file in fs::read_dir(before.path()).unwrap().map(|entry| entry.unwrap().path()) {
        fs::rename(&file, after.path().join(file.file_name().unwrap())).unwrap();
    }
    let loaded = RunSpec::load(after.path()).unwrap();
    let wanted = Checkpoints::in_directory(after.path()).every_steps(2);
    assert_eq!((&loaded.data, loaded.fit.checkpoints.as_ref()), (&spec.data, Some(&wanted)));
    let mut run = loaded.start(Device::cpu()).unwrap();
    let first = run.next().unwrap();
    assert!(matches!(first, Some(Event::Note(Note::GoesOn { epochs: 2, .. }))), "{first:?}");
    assert_eq!(bits(run, |_| false), whole);
    // What went on carries it too, in each file; under another name without the directory.
    let file = after.path().join("checkpoint.0.safetensors");
    assert_eq!(RunSpec::load(&file).unwrap(), loaded);
    let copy = before.path().join("copy.safetensors");
    fs::copy(file, &copy).unwrap();
    let alone = RunSpec::load(&copy).unwrap();
    assert_eq!(alone.fit.checkpoints, None);
    let prepared = alone.prepare(Device::cpu()).unwrap();
    let run = prepared.start(prepared.resume(&copy).unwrap()).unwrap();
    assert_eq!(bits(run, |_| false), whole);
}

#[test]
fn a_checkpoint_without_a_run_says_so_and_is_resumed_as_before() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/before/checkpoints/first_epoch");
    refused(&old, "run", &["earlier wgrad"]);
    assert!(Trainer::resume(&old, Device::cpu()).unwrap().resumes_after().is_some());
    let directory = TempDir::new().unwrap();
    let prepared = iris().prepare(Device::cpu()).unwrap();
    let path = directory.path().join("between.safetensors");
    let mut trainer = prepared.trainer().unwrap();
    trainer.save_checkpoint(&path).unwrap();
    refused(&path, "run", &["not started from a RunSpec"]);
    trainer.save(&path).unwrap();
    assert!(matches!(RunSpec::load(&path), Err(Error::Model { .. })));
}
