//! Model files that are damaged, hostile or of another shape.

use std::fs;

use crate::support::{Place, wgrad};

/// Where the tensors of a safetensors file begin: behind a length of eight bytes and the header.
fn data_start(bytes: &[u8]) -> usize {
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

fn with_length(bytes: &[u8], length: u64) -> Vec<u8> {
    [&length.to_le_bytes(), &bytes[8..]].concat()
}

#[test]
fn broken_files_are_refused_by_every_command_that_reads_one() {
    let place = Place::new();
    let data = place.dataset("five", 80, 5);
    let good = fs::read(place.model("run", &data, "8")).unwrap();
    let start = data_start(&good);
    let mut nan = good.clone();
    nan[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let broken: [(&str, Vec<u8>, &[&str]); 9] = [
        ("empty", Vec::new(), &["cut off"]),
        ("half", good[..good.len() / 2].to_vec(), &["cut off"]),
        ("last", good[..good.len() - 1].to_vec(), &["cut off"]),
        ("longer", [&good[..], &[0; 4]].concat(), &[]),
        ("nan", nan, &["NaN", "layers."]),
        ("huge-header", with_length(&good, u64::MAX), &["not a safetensors file"]),
        ("long-header", with_length(&good, 1 << 40), &["not a safetensors file"]),
        ("noise", noise, &["not a safetensors file"]),
        ("no-metadata", [&2_u64.to_le_bytes()[..], b"{}"].concat(), &["not saved by wgrad", "wgrad import"]),
    ];
    for (name, bytes, words) in broken {
        let path = place.path(name);
        fs::write(&path, bytes).unwrap();
        let words = [&[name], words].concat();
        wgrad(&["eval", &path, &data, "--device", "cpu"]).refused(1, &words);
        wgrad(&["predict", &path, &format!("{data}/t10k-images-idx3-ubyte"), "--device", "cpu"]).refused(1, &words);
        wgrad(&["train", &data, "--device", "cpu", "--from", &path]).refused(1, &words);
        wgrad(&["export", &path, &place.path("never.onnx")]).refused(1, &words);
    }
}

#[test]
fn a_directory_or_nothing_is_no_model() {
    let place = Place::new();
    let data = place.dataset("five", 80, 5);
    wgrad(&["eval", &data, &data, "--device", "cpu"]).refused(1, &["five", "is a directory"]);
    let missing = place.path("missing");
    wgrad(&["eval", &missing, &data, "--device", "cpu"]).refused(1, &["missing", "cannot read"]);
}

#[test]
fn init_of_another_shape_names_both() {
    let place = Place::new();
    let data = place.dataset("five", 80, 5);
    let model = place.model("run", &data, "8");
    let before = place.listing();
    let out = place.path("out");
    let run = wgrad(&["train", &data, "--device", "cpu", "--hidden", "9", "--from", &model, "--out", &out]);
    run.refused(1, &["model.safetensors", "16-8-5", "16-9-5", "--hidden"]);
    assert_eq!(place.listing(), before);
}

/// What lies beside a model is taken for one easily.
#[test]
fn what_is_no_model_says_where_one_is() {
    let place = Place::new();
    let data = place.dataset("ten", 40, 10);
    let out = place.model("run", &data, "8").replace("/model.safetensors", "");
    let eval = |model: &str| wgrad(&["eval", model, &data, "--device", "cpu"]);
    eval(&out).refused(1, &["run: is a directory; its model is", "run/model.safetensors"]);
    eval(&data).refused(1, &["ten: is a directory, without a model.safetensors"]);
    let checkpoint = format!("{out}/checkpoint.0.safetensors");
    eval(&checkpoint).refused(1, &["a checkpoint", "--resume", "best.safetensors"]);
    let model = format!("{out}/model.safetensors");
    wgrad(&["predict", &model, "mnist", "--device", "cpu"]).refused(2, &["mnist is a dataset by name", "wgrad eval"]);
}
