//! `wgrad train --config`

use std::fs;

use crate::support::{Place, wgrad};

#[test]
fn the_file_that_a_run_writes_repeats_it() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let (first, second) = (place.path("first"), place.path("second"));
    let flags = ["--device", "cpu", "--hidden", "7,6", "--lr", "0.02", "--epochs", "3", "--seed", "5", "--batch", "16"];
    wgrad(&[&["train", &data, "--out", &first, "-q"], &flags[..]].concat()).ok();
    let config = format!("{first}/config.toml");
    wgrad(&["train", "--config", &config, "--out", &second, "-q"]).ok();
    let read = |dir: &str, name: &str| fs::read(format!("{dir}/{name}")).unwrap();
    assert_eq!(read(&first, "model.safetensors"), read(&second, "model.safetensors"));
    assert_eq!(read(&first, "config.toml"), read(&second, "config.toml"));
    let third = place.path("third");
    wgrad(&["train", "--config", &config, "--out", &third, "--seed", "6", "-q"]).ok();
    assert_ne!(read(&first, "model.safetensors"), read(&third, "model.safetensors"));
}

#[test]
fn what_was_left_to_wgrad_is_written_out() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let out = place.path("out");
    wgrad(&["train", &data, "--device", "cpu", "--optimizer", "sgd", "--steps", "3", "--out", &out, "-q"]).ok();
    let text = fs::read_to_string(format!("{out}/config.toml")).unwrap();
    for line in ["lr = 0.1", "batch = 100", "epochs = 3", "optimizer = \"sgd\"", "seed = 0", "no-shuffle = false"] {
        assert!(text.lines().any(|had| had == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_file_that_is_wrong_is_refused_in_one_line() {
    let place = Place::new();
    let data = place.dataset("five", 100, 5);
    let path = place.path("run.toml");
    let refused = |content: &str, status: i32, words: &[&str]| {
        fs::write(&path, content).unwrap();
        wgrad(&["train", &data, "--config", &path]).refused(status, words);
    };
    refused("hiden = 3", 2, &[&path, "`hiden`", "`hidden`"]);
    refused("lr = -1", 2, &[&path, "--lr", "-1"]);
    refused("batch = \"many\"", 2, &[&path, "--batch", "many", "a whole number"]);
    refused("optimizer = \"adan\"", 2, &[&path, "--optimizer", "`adam`"]);
    refused("= 3", 2, &[&path, "line 1", "TOML"]);
    fs::write(&path, "lr = 0.1\nbatch = 8").unwrap();
    let run = wgrad(&["train", &data, "--config", &path, "--lr", "much"]);
    assert!(run.status == 2 && run.stderr.contains("much") && !run.stderr.contains(&path), "{run:?}");
    fs::remove_file(&path).unwrap();
    wgrad(&["train", &data, "--config", &path]).refused(1, &[&path, "cannot read this configuration"]);
    wgrad(&["train", "--config"]).refused(2, &["--config"]);
}
