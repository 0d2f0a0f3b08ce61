use crate::support::{assert_says, gzip, idx, text};
use std::{fs, path::Path};
use tempfile::TempDir;
use wgrad::{
    Error,
    data::{
        Dataset, Features, Targets,
        datasets::{KNOWN, load, mnist},
    },
};

/// Four files: three training samples, two test samples, `pixels` by 1 pixels; label 9 is in the test part only.
fn fill(dir: &Path, name: impl Fn(&str) -> String, pixels: u32) {
    fs::create_dir_all(dir).unwrap();
    let images = |count: u32| gzip(&idx(&[count, pixels, 1], &vec![count as u8; (count * pixels) as usize]));
    fs::write(dir.join(name("train-images-idx3-ubyte")), images(3)).unwrap();
    fs::write(dir.join(name("train-labels-idx1-ubyte")), idx(&[3], &[2, 0, 1])).unwrap();
    fs::write(dir.join(name("t10k-images-idx3-ubyte")), images(2)).unwrap();
    fs::write(dir.join(name("t10k-labels-idx1-ubyte")), idx(&[2], &[9, 0])).unwrap();
}

fn filled() -> TempDir {
    let temp = TempDir::new().unwrap();
    fill(temp.path(), |name| format!("{name}.gz"), 4);
    temp
}

fn name(temp: &TempDir) -> &str {
    temp.path().to_str().unwrap()
}

fn pixel_sum(data: &Dataset) -> u64 {
    let Features::U8(x) = data.features() else { panic!("MNIST is bytes") };
    x.iter().map(|&pixel| u64::from(pixel)).sum()
}

fn first_labels(data: &Dataset) -> &[u32] {
    let Targets::Classes(labels) = data.targets() else { panic!("MNIST has classes") };
    &labels[..8]
}

/// The sums and labels are from Python, which knows nothing of our reader:
///
/// ```python
/// import gzip
/// for part in ["train", "t10k"]:
///     print(sum(gzip.open(f"datasets/mnist/{part}-images-idx3-ubyte.gz").read()[16:]))
///     print(list(gzip.open(f"datasets/mnist/{part}-labels-idx1-ubyte.gz").read()[8:16]))
/// ```
#[test]
fn the_real_mnist_loads() {
    let both = mnist().unwrap();
    for (part, len, sum, labels) in [
        (&both.train, 60_000, 1_567_298_545, [5, 0, 4, 1, 9, 2, 1, 3]),
        (&both.test, 10_000, 264_923_200, [7, 2, 1, 0, 4, 1, 4, 9]),
    ] {
        assert_eq!((part.name(), part.len(), part.inputs(), part.classes()), ("mnist", len, 784, 10));
        assert_eq!((pixel_sum(part), first_labels(part)), (sum, &labels[..]));
    }
}

#[test]
fn any_directory_of_four_files_loads() {
    let dashed = filled();
    let dotted = TempDir::new().unwrap();
    fill(dotted.path(), |name| name.replace("-idx", ".idx"), 4);
    for temp in [dashed, dotted] {
        let both = load(name(&temp), None).unwrap();
        assert_eq!((both.train.len(), both.test.len(), both.train.inputs()), (3, 2, 4));
        assert_eq!((both.train.classes(), both.test.classes(), both.train.name()), (10, 10, name(&temp)));
        assert_eq!((pixel_sum(&both.train), pixel_sum(&both.test)), (36, 16));
    }
}

#[test]
fn built_in_names_load_from_a_named_directory_without_checksums() {
    let direct = filled();
    let parent = TempDir::new().unwrap();
    for known in KNOWN {
        fill(&parent.path().join(known), |name| name.into(), 5);
        assert_eq!(load(known, Some(parent.path())).unwrap().train.inputs(), 5);
        let both = load(known, Some(direct.path())).unwrap();
        assert_eq!((both.train.name(), both.train.inputs()), (*known, 4));
    }
}

#[test]
fn a_named_directory_without_the_files_is_an_error() {
    let empty = TempDir::new().unwrap();
    for known in KNOWN {
        for dir in [empty.path(), &empty.path().join("missing")] {
            assert_says(
                load(known, Some(dir)).unwrap_err(),
                &[&text(dir), "the data directory", "train-images-idx3-ubyte[.gz]"],
            );
        }
    }
}

#[test]
fn unknown_names_list_the_known_ones() {
    for unknown in ["mnits", "", "no/such/dir"] {
        let error = load(unknown, None).unwrap_err();
        assert!(matches!(error, Error::UnknownDataset { .. }) && error.is_usage());
        assert_says(error, &["mnist, fashion-mnist", "directory"]);
    }
}

#[test]
fn files_missing_from_a_directory_are_named() {
    let temp = filled();
    fs::remove_file(temp.path().join("train-labels-idx1-ubyte.gz")).unwrap();
    assert_says(load(name(&temp), None).unwrap_err(), &[name(&temp), "missing", "train-labels-idx1-ubyte[.gz]"]);
}

#[test]
fn images_and_labels_that_differ_in_number_are_named_with_their_counts() {
    let temp = filled();
    let labels = temp.path().join("t10k-labels-idx1-ubyte.gz");
    fs::write(&labels, idx(&[3], &[0; 3])).unwrap();
    let error = load(name(&temp), None).unwrap_err();
    assert_says(error, &["t10k-images-idx3-ubyte.gz", "2 images", &text(&labels), "3 labels"]);
}

#[test]
fn parts_with_images_of_different_size_are_refused() {
    let temp = filled();
    fs::write(temp.path().join("t10k-images-idx3-ubyte.gz"), idx(&[2, 7], &[0; 14])).unwrap();
    let error = load(name(&temp), None).unwrap_err();
    assert_says(error, &["t10k-images", "7 pixels", "train-images", "4; both need"]);
}

#[test]
fn damaged_files_are_named() {
    // The first is gzipped, the second is not.
    for (part, wanted) in [("train-images-idx3-ubyte.gz", "cut off"), ("t10k-labels-idx1-ubyte.gz", "truncated")] {
        let temp = filled();
        let path = temp.path().join(part);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_says(load(name(&temp), None).unwrap_err(), &[&text(&path), wanted, "fetch"]);
    }
}

#[test]
fn images_in_place_of_labels_are_refused() {
    let temp = filled();
    fs::copy(temp.path().join("train-images-idx3-ubyte.gz"), temp.path().join("train-labels-idx1-ubyte.gz")).unwrap();
    assert_says(load(name(&temp), None).unwrap_err(), &["train-labels", "3 dimension(s)", "exchanged"]);
}
