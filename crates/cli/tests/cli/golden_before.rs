//! Files and bits of an earlier program (`tests/golden/before/make.py` says of which): its model files are loaded and say the
//! same, its runs go on to the same end, and its settings train to the same bits, all on the CPU.
//!
//! The expectations hold on processors that fuse a multiplication with an addition. On one that does not, these tests fail
//! and say so: there is nothing there to compare with, and a test that passes unseen would promise what nobody checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::support::{Place, Run, command, finish};

/// What `history.jsonl` has of the machine's speed.
const TIMES: [&str; 2] = ["seconds", "samples_per_second"];
const CHECKPOINTS: [&str; 2] = ["checkpoint.0.safetensors", "checkpoint.1.safetensors"];
/// What begins the name of a setting that belongs to the test of recipes, whose networks are large.
const RECIPE: &str = "recipe_";
/// Hexadecimal digits of a hash in the expectations.
const DIGITS: usize = 32;

/// The directory of the files, which is where commands run: paths in it are relative.
fn golden() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = own.ancestors().map(|root| root.join("tests/golden/before"));
    places.find(|place| place.is_dir()).unwrap_or_else(|| panic!("no tests/golden/before above {}", own.display()))
}

fn read_json(path: impl AsRef<Path>) -> Value {
    let path = golden().join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One kind of `cases.json`: names with what there is to do.
fn cases(kind: &str) -> Map<String, Value> {
    require_fused();
    match read_json("cases.json")[kind].take() {
        Value::Object(cases) if !cases.is_empty() => cases,
        other => panic!("cases.json: {kind} is {other}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Where products are rounded before they are added, all hashes differ.
fn require_fused() {
    #[cfg(target_arch = "x86_64")]
    let fused = std::arch::is_x86_feature_detected!("fma");
    // Every aarch64 fuses; the bits there have not been compared yet.
    #[cfg(not(target_arch = "x86_64"))]
    let fused = cfg!(target_arch = "aarch64");
    assert!(fused, "not compared: tests/golden/before is for processors with fused multiply-add, which this one lacks");
}

/// Runs the binary beside the files, with a line of arguments and more of them.
fn run(words: &[&str], line: &str, more: &[&str]) -> Run {
    let line: Vec<&str> = line.split_whitespace().collect();
    let mut command = command(&[words, &line, more].concat());
    command.current_dir(golden());
    finish(command)
}

/// A safetensors file's header, and where its data begin.
fn header(content: &[u8]) -> (Map<String, Value>, usize) {
    let length = u64::from_le_bytes(content[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&content[8..8 + length]).unwrap(), 8 + length)
}

/// Where each tensor of a file lies in it, with its type and shape, by name.
fn parts(content: &[u8]) -> Vec<(String, std::ops::Range<usize>, String)> {
    let (entries, begin) = header(content);
    let part = |(name, entry): (&String, &Value)| {
        let offset = |n: usize| begin + entry["data_offsets"][n].as_u64().unwrap() as usize;
        let shape: Vec<String> = entry["shape"].as_array().unwrap().iter().map(Value::to_string).collect();
        (name.clone(), offset(0)..offset(1), format!("{} [{}]", text(&entry["dtype"]), shape.join(", ")))
    };
    entries.iter().filter(|(name, _)| *name != "__metadata__").map(part).collect()
}

/// Type, shape and hash of each tensor, by name.
fn tensors(content: &[u8]) -> Value {
    let entry = |(name, range, kind)| (name, json!(format!("{kind} {}", &sha256(&content[range])[..DIGITS])));
    parts(content).into_iter().map(entry).collect::<Map<_, _>>().into()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the model files in a directory.
fn model_names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".safetensors") && !CHECKPOINTS.contains(&&name[..])).collect()
}

/// The tensors of the one of a directory's two checkpoints that is as wanted, or closest to it. Which of them is newer is
/// for the program to know.
fn checkpoint(directory: &Path, wanted: &Value) -> Value {
    let there = CHECKPOINTS.map(|name| directory.join(name)).into_iter().filter(|path| path.exists());
    let all = there.map(|path| tensors(&read(&path)));
    let closest = all.min_by_key(|found| differences(wanted, found, "").len());
    closest.unwrap_or_else(|| panic!("no checkpoint in {}", directory.display()))
}

/// What a run left: every number, no time.
fn outcome(directory: &Path, wanted: &Value) -> Value {
    let models = model_names(directory).into_iter().map(|name| {
        let found = tensors(&read(&directory.join(&name)));
        (name, found)
    });
    let mut all: Map<String, Value> = models.collect();
    all.insert("checkpoint".to_owned(), checkpoint(directory, &wanted["checkpoint"]));
    let lines = String::from_utf8(read(&directory.join("history.jsonl"))).unwrap();
    let epoch = |line: &str| {
        let mut epoch: Map<String, Value> = serde_json::from_str(line).unwrap();
        TIMES.iter().for_each(|name| assert!(epoch.remove(*name).is_some(), "no {name} in {line}"));
        Value::Object(epoch)
    };
    all.insert("history".to_owned(), lines.lines().map(epoch).collect());
    all.into()
}

/// The wanted fields of the events of a command, as others tell of place and device; or its error.
fn results(words: &[&str], line: &str, wanted: &Value) -> Value {
    let run = run(words, line, &["--device", "cpu", "--json", "--quiet"]);
    if run.status != 0 {
        return json!(run.stderr);
    }
    let own = |(n, event): (usize, Value)| {
        let fields = wanted[n].as_object().into_iter().flat_map(Map::keys);
        Value::Object(fields.filter_map(|key| Some((key.clone(), event.get(key)?.clone()))).collect())
    };
    run.events().into_iter().enumerate().map(own).collect()
}

/// What differs, and where.
fn differences(wanted: &Value, got: &Value, place: &str) -> Vec<String> {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            let keys: BTreeSet<_> = wanted.keys().chain(got.keys()).collect();
            let absent = json!("nothing");
            let of = |map: &Map<String, Value>, key: &str| map.get(key).unwrap_or(&absent).clone();
            keys.iter()
                .flat_map(|key| differences(&of(wanted, key), &of(got, key), &format!("{place} {key}")))
                .collect()
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            let pairs = wanted.iter().zip(got).enumerate();
            pairs.flat_map(|(n, (wanted, got))| differences(wanted, got, &format!("{place} {n}"))).collect()
        }
        _ if wanted == got => Vec::new(),
        _ => vec![format!("{place}: {wanted} was expected, got {got}")],
    }
}

/// Fails with all that differs.
#[track_caller]
fn require_same(differences: &[String]) {
    let more = if cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        ""
    } else {
        "\nNobody has compared these bits on this kind of machine before: host-side numbers come from its mathematical library."
    };
    assert!(differences.is_empty(), "{} differences\n{}{more}", differences.len(), differences.join("\n"));
}

/// What the model files of a case hold and say.
fn judged(directory: &Path, case: &Value, wanted: &Value) -> Value {
    let of = |name: String| {
        let (path, wanted) = (directory.join(&name), &wanted[&name]);
        let model = path.display().to_string();
        let lines = case["eval"].as_array().unwrap().iter().enumerate();
        let said = |(n, line)| match results(&["eval", &model], text(line), &json!([wanted["eval"][n]])) {
            Value::Array(mut events) if events.len() == 1 => events.remove(0),
            other => other,
        };
        let eval: Vec<Value> = lines.map(said).collect();
        let predict = results(&["predict", &model], text(&case["rows"]), &wanted["predict"]);
        (name, json!({ "tensors": tensors(&read(&path)), "eval": eval, "predict": predict }))
    };
    model_names(directory).into_iter().map(of).collect::<Map<_, _>>().into()
}

/// Trains settings, and compares what each ends with.
#[track_caller]
fn require_same_bits(settings: impl Iterator<Item = (String, Value)>) {
    let (expected, mut found) = (read_json("settings.json"), Vec::new());
    for (name, line) in settings {
        let (place, wanted) = (Place::new(), &expected[&name]);
        let run = run(&["train"], text(&line), &["--device", "cpu", "--quiet", "--out", &place.path("run")]);
        found.extend(match run.status {
            0 => differences(wanted, &outcome(&place.dir.path().join("run"), wanted), &name),
            _ => vec![format!("{name}: {}", run.stderr)],
        });
    }
    require_same(&found);
}

#[test]
fn model_files_of_before_say_the_same() {
    let mut found = Vec::new();
    for (name, case) in cases("models") {
        let wanted = read_json(format!("models/{name}/expected.json"));
        found.extend(differences(&wanted, &judged(&golden().join("models").join(&name), &case, &wanted), &name));
    }
    require_same(&found);
}

#[test]
fn runs_of_before_go_on_to_the_same_bits() {
    let mut found = Vec::new();
    for name in cases("checkpoints").keys() {
        let (own, place) = (golden().join("checkpoints").join(name), Place::new());
        let wanted = read_json(own.join("expected.json"));
        for entry in fs::read_dir(&own).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), place.dir.path().join(entry.file_name())).unwrap();
        }
        let before = checkpoint(place.dir.path(), &wanted["checkpoint"]);
        let run = run(&["train", "--resume", &place.path(""), "--quiet"], "", &[]);
        let end = if run.status == 0 { outcome(place.dir.path(), &wanted["end"]) } else { json!(run.stderr) };
        found.extend(differences(&wanted, &json!({ "checkpoint": before, "end": end }), name));
    }
    require_same(&found);
}

#[test]
fn settings_train_to_the_bits_of_before() {
    require_same_bits(cases("settings").into_iter().filter(|(name, _)| !name.starts_with(RECIPE)));
}

#[test]
fn recipes_train_to_the_bits_of_before() {
    require_same_bits(cases("settings").into_iter().filter(|(name, _)| name.starts_with(RECIPE)));
}

/// Nothing is left out: there are as many cases as files.
#[test]
fn every_case_has_its_files() {
    let names = |cases: &Map<String, Value>| cases.keys().cloned().collect::<BTreeSet<_>>();
    for kind in ["models", "checkpoints"] {
        let there = fs::read_dir(golden().join(kind)).unwrap();
        let there = there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names(&cases(kind)), there, "{kind}");
    }
    let settings = cases("settings");
    assert_eq!(names(&settings), names(read_json("settings.json").as_object().unwrap()));
    assert_eq!(settings.keys().filter(|name| name.starts_with(RECIPE)).count(), 3);
}

/// One bit of one tensor, in a file or in what is expected of it, is a difference, and it alone.
#[test]
fn one_bit_is_seen() {
    let (case, directory) = (cases("models")["iris_plain"].take(), golden().join("models/iris_plain"));
    let wanted = read_json(directory.join("expected.json"));
    let (place, content) = (Place::new(), read(&directory.join("model.safetensors")));
    for (name, range, _) in parts(&content) {
        for at in [range.start, range.end - 4] {
            let mut changed = content.clone();
            changed[at] ^= 1;
            let found = differences(&wanted["model.safetensors"]["tensors"], &tensors(&changed), "file");
            assert!(found.len() == 1 && found[0].starts_with(&format!("file {name}: ")), "{found:?}");
        }
    }
    // The third byte has the upper bits of the fraction: large enough for what the model says to change.
    let mut changed = content.clone();
    changed[parts(&content)[0].1.start + 2] ^= 0x40;
    place.file("model.safetensors", &changed);
    let found = differences(&wanted, &judged(place.dir.path(), &case, &wanted), "file");
    for part in ["tensors", "eval", "predict"] {
        assert!(found.iter().any(|line| line.starts_with(&format!("file model.safetensors {part} "))), "{found:?}");
    }
    let mut settings = read_json("settings.json");
    let hash = &mut settings["adam"]["checkpoint"]["layers.0.weight.state"];
    let other = if text(hash).ends_with('0') { "1" } else { "0" };
    *hash = json!(format!("{}{other}", &text(hash)[..text(hash).len() - 1]));
    let found = differences(&settings["adam"], &read_json("settings.json")["adam"], "adam");
    assert!(found.len() == 1 && found[0].starts_with("adam checkpoint layers.0.weight.state: "), "{found:?}");
}

/// The examples of FIPS 180-2, appendix B, and lengths about the end of a block.
#[test]
fn hashes_are_those_of_the_standard() {
    assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_eq!(sha256(two_blocks), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_eq!(sha256(&vec![b'a'; 1_000_000]), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/// SHA-256 in hexadecimal digits: FIPS 180-2, section 6.2.
fn sha256(bytes: &[u8]) -> String {
    const START: [u32; 8] =
        [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
    let mut state = START;
    let (blocks, rest) = bytes.as_chunks::<64>();
    blocks.iter().for_each(|block| compress(&mut state, block));
    let mut end = rest.to_vec();
    end.push(0x80);
    end.resize(if end.len() > 56 { 120 } else { 56 }, 0);
    end.extend((8 * bytes.len() as u64).to_be_bytes());
    end.as_chunks::<64>().0.iter().for_each(|block| compress(&mut state, block));
    state.iter().map(|word| format!("{word:08x}")).collect()
}

#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// Plain loops: the tests hash megabytes without optimization.
fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
    let mut words = [0_u32; 64];
    let (mut n, mut at) = (0, 0);
    while n < 16 {
        words[n] = u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        (n, at) = (n + 1, at + 4);
    }
    while n < 64 {
        let (x, y) = (words[n - 2], words[n - 15]);
        let near = x.rotate_right(17) ^ x.rotate_right(19) ^ (x >> 10);
        let far = y.rotate_right(7) ^ y.rotate_right(18) ^ (y >> 3);
        words[n] = words[n - 16].wrapping_add(far).wrapping_add(words[n - 7]).wrapping_add(near);
        n += 1;
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    n = 0;
    while n < 64 {
        let turned = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let first =
            h.wrapping_add(turned).wrapping_add((e & f) ^ (!e & g)).wrapping_add(ROUNDS[n]).wrapping_add(words[n]);
        let turned = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = turned.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d.wrapping_add(first);
        d = c;
        c = b;
        b = a;
        a = first.wrapping_add(second);
        n += 1;
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(add);
    }
}
