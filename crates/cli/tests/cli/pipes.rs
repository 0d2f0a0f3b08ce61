//! Data that come out of pipes, which can be read only once, and gzipped tables.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use crate::support::{Place, Run, wgrad, wgrad_fed};

fn table() -> String {
    let line = |n: usize| format!("{},{},{}\n", n % 7, 10 * (n % 2) + n % 3, ["cat", "dog"][n % 2]);
    "id,size,kind\n".to_owned() + &(0..40).map(line).collect::<String>()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a run ends with, its times and the name of the data aside.
fn scores(run: &Run) -> Vec<String> {
    let summary = run.events_called("summary")[0].clone();
    ["train_loss", "test_loss", "test_samples"].iter().map(|field| summary[field].to_string()).collect()
}

const SETTINGS: [&str; 10] = ["--device", "cpu", "--hidden", "4", "--batch", "8", "--epochs", "3", "--json", "-q"];

#[test]
fn a_table_is_the_same_gzipped_or_piped() {
    let place = Place::new();
    let (plain, packed) = (place.file("t.csv", table()), place.file("t.CSV.gz", gzip(table().as_bytes())));
    let trained = |data: &str| scores(&wgrad(&[&["train", data], &SETTINGS[..]].concat()));
    let piped = |data: &str, bytes: &[u8]| scores(&wgrad_fed(&[&["train", data], &SETTINGS[..]].concat(), bytes));
    let wanted = trained(&plain);
    assert_eq!(trained(&packed), wanted);
    assert_eq!(piped("-", table().as_bytes()), wanted);
    assert_eq!(piped("-", &gzip(table().as_bytes())), wanted);
    #[cfg(unix)]
    assert_eq!(piped("/dev/stdin", table().as_bytes()), wanted);
    // Tabs go by the name, of which `.gz` is no part; a pipe has none.
    let tabs = table().replace(',', "\t");
    assert_eq!(trained(&place.file("t.tsv.gz", gzip(tabs.as_bytes()))), wanted);
    let more = [&["train", "-", "--delimiter", "tab"], &SETTINGS[..]].concat();
    assert_eq!(scores(&wgrad_fed(&more, tabs.as_bytes())), wanted);
}

#[test]
fn models_judge_and_predict_what_is_piped_in() {
    let place = Place::new();
    let (data, out) = (place.file("t.csv", table()), place.path("run"));
    wgrad_fed(&[&["train", "-", "--out", &out], &SETTINGS[..]].concat(), table().as_bytes()).ok();
    let model = format!("{out}/model.safetensors");
    let predict = ["predict", &model, "-", "--device", "cpu"];
    let named = wgrad(&["predict", &model, &data, "--device", "cpu"]);
    assert_eq!(wgrad_fed(&predict, table().as_bytes()).ok(), named.ok());
    assert_eq!(named.ok().lines().count(), 41);
    // Its numbers tell that it is the training's set again, and other numbers that it is not.
    let eval = |rows: &str| {
        let run = wgrad_fed(&["eval", &model, "-", "--device", "cpu", "--json"], rows.as_bytes());
        let event = &run.events()[0];
        (event["split"].clone(), event["samples"].clone())
    };
    assert_eq!(eval(&table()), ("test".into(), 8.into()));
    assert_eq!(eval(&table().replace("10,dog", "11,dog")), ("all".into(), 40.into()));
    // A run that goes on reads its data again.
    let more = ["train", "--resume", &out, "--epochs", "4", "--json", "-q"];
    let run = wgrad_fed(&more, table().as_bytes());
    assert_eq!(run.events_called("epoch").len(), 1, "{run:?}");
}

#[test]
fn what_is_wrong_with_a_pipe_is_said() {
    let train = |bytes: &[u8]| wgrad_fed(&["train", "-", "--device", "cpu"], bytes);
    train(b"").refused(1, &["standard input: the file holds no row"]);
    train(b"a,b\n1\n").refused(1, &["standard input: line 2 has 1 cell"]);
    train(&gzip(table().as_bytes())[..40]).refused(1, &["standard input: the gzip stream is cut off"]);
    train(&[0, 0, 8, 3]).refused(1, &["standard input: this is no training set", "NPZ"]);
    let place = Place::new();
    let cut = place.file("cut.csv.gz", &gzip(table().as_bytes())[..40]);
    wgrad(&["train", &cut, "--device", "cpu"]).refused(1, &["cut.csv.gz: the gzip stream is cut off"]);
    wgrad(&["train", "missing.csv.gz", "--device", "cpu"]).refused(1, &["missing.csv.gz: cannot read"]);
}
