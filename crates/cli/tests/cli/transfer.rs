//! `wgrad train --from`, `--replace-head`, `--freeze`

use crate::support::{Place, wgrad};

/// The bytes of a tensor in a safetensors file.
fn tensor(path: &str, name: &str) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.tensor(name).unwrap().data().to_vec()
}

#[test]
fn a_model_learns_other_classes_above_layers_that_stay() {
    let place = Place::new();
    let (five, ten) = (place.dataset("five", 100, 5), place.dataset("ten", 200, 10));
    let model = place.model("first", &five, "8,6");
    let out = place.path("second");
    let base = ["train", &ten, "--device", "cpu", "--hidden", "8,6", "--batch", "8", "--epochs", "2", "-q"];
    let more = ["--from", &model, "--replace-head", "--freeze", "1", "--out", &out];
    wgrad(&[&base[..], &more].concat()).ok();
    let second = format!("{out}/model.safetensors");
    assert_eq!(tensor(&model, "layers.0.weight"), tensor(&second, "layers.0.weight"));
    assert_eq!(tensor(&model, "layers.0.bias"), tensor(&second, "layers.0.bias"));
    assert_ne!(tensor(&model, "layers.1.weight"), tensor(&second, "layers.1.weight"));
    assert_eq!(tensor(&second, "layers.2.bias").len(), 40);
    let refused = |more: &[&str], status: i32, words: &[&str]| {
        wgrad(&[&base[..], more].concat()).refused(status, words);
    };
    refused(&["--from", &model], 1, &["16-8-6-5", "16-8-6-10", "widths must agree"]);
    let narrower = ["train", &ten, "--device", "cpu", "--hidden", "7,6", "--from", &model, "--replace-head"];
    wgrad(&narrower).refused(1, &["16-8-6", "16-7-6"]);
    refused(&["--replace-head"], 2, &["--replace-head", "--from"]);
    refused(&["--freeze", "3"], 2, &["freeze", "3 of 3", "at most 2"]);
    refused(&["--freeze", "-1"], 2, &["--freeze", "-1"]);
}
