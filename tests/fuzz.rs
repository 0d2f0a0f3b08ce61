//! Damaged files of every kind that is read: whatever the bytes are, the answer is a value or a typed error of one line,
//! never a panic. Damage is drawn from a fixed stream: a byte changed, bytes taken out or put in, the end cut off.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use tempfile::TempDir;
use wgrad::data::{Missing, Scale, Table, TableFormat, TableSpec, npz, read_rows};
use wgrad::random::{Purpose, Stream};
use wgrad::{Activation, Adam, Checkpoints, Device, Error, Loss, ModelFile, Sequential, Trainer, datasets, epochs};

const ROUNDS: u32 = 600;

/// Words that parsers trip over, put in place of some bytes.
const NASTY: [&[u8]; 12] = [
    b"-1",
    b"18446744073709551616",
    b"99999999999",
    b"1e999",
    b"NaN",
    b"null",
    b"\"",
    b"{",
    b"[]",
    b"\xff\xfe",
    b"\0\0\0\0",
    b",,",
];

/// The bytes with one thing wrong.
fn damaged(good: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let mut below = |limit: usize| stream.word() as usize % limit.max(1);
    let (at, len) = (below(bytes.len()), 1 + below(8));
    match below(6) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << below(8),
        2 => bytes[at] = below(256) as u8,
        3 => drop(bytes.drain(at..good.len().min(at + len))),
        4 => bytes.splice(at..good.len().min(at + len), NASTY[below(NASTY.len())].iter().copied()).for_each(drop),
        _ => {
            let from = below(good.len());
            let part = good[from..good.len().min(from + 4 * len)].to_vec();
            bytes.splice(at..at, part).for_each(drop);
        }
    }
    bytes
}

/// Writes damage after damage of `good` to a file and hands it to `read`; gives how many were refused.
fn fuzz(name: &str, good: &[u8], rounds: u32, mut read: impl FnMut(&Path) -> Result<(), Error>) -> u32 {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join(name);
    let mut refused = 0;
    for round in 0..rounds {
        let bytes = damaged(good, &mut Stream::new(u64::from(round), Purpose::Inputs, 0));
        fs::write(&path, &bytes).unwrap();
        if let Err(error) = read(&path) {
            let text = error.to_string();
            assert!(!text.is_empty() && text.lines().count() == 1, "round {round}: {text}");
            refused += 1;
        }
    }
    refused
}

/// A table with a category, an ordinal, numbers and gaps.
fn table_text() -> Vec<u8> {
    let rows = (0..40).map(|n| {
        let (color, size) = (["red", "green", "blue"][n % 3], ["s", "m", "l"][n % 3]);
        let age = if n % 7 == 0 { "?".to_owned() } else { format!("{}.5", n * 3 % 11) };
        format!("{color},{size},{age},{},{}\n", n, ["yes", "no"][n % 2])
    });
    format!("color,size,age,\"a, b\",answer\n{}", rows.collect::<String>()).into_bytes()
}

fn table_spec() -> TableSpec {
    TableSpec {
        one_hot: vec!["color".to_owned()],
        ordinal: vec!["size".to_owned()],
        missing: Missing::Mean,
        scale: Scale::Standardize,
        ..TableSpec::default()
    }
}

/// A model trained on that table.
fn model_of_table(directory: &Path) -> (PathBuf, Table) {
    let table = Table::parse("pets.csv", &table_text(), TableFormat::default()).unwrap();
    let data = table_spec().prepare(&table).unwrap().train;
    let model = Sequential::new(data.inputs()).dense(4, Activation::Relu).batch_norm().dropout(0.1);
    let model = model.dense(2, Activation::Linear);
    let mut trainer = Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(10).build().unwrap();
    trainer.fit(&data, epochs(1), &mut ()).unwrap();
    let path = directory.join("model.safetensors");
    trainer.save(&path).unwrap();
    (path, table)
}

#[test]
fn tables() {
    let refused = fuzz("pets.csv", &table_text(), ROUNDS, |path| {
        let table = Table::read(path, TableFormat::default())?;
        table_spec().prepare(&table)?;
        TableSpec { missing: Missing::Drop, ..TableSpec::default() }.prepare(&table).map(drop)
    });
    assert!(refused > ROUNDS / 10, "{refused}");
}

#[test]
fn rows_of_numbers() {
    let text = (0..30).map(|n| format!("{n},{}.25,-3e{}\n", n * 7, n % 5)).collect::<String>();
    let refused = fuzz("rows.csv", text.as_bytes(), ROUNDS, |path| read_rows(path).map(drop));
    assert!(refused > ROUNDS / 10, "{refused}");
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 2, 2), }                    \n";
    let data: Vec<u8> = (0..24_u8).flat_map(|n| f32::from(n).to_le_bytes()).collect();
    let length = (header.len() as u16).to_le_bytes();
    let npy = [&b"\x93NUMPY\x01\0"[..], &length, header.as_bytes(), &data].concat();
    let refused = fuzz("rows.npy", &npy, ROUNDS, |path| read_rows(path).map(drop));
    assert!(refused > ROUNDS / 3, "{refused}");
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 2][..], &[7; 30]].concat();
    let refused = fuzz("rows-idx3-ubyte", &idx, ROUNDS, |path| read_rows(path).map(drop));
    assert!(refused > ROUNDS / 3, "{refused}");
}

#[test]
fn archives() {
    for (name, good) in [
        ("stored.npz", &include_bytes!("golden/stored.npz")[..]),
        ("packed.npz", &include_bytes!("golden/packed.npz")[..]),
    ] {
        let refused = fuzz(name, good, ROUNDS, |path| npz::read(path).map(drop));
        assert!(refused > ROUNDS / 3, "{name}: {refused}");
    }
}

/// What loads is used: on rows of a table, by name and by place, and on arrays.
#[test]
fn models() {
    let directory = TempDir::new().unwrap();
    let (path, table) = model_of_table(directory.path());
    let unnamed = Table::parse("rows.csv", b"red,s,?,1,yes\ngreen,?,2,3,no\n", TableFormat::default()).unwrap();
    let good = fs::read(path).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let (header, tensors) = good.split_at(header);
    let mut used = 0;
    // Most damage is in the header, and the length before it stays right.
    let refused = fuzz("header.json", &header[8..], 4 * ROUNDS, |path| {
        let json = fs::read(path).unwrap();
        let file = path.with_file_name("model.safetensors");
        fs::write(&file, [&(json.len() as u64).to_le_bytes()[..], &json, tensors].concat()).unwrap();
        let model = ModelFile::load(&file)?;
        used += 1;
        let mut trainer = Trainer::from_file(model, Device::cpu())?;
        let Some(known) = trainer.preprocessing().cloned() else { return Ok(()) };
        for table in [&table, &unnamed] {
            let rows: Vec<usize> = (0..table.len()).collect();
            if let Ok(x) = known.encode(table, &rows) {
                trainer.predict(x.view()).map(drop)?;
            }
            known.dataset(table).and_then(|data| trainer.evaluate(&data)).map(drop).ok();
        }
        known.encode_array(Array2::<f32>::zeros((3, 4)).view().into()).map(drop)
    });
    assert!(refused > ROUNDS && used > ROUNDS / 20, "{refused} refused, {used} used");
    fuzz("model.safetensors", &good, ROUNDS, |path| ModelFile::load(path).map(drop));
}

#[test]
fn checkpoints() {
    let directory = TempDir::new().unwrap();
    let xor = datasets::xor().unwrap();
    let build = || {
        let model = Sequential::new(2).dense(3, Activation::Tanh).dense(2, Activation::Linear);
        Trainer::new(model, Loss::SoftmaxCrossEntropy, Adam::new(0.05)).batch_size(2)
    };
    let settings = Checkpoints::in_directory(directory.path());
    build().build().unwrap().fit(&xor, epochs(3).checkpoints(&settings), &mut ()).unwrap();
    let go_on = |path: &Path| {
        let mut trainer = Trainer::resume(path, Device::cpu())?;
        trainer.fit(&xor, epochs(4), &mut ())?;
        trainer.weights(0)
    };
    let whole = directory.path().join("checkpoint.1.safetensors");
    let good = fs::read(&whole).unwrap();
    let wanted = go_on(&whole).unwrap();
    // What is not noticed has done no harm: nothing that the rest of the run depends on was in its place.
    let refused = fuzz("checkpoint.safetensors", &good, ROUNDS, |path| go_on(path).map(|had| assert_eq!(had, wanted)));
    assert!(refused > ROUNDS - ROUNDS / 50, "{refused}");
}
