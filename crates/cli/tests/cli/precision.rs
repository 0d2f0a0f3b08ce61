//! `--precision`

use std::fs;

use wgrad::ModelFile;
use wgrad::gpu::adapters_blocking;

use crate::support::{Place, adapter, wgrad};

/// Arguments of a small run.
fn small<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = ["train", data, "--hidden", "16", "--batch", "32", "--epochs", "4", "--lr", "0.01", "-q"];
    [&base[..], more].concat()
}

#[test]
fn a_run_with_f16_says_so_and_learns_as_with_f32() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let summary = |precision: &str, more: &[&str]| {
        let run = wgrad(&[&small(&data, &["--device", "cpu", "--json", "--precision", precision])[..], more].concat());
        run.events_called("summary").remove(0)
    };
    let out = place.path("out");
    let (half, whole) = (summary("f16", &["--out", &out]), summary("f32", &[]));
    assert!(half["precision"] == "f16" && whole["precision"] == "f32", "{half} {whole}");
    let loss = |summary: &serde_json::Value| summary["train_loss"].as_f64().unwrap();
    assert!(loss(&half) != loss(&whole) && (loss(&half) - loss(&whole)).abs() < 0.01, "{half} {whole}");
    let text = wgrad(&small(&data, &["--device", "cpu", "--precision", "f16"]));
    assert!(text.ok().lines().any(|line| line.starts_with("precision") && line.ends_with("f16")), "{text:?}");
    // The model file carries it, and what judges the model follows it.
    let model = format!("{out}/model.safetensors");
    assert_eq!(ModelFile::load(model.as_ref()).unwrap().spec.precision.name(), "f16");
    let eval = wgrad(&["eval", &model, &data, "--device", "cpu", "--json"]);
    assert_eq!(eval.events()[0]["loss"], half["test_loss"]);
    let again = place.path("again");
    wgrad(&["train", "--config", &format!("{out}/config.toml"), "--out", &again, "-q"]).ok();
    let read = |dir: &str, name: &str| fs::read(format!("{dir}/{name}")).unwrap();
    assert_eq!(read(&out, "model.safetensors"), read(&again, "model.safetensors"));
    assert!(String::from_utf8(read(&again, "config.toml")).unwrap().contains("precision = \"f16\""));
}

#[test]
fn the_plan_says_what_is_f16() {
    let plan = wgrad(&["train", "mnist", "--precision", "f16", "--batch", "64", "--device", "cpu", "--print-plan"]);
    let line = plan.ok().lines().find(|line| line.contains("train.layers.0.output")).unwrap();
    assert!(line.contains("f16") && line.contains("16384 B"), "{line}");
    wgrad(&["train", "mnist", "--precision", "bf16"]).refused(2, &["--precision", "bf16", "f32, f16"]);
}

#[test]
fn a_run_goes_on_in_its_own_precision_only() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let (out, whole) = (place.path("out"), place.path("whole"));
    let args = ["--device", "cpu", "--precision", "f16", "--out"];
    wgrad(&small(&data, &[&args[..], &[&whole]].concat())).ok();
    let first = [&args[..], &[&out, "--steps", "6", "--checkpoint-every", "1"]].concat();
    wgrad(&small(&data, &first)).ok();
    let other = wgrad(&["train", "--resume", &out, "--precision", "f32", "--steps", "16", "-q"]);
    other.refused(2, &["training.precision", "\"f16\"", "\"f32\""]);
    wgrad(&["train", "--resume", &out, "--steps", "16", "-q"]).ok();
    let read = |dir: &str| fs::read(format!("{dir}/model.safetensors")).unwrap();
    assert_eq!(read(&out), read(&whole));
}

/// f16 ends at 65504: a run that leaves it says that f32 does not.
#[test]
fn a_run_that_leaves_the_range_of_f16_names_the_way_out() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let args = ["train", &data, "--device", "cpu", "--hidden", "16", "--optimizer", "sgd", "--lr", "1e6", "-q"];
    wgrad(&[&args[..], &["--precision", "f16"]].concat()).refused(1, &["loss became", "`--precision f32`"]);
    let whole = wgrad(&args);
    assert!(!whole.stderr.contains("--precision"), "{whole:?}");
}

/// On an adapter with SHADER_F16; another refuses in one line, and leaves nothing.
#[test]
fn an_adapter_runs_f16_or_refuses_it_by_name() {
    let (adapter, place) = (adapter(), Place::new());
    let data = place.dataset("five", 100, 5);
    let has = |report: &wgrad::gpu::AdapterReport| report.name.to_lowercase().contains(&adapter.to_lowercase());
    let reports = adapters_blocking();
    let own =
        reports.iter().find(|report| has(report)).or_else(|| reports.get(adapter.parse::<usize>().ok()?)).unwrap();
    let out = place.path("out");
    let device = ["--adapter", &adapter, "--precision", "f16"];
    let run = wgrad(&small(&data, &[&device[..], &["--json", "--out", &out]].concat()));
    let bench = wgrad(
        &[
            &["bench", "--network", "20-7-10@16", "--replicas", "1", "--seconds", "0.05"],
            &device[..],
            &["--json", "-q"],
        ]
        .concat(),
    );
    let verify = wgrad(&[&["verify", "--quick", "--filter", "tail_forward"], &device[..], &["--json", "-q"]].concat());
    let model = format!("{}/model.safetensors", if own.f16 { out } else { place.path("cpu") });
    if !own.f16 {
        let words = [&own.name, "SHADER_F16", "`--precision f32`", "--device cpu"];
        for run in [run, bench, verify] {
            run.refused(2, &words);
        }
        wgrad(&small(&data, &["--device", "cpu", "--precision", "f16", "--out", &place.path("cpu")])).ok();
        wgrad(&["eval", &model, &data, "--adapter", &adapter]).refused(2, &words);
        return;
    }
    assert_eq!(run.events_called("summary")[0]["precision"], "f16");
    assert_eq!(bench.events_called("training")[0]["network"], "20-7-10@16 f16");
    assert!(
        verify
            .events_called("kernel")
            .iter()
            .all(|row| row["passed"] == true && row["what"].to_string().contains("f16"))
    );
    let judged = wgrad(&["eval", &model, &data, "--adapter", &adapter, "--json"]);
    assert_eq!(judged.events()[0]["loss"], run.events_called("summary")[0]["test_loss"]);
}
