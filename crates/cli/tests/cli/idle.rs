//! Flags that would do nothing: each is a mistake, and said to be one.

use crate::support::{Place, wgrad};

fn table() -> String {
    "a,b,y\n".to_owned() + &"1,2,cat\n2,3,dog\n".repeat(10)
}

#[track_caller]
fn refused(data: &str, more: &[&str], words: &[&str]) {
    wgrad(&[&["train", data, "--device", "cpu", "--epochs", "1"], more].concat()).refused(2, words);
}

#[test]
fn of_data() {
    let place = Place::new();
    let (images, table) = (place.dataset("ten", 40, 10), place.file("t.csv", table()));
    for flag in [&["--delimiter", ";"][..], &["--header"], &["--no-header"]] {
        refused(&images, flag, &[flag[0], "is for tables (CSV)"]);
        refused("iris", flag, &[flag[0], "is for tables (CSV), which iris is not"]);
    }
    for data in [&images, &table, "iris"] {
        refused(data, &["--data-dir", "/nowhere"], &["--data-dir is for mnist and fashion-mnist", data]);
    }
    refused(&images, &["--split-seed", "3"], &["--split-seed is for a split", "--validation SHARE"]);
    refused(&table, &["--no-stratify", "--test-fraction", "0"], &["--no-stratify is for a split"]);
    refused(&table, &["--validation", ""], &["--validation is empty"]);
    refused(&table, &["--augment", "shift=1"], &["--augment is for images", "t is a table"]);
    for good in [&["--split-seed", "3", "--validation", "0.2"][..], &["--validation", "0.2", "--no-stratify"]] {
        wgrad(&[&["train", &images, "--device", "cpu", "--epochs", "1"], good].concat()).ok();
    }
}

#[test]
fn of_models() {
    let place = Place::new();
    let data = place.dataset("ten", 40, 10);
    let flags: [&[&str]; 5] = [
        &["--activation", "tanh"],
        &["--weights", "zeros"],
        &["--dropout", "0.5"],
        &["--norm", "batch"],
        &["--residual"],
    ];
    for flag in flags {
        refused(&data, &[&["--hidden", "none"], flag].concat(), &[flag[0], "--hidden none leaves none"]);
    }
    refused(&data, &["--hidden", "8,9,8", "--residual"], &["--residual", "no two are"]);
    refused(&data, &["--replace-head"], &["--replace-head is for --from"]);
    refused(&data, &["--no-decay-biases"], &["--no-decay-biases", "--weight-decay and --l1"]);
    // Adamw decays by itself.
    wgrad(&["train", &data, "--device", "cpu", "--epochs", "1", "--optimizer", "adamw", "--no-decay-biases"]).ok();
}

#[test]
fn of_a_run_that_goes_on() {
    let place = Place::new();
    let (data, out) = (place.dataset("ten", 40, 10), place.path("run"));
    let recipe = [
        "train", &data, "--device", "cpu", "--recipe", "classic", "--epochs", "1", "--hidden", "4", "--batch", "8",
        "--out", &out,
    ];
    wgrad(&recipe).ok();
    let model = format!("{out}/model.safetensors");
    for flag in [&["--recipe", "classic"][..], &["--recipe=classic"], &["--from", &model], &["--replace-head"]] {
        let line = [&["train", "--resume", &out, "--epochs", "2"], flag].concat();
        wgrad(&line).refused(2, &[flag[0].split('=').next().unwrap(), "is for a new run", "--resume"]);
    }
    // Its own recipe is in its configuration.
    wgrad(&["train", "--resume", &out, "--epochs", "2"]).ok();
}

#[test]
fn of_eval_predict_and_import() {
    let place = Place::new();
    let (images, table) = (place.dataset("three", 40, 3), place.file("t.csv", table()));
    let model = place.model("run", &images, "8");
    let of_table = place.model("table", &table, "8");
    let eval = |model: &str, data: &str, more: &[&str], words: &[&str]| {
        wgrad(&[&["eval", model, data, "--device", "cpu"], more].concat()).refused(2, words);
    };
    eval(&model, &images, &["--x", "a"], &["--x is for NPZ and NPY files"]);
    eval(&of_table, &table, &["--y", "a"], &["--y is for NPZ and NPY files"]);
    eval(&model, &images, &["--delimiter", "tab"], &["--delimiter is for tables"]);
    eval(&of_table, &table, &["--data-dir", "d"], &["--data-dir is for mnist and fashion-mnist"]);
    eval(&model, &images, &["--top-k", "4"], &["--top-k 4", "3 classes"]);
    let lines: String = (0..20).map(|n| format!("{n},{n}.5\n")).collect();
    let values = place.file("v.csv", "a,y\n".to_owned() + &lines);
    eval(&place.model("values", &values, "8"), &values, &["--top-k", "1"], &["--top-k is for classes"]);
    let rows = format!("{images}/t10k-images-idx3-ubyte");
    let predict = |model: &str, rows: &str, more: &[&str], words: &[&str]| {
        wgrad(&[&["predict", model, rows, "--device", "cpu"], more].concat()).refused(2, words);
    };
    predict(&model, &rows, &["--header"], &["--header is for tables (CSV)", "images"]);
    predict(&model, &table, &["--delimiter", ";"], &["--delimiter is for models that were trained on a table"]);
    let (state, out) = (place.path("state.safetensors"), place.path("imported.safetensors"));
    wgrad(&["export", &model, &state]).ok();
    for flag in [&["--residual"][..], &["--norm-epsilon", "0.1"]] {
        let line = [&["import", &state, "--loss", "ce", "-o", &out], flag].concat();
        wgrad(&line).refused(2, &[flag[0], "has no effect: 16-8-3 has no"]);
    }
}
