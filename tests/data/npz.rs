//! NPZ files as NumPy writes them (`tests/golden/make_npz.py`), and training sets from arrays.

use crate::support::{assert_says, file, mutate, mutations};
use ndarray::{Array2, arr2};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use wgrad::data::npy::{Elements, NpyArray};
use wgrad::data::{ArraySpec, Features, RawArrays, RawParts, Scale, Split, Targets, Task, npz};
use wgrad::{Error, datasets};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn spec(x: &str, y: &str) -> ArraySpec {
    ArraySpec { x: Some(x.to_owned()), y: Some(y.to_owned()), ..ArraySpec::default() }
}

#[test]
fn stored_and_packed_arrays_are_the_same() {
    let stored = npz::read(&golden("stored.npz")).unwrap();
    assert_eq!(stored, npz::read(&golden("packed.npz")).unwrap());
    let names: Vec<_> = stored.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x_train", "y_train", "x_test", "y_test", "pixels", "words", "prices", "flags"]);
    let array = |n: usize| stored[n].1.clone();
    assert_eq!(array(1), NpyArray { shape: vec![6], elements: Elements::Whole(vec![3, 7, 3, 7, 7, 3]) });
    assert_eq!(array(4), NpyArray { shape: vec![6, 2], elements: Elements::U8((0..12).collect()) });
    assert_eq!(array(7).elements, Elements::Whole(vec![1, 0, 1, 0, 1, 1]));
    let Elements::Text(words) = array(5).elements else { panic!() };
    assert_eq!(words, ["no", "yes", "no", "yes", "no", "ünsure"]);
    let Features::F32(x) = array(0).into_features().unwrap() else { panic!() };
    assert_eq!(x, Array2::from_shape_fn((6, 3), |(i, j)| (3 * i + j) as f32 / 4.0 - 2.0));
}

#[test]
fn the_usual_names_make_a_training_and_a_test_part() {
    let spec = ArraySpec::default();
    let parts = spec.prepare(spec.read_npz(&golden("packed.npz")).unwrap()).unwrap();
    let test = parts.test.unwrap();
    assert_eq!((parts.train.len(), test.len(), parts.train.classes(), test.classes()), (6, 2, 2, 2));
    assert_eq!(parts.train.targets(), &Targets::Classes(vec![0, 1, 0, 1, 1, 0]));
    assert_eq!(test.targets(), &Targets::Classes(vec![1, 0]));
    assert_eq!(parts.train.preprocessing().unwrap().classes, ["3", "7"]);
}

#[test]
fn words_and_flags_are_classes_and_floats_are_values() {
    let targets = |y: &str, task| {
        let spec = ArraySpec { task, ..spec("pixels", y) };
        let raw = RawParts { test: None, ..spec.read_npz(&golden("stored.npz")).unwrap() };
        spec.prepare(raw).unwrap().train
    };
    assert_eq!(targets("words", None).preprocessing().unwrap().classes, ["no", "yes", "ünsure"]);
    assert_eq!(targets("flags", None).targets(), &Targets::Classes(vec![1, 0, 1, 0, 1, 1]));
    let values = targets("prices", None);
    assert_eq!(values.targets(), &Targets::Values(arr2(&[[0.5], [1.0], [1.5], [2.0], [2.5], [3.0]])));
    assert!(values.preprocessing().unwrap().is_regression());
    assert!(matches!(values.features(), Features::U8(_)), "bytes stay bytes");
    assert_eq!(
        targets("prices", Some(Task::Classification)).preprocessing().unwrap().classes,
        ["0.5", "1", "1.5", "2", "2.5", "3"]
    );
}

#[test]
fn arrays_are_scaled_by_their_training_part() {
    let split = Split { test: 1.0 / 3.0, ..Split::default() };
    let spec = ArraySpec { scale: Scale::MinMax, split, ..spec("pixels", "flags") };
    let raw = RawParts { test: None, ..spec.read_npz(&golden("stored.npz")).unwrap() };
    let parts = spec.prepare(raw.clone()).unwrap();
    let Features::F32(x) = parts.train.features() else { panic!("scaled bytes are numbers") };
    let extremes = |x: &Array2<f32>| (x.iter().copied().fold(1.0, f32::min), x.iter().copied().fold(0.0, f32::max));
    assert_eq!((parts.train.len(), extremes(x)), (4, (0.0, 1.0)));
    let fitted = parts.train.preprocessing().unwrap();
    let again = fitted.encode_array(raw.train.x).unwrap();
    let Features::F32(again) = again else { panic!() };
    assert!(x.rows().into_iter().all(|row| again.rows().into_iter().any(|other| other == row)));
    assert_says(fitted.encode_array(Features::F32(arr2(&[[1.0]]))).unwrap_err(), &["(1, 1)", "(N, 2)"]);
}

#[test]
fn a_dataset_in_memory_goes_the_same_way() {
    let moons = datasets::make_moons(&datasets::MakeMoons::default()).unwrap();
    let spec = ArraySpec { split: Split { test: 0.2, ..Split::default() }, ..ArraySpec::default() };
    let parts = spec.prepare(RawParts { train: moons.clone().into(), validation: None, test: None }).unwrap();
    assert_eq!((parts.train.len(), parts.test.unwrap().len(), parts.train.name()), (80, 20, "make-moons"));
    let whole =
        ArraySpec::default().prepare(RawParts { train: moons.clone().into(), validation: None, test: None }).unwrap();
    assert_eq!((whole.train.features(), whole.train.targets()), (moons.features(), moons.targets()));
}

#[test]
fn arrays_that_do_not_belong_together_are_refused() {
    let prepare = |spec: ArraySpec| spec.read_npz(&golden("stored.npz")).and_then(|raw| spec.prepare(raw));
    let missing = prepare(spec("pixel", "flags")).unwrap_err();
    assert!(missing.is_usage());
    assert_says(missing, &["x: ", "no array `pixel`", "did you mean `pixels`?", "x_train, y_train"]);
    assert_says(prepare(spec("pixels", "flgas")).unwrap_err(), &["y: ", "no array `flgas`"]);
    assert_says(prepare(spec("x_train", "y_test")).unwrap_err(), &["array `y_test` is named for two parts"]);
    assert_says(prepare(spec("words", "flags")).unwrap_err(), &["array `words`", "[6]"]);
    let split = Split { test: 0.5, ..Split::default() };
    assert_says(
        prepare(ArraySpec { split, ..ArraySpec::default() }).unwrap_err(),
        &["test fraction", "part of its own"],
    );
    let raw = |rows: usize, shape: Vec<usize>, elements| RawParts {
        train: RawArrays {
            source: "a.npy".into(),
            answers: "b.npy".into(),
            x: Features::U8(Array2::zeros((rows, 2))),
            y: NpyArray { shape, elements },
        },
        validation: None,
        test: None,
    };
    let prepare = |raw| ArraySpec::default().prepare(raw).unwrap_err();
    let whole = |values: &[i64]| Elements::Whole(values.to_vec());
    assert_says(prepare(raw(3, vec![2], whole(&[0, 1]))), &["a.npy", "3 rows", "[2]"]);
    assert_says(prepare(raw(2, vec![1, 1, 2], whole(&[0, 1]))), &["a.npy", "[1, 1, 2]"]);
    assert_says(prepare(raw(2, vec![2], whole(&[4, 4]))), &["b.npy", "`4` in every row"]);
    assert_says(prepare(raw(2, vec![2], Elements::Float(vec![0.5, 0.5]))), &["`0.5` in every row"]);
    assert_says(prepare(raw(2, vec![2], Elements::Float(vec![0.5, f32::NAN]))), &["answer 1", "NaN"]);
    let classes = ArraySpec { task: Some(Task::Classification), ..ArraySpec::default() };
    let gap = classes.prepare(raw(2, vec![2], Elements::Float(vec![1.0, f32::NAN])));
    assert_says(gap.unwrap_err(), &["b.npy", "answer 1", "NaN"]);
    let unseen = RawParts { test: Some(raw(1, vec![1], whole(&[9])).train), ..raw(2, vec![2], whole(&[0, 1])) };
    assert_says(prepare(unseen), &["row 0", "`9` is a class that training did not have", "0, 1"]);
}

#[test]
fn damaged_archives_are_refused_with_the_array() {
    let bytes = std::fs::read(golden("packed.npz")).unwrap();
    let refuse = |bytes: &[u8]| {
        let (_temp, path) = file("data.npz", bytes);
        let error = npz::read(&path).unwrap_err();
        assert!(matches!(error, Error::Data { .. }), "{error}");
        error.to_string()
    };
    assert_says(refuse(&bytes[..bytes.len() / 2]), &["data.npz", "damaged or cut off"]);
    assert_says(refuse(b"PK\x03\x04"), &["damaged or cut off"]);
    let mut flipped = bytes.clone();
    flipped[120] ^= 0x10; // inside the first array
    assert_says(refuse(&flipped), &["array `x_train`"]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = npz::parse(&bytes);
        let _ = npz::parse(&[&bytes[..], b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\0\0\0\0\0\0"].concat());
    }

    #[test]
    fn damaged_files_never_panic(damage in mutations(), packed in any::<bool>()) {
        let bytes = std::fs::read(golden(if packed { "packed.npz" } else { "stored.npz" })).unwrap();
        let _ = npz::parse(&mutate(bytes, &damage));
    }
}
