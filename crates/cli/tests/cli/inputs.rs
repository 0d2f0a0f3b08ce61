//! What training does to its inputs, and recipes.

use crate::support::{Place, wgrad};

#[track_caller]
fn refused(more: &[&str], words: &[&str]) {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    wgrad(&[&["train", &data, "--device", "cpu"], more].concat()).refused(2, words);
}

#[test]
fn amounts_that_cannot_be_meant_are_refused() {
    refused(&["--noise", "-1"], &["--noise", "at least 0"]);
    refused(&["--augment", "shift"], &["--augment", "`shift`", "shift=2"]);
    refused(&["--augment", "shear=2"], &["--augment", "`shear`", "elastic"]);
    refused(&["--augment", "shift=far"], &["--augment", "shift", "finite number"]);
    refused(&["--augment", "rotate=181"], &["augment rotate", "180", "181"]);
    refused(&["--augment", "scale=1"], &["augment scale", "0.99"]);
    refused(&["--augment", "shift=1,size=28"], &["--augment", "size", "28x28"]);
    refused(&["--augment", "shift=1,size=5x5"], &["augment size", "5x5", "16"]);
    refused(&["--weights", "gaussian"], &["--weights", "gaussian", "orthogonal"]);
}

/// They change the run, and twice in the same way.
#[test]
fn noise_and_augmentation_are_the_runs_own() {
    let place = Place::new();
    let data = place.dataset("ten", 100, 10);
    let losses = |more: &[&str]| {
        let line = ["train", &data, "--device", "cpu", "--epochs", "2", "--json"];
        let run = wgrad(&[&line, more].concat());
        run.events_called("epoch").iter().map(|epoch| epoch["train_loss"].to_string()).collect::<Vec<_>>()
    };
    let plain = losses(&[]);
    for more in
        [&["--noise", "0.1"][..], &["--augment", "shift=2,rotate=10,scale=0.1,elastic=4"], &["--weights", "orthogonal"]]
    {
        let own = losses(more);
        assert_ne!(own, plain, "{more:?}");
        assert_eq!(own, losses(more), "{more:?}");
    }
}

/// A recipe's settings are told, flags override them, and the configuration that the run leaves has both.
#[test]
fn a_recipe_sets_what_is_not_said() {
    let place = Place::new();
    let (data, out) = (place.dataset("ten", 100, 10), place.path("out"));
    let line = ["train", &data, "--device", "cpu", "--recipe", "classic", "--hidden", "4", "--epochs", "1"];
    let run = wgrad(&[&line[..], &["--batch", "50", "--out", &out]].concat());
    run.ok();
    assert!(run.stderr.contains("recipe classic: --hidden 512,512 --dropout 0.2 "), "{run:?}");
    let written = std::fs::read_to_string(format!("{out}/config.toml")).unwrap();
    for wanted in ["recipe = \"classic\"", "hidden = 4", "epochs = 1", "optimizer = \"rmsprop\"", "dropout = 0.2"] {
        assert!(written.lines().any(|line| line.starts_with(wanted)), "{wanted} in {written}");
    }
    refused(&["--recipe", "best"], &["best", "mnist and fashion-mnist"]);
    refused(&["--recipe", "worst"], &["--recipe", "worst", "classic"]);
}
