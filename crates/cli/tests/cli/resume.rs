//! Runs that are stopped or killed, and go on.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use wgrad::random::{Purpose, Stream};

use crate::support::{Place, adapter, command, finish, wgrad};

/// History lines without what measures time.
fn timeless(dir: &str) -> Vec<Value> {
    let text = fs::read_to_string(format!("{dir}/history.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let without_times = |mut line: Value| {
        let fields = line.as_object_mut().unwrap();
        assert!(fields.remove("seconds").is_some() && fields.remove("samples_per_second").is_some());
        line
    };
    lines.map(without_times).collect()
}

/// The table's epochs, and that its rows are as many and as long as they should be.
fn table_epochs(dir: &str) -> Vec<usize> {
    let text = fs::read_to_string(format!("{dir}/history.csv")).unwrap();
    let columns = text.lines().next().unwrap().split(',').count();
    assert!(text.starts_with("epoch,train_loss,") && text.ends_with('\n'), "{text}");
    assert!(text.lines().all(|line| line.split(',').count() == columns), "{text}");
    text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect()
}

fn read(dir: &str, name: &str) -> Vec<u8> {
    fs::read(format!("{dir}/{name}")).unwrap_or_else(|error| panic!("{dir}/{name}: {error}"))
}

/// That two directories hold the same run.
#[track_caller]
fn same_run(one: &str, other: &str) {
    for name in ["model.safetensors", "best.safetensors"] {
        assert!(read(one, name) == read(other, name), "{name} differs");
    }
    assert_eq!(timeless(one), timeless(other));
    assert_eq!(table_epochs(one), table_epochs(other));
}

/// Repeats the moments of a failure, whose output names them.
const SEED: &str = "WGRAD_TEST_KILLS";

/// Moments between 0 and 1, drawn from the system's entropy. They are the stream of a seed, which is printed, so that a
/// test that fails shows it, and `WGRAD_TEST_KILLS=SEED` draws them again.
fn moments(count: u32) -> impl Iterator<Item = f64> {
    let given =
        std::env::var(SEED).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{SEED}={text}: no number")));
    // Keyed by the system's entropy, and the one place where std hands some of it out.
    let seed: u64 = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("killed at moments of {SEED}={seed}");
    let mut stream = Stream::new(seed, Purpose::Inputs, 0);
    (0..count).map(move |_| f64::from(stream.word()) / f64::from(u32::MAX))
}

/// Trains `args` whole, then again, killed `kills` times, each time after up to a `share` of the time that the whole run
/// took, and compares. At least `least` of the kills must come before the run is over: where the machine has become faster
/// since the whole run, all is tried again with shorter times.
fn killed_and_resumed(place: &Place, args: &[&str], kills: u32, (least, share): (usize, f64)) {
    let whole = place.path("whole");
    let started = Instant::now();
    wgrad(&[args, &["--out", &whole, "-q"]].concat()).ok();
    let took = started.elapsed().mul_f64(share);
    let enough = (0..5).any(|attempt| {
        let broken = place.path(&format!("broken{attempt}"));
        let killed = killed(&broken, args, kills, took / 2_u32.pow(attempt));
        same_run(&whole, &broken);
        let leftovers = fs::read_dir(&broken).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let leftovers: Vec<_> = leftovers.filter(|name| name.starts_with('.')).collect();
        assert!(leftovers.is_empty(), "{leftovers:?}");
        println!("{killed} of {kills} kills came in time");
        killed >= least
    });
    assert!(enough, "fewer than {least} of {kills} kills came in time, five times over");
}

/// Trains `args` into `broken`, killed so many times, each after up to `longest`; gives how many came before the run was
/// over.
fn killed(broken: &str, args: &[&str], kills: u32, longest: Duration) -> usize {
    let mut killed = 0;
    let spawn = |resume: bool| {
        let resumed = ["train", "--resume", broken, "-q"];
        let first = [args, &["--out", broken, "-q"]].concat();
        let mut command = command(if resume { &resumed } else { &first });
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for moment in moments(kills) {
        // A run that was killed before it wrote its arguments has not begun.
        let mut child = spawn(fs::exists(format!("{broken}/config.toml")).unwrap());
        sleep(longest.mul_f64(moment));
        // SIGKILL on Unix.
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            None => killed += 1,
            // It was faster.
            Some(0) => {}
            Some(_) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    if fs::exists(format!("{broken}/config.toml")).unwrap() {
        wgrad(&["train", "--resume", broken, "-q"]).ok();
    } else {
        wgrad(&[args, &["--out", broken, "-q"]].concat()).ok();
    }
    killed
}

#[test]
fn killed_twenty_times_it_ends_as_if_nothing_had_happened() {
    let place = Place::new();
    let data = place.dataset("ten", 1000, 10);
    let args = ["train", &data, "--device", "cpu", "--hidden", "24,16", "--batch", "4", "--epochs", "40"];
    let more =
        ["--lr", "0.002", "--checkpoint-every", "7", "--patience", "50", "--min-delta", "0.001", "--restore-best"];
    // Twenty moments come to three fifths of the run, so that nearly always all of them are in time.
    killed_and_resumed(&place, &[&args[..], &more].concat(), 20, (15, 0.06));
}

/// Running statistics and the draws of dropout go on where they were.
#[test]
fn killed_with_norms_and_dropout_it_ends_as_if_nothing_had_happened() {
    let place = Place::new();
    let data = place.dataset("ten", 1000, 10);
    let args = ["train", &data, "--device", "cpu", "--hidden", "16,16", "--batch", "8", "--epochs", "40"];
    let more = ["--norm", "batch", "--dropout", "0.3", "--residual", "--checkpoint-every", "7"];
    killed_and_resumed(&place, &[&args[..], &more].concat(), 8, (5, 0.25));
}

#[test]
fn killed_on_a_gpu_it_ends_as_if_nothing_had_happened() {
    let (adapter, place) = (adapter(), Place::new());
    let data = place.dataset("ten", 400, 10);
    let args = ["train", &data, "--adapter", &adapter, "--hidden", "12", "--batch", "4", "--epochs", "8"];
    killed_and_resumed(&place, &[&args[..], &["--checkpoint-every", "20"]].concat(), 3, (1, 0.5));
}

#[test]
fn a_resumed_run_may_be_given_more_epochs() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let (whole, parts) = (place.path("whole"), place.path("parts"));
    let args = |epochs: &'static str, out: &str| {
        let args =
            ["train", &data, "--device", "cpu", "--hidden", "7", "--batch", "16", "--epochs", epochs, "--out", out];
        wgrad(&args).ok();
    };
    args("6", &whole);
    args("2", &parts);
    let run = wgrad(&["train", "--resume", &parts, "--epochs", "6"]);
    assert!(run.ok().contains("test accuracy"), "{run:?}");
    assert!(run.stderr.contains("going on after 2 epochs, 14 steps"), "{run:?}");
    same_run(&whole, &parts);
    assert_eq!(table_epochs(&parts), [1, 2, 3, 4, 5, 6]);
    // Of the finished run nothing is left to do, and it stays as it is.
    wgrad(&["train", "--resume", &parts, "-q"]).ok();
    same_run(&whole, &parts);
    // And a new run in the same place takes nothing over.
    args("2", &parts);
    assert_eq!(table_epochs(&parts), [1, 2]);
}

#[test]
fn a_limit_on_steps_can_be_raised_too() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let (whole, parts) = (place.path("whole"), place.path("parts"));
    let base = ["train", &data, "--device", "cpu", "--hidden", "7", "--batch", "16", "--epochs", "3", "-q"];
    wgrad(&[&base[..], &["--steps", "17", "--out", &whole]].concat()).ok();
    wgrad(&[&base[..], &["--steps", "10", "--out", &parts]].concat()).ok();
    wgrad(&["train", "--resume", &parts, "--steps", "17", "-q"]).ok();
    same_run(&whole, &parts);
}

#[test]
fn another_run_is_refused() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let other = place.dataset("other", 90, 5);
    let out = place.path("out");
    let args =
        ["train", &data, "--device", "cpu", "--hidden", "7", "--batch", "16", "--epochs", "2", "--out", &out, "-q"];
    wgrad(&args).ok();
    let refused = |more: &[&str], words: &[&str]| {
        wgrad(&[&["train", "--resume", &out], more].concat()).refused(2, &[&["cannot resume"], words].concat());
    };
    refused(&["--batch", "8"], &["training.batch", "16", "8"]);
    refused(&["--lr", "0.5"], &["learning_rate", "0.001", "0.5"]);
    refused(&["--hidden", "9"], &["model.layers.0.units", "7", "9"]);
    refused(&["--activation", "tanh"], &["model.layers.0.activation", "relu", "tanh"]);
    refused(&["--patience", "3"], &["stopping", "none", "patience"]);
    refused(&["--seed", "3"], &["training.replicas.0.seed", "0", "3"]);
    refused(&["--replicas", "3"], &["the number of training.replicas was 1, and 3 is asked for"]);
    let run = wgrad(&["train", &other, "--resume", &out, "-q"]);
    assert!(run.status == 2 && run.stderr.contains("data.samples was 100, and 90"), "{run:?}");
    wgrad(&["train", "--resume", &place.path("nowhere")]).refused(1, &["nowhere/config.toml"]);
    wgrad(&["train", "--resume", &out, "--out", &out]).refused(2, &["--resume", "--out"]);
    wgrad(&["train", &data, "--checkpoint-every", "0"]).refused(2, &["--checkpoint-every", "500", "30s"]);
    wgrad(&["train", &data, "--checkpoint-every", "-3s"]).refused(2, &["--checkpoint-every", "30s"]);
    wgrad(&["train", &data, "--device", "cpu", "--restore-best"]).refused(2, &["--restore-best", "--patience"]);
    for name in ["checkpoint.0.safetensors", "checkpoint.1.safetensors"] {
        fs::write(format!("{out}/{name}"), "nonsense").unwrap();
    }
    wgrad(&["train", "--resume", &out]).refused(1, &["checkpoint.0.safetensors", "not a safetensors file"]);
}

#[test]
fn patience_ends_a_run_and_the_best_comes_back() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let out = place.path("out");
    let args = ["train", &data, "--device", "cpu", "--hidden", "7", "--batch", "16", "--epochs", "900", "--lr", "0.3"];
    let more = ["--patience", "4", "--min-delta", "0.001", "--restore-best", "--out", &out, "--json", "-q"];
    let summary = &wgrad(&[&args[..], &more].concat()).events_called("summary")[0];
    assert!(summary["epochs"].as_u64().unwrap() < 900 && summary["end"] == "stopped", "{summary}");
    let loss = |model: &str| {
        let path = format!("{out}/{model}.safetensors");
        wgrad(&["eval", &path, &data, "--device", "cpu", "--json"]).events()[0]["loss"].clone()
    };
    assert_eq!(loss("model"), loss("best"));
    let losses: Vec<_> = timeless(&out).iter().map(|line| line["test_loss"].clone()).collect();
    // The best is the last one that improved, and four did not after it.
    assert_eq!(losses[losses.len() - 5], loss("model"), "{losses:?}");
}

/// Ctrl-C, as a terminal sends it.
/// Its configuration would tell of fewer epochs than its history.
#[test]
fn a_run_cannot_end_before_where_it_stands() {
    let place = Place::new();
    let (data, out) = (place.dataset("five", 40, 5), place.path("run"));
    wgrad(&["train", &data, "--device", "cpu", "--batch", "8", "--epochs", "3", "--out", &out, "-q"]).ok();
    let config = fs::read(format!("{out}/config.toml")).unwrap();
    wgrad(&["train", "--resume", &out, "--epochs", "2", "-q"])
        .refused(2, &["epochs was at least 3, and 2 is asked for"]);
    assert_eq!(fs::read(format!("{out}/config.toml")).unwrap(), config);
    wgrad(&["train", "--resume", &out, "--epochs", "3", "-q"]).ok();
}

#[test]
fn a_run_in_the_place_of_another_says_so() {
    let place = Place::new();
    let (data, out) = (place.dataset("five", 40, 5), place.path("run"));
    let train = || wgrad(&["train", &data, "--device", "cpu", "--batch", "8", "--epochs", "1", "--out", &out]);
    let (first, again) = (train(), train());
    assert!(first.status == 0 && !first.stderr.contains("already"), "{first:?}");
    assert!(again.status == 0 && again.stderr.contains("--out holds a run already"), "{again:?}");
}

/// Two processes that write the same checkpoints would leave a mixture.
#[test]
fn a_directory_belongs_to_one_run_at_a_time() {
    let place = Place::new();
    let (data, out) = (place.dataset("five", 400, 5), place.path("run"));
    let args = ["train", &data, "--device", "cpu", "--batch", "4", "--epochs", "100000", "--out", &out];
    let mut first = command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !fs::exists(format!("{out}/config.toml")).unwrap() {
        sleep(Duration::from_millis(5));
    }
    let words = [&out[..], "another wgrad", "another --out"];
    wgrad(&args).refused(2, &words);
    wgrad(&["train", "--resume", &out]).refused(2, &words);
    assert!(first.try_wait().unwrap().is_none(), "the first one goes on");
    first.kill().unwrap();
    first.wait().unwrap();
    // Killed, it holds nothing any more.
    let begun = fs::read_to_string(format!("{out}/history.jsonl")).unwrap().lines().count() + 1;
    wgrad(&["train", "--resume", &out, "--epochs", &begun.to_string(), "-q"]).ok();
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let place = Place::new();
    let data = place.dataset("five", 400, 5);
    let (whole, out) = (place.path("whole"), place.path("a run"));
    let args = ["train", &data, "--device", "cpu", "--hidden", "32", "--batch", "4", "--epochs", "60"];
    wgrad(&[&args[..], &["--out", &whole, "-q"]].concat()).ok();
    let mut command = command(&[&args[..], &["--out", &out]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !fs::exists(format!("{out}/history.csv")).unwrap() {
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_millis(30));
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.contains("resume with: wgrad train --resume '") && last.contains("a run'"), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
    assert!(fs::exists(format!("{out}/model.safetensors")).unwrap());
    let resumed = ["train", "--resume", &out, "-q"];
    finish(crate::support::command(&resumed)).ok();
    same_run(&whole, &out);
}
