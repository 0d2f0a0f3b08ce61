//! Help texts.

use wgrad::{Activation, Loss};

use crate::support::{command, finish, wgrad};

const SUBCOMMANDS: [&str; 9] = ["train", "eval", "predict", "export", "import", "verify", "adapters", "bench", "tune"];

#[test]
fn every_help_fits_a_terminal_and_has_examples() {
    for subcommand in SUBCOMMANDS {
        let mut command = command(&[subcommand, "--help"]);
        command.env("COLUMNS", "80");
        let run = finish(command);
        let help = run.ok();
        assert!(help.contains("Examples:"), "{subcommand}: {help}");
        assert!(help.contains("--json") && help.contains("--quiet"), "{subcommand}: {help}");
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{subcommand}: {help}");
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn the_overview_lists_every_subcommand() {
    let run = wgrad(&["--help"]);
    for subcommand in SUBCOMMANDS {
        assert!(run.ok().contains(subcommand), "{run:?}");
    }
    assert!(wgrad(&["--version"]).ok().starts_with("wgrad "));
}

#[test]
fn train_names_every_activation_and_loss() {
    let run = wgrad(&["train", "--help"]);
    let help = run.ok().split_whitespace().collect::<Vec<_>>().join(" ");
    for activation in Activation::ALL.iter().filter(|activation| **activation != Activation::Softmax) {
        assert!(help.contains(&activation.name().replace('_', "-")), "{activation}: {help}");
    }
    for loss in Loss::ALL {
        assert!(help.contains(&loss.name().replace('_', "-")), "{loss}: {help}");
    }
}

#[test]
fn a_bare_command_shows_the_help() {
    let run = wgrad(&[]);
    assert!(run.status == 2 && run.stderr.contains("Commands:") && run.stdout.is_empty(), "{run:?}");
}
