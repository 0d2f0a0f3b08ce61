//! Datasets and inputs that are damaged or do not fit.

use std::fs;

use crate::support::{Place, idx, wgrad};

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

/// Training must be refused when one file of a dataset is `content`, and name that file.
#[track_caller]
fn refused(file: &str, content: Option<Vec<u8>>, words: &[&str]) {
    let place = Place::new();
    let data = place.dataset("ten", 40, 10);
    let path = format!("{data}/{file}");
    match content {
        Some(bytes) => fs::write(&path, bytes).unwrap(),
        None => fs::remove_file(&path).unwrap(),
    }
    let out = place.path("out");
    let before = place.listing();
    let words = [&[file.split("-idx").next().unwrap()], words].concat();
    wgrad(&["train", &data, "--device", "cpu", "--out", &out]).refused(1, &words);
    assert_eq!(place.listing(), before, "something was left behind");
}

#[test]
fn idx_files_that_are_not_what_they_should_be() {
    refused(IMAGES, None, &[]);
    refused(IMAGES, Some(Vec::new()), &[]);
    refused(IMAGES, Some(b"<!DOCTYPE html>".to_vec()), &["IDX"]);
    refused(IMAGES, Some(idx(&[40, 4, 4], &[0; 600])), &["truncated"]);
    refused(IMAGES, Some(idx(&[40, 4, 4], &[0; 700])), &[]);
    refused(IMAGES, Some(idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 640])), &[]);
    refused(IMAGES, Some(idx(&[40], &[0; 40])), &["dimension"]);
    refused(IMAGES, Some(idx(&[39, 4, 4], &[0; 39 * 16])), &["39", "40"]);
    refused(LABELS, Some(idx(&[40, 4, 4], &[0; 640])), &["dimension"]);
    refused(LABELS, Some(vec![0x1f, 0x8b, 8, 0, 1]), &[]);
    refused("t10k-images-idx3-ubyte", Some(idx(&[20, 5, 5], &[0; 500])), &["25", "16"]);
}

#[test]
fn a_directory_that_is_no_dataset() {
    let place = Place::new();
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    wgrad(&["train", &empty, "--device", "cpu"]).refused(1, &["empty", "train-images"]);
    let missing = place.path("missing");
    wgrad(&["train", "mnist", "--data-dir", &missing, "--device", "cpu"]).refused(1, &["missing"]);
}

#[test]
fn labels_out_of_range_for_the_model() {
    let place = Place::new();
    let (ten, five) = (place.dataset("ten", 40, 10), place.dataset("five", 40, 5));
    let model = place.model("run", &five, "8");
    wgrad(&["eval", &model, &ten, "--device", "cpu"]).refused(2, &["labels", "reach 9", "5 units"]);
}

#[test]
fn samples_of_another_size_than_the_model_takes() {
    let place = Place::new();
    let five = place.dataset("five", 40, 5);
    let model = place.model("run", &five, "8");
    let wide = place.path("wide");
    fs::create_dir(&wide).unwrap();
    for part in ["train", "t10k"] {
        fs::write(format!("{wide}/{part}-images-idx3-ubyte"), idx(&[2, 5, 5], &[0; 50])).unwrap();
        fs::write(format!("{wide}/{part}-labels-idx1-ubyte"), idx(&[2], &[0, 1])).unwrap();
    }
    wgrad(&["eval", &model, &wide, "--device", "cpu"]).refused(1, &["25", "16"]);
    let rows = place.path("rows.csv");
    fs::write(&rows, "1,2,3\n4,5,6\n").unwrap();
    wgrad(&["predict", &model, &rows, "--device", "cpu"]).refused(1, &["rows.csv", "3 numbers", "takes 16"]);
}

#[test]
fn inputs_that_cannot_be_read() {
    let place = Place::new();
    let model = place.model("run", &place.dataset("five", 40, 5), "8");
    let predict = |name: &str, content: &[u8], words: &[&str]| {
        let path = place.path(name);
        fs::write(&path, content).unwrap();
        wgrad(&["predict", &model, &path, "--device", "cpu"]).refused(1, &[&[name], words].concat());
    };
    predict("words.csv", b"one,two\nthree,four\n", &[]);
    predict("nan.csv", b"nan,1\n2,3\n", &[]);
    predict("rows.txt", b"1,2,3\n", &["CSV"]);
    predict("cut.npy", b"\x93NUMPY\x01\x00", &[]);
    let missing = place.path("missing.csv");
    wgrad(&["predict", &model, &missing, "--device", "cpu"]).refused(1, &["missing.csv"]);
}
