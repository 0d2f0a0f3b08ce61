//! `wgrad tune`, and what the other commands make of its record.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use wgrad::gpu::Tuning;

use crate::support::{Place, Run, adapter, command, finish, wgrad};

/// Runs the binary with a cache of its own in `place`.
fn cached(place: &Place, args: &[&str]) -> Run {
    let mut command = command(args);
    command.env("XDG_CACHE_HOME", place.path("cache"));
    finish(command)
}

/// The one record in the cache.
fn record(place: &Place) -> PathBuf {
    let mut files: Vec<_> =
        fs::read_dir(place.path("cache/wgrad")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

/// The variants of matrix products.
const PRODUCTS: [&str; 6] = ["direct", "split8", "split16", "split32", "tile64", "tile128"];

/// A record in which some kernel families count as verified, so that only the others take their time.
fn verified(place: &Place, families: &[(&str, &[&str])]) {
    let gpu = wgrad::verify::test_gpu().unwrap();
    let path = Tuning::new(&gpu).save(place.path("cache/wgrad").as_ref(), &gpu).unwrap();
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    families.iter().for_each(|(stem, variants)| json["passed"][*stem] = (*variants).into());
    fs::write(path, json.to_string()).unwrap();
}

/// Puts another variant into the record for every shape of this kernel family.
fn force(place: &Place, stem: &str, variant: &str) {
    let path = record(place);
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let chosen = json["chosen"].as_object_mut().unwrap();
    let own = chosen.iter_mut().filter(|(shape, _)| shape.starts_with(stem));
    own.for_each(|(_, name)| *name = variant.into());
    fs::write(path, json.to_string()).unwrap();
}

/// Step by step: losses and kernels of a short run.
fn trained(place: &Place, data: &str, more: &[&str]) -> (Vec<Value>, Vec<Value>, Run) {
    let adapter = adapter();
    let args =
        ["train", data, "--hidden", "none", "--batch", "32", "--epochs", "2", "--adapter", &adapter, "--log-steps"];
    let run = cached(place, &[&args[..], &["--json", "-q"], more].concat());
    let losses = run.events_called("step").iter().map(|step| step["loss"].clone()).collect();
    let kernels = run.events_called("summary")[0]["kernels"].as_array().unwrap().clone();
    (losses, kernels, run)
}

/// One test, since what is verified for it takes its time. A network without hidden layers has but a `dense_loss` and
/// a `dense_weight_gradient`.
#[test]
fn what_is_tuned_is_remembered_used_and_forgotten() {
    let (adapter, place) = (adapter(), Place::new());
    let data = place.dataset("ten", 128, 10);
    let (losses, kernels, _) = trained(&place, &data, &[]);
    assert!(kernels.len() == 2 && kernels.iter().all(|kernel| kernel["tuned"] == false), "{kernels:?}");

    verified(&place, &[("dense_weight_gradient", &PRODUCTS)]);
    let args = ["tune", "--adapter", &adapter, "--network", "16-10@32", "--seconds", "0.01"];
    let run = cached(&place, &[&args[..], &["--json", "-q"]].concat());
    let steps = run.events_called("step");
    assert!(steps.len() == 2 && steps.iter().all(|step| step["candidates"][0]["seconds"].is_number()), "{run:?}");
    assert_eq!(run.events_called("saved")[0]["path"], record(&place).display().to_string());
    // The second time nothing is verified: only the table is there to tell.
    let again = cached(&place, &args);
    assert!(again.ok().contains("layers.0 update") && !again.stderr.contains("verifying"), "{again:?}");

    // A variant that is the default nowhere for so small a shape, so that it shows.
    force(&place, "dense_weight_gradient", "tile64");
    let (_, kernels, _) = trained(&place, &data, &[]);
    assert!(kernels.iter().all(|kernel| kernel["tuned"] == true) && kernels[1]["variant"] == "tile64", "{kernels:?}");
    let (default_losses, kernels, _) = trained(&place, &data, &["--kernels", "default"]);
    assert!(kernels.iter().all(|kernel| kernel["tuned"] == false), "{kernels:?}");
    assert_eq!(default_losses, losses, "the same bits whatever the record holds");
    let shown = cached(&place, &["tune", "--adapter", &adapter, "--show"]);
    assert!(shown.ok().contains("dense_weight_gradient R=1 B=32 I=16 O=10 samples_u8  tile64"), "{shown:?}");
    let out = place.path("run");
    let base = ["train", &data, "--hidden", "none", "--batch", "32", "--epochs", "1", "--adapter", &adapter];
    let text = cached(&place, &[&base[..], &["--out", &out, "-q"]].concat());
    assert!(text.ok().contains("tile64 (tuned)"), "{text:?}");
    let history = fs::read_to_string(format!("{out}/history.json")).unwrap();
    assert!(history.contains("\"variant\": \"tile64\"") && history.contains("\"tuned\": true"), "{history}");

    // Damaged: said, and passed over.
    fs::write(record(&place), "{").unwrap();
    let run = cached(&place, &base);
    assert!(run.ok().contains("(default)") && run.stderr.contains("not a valid record"), "{run:?}");
    cached(&place, &["tune", "--adapter", &adapter, "--show"]).refused(1, &["not a valid record"]);
    let run = cached(&place, &["tune", "--adapter", &adapter, "--forget"]);
    assert!(run.ok().contains("deleted") && fs::read_dir(place.path("cache/wgrad")).unwrap().next().is_none());
    assert!(cached(&place, &["tune", "--adapter", &adapter, "--forget"]).ok().contains("nothing to forget"));
    assert!(cached(&place, &["tune", "--adapter", &adapter, "--show"]).ok().contains("nothing is tuned"));
}

/// Kernels with f16 have choices of their own, in the same record.
#[test]
fn what_is_tuned_for_f16_is_for_f16_only() {
    let (adapter, place) = (adapter(), Place::new());
    verified(&place, &[("dense_loss f16", &["split", "direct"]), ("dense_weight_gradient f16", &PRODUCTS)]);
    let args = ["tune", "--adapter", &adapter, "--network", "16-10@32", "--seconds", "0.01", "--precision", "f16"];
    let run = cached(&place, &args);
    if run.status != 0 {
        // An adapter without f16: by name, with the way out.
        return run.refused(2, &["SHADER_F16", "--precision f32"]);
    }
    let shown = cached(&place, &["tune", "--adapter", &adapter, "--show"]);
    assert!(shown.ok().contains("dense_loss R=1 B=32 I=16 O=10 samples_u8 stores-f16"), "{shown:?}");
    let data = place.dataset("ten", 128, 10);
    let (_, kernels, _) = trained(&place, &data, &["--precision", "f16"]);
    assert!(kernels.iter().all(|kernel| kernel["tuned"] == true), "{kernels:?}");
    let (_, kernels, _) = trained(&place, &data, &[]);
    assert!(kernels.iter().all(|kernel| kernel["tuned"] == false), "{kernels:?}");
}

/// Before anything is measured; and training goes on without a record.
#[test]
fn a_cache_that_cannot_be_written_to_is_said_beforehand() {
    let (adapter, place) = (adapter(), Place::new());
    fs::create_dir(place.path("cache")).unwrap();
    place.file("cache/wgrad", "a file where a directory should be");
    let words = ["cache/wgrad: what is measured cannot be kept there", "set XDG_CACHE_HOME"];
    cached(&place, &["tune", "--adapter", &adapter]).refused(1, &words);
    let data = place.dataset("ten", 64, 10);
    let run = cached(&place, &["train", &data, "--hidden", "none", "--epochs", "1", "--adapter", &adapter]);
    assert!(run.ok().contains("(default)"), "{run:?}");
}

#[test]
fn the_cpu_has_no_kernels_to_tell_of() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let run = wgrad(&["train", &data, "--device", "cpu", "--kernels", "default", "--epochs", "1", "--json", "-q"]);
    assert_eq!(run.events_called("summary")[0]["kernels"], Value::Array(Vec::new()));
}
