//! PyTorch's word (`tests/golden/make_pytorch.py`) on what is read and written, and what is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

use super::{Import, StateDict, import};
use crate::data::Task;
use crate::train::{Device, Trainer};
use crate::verify::test_gpu;
use crate::{Activation, Error, Loss, NamedTensor, Norm};

/// How far logits may be from PyTorch's in f32, relative to 1 or the number itself: both are good to a few units of 1e-7
/// an operation, over three layers.
const TOLERANCE: f32 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Vec<f32>>,
    logits: BTreeMap<String, Vec<Vec<f32>>>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pytorch")
}

fn options() -> Import {
    Import { dropout: 0.25, ..Import::new(Activation::Gelu, Loss::SoftmaxCrossEntropy) }
}

fn array(rows: &[Vec<f32>]) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

#[test]
fn a_module_of_pytorch_gives_the_same_logits() {
    let golden: Golden =
        serde_json::from_str(&std::fs::read_to_string(directory().join("pytorch.json")).unwrap()).unwrap();
    assert_eq!(golden.logits.len(), 4);
    let rows = array(&golden.rows);
    for (dtype, wanted) in &golden.logits {
        let imported = import(&directory().join(format!("{dtype}.safetensors")), &options()).unwrap();
        let told = imported.notes.iter().any(|note| note.contains("rounded"));
        assert_eq!(told, dtype == "float64", "{:?}", imported.notes);
        assert!(imported.notes.iter().any(|note| note.contains("4.bias") && note.contains("zeros")));
        let layers = &imported.file.model.layers;
        assert_eq!(imported.file.model.architecture(), "5-7-6-3");
        assert_eq!([layers[0].norm, layers[1].norm, layers[2].norm], [Some(Norm::BATCH), Some(Norm::LAYER), None]);
        for device in [Device::cpu(), test_gpu().unwrap().into()] {
            let mut trainer = Trainer::from_file(imported.file.clone(), device).unwrap();
            let logits = trainer.outputs(rows.view()).unwrap().index_axis_move(Axis(0), 0);
            for (had, wanted) in logits.iter().zip(&array(wanted)) {
                assert!((had - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0), "{dtype}: {had} {wanted}");
            }
        }
    }
}

/// These bytes are what PyTorch loaded, strictly.
#[test]
fn what_was_imported_is_exported_as_it_was() {
    let file = import(&directory().join("float32.safetensors"), &options()).unwrap().file;
    let state = StateDict::new(&file).unwrap();
    assert!(state.bytes == std::fs::read(directory().join("exported.safetensors")).unwrap());
    let modules: Vec<_> = state.modules.iter().map(String::as_str).collect();
    let wanted = ["nn.Linear(5, 7)", "nn.BatchNorm1d(7)", "nn.GELU()", "nn.Dropout(0.25)", "nn.Linear(7, 6)"];
    assert_eq!(modules[..5], wanted);
    assert_eq!(modules[5..], ["nn.LayerNorm(6)", "nn.GELU()", "nn.Dropout(0.25)", "nn.Linear(6, 3)"]);
    assert!(state.python(Path::new("a \"b\".safetensors")).contains(r#"load_file("a \"b\".safetensors")"#));
}

#[test]
fn residuals_and_own_epsilons() {
    let mut file = import(&directory().join("float32.safetensors"), &options()).unwrap().file;
    file.model.layers[0].norm = Some(Norm::Batch { momentum: 0.2, epsilon: 1e-3 });
    file.model.layers[1].norm = Some(Norm::Layer { epsilon: 1e-3 });
    let modules = StateDict::new(&file).unwrap().modules;
    assert_eq!(modules[1], "nn.BatchNorm1d(7, eps=1e-3, momentum=0.2)");
    assert_eq!(modules[5], "nn.LayerNorm(6, eps=1e-3)");
    file.weights.remove("layers.1.weight");
    assert!(matches!(StateDict::new(&file), Err(Error::MissingTensor { .. })));
    file.weights.insert(NamedTensor::new("layers.1.weight", &[7, 7], vec![0.0; 49]).unwrap()).unwrap();
    assert!(matches!(StateDict::new(&file), Err(Error::Shape { .. })));
    let mut square = crate::Sequential::new(4).dense(4, Activation::Relu).dense(4, Activation::Relu).residual(1);
    square = square.dense(2, Activation::Linear);
    let mut trainer = Trainer::new(square, Loss::SoftmaxCrossEntropy, crate::Adam::new(0.1)).device(Device::cpu());
    trainer = trainer.batch_size(4);
    let file = trainer.build().unwrap().to_file(0).unwrap();
    let message = StateDict::new(&file).unwrap_err().to_string();
    assert!(message.contains("layers.1.residual") && message.contains("ONNX"), "{message}");
}

/// A safetensors file of zeros with these tensors.
fn file_of(tensors: &[(&str, Dtype, &[usize])]) -> tempfile::NamedTempFile {
    let zeros = vec![0; 1 << 12];
    let views = tensors.iter().map(|(name, dtype, shape)| {
        let bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        (*name, TensorView::new(*dtype, shape.to_vec(), &zeros[..bytes]).unwrap())
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
    file
}

fn refused(tensors: &[(&str, Dtype, &[usize])], order: &[&str], words: &[&str]) {
    let file = file_of(tensors);
    let order = order.iter().map(|name| (*name).to_owned()).collect();
    let error = import(file.path(), &Import { order, ..options() }).expect_err("is refused");
    let message = error.to_string();
    assert!(matches!(error, Error::Model { .. }) && !message.contains('\n'), "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is missing: {message}");
    }
}

#[test]
fn what_is_no_stack_of_dense_layers_is_refused() {
    use Dtype::F32;
    let (first, second) = (("0.weight", F32, &[3, 2][..]), ("2.weight", F32, &[2, 3][..]));
    refused(&[], &[], &["no tensors"]);
    refused(
        &[first, ("2.weight", F32, &[2, 4])],
        &[],
        &["`0` gives 3", "`2`", "takes 4", "0,2", "order of the modules"],
    );
    refused(&[first, ("0.bias", F32, &[4]), second], &[], &["0.bias", "[4]", "[3]"]);
    refused(&[("0.bias", F32, &[3]), second], &[], &["0.weight is missing"]);
    refused(&[("conv.weight", F32, &[3, 1, 5, 5]), second], &[], &["conv.weight", "nn.Linear"]);
    refused(&[("lstm.weight_ih_l0", F32, &[3, 2]), second], &[], &["lstm.weight_ih_l0", "nn.Linear"]);
    refused(&[("0.weight", Dtype::I32, &[3, 2]), second], &[], &["0.weight", "I32", "F32"]);
    refused(&[first, ("1.running_mean", F32, &[3]), second], &[], &["1.running_var is missing"]);
    refused(&[first, ("1.running_var", F32, &[3]), second], &[], &["1.running_mean is missing"]);
    refused(&[first, ("1.weight", F32, &[4]), second], &[], &["1.weight", "[4]", "[3]"]);
    refused(&[("0.weight", F32, &[2]), ("1.weight", F32, &[3, 2])], &[], &["`0`", "before the first"]);
    refused(&[first, second, ("3.weight", F32, &[2])], &[], &["`2`", "output layer has none"]);
    refused(&[first, ("1.weight", F32, &[3]), ("2.weight", F32, &[3]), ("3.weight", F32, &[2, 3])], &[], &["second"]);
    let late = [first, ("2.weight", F32, &[3][..]), ("3.weight", F32, &[2, 3][..])];
    refused(&late, &[], &["`2`", "`0`", "before the activation"]);
    refused(&[first, second], &["0", "1"], &["`1`", "0, 2"]);
    refused(&[first, second], &["2"], &["`0` is left out"]);
    refused(&[first, ("2.weight", F32, &[4, 3])], &["2", "0"], &["`2` gives 4", "`0`", "takes 2"]);
}

#[test]
fn task_and_names_say_what_predictions_are() {
    let path = directory().join("float32.safetensors");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let plain = |loss| Import { loss, ..options() };
    let known = |options: Import| import(&path, &options).unwrap().file.preprocessing;
    assert_eq!(known(plain(Loss::SoftmaxCrossEntropy)), None);
    let of_classes = known(Import { names: names(&["a", "b", "c"]), ..options() }).unwrap();
    assert_eq!((of_classes.classes, of_classes.targets.len()), (names(&["a", "b", "c"]), 0));
    let of_values = known(plain(Loss::Huber)).unwrap();
    assert!(of_values.is_regression() && of_values.targets[2].source.name == "3");
    let of_numbers = known(Import { task: Some(Task::Classification), ..plain(Loss::Huber) }).unwrap();
    assert_eq!((of_numbers.classes, of_numbers.targets.len()), (names(&["0", "1", "2"]), 0));
    let message = |options: Import| import(&path, &options).unwrap_err().to_string();
    let text = message(Import { names: names(&["a", "b"]), ..options() });
    assert!(text.contains("names") && text.contains("3 classes") && text.contains("got 2"), "{text}");
    let text = message(Import { names: names(&["a", "b", "a"]), ..options() });
    assert!(text.contains("`a`") && text.contains("twice"), "{text}");
    let text = message(Import { task: Some(Task::Regression), ..options() });
    assert!(text.contains("task") && text.contains("softmax_cross_entropy"), "{text}");
}

#[test]
fn an_order_can_be_given() {
    use Dtype::F32;
    let tensors = [("b.weight", F32, &[3, 2][..]), ("n.weight", F32, &[3][..]), ("a.weight", F32, &[2, 3][..])];
    let file = file_of(&tensors);
    let order = ["b", "n", "a"].map(str::to_owned).to_vec();
    let imported = import(file.path(), &Import { order, ..options() }).unwrap();
    assert_eq!(imported.file.model.architecture(), "2-3-2");
    assert_eq!(imported.file.model.layers[0].norm, Some(Norm::LAYER));
}

#[test]
fn damaged_files_are_refused() {
    let good = std::fs::read(directory().join("float32.safetensors")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for length in (0..good.len()).step_by(41) {
        std::fs::write(&file, &good[..length]).unwrap();
        let error = import(file.path(), &options()).unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
    }
    let mut nan = good.clone();
    let end = nan.len();
    nan[end - 12..].copy_from_slice(&[0xff; 12]);
    std::fs::write(&file, nan).unwrap();
    let error = import(file.path(), &options()).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
    let error = import(Path::new("no/such/file.safetensors"), &options()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

proptest! {
    /// No damage to a file makes the reader panic or allocate without end, and nothing that is not finite comes through.
    #[test]
    fn changed_bytes_are_refused_or_make_a_sound_model(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = std::fs::read(directory().join("float16.safetensors")).unwrap();
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, bytes).unwrap();
        match import(file.path(), &options()) {
            Ok(imported) => prop_assert!(imported.file.check().is_ok()),
            Err(error) => prop_assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}
