//! Model files: what is read back, what is refused, and what PyTorch makes of them.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use wgrad::{Adam, Device, Error, Loss, ModelFile, NamedTensor, State, Trainer, epochs};

use crate::support::{bits, classifier, devices, images};

fn trained(device: Device) -> Trainer {
    let builder = Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(8).device(device);
    let mut trainer = builder.build().unwrap();
    trainer.fit(&images(40), epochs(2), &mut ()).unwrap();
    trainer
}

#[test]
fn a_saved_model_comes_back_bit_for_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    for device in devices() {
        let mut trainer = trained(device.clone());
        trainer.save(&path).unwrap();
        let file = ModelFile::load(&path).unwrap();
        assert_eq!((file.facts.steps, file.facts.epochs, file.facts.dataset.as_deref()), (10, 2, Some("images")));
        assert_eq!(bits(&file.weights), bits(&trainer.weights(0).unwrap()));
        let mut loaded = Trainer::from_file(file, device).unwrap();
        assert_eq!(loaded.evaluate(&images(40)).unwrap(), trainer.evaluate(&images(40)).unwrap());
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "temporary files are left: {left:?}");
    }
}

fn load_error(bytes: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.safetensors");
    std::fs::write(&path, bytes).unwrap();
    let error = ModelFile::load(&path).expect_err("is refused");
    assert!(matches!(error, Error::Model { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("broken.safetensors") && !message.contains('\n'), "{message}");
    message
}

fn good_bytes() -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    trained(Device::cpu()).save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_cut_file_is_refused_wherever_it_is_cut() {
    let good = good_bytes();
    for length in (0..good.len()).step_by(37) {
        load_error(&good[..length]);
    }
    load_error(&[good.as_slice(), &[0; 8]].concat());
}

#[test]
fn a_header_that_lies_about_its_length_is_refused() {
    for length in [u64::MAX, 1 << 40, 0] {
        let mut bytes = good_bytes();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        load_error(&bytes);
    }
}

#[test]
fn weights_that_are_not_finite_are_neither_read_nor_written() {
    let mut bytes = good_bytes();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(load_error(&bytes).contains("NaN"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let mut file = trained(Device::cpu()).to_file(0).unwrap();
    file.weights.get_mut("layers.1.bias").unwrap().values_mut()[2] = f32::INFINITY;
    assert!(file.save(&path).unwrap_err().to_string().contains("layers.1.bias has inf at 2"));
    assert!(!path.exists());
}

/// The bytes of a good file, its tensors changed.
fn changed(change: impl Fn(&mut BTreeMap<String, TensorView<'_>>)) -> Vec<u8> {
    let good = good_bytes();
    let (_, metadata) = SafeTensors::read_metadata(&good).unwrap();
    let file = SafeTensors::deserialize(&good).unwrap();
    let mut tensors: BTreeMap<_, _> = file.tensors().into_iter().collect();
    change(&mut tensors);
    safetensors::serialize(tensors, metadata.metadata().clone()).unwrap()
}

#[test]
fn other_tensors_than_the_spec_says_are_not_read() {
    let view = |shape: &[usize]| TensorView::new(Dtype::F32, shape.to_vec(), &[0; 4 * 9 * 12][..]).unwrap();
    assert_eq!(changed(|_| ()), good_bytes());
    let message = load_error(&changed(|tensors| drop(tensors.insert("layers.0.weight".to_owned(), view(&[9, 12])))));
    assert!(message.contains("layers.0.weight") && message.contains("[9, 12]") && message.contains("[9, 13]"));
    let message = load_error(&changed(|tensors| drop(tensors.remove("layers.1.bias"))));
    assert!(message.contains("tensor layers.1.bias is missing"), "{message}");
    let message = load_error(&changed(|tensors| drop(tensors.insert("layers.2.bias".to_owned(), view(&[9, 12])))));
    assert!(message.contains("tensor layers.2.bias is none of the model's, which has 4"), "{message}");
}

/// With a tensor in place of the one of its name, or none.
fn exchanged(weights: &State, name: &str, with: Option<&[usize]>) -> State {
    let mut other = weights.clone();
    other.remove(name).unwrap();
    if let Some(shape) = with {
        let len = shape.iter().product();
        other.insert(NamedTensor::new(name, shape, vec![0.0; len]).unwrap()).unwrap();
    }
    other
}

#[test]
fn other_tensors_than_the_spec_says_are_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let good = trained(Device::cpu()).to_file(0).unwrap();
    let message = |with| {
        let file = ModelFile { weights: exchanged(&good.weights, "layers.0.weight", with), ..good.clone() };
        assert!(Trainer::from_file(file.clone(), Device::cpu()).is_err());
        file.save(&path).unwrap_err().to_string()
    };
    let text = message(Some(&[9, 12]));
    assert!(text.contains("layers.0.weight") && text.contains("(9, 12)") && text.contains("(9, 13)"), "{text}");
    let text = message(None);
    assert!(text.contains("layers.0.weight (9, 13) is missing"), "{text}");
    assert!(!path.exists());
}

#[test]
fn weights_of_another_model_are_not_taken() {
    let mut trainer = trained(Device::cpu());
    let before = bits(&trainer.weights(0).unwrap());
    let own = trainer.weights(0).unwrap();
    let message = trainer.set_weights(&exchanged(&own, "layers.1.weight", Some(&[5, 9]))).unwrap_err().to_string();
    assert!(message.contains("layers.1.weight") && message.contains("(4, 9)"), "{message}");
    let message = trainer.set_weights(&exchanged(&own, "layers.1.bias", None)).unwrap_err().to_string();
    assert!(message.contains("layers.1.bias (4) is missing"), "{message}");
    let mut more = own;
    more.insert(NamedTensor::new("layers.1.norm.scales", &[2, 4], vec![1.0; 8]).unwrap()).unwrap();
    let message = trainer.set_weights(&more).unwrap_err().to_string();
    assert!(message.contains("layers.1.norm.scales") && message.contains("no such tensor"), "{message}");
    let error = trainer.weights(1).unwrap_err().to_string();
    assert!(error.contains("no replica 1"), "{error}");
    assert_eq!(bits(&trainer.weights(0).unwrap()), before);
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = trained(Device::cpu()).save("no/such/directory/model.safetensors").unwrap_err();
    assert!(error.to_string().contains("no/such/directory"), "{error}");
}

proptest! {
    /// No bytes make the reader panic or allocate without end.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        load_error(&bytes);
    }
}

/// A model that wgrad wrote, read by Python's safetensors into PyTorch (`tests/golden/check_model_file.py`): PyTorch's
/// logits are ours.
#[test]
fn pytorch_reads_the_file_and_gives_the_same_logits() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = std::fs::read_to_string(golden.join("model.golden.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wanted: Vec<Vec<f64>> = serde_json::from_value(json["logits_f64"].clone()).unwrap();
    let rows = Array2::from_shape_fn((16, 784), |(i, j)| ((i * 31 + j * 17) % 256) as f32 / 255.0);
    for device in devices() {
        let file = ModelFile::load(&golden.join("model.safetensors")).unwrap();
        let mut trainer = Trainer::from_file(file, device).unwrap();
        let logits = trainer.outputs(rows.view()).unwrap().index_axis_move(Axis(0), 0);
        assert_eq!(wanted.len(), 16);
        for (row, wanted) in logits.rows().into_iter().zip(&wanted) {
            for (had, wanted) in row.iter().zip(wanted) {
                // 784 terms of size up to about 1 in f32: 784 * 2^-24, with room for the second layer.
                assert!((f64::from(*had) - wanted).abs() <= 2e-4 * wanted.abs().max(1.0), "{had} {wanted}");
            }
        }
    }
}
