//! Training sets from files and built-in small sets: train, eval and predict on them, and what is refused.

use std::fs;

use serde_json::Value;

use crate::support::{Place, Run, is_number, repository, wgrad};

/// Pets of two kinds that a color and a size tell apart.
fn pets(rows: usize) -> String {
    let line = |n: usize| {
        let kind = ["cat", "dog"][n % 2];
        let color = ["black", "white", "brown"][n / 2 % 3];
        format!("{n},{},{color},{kind}\n", 10 * (n % 2) + n % 5)
    };
    "id,size,color,kind\n".to_owned() + &(0..rows).map(line).collect::<String>()
}

const PETS: [&str; 6] = ["--categorical", "color", "--drop", "id", "--epochs", "30"];

fn train(data: &str, more: &[&str]) -> Run {
    let base = ["train", data, "--device", "cpu", "--lr", "0.02", "--json", "-q"];
    let usual = [["--hidden", "8"], ["--batch", "8"]];
    let usual: Vec<&str> = usual.iter().filter(|[flag, _]| !more.contains(flag)).flatten().copied().collect();
    wgrad(&[&base[..], &usual, more].concat())
}

#[track_caller]
fn summary(run: &Run) -> Value {
    run.events_called("summary")[0].clone()
}

#[test]
fn a_table_is_learned_from_judged_on_and_predicted() {
    let place = Place::new();
    let data = place.file("pets.csv", pets(60));
    let out = place.path("run");
    let run = train(&data, &[&PETS[..], &["--out", &out]].concat());
    let event = summary(&run);
    assert_eq!(
        (&event["task"], &event["samples"], &event["test_samples"]),
        (&"classification".into(), &48.into(), &12.into())
    );
    assert_eq!((&event["architecture"], &event["classes"]), (&"4-8-2".into(), &serde_json::json!(["cat", "dog"])));
    assert_eq!(event["test_accuracy"], 1.0, "{event}");
    let model = format!("{out}/model.safetensors");
    let eval = |more: &[&str]| {
        wgrad(&[&["eval", &model, &data, "--device", "cpu", "--json"], more].concat()).events()[0].clone()
    };
    // The model knows how these samples were divided.
    let (test, all) = (eval(&[]), eval(&["--split", "all"]));
    assert_eq!((&test["split"], &test["samples"], &all["samples"]), (&"test".into(), &12.into(), &60.into()));
    assert!(test["accuracy"] == 1.0 && test["loss"] == event["test_loss"], "{test} {event}");
    assert_eq!(eval(&["--split", "train"])["samples"], 48);
    let text = wgrad(&["eval", &model, &data, "--device", "cpu"]);
    assert!(
        text.ok().contains("12 (test part)")
            && text.stdout.contains("cat  dog")
            && text.stdout.contains("macro average"),
        "{text:?}"
    );
    // Raw rows, columns by name and in another order, and one more.
    let rows = place.file("rows.csv", "color,note,size\nwhite,x,1\nbrown,\"y,z\",13\n");
    let run = wgrad(&["predict", &model, &rows, "--device", "cpu"]);
    let lines: Vec<_> = run.ok().lines().collect();
    assert_eq!((lines[0], lines.len()), ("row,class,p_cat,p_dog", 3));
    assert!(lines[1].starts_with("0,cat,") && lines[2].starts_with("1,dog,"), "{lines:?}");
    let events = wgrad(&["predict", &model, &rows, "--device", "cpu", "--json"]).events();
    assert!(events[1]["class"] == 1 && events[1]["name"] == "dog", "{events:?}");
}

#[test]
fn a_regression_comes_back_in_its_own_units() {
    let place = Place::new();
    let line = |n: usize| format!("{};{};{}\n", n % 10, n / 10, 1000 + 30 * (n % 10) + 7 * (n / 10));
    let data = place.file("rent.csv", "rooms;floor;rent\n".to_owned() + &(0..100).map(line).collect::<String>());
    let out = place.path("run");
    let run =
        train(&data, &["--delimiter", ";", "--target", "rent", "--scale-target", "--epochs", "60", "--out", &out]);
    let event = summary(&run);
    assert!(event["task"] == "regression" && event["architecture"] == "2-8-1", "{event}");
    let model = format!("{out}/model.safetensors");
    let event = &wgrad(&["eval", &model, &data, "--delimiter", ";", "--device", "cpu", "--json"]).events()[0];
    let score = |field: &str| event[field].as_f64().unwrap();
    assert!(score("r2") > 0.98 && score("rmse") < 15.0 && score("mae") <= score("rmse"), "{event}");
    let rows = place.file("rows.csv", "5;5\n");
    let run = wgrad(&["predict", &model, &rows, "--delimiter", ";", "--device", "cpu"]);
    let lines: Vec<_> = run.ok().lines().collect();
    let rent: f64 = lines[1].strip_prefix("0,").unwrap().parse().unwrap();
    assert!(lines[0] == "row,rent" && (rent - 1185.0).abs() < 30.0, "{lines:?}");
}

#[test]
fn arrays_of_npz_and_npy_files() {
    let place = Place::new();
    let golden = &repository("tests/golden/packed.npz");
    let event = summary(&train(golden, &["--batch", "2"]));
    assert_eq!(
        (&event["samples"], &event["test_samples"], &event["architecture"]),
        (&6.into(), &2.into(), &"3-8-2".into())
    );
    let event = summary(&train(golden, &["--batch", "2", "--x", "pixels", "--y", "prices", "--preprocess", "min-max"]));
    assert!(event["task"] == "regression" && is_number(&event, "test_loss"), "{event}");
    // A model of an NPZ file takes the rows of one.
    let (out, model) = (place.path("run"), place.path("run/model.safetensors"));
    train(golden, &["--batch", "2", "--x", "pixels", "--y", "prices", "--out", &out]).ok();
    let predict = |more: &[&str]| wgrad(&[&["predict", &model, golden, "--device", "cpu"], more].concat());
    assert_eq!(predict(&["--x", "pixels"]).ok().lines().count(), 7);
    predict(&["--x", "pixles"]).refused(2, &["no array `pixles`", "pixels"]);
    wgrad(&["predict", &model, &place.file("a.csv", "1,2,3\n"), "--x", "pixels"]).refused(2, &["x: is for NPZ files"]);
    let header = |descr: &str, shape: &str| {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        [&b"\x93NUMPY\x01\0"[..], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
    };
    let x = place.file("x.npy", [header("|u1", "(20, 2)"), (0..40).collect()].concat());
    let y = place.file("y.npy", [header("|u1", "(20,)"), (0..20).map(|n| n % 2 * 3).collect()].concat());
    let event = summary(&train(&x, &["--y", &y]));
    assert!(event["samples"] == 16 && event["classes"] == serde_json::json!(["0", "3"]), "{event}");
    train(&x, &[]).refused(2, &["x.npy", "--y FILE.npy"]);
    train(golden, &["--x", "pixles"]).refused(2, &["no array `pixles`", "`pixels`"]);
}

#[test]
fn the_small_sets_go_by_name() {
    let iris = summary(&train("iris", &["--epochs", "40"]));
    assert!(iris["samples"] == 120 && iris["test_accuracy"].as_f64().unwrap() > 0.8, "{iris}");
    let xor = summary(&train("xor", &["--activation", "tanh", "--loss", "bce", "--batch", "4", "--epochs", "400"]));
    assert!(xor["architecture"] == "2-8-1" && xor["test_accuracy"] == 1.0, "{xor}");
    let moons = summary(&train("make-moons:samples=200,noise=0.1", &["--validation", "0.1", "--epochs", "30"]));
    let counts = ["samples", "validation_samples", "test_samples"].map(|field| moons[field].as_u64().unwrap());
    assert!(counts == [140, 20, 40] && is_number(&moons, "validation_loss"), "{moons}");
    let line = summary(&train("line", &["--hidden", "none", "--epochs", "50"]));
    assert!(line["task"] == "regression" && line["test_loss"].as_f64().unwrap() < 0.1, "{line}");
    for name in ["make-regression:features=3", "make-classification"] {
        assert!(is_number(&summary(&train(name, &["--epochs", "2"])), "test_loss"), "{name}");
    }
}

#[test]
fn parts_of_their_own_and_shares() {
    let place = Place::new();
    let (data, more) = (place.file("pets.csv", pets(60)), place.file("more.csv", pets(20)));
    let run = train(&data, &[&PETS[..], &["--test", &more, "--validation", "0.25"]].concat());
    let event = summary(&run);
    let counts = ["samples", "validation_samples", "test_samples"].map(|field| event[field].as_u64().unwrap());
    assert_eq!(counts, [45, 15, 20]);
    let epoch = &run.events_called("epoch")[0];
    assert!(is_number(epoch, "validation_loss") && epoch["test_loss"].is_null(), "{epoch}");
    let event = summary(&train(&data, &[&PETS[..], &["--validation", &more, "--test-fraction", "0"]].concat()));
    assert!(event["samples"] == 60 && event["validation_samples"] == 20 && event["test_samples"].is_null(), "{event}");
    // Images keep their test part.
    let images = place.dataset("five", 80, 5);
    let out = place.path("run");
    let event = summary(&train(&images, &["--validation", "0.25", "--out", &out, "--epochs", "1"]));
    assert!(event["samples"] == 60 && event["test_samples"] == 40 && event["validation_samples"] == 20, "{event}");
    let model = format!("{out}/model.safetensors");
    for (split, samples) in [("train", 60), ("validation", 20), ("test", 40)] {
        let run = wgrad(&["eval", &model, &images, "--device", "cpu", "--json", "--split", split]);
        assert_eq!(run.events()[0]["samples"], samples, "{split}");
    }
}

#[test]
fn images_can_be_standardized_and_are_then_wherever_they_are_read() {
    let place = Place::new();
    let images = place.dataset("five", 80, 5);
    let out = place.path("run");
    let event = summary(&train(&images, &["--preprocess", "standardize", "--out", &out, "--epochs", "20"]));
    assert_eq!(event["test_accuracy"], 1.0, "{event}");
    let model = format!("{out}/model.safetensors");
    let eval = &wgrad(&["eval", &model, &images, "--device", "cpu", "--json"]).events()[0];
    assert!(eval["loss"] == event["test_loss"] && eval["samples"] == 40, "{eval} {event}");
    let rows = format!("{images}/t10k-images-idx3-ubyte");
    let predicted = wgrad(&["predict", &model, &rows, "--device", "cpu", "--json"]).events();
    assert!(predicted.iter().enumerate().all(|(n, event)| event["class"] == n as u64 % 5), "{predicted:?}");
}

/// A mistake in tables or flags: one line, and nothing left behind.
#[track_caller]
fn refused(content: &str, more: &[&str], status: i32, words: &[&str]) {
    let place = Place::new();
    let data = place.file("pets.csv", content);
    let out = place.path("out");
    let before = place.listing();
    train(&data, &[more, &["--out", &out]].concat()).refused(status, words);
    assert_eq!(place.listing(), before, "something was left behind");
}

#[test]
fn bad_tables() {
    let pets = pets(20);
    refused(&pets, &["--categorical", "colour"], 2, &["categorical", "no column `colour`", "did you mean `color`?"]);
    refused(&pets, &["--target", "knid"], 2, &["target", "`knid`", "`kind`"]);
    refused(&pets, &["--target", "7"], 2, &["target", "`7`"]);
    refused(&pets, &[], 1, &["pets.csv: line 2, column 3 (`color`): `black` is not a number", "--categorical"]);
    refused(&(pets.clone() + "7,8\n"), &PETS, 1, &["pets.csv: line 22 has 2 cell"]);
    refused(&(pets.clone() + "7,,black,cat\n"), &PETS, 1, &["line 22, column 2 (`size`)", "--missing mean"]);
    refused(&pets, &[&PETS[..], &["--test-fraction", "0.99"]].concat(), 2, &["leave none for training"]);
    refused("a,b\n1,x\n2,x\n", &["--batch", "1"], 1, &["target `b` is `x` in every row"]);
    refused("a,b\n", &[], 1, &["pets.csv", "no row"]);
    refused(&pets, &["--delimiter", ";"], 1, &["pets.csv: every line is one cell", "--delimiter"]);
    refused("a,b\n1,2\n2,x\n3,5\n", &["--task", "regression"], 1, &["line 3, column 2 (`b`): `x`", "check --target"]);
    refused("a,b\n1,2\n2,\n3,5\n", &[], 1, &["line 3, column 2 (`b`)", "cannot be made up"]);
    refused("a,b\n1,\"2\n2,3\n", &[], 1, &["line 2: a quote is opened", "never closed"]);
    refused("a,b\n\"1,2\n2,3\n", &[], 1, &["line 2: a quote is opened", "never closed"]);
    let place = Place::new();
    let (data, other) = (place.file("pets.csv", &pets), place.file("other.csv", "id,size,color,kind\n1,2,black,cow\n"));
    train(&data, &[&PETS[..], &["--test", &other]].concat())
        .refused(1, &["other.csv: line 2, column 4 (`kind`): `cow` is a class that training did not have", "cat, dog"]);
}

#[test]
fn flags_that_do_not_go_together() {
    refused(&pets(20), &["--x", "a"], 2, &["--x is for NPZ and NPY files"]);
    refused(&pets(20), &["--header", "--no-header"], 2, &["--header and --no-header"]);
    refused(&pets(20), &["--test", "a.csv", "--test-fraction", "0.1"], 2, &["--test and --test-fraction"]);
    refused(&pets(20), &["--delimiter", "ab"], 2, &["--delimiter", "single character"]);
    refused(&pets(20), &["--preprocess", "whiten"], 2, &["--preprocess", "standardize, min-max"]);
    refused(&pets(20), &["--validation", "1.5"], 2, &["--validation 1.5", "below 1"]);
    refused(&pets(20), &["--test-fraction", "1"], 2, &["--test-fraction", "below 1"]);
    refused(&pets(20), &["--task", "sorting"], 2, &["--task", "sorting"]);
    refused(&pets(20), &["--preprocess", "standardize,min-max"], 2, &["--preprocess: give one of"]);
    refused(&pets(20), &[&PETS[..], &["--scale-target"]].concat(), 2, &["--scale-target is for regression"]);
    let keeping = ["train", "iris", "--device", "cpu", "--checkpoint-every", "5"];
    wgrad(&keeping).refused(2, &["--checkpoint-every is for --out"]);
    let place = Place::new();
    let images = place.dataset("five", 20, 5);
    train(&images, &["--target", "a"]).refused(2, &["--target is for tables (CSV)"]);
    train(&images, &["--test-fraction", "0.1"]).refused(2, &["--test-fraction", "test part of its own"]);
    train(&images, &["--validation", "rows.csv"]).refused(2, &["--validation rows.csv", "give a share"]);
    train("make-moons:sample=5", &[]).refused(2, &["make-moons", "did you mean `samples`?"]);
    train("missing.csv", &[]).refused(1, &["missing.csv", "cannot read"]);
    train("missing.npy", &["--y", "y.npy"]).refused(1, &["missing.npy", "cannot read"]);
    train("iris:samples=3", &[]).refused(2, &["iris: has no options"]);
    train("irsi", &[]).refused(2, &["unknown dataset `irsi`", "iris"]);
    let odd = place.file("odd.bin", b"\x00\x01\x02");
    train(&odd, &[]).refused(1, &["odd.bin", "NPZ, NPY", ".csv"]);
    #[cfg(unix)]
    train("/dev/null", &[]).refused(1, &["/dev/null", "a device and no file"]);
}

#[test]
fn rows_that_a_model_cannot_take() {
    let place = Place::new();
    let data = place.file("pets.csv", pets(20));
    let out = place.path("run");
    train(&data, &[&PETS[..], &["--out", &out]].concat()).ok();
    let model = format!("{out}/model.safetensors");
    let predict = |content: &str, words: &[&str]| {
        let rows = place.file("rows.csv", content);
        wgrad(&["predict", &model, &rows, "--device", "cpu"]).refused(1, &[&["rows.csv"], words].concat());
    };
    predict(
        "size,color\n1,pink\n",
        &["line 2, column 2 (`color`): `pink` is a category that training did not have", "black, brown, white"],
    );
    predict("size,colr\n1,white\n", &["no column `color`", "did you mean `colr`?"]);
    predict(
        "size,color\nlarge,white\n",
        &["line 2, column 1 (`size`): `large` is not a number; this column was numeric in training"],
    );
    predict("size,color\n\"1,5\",white\n", &["line 2, column 1 (`size`): `1,5` is not a number; write a point"]);
    predict("size,color\n,white\n", &["line 2, column 1", "no value"]);
    predict("1,white,3\n", &["3 columns", "reads 2 of the 4"]);
    #[cfg(unix)]
    wgrad(&["predict", &model, "/dev/zero"]).refused(1, &["/dev/zero: this is a device and no file"]);
    let other = place.file("other.csv", "id,size,color,kind\n1,2,black,cow\n");
    wgrad(&["eval", &model, &other, "--device", "cpu"]).refused(1, &["line 2, column 4 (`kind`): `cow`"]);
    wgrad(&["eval", &model, &data, "--device", "cpu", "--split", "validation"])
        .refused(2, &["--split validation", "no such part"]);
    wgrad(&["eval", &model, "iris", "--device", "cpu"]).refused(1, &["iris", "no column"]);
}

/// The same samples are known by their numbers and not by their file's name, which another year's may have.
#[test]
fn a_test_part_is_of_the_same_samples_only() {
    let place = Place::new();
    let [old, new] = ["2024", "2025"].map(|year| {
        fs::create_dir(place.path(year)).unwrap();
        format!("{year}/pets.csv")
    });
    let (old, new) = (place.file(&old, pets(60)), place.file(&new, pets(60).replace("\n1,", "\n0,")));
    let moved = place.file("elsewhere.csv", pets(60));
    let changed = place.file("changed.csv", pets(60).replace("black", "brown"));
    let out = place.path("run");
    train(&old, &[&PETS[..], &["--out", &out, "--limit", "40"]].concat()).ok();
    let model = format!("{out}/model.safetensors");
    let judged = |data: &str| {
        let run = wgrad(&["eval", &model, data, "--device", "cpu", "--json"]);
        (run.events()[0]["split"].clone(), run.events()[0]["samples"].clone())
    };
    // The column that differs in the new one is dropped: to the model these are the samples that it was trained on.
    for same in [&old, &moved, &new] {
        assert_eq!(judged(same), ("test".into(), 12.into()), "{same}");
    }
    assert_eq!(judged(&changed), ("all".into(), 60.into()));
    let renamed = place.file("2025/pets.csv", pets(60).replace("black", "brown"));
    assert_eq!(judged(&renamed), ("all".into(), 60.into()));
}
