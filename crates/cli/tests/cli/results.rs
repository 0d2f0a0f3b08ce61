//! `eval`, `predict`, `adapters` and `bench` where all is well.

use std::fs;

use crate::support::{Place, is_number, wgrad, wgrad_without_adapter};

#[test]
fn an_evaluation_counts_every_sample_once() {
    let place = Place::new();
    let data = place.dataset("five", 80, 5);
    let model = place.model("run", &data, "8");
    for (split, samples) in [("test", 40), ("train", 80)] {
        let run = wgrad(&["eval", &model, &data, "--device", "cpu", "--split", split, "--json"]);
        let events = run.events();
        let event = &events[0];
        assert!(events.len() == 1 && event["event"] == "evaluation" && event["samples"] == samples, "{event}");
        assert!(is_number(event, "loss") && is_number(event, "accuracy"), "{event}");
        let rows: Vec<Vec<u64>> = serde_json::from_value(event["confusion"].clone()).unwrap();
        assert!(rows.len() == 5 && rows.iter().all(|row| row.len() == 5 && row.iter().sum::<u64>() == samples / 5));
        let right: u64 = (0..5).map(|class| rows[class][class]).sum();
        assert!((event["accuracy"].as_f64().unwrap() - right as f64 / samples as f64).abs() < 1e-9, "{event}");
    }
    let run = wgrad(&["eval", &model, &data, "--device", "cpu", "--top-k", "2", "--json"]);
    let event = &run.events()[0];
    let rows: Vec<Vec<f64>> = serde_json::from_value(event["confusion"].clone()).unwrap();
    let predicted: f64 = rows.iter().map(|row| row[1]).sum();
    let class = &event["classes"][1];
    let precision = if predicted == 0.0 { 0.0 } else { rows[1][1] / predicted };
    assert!((class["precision"].as_f64().unwrap() - precision).abs() < 1e-12 && class["support"] == 8, "{event}");
    assert!((class["recall"].as_f64().unwrap() - rows[1][1] / 8.0).abs() < 1e-12, "{event}");
    assert!(event["micro"]["f1"] == event["accuracy"] && is_number(&event["macro"], "recall"), "{event}");
    let top = event["top_k"]["accuracy"].as_f64().unwrap();
    assert!(event["top_k"]["k"] == 2 && top >= event["accuracy"].as_f64().unwrap() && event["roc_auc"].is_null());
    let run = wgrad(&["eval", &model, &data, "--device", "cpu"]);
    assert!(run.ok().contains("macro average") && !run.stdout.contains("top-"), "{run:?}");
    assert!(run.ok().contains("accuracy") && run.stdout.contains("confusion matrix") && run.stderr.is_empty());
}

#[test]
fn predictions_are_probabilities_of_every_row() {
    let place = Place::new();
    let data = place.dataset("five", 40, 5);
    let model = place.model("run", &data, "8");
    let images = format!("{data}/t10k-images-idx3-ubyte");
    let run = wgrad(&["predict", &model, &images, "--device", "cpu", "--json"]);
    let events = run.events_called("prediction");
    assert_eq!(events.len(), 20);
    for (event, row) in events.iter().zip(0..) {
        let p: Vec<f64> = serde_json::from_value(event["probabilities"].clone()).unwrap();
        let class = event["class"].as_u64().unwrap() as usize;
        assert_eq!(event["row"], row);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5 && p.iter().all(|other| *other <= p[class]), "{event}");
    }
    let run = wgrad(&["predict", &model, &images, "--device", "cpu"]);
    let lines: Vec<_> = run.ok().lines().collect();
    assert_eq!((lines.len(), lines[0]), (21, "row,class,p0,p1,p2,p3,p4"));
    assert!(lines[1..].iter().all(|line| line.split(',').count() == 7), "{lines:?}");
}

#[test]
fn floats_are_taken_as_they_are_and_bytes_scaled() {
    let place = Place::new();
    let data = place.dataset("five", 40, 5);
    let model = place.model("run", &data, "8");
    let images = format!("{data}/t10k-images-idx3-ubyte");
    let scaled = fs::read(&images).unwrap()[16..].iter().map(|pixel| f32::from(*pixel) / 255.0).collect::<Vec<_>>();
    let lines: Vec<String> =
        scaled.chunks(16).map(|row| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",")).collect();
    let rows = place.path("rows.csv");
    fs::write(&rows, lines.join("\n")).unwrap();
    let classes = |input: &str| -> Vec<u64> {
        let run = wgrad(&["predict", &model, input, "--device", "cpu", "--json"]);
        run.events().iter().map(|event| event["class"].as_u64().unwrap()).collect()
    };
    assert_eq!(classes(&images), classes(&rows));
    // Pixels as text are not scaled, which has to be said.
    let predict = || wgrad(&["predict", &model, &rows, "--device", "cpu"]).stderr;
    assert!(!predict().contains("bytes"), "{}", predict());
    fs::write(&rows, "0,255,".repeat(8).trim_end_matches(',')).unwrap();
    assert!(
        predict().contains("trained on bytes scaled to 0 to 1") && predict().contains("reach 255"),
        "{}",
        predict()
    );
}

#[test]
fn a_regression_model_has_outputs_and_no_probabilities() {
    let place = Place::new();
    let data = place.dataset("five", 40, 5);
    let out = place.path("mse");
    wgrad(&["train", &data, "--device", "cpu", "--loss", "mse", "--epochs", "1", "--batch", "8", "--out", &out, "-q"])
        .ok();
    let images = format!("{data}/t10k-images-idx3-ubyte");
    let run = wgrad(&["predict", &format!("{out}/model.safetensors"), &images, "--device", "cpu", "--json"]);
    let event = &run.events()[0];
    assert!(event["outputs"].as_array().unwrap().len() == 5 && event.get("probabilities").is_none(), "{event}");
}

#[test]
fn without_adapters_the_list_says_how_to_get_one() {
    let run = wgrad_without_adapter(&["adapters"]);
    assert!(run.ok().contains("--device auto takes the CPU: no GPU adapter found; install"), "{run:?}");
    let events = wgrad_without_adapter(&["adapters", "--json"]).events();
    assert_eq!(events.len(), 1);
    assert!(events[0]["event"] == "choice" && events[0]["device"] == "cpu" && events[0]["index"].is_null());
}

const MEASURED: [&str; 8] =
    ["bench", "--device", "cpu", "--network", "20-7-10@16,30-10@8", "--replicas", "1,3", "--seconds=0.05"];

#[test]
fn the_cpu_is_measured() {
    let run = wgrad(&[&MEASURED[..], &["--json", "-q"]].concat());
    let device = &run.events_called("device")[0];
    assert!(device["device"] == "cpu" && is_number(device, "cores"), "{device}");
    for field in ["wgrad", "date", "os", "command"] {
        assert!(device[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {device}");
    }
    let training = run.events_called("training");
    let runs: Vec<_> =
        training.iter().map(|row| (row["network"].as_str().unwrap(), row["replicas"].as_u64())).collect();
    assert_eq!(runs, [("20-7-10@16", Some(1)), ("30-10@8", Some(1)), ("20-7-10@16", Some(3))]);
    for field in ["steps_per_second", "model_steps_per_second", "samples_per_second", "time_to_first_step"] {
        assert!(training.iter().all(|row| is_number(row, field)), "{field}: {training:?}");
    }
    assert!(training[0]["speedup"].is_null() && is_number(&training[2], "speedup"), "{training:?}");
    assert!(training.iter().all(|row| row["dispatches_per_step"].as_u64() > Some(0) && row["host"].is_null()));
    assert!(training.iter().all(|row| is_number(row, "plan_bytes") && row["device_bytes"].is_null()));
    let peaks = run.events_called("peak");
    assert!(peaks.len() == 1 && is_number(&peaks[0], "bytes_per_second") && is_number(&peaks[0], "flops_per_second"));
    let kernels = run.events_called("kernel");
    for field in ["gflops", "runs", "flops", "bytes", "seconds", "roofline"] {
        assert!(
            kernels.iter().all(|row| row[field].as_f64().is_some_and(|number| number > 0.0)),
            "{field}: {kernels:?}"
        );
    }
    assert!(kernels.iter().any(|row| row["network"] == "30-10@8"), "{kernels:?}");
    assert!(run.stderr.is_empty(), "{run:?}");
}

#[test]
fn the_report_in_markdown_is_of_whole_tables() {
    let run = wgrad(&[&MEASURED[..], &["--markdown", "-q"]].concat());
    let text = run.ok();
    for word in
        ["| device | cpu |", "| machine | ", "| date | 20", "--markdown -q |", "| 20-7-10@16 | 3 |", "GFLOP/s |"]
    {
        assert!(text.contains(word), "`{word}` is missing: {text}");
    }
    let tables: Vec<Vec<&str>> =
        text.split("\n\n").filter(|part| part.starts_with('|')).map(|part| part.lines().collect()).collect();
    // What it is about, training, replicas, memory, peaks, kernels.
    assert_eq!(tables.len(), 6, "{text}");
    for table in tables {
        let cells = table[0].matches('|').count();
        assert!(table.len() > 2 && table.iter().all(|row| row.matches('|').count() == cells), "{table:?}");
        assert!(table[1].chars().all(|letter| "|-:".contains(letter)), "{table:?}");
    }
}
