//! The command on an adapter; without one these tests fail, and say how to get one.

use wgrad::gpu::{adapters_blocking, automatic};

use crate::support::{Place, adapter, is_number, wgrad};

#[test]
fn training_and_evaluation_agree_with_the_cpu() {
    let (adapter, place) = (adapter(), Place::new());
    let data = place.dataset("ten", 200, 10);
    let out = place.path("run");
    let losses = |device: &[&str]| -> Vec<f64> {
        let base = ["train", &data, "--hidden", "16", "--batch", "64", "--epochs", "3", "--log-steps", "--json", "-q"];
        let base = [&base[..], &["--out", &out]].concat();
        let run = wgrad(&[&base[..], device].concat());
        run.events_called("step").iter().map(|step| step["loss"].as_f64().unwrap()).collect()
    };
    let (cpu, gpu) = (losses(&["--device", "cpu"]), losses(&["--adapter", &adapter]));
    assert_eq!(cpu.len(), 12);
    // Two roundings of the same arithmetic, grown over a dozen steps: the project's own bound for 100 steps.
    assert!(cpu.iter().zip(&gpu).all(|(c, g)| (c - g).abs() <= 1e-4 * c.abs()), "{cpu:?}\n{gpu:?}");
    let model = format!("{out}/model.safetensors");
    let run = wgrad(&["eval", &model, &data, "--device", "gpu", "--adapter", &adapter, "--json"]);
    let event = &run.events()[0];
    assert!(event["device"] == "gpu" && !event["driver"].as_str().unwrap().is_empty(), "{event}");
}

#[test]
fn adapters_are_listed_with_their_limits_and_the_choice() {
    adapter();
    let run = wgrad(&["adapters", "--json"]);
    let adapters = run.events_called("adapter");
    assert!(!adapters.is_empty() && run.events_called("choice").len() == 1, "{run:?}");
    for field in ["index", "max_storage_binding", "max_buffer", "max_workgroup_memory", "max_invocations"] {
        assert!(adapters.iter().all(|adapter| is_number(adapter, field)), "{field}: {adapters:?}");
    }
    for field in ["name", "backend", "driver", "kind"] {
        assert!(adapters.iter().all(|adapter| adapter[field].is_string()), "{field}: {adapters:?}");
    }
    assert!(wgrad(&["adapters"]).ok().contains("--device auto takes"));
}

#[test]
fn an_unknown_adapter_lists_those_that_there_are() {
    adapter();
    let name = adapters_blocking()[0].name.clone();
    wgrad(&["train", "mnist", "--adapter", "voodoo"]).refused(2, &["`voodoo`", &name]);
    wgrad(&["verify", "--adapter", "98"]).refused(2, &["`98`", &name]);
}

#[test]
fn auto_takes_a_real_gpu_and_a_software_adapter_only_when_named() {
    adapter();
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let run = wgrad(&["train", &data, "--epochs", "1", "--json"]);
    let summary = &run.events_called("summary")[0];
    if let Some(real) = automatic(&adapters_blocking()) {
        assert!(summary["device"] == "gpu" && summary["adapter"] == real.name, "{summary}");
        return;
    }
    assert!(summary["device"] == "cpu" && summary["note"].as_str().unwrap().contains("no real GPU"), "{summary}");
    wgrad(&["train", &data, "--device", "gpu"]).refused(2, &["no real GPU found", "--adapter", "software"]);
}

#[test]
fn a_model_too_big_for_the_adapter_names_limit_wanted_and_had() {
    let (adapter, place) = (adapter(), Place::new());
    let data = place.dataset("ten", 100, 10);
    let out = place.path("out");
    let before = place.listing();
    let args = ["train", &data, "--adapter", &adapter, "--hidden", "16000000,16000000", "--out", &out];
    wgrad(&args).refused(2, &["max_storage_buffer_binding_size", "2048000000000000 bytes", "--device cpu"]);
    assert_eq!(place.listing(), before);
}

#[test]
fn one_kernel_is_verified() {
    let adapter = adapter();
    let args = ["verify", "--adapter", &adapter, "--quick", "--filter", "softmax", "--seed", "3"];
    let run = wgrad(&[&args[..], &["--json", "-q"]].concat());
    let rows = run.events_called("kernel");
    assert!(!rows.is_empty() && rows.iter().all(|row| row["passed"] == true && is_number(row, "worst")), "{run:?}");
    assert_eq!(run.events_called("summary")[0]["passed"], true);
    let run = wgrad(&args);
    assert!(run.ok().contains("verdict") && run.stdout.contains("0 rows failed"), "{run:?}");
    let none = wgrad(&["verify", "--adapter", &adapter, "--filter", "conv", "-q", "--json"]);
    assert!(none.status == 2 && none.stderr.contains("--filter conv"), "{none:?}");
}

#[test]
fn the_adapter_is_measured() {
    let args = ["bench", "--adapter", &adapter(), "--network", "20-7-10@16", "--replicas", "1,2", "--seconds", "0.05"];
    let run = wgrad(&[&args[..], &["--json", "-q"]].concat());
    assert_eq!(run.events_called("device")[0]["device"], "gpu");
    let training = run.events_called("training");
    let host = |row: &serde_json::Value| is_number(&row["host"], "seconds_per_dispatch");
    assert!(training.len() == 2 && training.iter().all(host), "{training:?}");
    let kernels = run.events_called("kernel");
    let sound = |row: &serde_json::Value| row["variant"].is_string() && is_number(row, "roofline");
    assert!(!kernels.is_empty() && kernels.iter().all(sound), "{kernels:?}");
    assert_eq!(training[0]["dispatches_per_step"], kernels.len());
}

#[test]
fn subgroup_kernels_run_where_they_are_asked_for_and_are_said() {
    let (adapter, place) = (adapter(), Place::new());
    wgrad(&["train", "mnist", "--device", "cpu", "--kernels", "subgroup"]).refused(2, &["--kernels subgroup", "GPU"]);
    let data = place.dataset("ten", 100, 10);
    let base = ["train", &data, "--hidden", "16", "--epochs", "1", "--adapter", &adapter, "--json", "-q"];
    let has = |report: &wgrad::gpu::AdapterReport| report.name.to_lowercase().contains(&adapter.to_lowercase());
    let reports = adapters_blocking();
    let own =
        reports.iter().find(|report| has(report)).or_else(|| reports.get(adapter.parse::<usize>().ok()?)).unwrap();
    let run = wgrad(&[&base[..], &["--kernels", "subgroup"]].concat());
    if !own.subgroups {
        run.refused(2, &["no subgroup operations", "--kernels"]);
        return;
    }
    let variants = |summary: &serde_json::Value| summary["kernels"].to_string().matches("\"subgroup\"").count();
    assert_eq!(variants(&run.events_called("summary")[0]), 5, "{run:?}");
    assert_eq!(variants(&wgrad(&base).events_called("summary")[0]), 0, "never by default");
}
