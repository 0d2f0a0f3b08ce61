//! Files to read, made by hand, so that the readers are not tested against a writer of their own.

use flate2::{Compression, write::GzEncoder};
use proptest::{prelude::*, sample::Index};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// An IDX file of bytes with any header, true to its data or not.
pub fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    bytes.extend(data);
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An NPY file of version 1, 2 or 3 with any header text; padded to a multiple of 64 as NumPy does.
pub fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut text = header.as_bytes().to_vec();
    while !(text.len() + 1 + if version == 1 { 10 } else { 12 }).is_multiple_of(64) {
        text.push(b' ');
    }
    text.push(b'\n');
    let mut bytes = [b"\x93NUMPY".as_slice(), &[version, 0]].concat();
    match version {
        1 => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    [bytes, text, data.to_vec()].concat()
}

/// The header that NumPy writes for an array in C order.
pub fn npy_header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")
}

/// A directory with one file in it.
pub fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join(name);
    fs::write(&path, bytes).unwrap();
    (temp, path)
}

/// Asserts that a message says all of `parts`, so that a user finds the file, the place and the way out.
#[track_caller]
pub fn assert_says(error: impl std::fmt::Display, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// One to four changes of a file: a byte set, a piece cut off the end, bytes put in.
pub fn mutations() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..4), 1..5)
}

pub fn mutate(mut bytes: Vec<u8>, mutations: &[(Index, u8, u8)]) -> Vec<u8> {
    for (at, value, kind) in mutations {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match kind {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, *value),
            2 => bytes[at] ^= 1 << (value % 8),
            _ => bytes[at] = *value,
        }
    }
    bytes
}
