//! Datasets by name: MNIST comes with wgrad, Fashion-MNIST with the system, and any directory of four IDX files works
//! the same way.
//!
//! The built-in names are looked for in the directory that `--data-dir` names, else in the one that the environment variable
//! `WGRAD_DATA` names (each either holds the files or a directory called as the dataset), else in `datasets/<name>` under
//! the current directory, beside or above the executable, and where wgrad was built; Fashion-MNIST finally where Debian's
//! package `dataset-fashion-mnist` puts it.

use super::{
    Dataset, TrainTest,
    idx::{self, Idx},
    locate::{self, Builtin, Files, Search},
};
use crate::{Error, Result};
use ndarray::Array2;
use std::path::Path;

pub use super::generate::{
    MakeClassification, MakeLine, MakeMoons, MakeRegression, make_classification, make_line, make_moons,
    make_regression, make_regression_with_coefficients,
};
pub use super::made::{MADE, made};
pub use super::small::{iris, iris_table, xor};

/// The names that [`load`] knows.
pub const KNOWN: &[&str] = &[MNIST.name, FASHION_MNIST.name];

const MNIST: Builtin = Builtin { name: "mnist", system: None, way_out: "run wgrad inside its checkout" };
const FASHION_MNIST: Builtin = Builtin {
    name: "fashion-mnist",
    system: Some("/usr/share/datasets/fashion-mnist"),
    way_out: "install it with `apt-get install dataset-fashion-mnist`",
};

/// CRC-32 of one uncompressed file of each part.
struct Checksums {
    train_images: u32,
    train_labels: u32,
    test_images: u32,
    test_labels: u32,
}

/// Of the files whose MD5 sums `datasets/mnist/README.md` lists; computed with Python's `zlib.crc32`.
const MNIST_CHECKSUMS: Checksums = Checksums {
    train_images: 0xe9f4_d8b3,
    train_labels: 0xe0cb_4ad2,
    test_images: 0x9137_3bdf,
    test_labels: 0x4ab9_eff9,
};

/// What to do about a file of the shipped MNIST that is not as it was.
const RESTORE: &str = "restore the shipped file with `git checkout datasets/mnist`";

/// MNIST: 60,000 and 10,000 handwritten digits, 28 by 28 pixels, 10 classes; shipped with wgrad and checksummed.
///
/// ```
/// let mnist = wgrad::data::datasets::mnist()?;
/// assert_eq!((mnist.train.len(), mnist.test.len(), mnist.train.inputs(), mnist.train.classes()), (60_000, 10_000, 784, 10));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// As [`load`].
pub fn mnist() -> Result<TrainTest> {
    load(MNIST.name, None)
}

/// Fashion-MNIST: clothes in the same sizes and numbers as MNIST, harder to tell apart; installed with the system.
///
/// # Errors
/// As [`load`]; when it is not installed, the error says how.
pub fn fashion_mnist() -> Result<TrainTest> {
    load(FASHION_MNIST.name, None)
}

/// Loads a dataset by one of the [`KNOWN`] names, or from a directory of four IDX files, gzipped or not:
/// `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`.
///
/// `data_dir` says where the built-in datasets are; a directory given as `name` is used as it is. A built-in name comes
/// before a directory of that name: write `./mnist` for the latter. MNIST is checksummed, except in a directory that `data_dir`
/// or `WGRAD_DATA` names.
///
/// # Errors
/// [`Error::UnknownDataset`] when `name` is neither; [`Error::Data`] when files are missing, damaged or do not belong together;
/// [`Error::Io`] when one cannot be read; [`Error::Spec`] when `data_dir` or `WGRAD_DATA` is empty.
pub fn load(name: &str, data_dir: Option<&Path>) -> Result<TrainTest> {
    load_with(&Search::of_process(data_dir), name)
}

fn load_with(search: &Search, name: &str) -> Result<TrainTest> {
    if name == MNIST.name {
        let place = search.builtin(&MNIST, KNOWN)?;
        return read(name, &place.files, (!place.named).then_some(&MNIST_CHECKSUMS));
    }
    if name == FASHION_MNIST.name {
        return read(name, &search.builtin(&FASHION_MNIST, KNOWN)?.files, None);
    }
    if Path::new(name).is_dir() {
        return read(name, &locate::files_in(Path::new(name))?, None);
    }
    Err(Error::UnknownDataset { name: name.into(), known: KNOWN.join(", ") })
}

fn read(name: &str, files: &Files, checksums: Option<&Checksums>) -> Result<TrainTest> {
    let train_sums = checksums.map(|c| (c.train_images, c.train_labels));
    let test_sums = checksums.map(|c| (c.test_images, c.test_labels));
    let train = read_part(name, &files.train_images, &files.train_labels, train_sums)?;
    let test = read_part(name, &files.test_images, &files.test_labels, test_sums)?;
    if train.inputs() != test.inputs() {
        let (wanted, had) = (train.inputs(), test.inputs());
        let other = files.train_images.display();
        let reason =
            format!("its images have {had} pixels, but those in {other} have {wanted}; both need the same size");
        return Err(Error::data(&files.test_images, reason));
    }
    TrainTest::new(train, test)
}

fn read_part(name: &str, images: &Path, labels: &Path, checksums: Option<(u32, u32)>) -> Result<Dataset> {
    let (x, y) = match checksums {
        None => (idx::read_images(images)?, idx::read_labels(labels)?),
        Some((x, y)) => (checked(images, x, idx::images)?, checked(labels, y, idx::labels)?),
    };
    check_counts(images, &x, labels, &y)?;
    Dataset::from_images(name, x, y)
}

/// Reads a shipped file; every way of being damaged then says how to restore it.
fn checked<T>(path: &Path, checksum: u32, convert: fn(&Path, Idx) -> Result<T>) -> Result<T> {
    let damaged = |reason: &str| Error::data(path, format!("{reason}; {RESTORE}"));
    let content = idx::read(path).map_err(|error| match error {
        Error::Data { reason, .. } => damaged(&reason),
        other => other,
    })?;
    if content.crc() != checksum {
        let had = content.crc();
        return Err(damaged(&format!(
            "the file is damaged: its content has CRC-32 {had:08x} instead of {checksum:08x}"
        )));
    }
    convert(path, content)
}

fn check_counts(images: &Path, x: &Array2<u8>, labels: &Path, y: &[u32]) -> Result<()> {
    if x.nrows() == y.len() {
        return Ok(());
    }
    let (many, other, few) = (x.nrows(), labels.display(), y.len());
    Err(Error::data(images, format!("holds {many} images, but {other} holds {few} labels; do they belong together?")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// One label file, `[5, 0, 4]`.
    const LABELS: &[u8] = &[0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4];

    fn read_labels_checked(bytes: &[u8], checksum: u32) -> Result<Vec<u32>> {
        let temp = TempDir::new().unwrap();
        let path = temp.path().join("labels");
        fs::write(&path, bytes).unwrap();
        checked(&path, checksum, idx::labels)
    }

    fn crc(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }

    #[test]
    fn a_matching_checksum_passes() {
        assert_eq!(read_labels_checked(LABELS, crc(LABELS)).unwrap(), [5, 0, 4]);
    }

    #[test]
    fn one_changed_byte_is_damage_and_says_how_to_restore_the_file() {
        let mut changed = LABELS.to_vec();
        changed[9] = 1;
        let error = read_labels_checked(&changed, crc(LABELS)).unwrap_err().to_string();
        assert!(error.contains("damaged") && error.contains("git checkout datasets/mnist"), "{error}");
    }

    #[test]
    fn a_shipped_file_cut_off_says_how_to_restore_it() {
        let error = read_labels_checked(&LABELS[..10], crc(LABELS)).unwrap_err().to_string();
        assert!(error.contains("truncated") && error.contains("git checkout datasets/mnist"), "{error}");
    }

    #[test]
    fn files_found_in_the_usual_places_are_checksummed_and_no_others() {
        let root = TempDir::new().unwrap();
        let dir = root.path().join("datasets/mnist");
        fs::create_dir_all(&dir).unwrap();
        for part in ["train", "t10k"] {
            fs::write(dir.join(format!("{part}-images-idx3-ubyte")), [0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 1, 7, 8, 9])
                .unwrap();
            fs::write(dir.join(format!("{part}-labels-idx1-ubyte")), LABELS).unwrap();
        }
        let search = |data_dir| Search { data_dir, variable: None, roots: vec![root.path().into()] };
        let error = load_with(&search(None), "mnist").unwrap_err().to_string();
        assert!(error.contains("train-images") && error.contains("instead of e9f4d8b3"), "{error}");
        assert_eq!(load_with(&search(Some(&dir)), "mnist").unwrap().train.len(), 3);
    }
}
