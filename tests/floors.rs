//! Modules stand on floors: each uses only those before it. So none use each other, directly or in a ring.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The library's modules, the lowest first.
const FLOORS: &[&str] = &[
    "precision",
    "hint",
    "error",
    "names",
    "platform",
    "files",
    "tensor",
    "state",
    "scalar",
    "random",
    "init",
    "schedule",
    "host",
    "ops",
    "plan",
    "executor",
    "cpu",
    "gpu",
    "spec",
    "lower",
    "data",
    "verify",
    "train",
    "run",
    "predictor",
    "run",
    "onnx",
    "pytorch",
    "bench",
    "tune",
];

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// Modules of the crate that a text names, but for comments and unit tests, which may use whatever they like.
fn used(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let names = |line: &str| {
        let paths = line.split("crate::").skip(1);
        let name = |path: &str| path.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
        paths.map(name).filter(|name| !name.is_empty()).collect::<Vec<_>>()
    };
    code.flat_map(names).collect()
}

/// What each module of `src` uses, with the file that does.
fn uses(src: &Path) -> BTreeMap<String, Vec<(String, PathBuf)>> {
    let mut paths = Vec::new();
    files(src, &mut paths);
    let mut all = BTreeMap::<String, Vec<(String, PathBuf)>>::new();
    for path in paths {
        let own = path.strip_prefix(src).unwrap();
        let is_test = own.components().any(|part| part.as_os_str().to_string_lossy().contains("test"));
        if is_test || own.ends_with("golden.rs") {
            continue;
        }
        let module = own.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let names = used(&fs::read_to_string(&path).unwrap());
        all.entry(module).or_default().extend(names.into_iter().map(|name| (name, own.to_owned())));
    }
    all
}

/// What is against the order of the floors.
fn faults(uses: &BTreeMap<String, Vec<(String, PathBuf)>>) -> Vec<String> {
    let floor = |module: &str| FLOORS.iter().position(|name| *name == module);
    let mut faults = Vec::new();
    for (module, used) in uses {
        let Some(own) = floor(module) else {
            faults.push(format!("module {module} is on no floor: add it to FLOORS"));
            continue;
        };
        for (name, file) in used.iter().filter(|(name, _)| name != module && uses.contains_key(name)) {
            if floor(name).is_some_and(|other| other > own) {
                faults.push(format!("src/{} uses {name}, which stands above {module}", file.display()));
            }
        }
    }
    faults
}

#[test]
fn modules_use_only_those_on_floors_below() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses = uses(&src);
    uses.remove("lib");
    assert!(uses.len() >= 20 && uses["ops"].iter().any(|(name, _)| name == "host"), "the search finds uses");
    let faults = faults(&uses);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_module_that_uses_one_above_is_seen() {
    let text =
        "use crate::plan::Plan; // a step\n// use crate::train::Trainer\n#[cfg(test)]\nmod tests {\nuse crate::tune;";
    assert_eq!(used(text), ["plan"]);
    let file = PathBuf::from("ops/mod.rs");
    let uses = BTreeMap::from([
        ("ops".to_owned(), vec![("plan".to_owned(), file.clone()), ("host".to_owned(), file.clone())]),
        ("plan".to_owned(), vec![("ops".to_owned(), file.clone())]),
        ("host".to_owned(), Vec::new()),
        ("attic".to_owned(), Vec::new()),
    ]);
    let faults = faults(&uses);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[1].contains("src/ops/mod.rs uses plan"), "{faults:?}");
}
