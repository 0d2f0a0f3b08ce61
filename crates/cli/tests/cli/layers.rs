//! `--dropout`, `--norm` and `--residual`.

use crate::support::{Place, wgrad};

#[test]
fn what_layers_have_cannot_be_just_anything() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let refused = |more: &[&str], words: &[&str]| {
        wgrad(&[&["train", &data, "--device", "cpu"], more].concat()).refused(2, words);
    };
    refused(&["--dropout", "1"], &["dropout", "1"]);
    refused(&["--dropout", "-0.1"], &["--dropout", "at least 0"]);
    refused(&["--norm", "group"], &["--norm", "group", "batch", "layer"]);
    // 100 samples in batches of 11 leave one.
    refused(&["--norm", "batch", "--batch", "11"], &["batch norm", "at least 2"]);
}

/// The plan shows them, and each makes a run of its own, twice the same.
#[test]
fn layers_have_what_they_are_given() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let line = ["train", &data, "--device", "cpu", "--hidden", "16,16", "--epochs", "2", "--batch", "20"];
    let plan = wgrad(&[&line[..], &["--norm", "layer", "--residual", "--dropout", "0.5", "--print-plan"]].concat());
    let text = plan.ok();
    assert!(text.contains("layers.0 norm, relu, dropout"), "{text}");
    assert!(text.contains("layers.1 norm, relu, residual, dropout"), "{text}");
    let losses = |more: &[&str]| {
        let run = wgrad(&[&line[..], &["--json"], more].concat());
        run.events_called("epoch").iter().map(|epoch| epoch["train_loss"].to_string()).collect::<Vec<_>>()
    };
    let plain = losses(&[]);
    for more in [&["--dropout", "0.3"][..], &["--norm", "batch"], &["--norm", "layer"], &["--residual"]] {
        let own = losses(more);
        assert_ne!(own, plain, "{more:?}");
        assert_eq!(own, losses(more), "{more:?}");
    }
}
