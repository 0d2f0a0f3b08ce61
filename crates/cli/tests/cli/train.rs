//! `wgrad train` where all is well.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use wgrad::run::RunSpec;
use wgrad::{Device, Event, ModelFile, Note};

use crate::support::{Place, command, is_number, wgrad, wgrad_without_adapter};

/// A short run on the CPU.
fn args<'a>(dataset: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", dataset, "--device", "cpu", "--hidden", "8", "--batch", "32"], more].concat()
}

#[test]
fn json_lines_hold_what_was_promised() {
    let place = Place::new();
    let data = place.dataset("ten", 200, 10);
    let run = wgrad(&args(&data, &["--epochs", "2", "--json", "--log-steps"]));
    let events = run.events();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    // 200 samples in batches of 32 are 7 steps.
    let epoch = [["step"; 7].as_slice(), &["epoch"]].concat();
    assert_eq!(kinds, [&epoch[..], &epoch, &["summary"]].concat());
    let steps = run.events_called("step");
    assert!(steps.iter().zip(1..).all(|(step, number)| step["step"] == number && is_number(step, "loss")), "{steps:?}");
    let scores = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds", "samples_per_second"];
    for (event, number) in run.events_called("epoch").iter().zip(1..) {
        assert_eq!(event["epoch"], number);
        assert!(scores.iter().all(|field| is_number(event, field)), "{event}");
    }
    let summary = &run.events_called("summary")[0];
    let numbers =
        [&scores[..], &["dispatches_per_step", "time_to_first_step", "parameters", "epochs", "steps"]].concat();
    assert!(numbers.iter().all(|field| is_number(summary, field)), "{summary}");
    assert_eq!((&summary["device"], &summary["backend"]), (&"cpu".into(), &"ndarray".into()), "{summary}");
    assert!(["adapter", "driver"].iter().all(|field| summary[field].is_string()), "{summary}");
    assert_eq!((&summary["parameters"], &summary["dispatches_per_step"]), (&(17 * 8 + 9 * 10).into(), &5.into()));
    assert!(summary["note"].is_null() && summary["saved"].is_null(), "{summary}");
    assert!(run.stderr.contains("epoch 2/2"), "progress goes to stderr: {run:?}");
}

#[test]
fn it_learns_and_sums_up() {
    let place = Place::new();
    let data = place.dataset("ten", 300, 10);
    let run = wgrad(&["train", &data, "--device", "cpu", "--lr", "0.01", "--epochs", "10"]);
    assert!(run.ok().contains("test accuracy        100.00%"), "{run:?}");
    for name in ["test loss", "total time", "training time", "time to first step", "dispatches per step", "backend"] {
        assert!(run.stdout.contains(name), "{name}: {run:?}");
    }
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{run:?}");
}

/// Whatever part an epoch is judged on, it is called by its name.
#[test]
fn progress_names_the_part_that_judges() {
    let place = Place::new();
    let data = place.dataset("ten", 200, 10);
    let line = |more: &[&str]| {
        let run = wgrad(&args(&data, &[&["--epochs", "1"], more].concat()));
        run.stderr.lines().find(|line| line.starts_with("epoch 1/1")).unwrap().to_owned()
    };
    let (test, validation) = (line(&[]), line(&["--validation", "0.2"]));
    assert!(test.contains("  test ") && !test.contains("validation"), "{test}");
    assert!(validation.contains("  validation ") && !validation.contains("test"), "{validation}");
    assert!(test.contains(" acc ") && test.matches('%').count() == 2, "{test}");
    // Values are never just right.
    let run = wgrad(&["train", "line", "--device", "cpu", "--epochs", "1"]);
    let line = run.stderr.lines().find(|line| line.starts_with("epoch 1/1")).unwrap();
    assert!(line.contains("  test ") && !line.contains("acc") && !line.contains('%'), "{line}");
}

#[test]
fn what_is_hardly_meant_is_said() {
    let place = Place::new();
    let data = place.dataset("ten", 200, 10);
    let notes = |data: &str, more: &[&str]| {
        wgrad(&[&["train", data, "--device", "cpu", "--epochs", "1"], more].concat()).stderr
    };
    let flatters = "early stopping watches the test part";
    assert!(notes(&data, &["--patience", "3"]).contains(flatters));
    for more in [&[][..], &["--patience", "3", "--validation", "0.2"], &["--patience", "3", "--monitor", "train-loss"]]
    {
        assert!(!notes(&data, more).contains(flatters), "{more:?}");
    }
    let far = "standard deviation";
    assert!(notes("make-regression", &[]).contains("far from 1: --scale-target"));
    assert!(!notes("make-regression", &["--scale-target"]).contains(far) && !notes("line", &[]).contains(far));
    assert!(!notes(&data, &["--loss", "mse"]).contains(far));
}

#[test]
fn quiet_leaves_stderr_empty() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    for json in [&[][..], &["--json"]] {
        let run = wgrad_without_adapter(&[&["train", &data, "--epochs", "1", "--quiet"], json].concat());
        assert!(!run.ok().is_empty() && run.stderr.is_empty(), "{run:?}");
    }
}

#[test]
fn without_an_adapter_auto_takes_the_cpu_and_says_why() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let run = wgrad_without_adapter(&["train", &data, "--epochs", "1", "--json"]);
    let summary = &run.events_called("summary")[0];
    assert_eq!(summary["device"], "cpu");
    assert!(summary["note"].as_str().unwrap().contains("no GPU adapter found"), "{summary}");
    assert!(run.stderr.starts_with("running on the CPU: no GPU adapter found\n"), "{run:?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let place = Place::new();
    let data = place.dataset("ten", 150, 10);
    let train = |name: &str, seed: &str| {
        let out = place.path(name);
        wgrad(&args(&data, &["--epochs", "2", "--seed", seed, "--out", &out, "-q"])).ok();
        fs::read(format!("{out}/model.safetensors")).unwrap()
    };
    assert_eq!(train("a", "3"), train("b", "3"));
    assert_ne!(train("c", "3"), train("d", "4"));
}

#[test]
fn out_holds_model_history_and_configuration_and_nothing_else() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let out = place.path("deep/run");
    // Nor what a former run left there, which had more models.
    wgrad(&args(&data, &["--epochs", "1", "--replicas", "3", "--out", &out])).ok();
    assert!(fs::exists(format!("{out}/model.2.safetensors")).unwrap());
    let run = wgrad(&args(&data, &["--epochs", "2", "--out", &out]));
    assert!(run.ok().contains("model.safetensors"), "{run:?}");
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let checkpoints = ["checkpoint.0.safetensors", "checkpoint.1.safetensors"];
    let names: Vec<_> = names.into_iter().map(|name| name.into_string().unwrap()).collect();
    let (had, names): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| checkpoints.contains(&name.as_str()));
    assert!(!had.is_empty());
    let wanted = ["best.safetensors", "config.json", "config.toml", "history.csv", "history.json", "history.jsonl"];
    assert_eq!(names, [&wanted[..], &["model.safetensors"]].concat());
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(format!("{out}/{name}")).unwrap()).unwrap()
    };
    assert_eq!(json("history.json")["epochs"].as_array().unwrap().len(), 2);
    assert_eq!(json("config.json")["training"]["batch"], 32);
}

#[test]
fn the_library_repeats_a_run_from_its_configuration_and_goes_on_from_its_checkpoints() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let out = place.path("run");
    let args = args(&data, &["--epochs", "2", "--seed", "3", "--lr", "0.02", "--out", &out]);
    wgrad(&args).ok();
    let saved = ModelFile::load(format!("{out}/model.safetensors").as_ref()).unwrap().weights;
    let spec = RunSpec::load(format!("{out}/config.json")).unwrap();
    let mut run = spec.start(Device::cpu()).unwrap();
    while run.next().unwrap().is_some() {}
    assert_eq!(run.close().weights(0).unwrap(), saved);
    let mut again = RunSpec::load(&out).unwrap().start(Device::cpu()).unwrap();
    let first = again.next().unwrap();
    assert_eq!(first, Some(Event::Note(Note::GoesOn { epochs: 2, steps: 8 })));
    while again.next().unwrap().is_some() {}
    assert_eq!(again.close().weights(0).unwrap(), saved);
}

#[test]
fn from_starts_from_saved_weights() {
    let place = Place::new();
    let data = place.dataset("ten", 200, 10);
    let out = place.path("first");
    let first = wgrad(&args(&data, &["--lr", "0.02", "--epochs", "4", "--out", &out, "--json", "-q"]));
    let model = format!("{out}/model.safetensors");
    // A learning rate of 0 leaves the weights as they are: the same test loss, to the last digit.
    let second = wgrad(&args(&data, &["--lr", "0", "--epochs", "1", "--from", &model, "--json", "-q"]));
    let test_loss = |run: &crate::support::Run| run.events_called("summary")[0]["test_loss"].clone();
    assert_eq!(test_loss(&first), test_loss(&second));
}

#[test]
fn steps_stop_early_and_may_ask_for_more_epochs_than_usual() {
    let place = Place::new();
    let data = place.dataset("five", 64, 5);
    for (more, steps) in [(&["--steps", "3"][..], 3), (&["--steps", "25"], 25), (&["--steps", "9", "--epochs", "2"], 4)]
    {
        let run = wgrad(&args(&data, &[more, &["--json", "-q"]].concat()));
        assert_eq!(run.events_called("summary")[0]["steps"], steps, "{run:?}");
    }
}

#[test]
fn every_choice_of_loss_optimizer_and_activation_trains() {
    let place = Place::new();
    let data = place.dataset("five", 64, 5);
    let choices: [&[&str]; 14] = [
        &["--loss", "bce"],
        &["--loss", "mean-squared-error"],
        &["--loss", "softmax_cross_entropy"],
        &["--optimizer", "sgd", "--momentum", "0.5", "--weight-decay", "1e-4"],
        &["--optimizer", "nesterov"],
        &["--optimizer", "rmsprop", "--momentum", "0.9", "--schedule", "plateau:patience=0"],
        &["--optimizer", "adamw", "--clip-norm", "1", "--max-norm", "2", "--schedule", "cosine:warmup=0.5"],
        &["--optimizer", "lion", "--l1", "1e-4", "--clip-value", "0.1", "--no-decay-biases"],
        &["--activation", "leaky-relu"],
        &["--activation", "leaky_relu"],
        &["--activation", "tanh"],
        &["--hidden", "none"],
        &["--hidden", "7,5"],
        &["--no-shuffle", "--limit", "40"],
    ];
    for choice in choices {
        let base = ["train", &data, "--device", "cpu", "--batch", "16", "--epochs", "1", "--json", "-q"];
        let run = wgrad(&[&base[..], choice].concat());
        assert_eq!(run.events_called("summary").len(), 1, "{choice:?}");
    }
}

#[test]
fn without_shuffling_the_seed_only_draws_weights() {
    let place = Place::new();
    let data = place.dataset("five", 64, 5);
    let model = place.model("start", &data, "8");
    let losses = |seed: &str| {
        let more = ["--from", &model, "--no-shuffle", "--seed", seed, "--epochs", "2", "--log-steps", "--json", "-q"];
        wgrad(&args(&data, &more)).events_called("step")
    };
    assert_eq!(losses("1"), losses("2"));
}

#[test]
fn a_plan_is_printed_without_training() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let run = wgrad(&args(&data, &["--print-plan"]));
    assert!(run.ok().contains("training step: 5 dispatches"), "{run:?}");
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 90) && run.stderr.is_empty(), "{run:?}");
    for settings in
        ["dense_forward [relu samples_u8]", "dense_input_gradient [relu]", "[activations adam 0.999 0.001 1e-8]"]
    {
        assert!(run.stdout.contains(settings), "`{settings}` is missing: {run:?}");
    }
    let plan = &wgrad(&args(&data, &["--print-plan", "--json"])).events()[0];
    assert_eq!((&plan["event"], &plan["layers"], &plan["dispatches_per_step"]), (&"plan".into(), &2.into(), &5.into()));
    assert_eq!(plan["steps"].as_array().unwrap().len(), 5);
    let tensor = &plan["tensors"][0];
    assert_eq!((&tensor["name"], &tensor["role"]), (&"layers.0.weight".into(), &"parameter".into()), "{tensor}");
    assert!(tensor["shape"] == serde_json::json!([1, 8, 16]) && tensor["bytes"] == 512, "{tensor}");
}

#[test]
fn a_dry_run_tells_what_the_run_takes_and_leaves_nothing() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let (out, before) = (place.path("out"), place.listing());
    let run = wgrad(&args(&data, &["--dry-run", "--out", &out]));
    let words = ["parameters", "optimizer state", "training samples on the device", "free memory", "16-8-10", "cpu"];
    assert!(words.iter().all(|word| run.ok().contains(word)) && run.stdout.ends_with("fits\n"), "{run:?}");
    assert!(run.stderr.is_empty() && place.listing() == before, "{run:?}");
    let events = wgrad(&args(&data, &["--dry-run", "--json"])).events();
    let event = &events[0];
    assert!(events.len() == 1 && event["event"] == "memory" && event["fits"] == true, "{event}");
    assert_eq!(event["parameters"], 4 * (16 * 8 + 8 + 8 * 10 + 10));
    assert_eq!(event["dataset"], 100 * 16 + 100 * 4 + 100 * 4);
    let fields = ["optimizer_state", "activations", "kept", "total", "peak", "available"];
    assert!(fields.iter().all(|field| event[field].as_u64() > Some(0)), "{event}");
    let too_big = ["--hidden", "16000000,16000000", "--batch", "64", "--dry-run"];
    let run = wgrad(&args(&data, &[]).iter().take(4).copied().chain(too_big).collect::<Vec<_>>());
    assert!(run.status == 2 && run.stdout.ends_with("does not fit\n") && run.stderr.lines().count() == 1, "{run:?}");
    let words = ["layers.1.weight.state [1, 2, 16000000, 16000000]", "the machine's free memory", "narrower layers"];
    assert!(words.iter().all(|word| run.stderr.contains(word)), "{run:?}");
    let event = &wgrad(&[&["train", &data, "--device", "cpu", "--json"], &too_big[..]].concat());
    assert!(event.status == 2 && event.stdout.contains("\"fits\":false"), "{event:?}");
}

#[test]
fn a_closed_stdout_ends_it_quietly() {
    let place = Place::new();
    let data = place.dataset("five", 64, 5);
    let more = ["--epochs", "2000", "--log-steps", "-q"];
    let mut child =
        command(&args(&data, &more)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut first = [0; 4];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    // The pipe is closed here, long before the last step.
    let output = child.wait_with_output().unwrap();
    assert_eq!((&first, output.status.code()), (b"step", Some(0)));
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn real_mnist_is_there_and_learned_from() {
    let small = ["--limit", "1000", "--hidden", "16", "--batch", "64", "--epochs", "3"];
    let run = wgrad(&[&["train", "mnist", "--device", "cpu", "--json"][..], &small].concat());
    let summary = &run.events_called("summary")[0];
    assert!(summary["test_accuracy"].as_f64().unwrap() > 0.6, "{summary}");
    assert_eq!(summary["architecture"], "784-16-10");
}
