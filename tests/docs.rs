//! The documents against the tree: every path that they name exists, and the diffs of the contributing guide apply.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where paths begin; inside `src` the documents leave it out.
const ROOTS: [&str; 7] = ["src/", "shaders/", "crates/", "docs/", "tests/", "benches/", "examples/"];
const ENDINGS: [&str; 6] = [".rs", ".wgsl", ".md", ".py", ".sh", ".toml"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and docs/*.md, by path.
fn documents() -> BTreeMap<String, String> {
    let names = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| format!("docs/{}", name.to_str().unwrap())).filter(|name| name.ends_with(".md"));
    let names = names.chain(["README.md".to_owned()]);
    names.map(|name| (name.clone(), fs::read_to_string(root().join(name)).unwrap())).collect()
}

/// The lines outside of code; diagrams are text too.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fence = None;
    text.lines().filter(move |line| match (line.strip_prefix("```"), fence) {
        (Some(language), None) => {
            fence = Some(language);
            false
        }
        (Some(_), Some(_)) => {
            fence = None;
            false
        }
        (None, language) => language.is_none_or(|language| language == "mermaid"),
    })
}

/// The files and folders of the repository that a line names.
fn paths(line: &str) -> Vec<&str> {
    let is_path = |c: char| c.is_alphanumeric() || "_-./*".contains(c);
    let words = line.split(|c| !is_path(c)).map(|word| word.trim_end_matches('.'));
    let named = words.filter(|word| {
        let in_source = ENDINGS.iter().any(|ending| word.ends_with(ending)) && word.contains('/');
        in_source || ROOTS.iter().any(|root| word.starts_with(root))
    });
    // `*` and NAME stand for any name; what follows `https:` is no path.
    named.filter(|word| !word.contains('*') && !word.contains("NAME") && !word.starts_with("//")).collect()
}

/// Whether a document may name this: from the repository's root, from its own folder, or from `src`.
fn exists(document: &str, path: &str) -> bool {
    let own = Path::new(document).parent().unwrap();
    [Path::new(""), own, Path::new("src")].iter().any(|from| root().join(from).join(path).exists())
}

#[test]
fn every_path_in_the_documents_exists() {
    let (mut found, mut wrong) = (0, Vec::new());
    for (document, text) in documents() {
        // The contributing guide makes files that are not there yet.
        let lines = prose(&text).filter(|line| !line.ends_with(", new:"));
        for path in lines.flat_map(paths).filter(|path| !path.starts_with("runs/")) {
            found += 1;
            if !exists(&document, path) {
                wrong.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(found > 100, "only {found} paths found");
}

#[test]
fn a_path_that_does_not_exist_is_found() {
    let text = "see `src/nowhere.rs` and [x](docs/architecture.md).\n```sh\nsrc/skipped.rs\n```\nshaders/NAME.wgsl";
    let found: Vec<_> = prose(text).flat_map(paths).collect();
    assert_eq!(found, ["src/nowhere.rs", "docs/architecture.md"]);
    assert!(!exists("README.md", found[0]) && exists("README.md", found[1]));
    assert!(exists("docs/architecture.md", "data/idx.rs") && exists("docs/benchmarks.md", "../README.md"));
}

/// A hunk of a diff: its file, and the lines that it expects there.
struct Hunk {
    path: String,
    before: String,
}

fn hunks(text: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for block in text.split("```diff\n").skip(1) {
        let mut path = None;
        for line in block.split("\n```").next().unwrap().lines() {
            if let Some(name) = line.strip_prefix("+++ b/") {
                path = Some(name.to_owned());
            } else if line.starts_with("@@ ") {
                hunks.push(Hunk { path: path.clone().expect("a hunk follows its file's name"), before: String::new() });
            } else if let Some(kept) = line.strip_prefix([' ', '-']).filter(|_| !line.starts_with("--- ")) {
                let hunk = hunks.last_mut().expect("lines follow a hunk's head");
                hunk.before += &format!("{kept}\n");
            }
        }
    }
    hunks
}

#[test]
fn the_diffs_of_the_contributing_guide_apply() {
    let hunks = hunks(&documents()["docs/contributing.md"]);
    assert!(hunks.len() > 20, "only {} hunks found", hunks.len());
    for Hunk { path, before } in &hunks {
        let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(!before.trim().is_empty(), "{path}: a hunk without context applies anywhere");
        assert!(text.contains(before.as_str()), "{path} does not contain\n{before}");
    }
}
