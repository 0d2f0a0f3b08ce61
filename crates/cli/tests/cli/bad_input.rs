//! Mistakes in what is asked for: one line that names them, the right status, and nothing left behind.

use crate::support::{Place, wgrad, wgrad_without_adapter};
#[cfg(unix)]
use crate::support::{command, finish};

/// `wgrad train` on a small dataset with `more` must be refused with `status` and all of `words`.
#[track_caller]
fn refused(more: &[&str], status: i32, words: &[&str]) {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let out = place.path("out");
    let before = place.listing();
    wgrad(&[&["train", &data, "--device", "cpu", "--out", &out], more].concat()).refused(status, words);
    assert_eq!(place.listing(), before, "something was left behind");
}

#[test]
fn widths() {
    refused(&["--hidden", "0"], 2, &["--hidden", "'0'", "at least 1 unit"]);
    refused(&["--hidden", "-3"], 2, &["--hidden", "`-3` is not a width", "256,128"]);
    refused(&["--hidden", "99999999999"], 2, &["--hidden", "99999999999", "16777216"]);
    refused(&["--hidden", "99999999999999999999999"], 2, &["--hidden", "is not a width"]);
    refused(&["--hidden", "a,b"], 2, &["--hidden", "`a` is not a width", "none"]);
    refused(&["--hidden", "8,,8"], 2, &["--hidden", "`` is not a width"]);
    refused(&["--hidden", ""], 2, &["--hidden"]);
}

#[test]
fn batches_and_counts() {
    refused(&["--batch", "0"], 2, &["--batch", "at least 1"]);
    refused(&["--batch", "-1"], 2, &["--batch", "'-1'", "at least 1"]);
    refused(&["--batch", "101"], 2, &["--batch 101", "100 training samples"]);
    refused(&["--batch", "18446744073709551615"], 2, &["--batch 18446744073709551615", "100 training samples"]);
    refused(&["--epochs", "0"], 2, &["--epochs", "at least 1"]);
    refused(&["--steps", "0"], 2, &["--steps", "at least 1"]);
    refused(&["--limit", "0"], 2, &["--limit", "at least 1"]);
    refused(&["--limit", "101"], 2, &["--limit 101", "100 training samples"]);
    refused(&["--seed", "-1"], 2, &["--seed", "-1"]);
}

#[test]
fn hyper_parameters() {
    refused(&["--lr", "nan"], 2, &["--lr", "nan", "finite number of at least 0"]);
    refused(&["--lr", "-1"], 2, &["--lr", "'-1'", "finite number of at least 0"]);
    refused(&["--lr", "inf"], 2, &["--lr", "finite"]);
    refused(&["--lr", "1e60"], 2, &["--lr", "finite"]);
    refused(&["--lr", "1e-60"], 2, &["--lr", "1e-60", "f32"]);
    refused(&["--momentum", "1e-60"], 2, &["momentum", "1e-60", "f32"]);
    refused(&["--lr", "fast"], 2, &["--lr", "fast"]);
    refused(&["--weight-decay", "-0.1"], 2, &["--weight-decay", "at least 0"]);
    refused(&["--momentum", "1"], 2, &["--momentum", "below 1"]);
    refused(&["--optimizer", "nesterov", "--momentum", "0"], 2, &["momentum", "Nesterov"]);
}

/// Names in other encodings: paths may have them, names of datasets may not.
#[cfg(unix)]
#[test]
fn words_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let refused = |words: &[&[u8]], status, wanted: &[&str]| {
        let mut command = command(&[]);
        command.args(words.iter().map(|word| std::ffi::OsStr::from_bytes(word)));
        finish(command).refused(status, wanted);
    };
    refused(&[b"train", b"caf\xe9.csv"], 2, &["`caf\u{fffd}.csv`: not UTF-8 text", "rename", "give -"]);
    refused(&[b"eval", b"model", b"caf\xe9"], 2, &["`caf\u{fffd}`: not UTF-8 text"]);
    refused(&[b"train", b"mnist", b"--lr", b"\xe9"], 2, &["`\u{fffd}`: not UTF-8 text"]);
    refused(&[b"predict", b"caf\xe9.model", b"x"], 1, &["caf\u{fffd}.model: cannot read"]);
}

#[test]
fn names() {
    refused(&["--activation", "gelux"], 2, &["--activation", "gelux", "leaky-relu"]);
    refused(&["--activation", "softmax"], 2, &["--activation", "softmax", "known are"]);
    refused(&["--loss", "triplet"], 2, &["--loss", "triplet", "softmax-cross-entropy"]);
    refused(&["--label-smoothing", "1"], 2, &["--label-smoothing", "below 1"]);
    refused(&["--loss", "mse", "--label-smoothing", "0.1"], 2, &["label smoothing", "softmax_cross_entropy"]);
    refused(&["--loss", "huber", "--huber-delta", "0"], 2, &["--huber-delta", "above 0"]);
    refused(&["--class-weights", "1,x"], 2, &["--class-weights", "`x`", "balanced"]);
    refused(&["--class-weights", "1,2"], 2, &["class weights", "got 2"]);
    refused(&["--optimizer", "lino"], 2, &["--optimizer", "lino", "similar", "`lion`", "nesterov"]);
    refused(&["--optimizer", "adagrad", "--momentum", "0.9"], 2, &["momentum", "adagrad has none"]);
    refused(&["--optimizer", "gradient-descent", "--batch", "10"], 2, &["batch", "all", "sgd"]);
    refused(&["--schedule", "cosin"], 2, &["--schedule", "`cosine`"]);
    refused(&["--clip-norm", "0"], 2, &["--clip-norm", "above 0"]);
    refused(&["--clip-norm", "1", "--clip-value", "1"], 2, &["--clip-norm", "--clip-value"]);
    wgrad(&["adapters", "--limit", "3"]).refused(2, &["--limit", "see --help"]);
    refused(&["--devise", "cpu"], 2, &["--devise", "--device"]);
    wgrad(&["trian", "mnist"]).refused(2, &["trian", "train"]);
    wgrad(&["train"]).refused(2, &["<DATASET>"]);
    wgrad(&["eval", "model.safetensors"]).refused(2, &["<DATASET>"]);
    wgrad(&["train", "minst", "--device", "cpu"]).refused(2, &["unknown dataset `minst`", "mnist, fashion-mnist"]);
    wgrad(&["bench", "--seconds", "0"]).refused(2, &["--seconds", "above 0"]);
    wgrad(&["bench", "--network", "784-128-10"])
        .refused(2, &["--network", "`784-128-10` names no batch", "784-128-10@64"]);
    wgrad(&["bench", "--network", "784-1@64"]).refused(2, &["--network", "2 classes"]);
    wgrad(&["bench", "--network", "784-99999999-10@64"]).refused(2, &["--network", "99999999"]);
    wgrad(&["bench", "--replicas", "1,0"]).refused(2, &["--replicas", "1 to 1024"]);
    wgrad(&["bench", "--json", "--markdown"]).refused(2, &["--markdown", "--json"]);
    wgrad(&["tune", "--seconds", "0"]).refused(2, &["--seconds", "above 0"]);
    wgrad(&["tune", "--network", "784-128-10"]).refused(2, &["--network", "names no batch"]);
    wgrad(&["tune", "--replicas", "0"]).refused(2, &["--replicas", "1 to 1024"]);
    wgrad(&["tune", "--show", "--forget"]).refused(2, &["--show", "--forget"]);
    wgrad(&["tune", "--device", "cpu"]).refused(2, &["--device"]);
    let huge = ["bench", "--device", "cpu", "--network", "16777216-16777216-2@64", "-q"];
    wgrad(&huge).refused(2, &["the machine's free memory", "narrower layers"]);
}

#[test]
fn devices() {
    refused(&["--adapter", "llvmpipe"], 2, &["--adapter llvmpipe", "--device cpu"]);
    refused(&["--kernels", "fastest"], 2, &["--kernels", "fastest", "auto"]);
    wgrad(&["bench", "--device", "tpu"]).refused(2, &["--device", "tpu", "auto"]);
    refused(&["--adapter", ""], 2, &["--adapter"]);
    let way_out = "install a Vulkan driver";
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    wgrad_without_adapter(&["train", &data, "--device", "gpu"]).refused(2, &["no GPU adapter found", way_out]);
    wgrad_without_adapter(&["bench", "--adapter", "radeon"]).refused(2, &["no GPU adapter found", way_out]);
    for command in ["tune", "verify"] {
        let run = wgrad_without_adapter(&[command]);
        run.refused(2, &["no GPU adapter found", way_out]);
        assert!(!run.stderr.contains("--device"), "{command} has no such flag: {run:?}");
    }
}

#[test]
fn a_model_that_is_too_big_names_what_was_wanted_and_what_there_is() {
    let words = ["the machine's free memory is", "needs 71681", "layers.1.weight.state [1, 2, 16", "narrower layers"];
    refused(&["--hidden", "16000000,16000000", "--batch", "64"], 2, &words);
    refused(&["--hidden", "16000000,16000000", "--batch", "64", "--print-plan"], 2, &words);
}

#[test]
fn an_output_directory_that_cannot_be_written_is_found_before_training() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    std::fs::write(place.path("file"), "in the way").unwrap();
    let before = place.listing();
    for out in ["file", "file/below"] {
        let out = place.path(out);
        wgrad(&["train", &data, "--device", "cpu", "--out", &out]).refused(1, &[&out, "--out"]);
    }
    assert_eq!(place.listing(), before);
    let run = wgrad(&["export", &place.model("run", &data, "8"), &place.path("nowhere/model.onnx")]);
    run.refused(1, &["nowhere/", ": cannot create: No such file or directory"]);
    assert!(!run.stderr.contains(".wgrad-"), "a temporary name tells nobody anything: {run:?}");
    let taken = place.path("taken/model.safetensors");
    std::fs::create_dir_all(&taken).unwrap();
    let out = place.path("taken");
    wgrad(&["train", &data, "--device", "cpu", "--out", &out]).refused(1, &[&taken, "directory"]);
}

#[test]
fn a_loss_that_diverges_keeps_the_last_finite_model() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let out = place.path("out");
    let diverging = ["--optimizer", "sgd", "--lr", "1e30", "--limit", "90", "--batch", "10", "-q", "--out", &out];
    let run = wgrad(&[&["train", &data, "--device", "cpu"], &diverging[..]].concat());
    let kept = format!("{out}/model.safetensors");
    run.refused(1, &["at step 2", "epoch 1", "learning rate 1e30", "smaller learning rate", &kept]);
    wgrad(&["eval", &kept, &data, "--device", "cpu", "-q"]).ok();
}

#[test]
fn an_epoch_whose_last_update_diverges_is_noticed_too() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    // One step only: its loss is from before the update, so that only the test shows what the update did.
    let diverging = ["--optimizer", "sgd", "--lr", "1e38", "--limit", "10", "--batch", "10", "--epochs", "1", "-q"];
    let run = wgrad(&[&["train", &data, "--device", "cpu"], &diverging[..]].concat());
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.stderr.starts_with("error: loss became ") && run.stderr.lines().count() == 1, "{run:?}");
}
