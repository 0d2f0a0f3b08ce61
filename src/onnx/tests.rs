//! onnxruntime's word on what is exported (`tests/golden/make_onnx.py`): today's bytes are those that it ran, and today's
//! predictions are its outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::{Array2, s};
use serde::Deserialize;

use super::{Model, Rows};
use crate::data::{Header, Table, TableFormat, missing_spellings};
use crate::predictor::Predictor;
use crate::train::{Device, ModelFile, Trainer};
use crate::verify::test_gpu;
use crate::{Activation, Features, Norm, datasets};

/// How far predictions may be from onnxruntime's, relative to 1 or to the number itself where it is larger. Both compute
/// in f32, in orders of their own and with approximations of their own for e^z and the like, each good to a few units of
/// 1e-7; over 784 terms and up to four layers that stays below 1e-5 (2.4e-7 on the CPU, 2.3e-7 on llvmpipe). A wrong
/// operator shows in the first digits.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Golden {
    wgrad: String,
    arrays: BTreeMap<String, Vec<Vec<f32>>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    model: PathBuf,
    onnx: PathBuf,
    rows_option: Option<String>,
    rows: RawRows,
    outputs: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawRows {
    Mnist(usize),
    Table(PathBuf),
    Array(String),
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn directory() -> PathBuf {
    root().join("tests/golden")
}

fn golden() -> Golden {
    serde_json::from_str(&std::fs::read_to_string(directory().join("onnx/onnx.json")).unwrap()).unwrap()
}

impl Case {
    fn file(&self) -> ModelFile {
        ModelFile::load(&directory().join(&self.model)).unwrap()
    }

    fn rows_option(&self) -> Option<Rows> {
        self.rows_option.as_deref().map(|option| if option == "bytes" { Rows::Bytes } else { Rows::Numbers })
    }

    /// The rows as `wgrad predict` prepares them.
    fn inputs(&self, file: &ModelFile, arrays: &BTreeMap<String, Vec<Vec<f32>>>) -> Features {
        match &self.rows {
            RawRows::Mnist(count) => {
                let test = datasets::mnist().unwrap().test;
                let Features::U8(images) = test.features() else { panic!("mnist is bytes") };
                Features::U8(images.slice(s![..*count, ..]).to_owned())
            }
            RawRows::Array(name) => {
                let rows = &arrays[name];
                let x = Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap();
                let bytes = self.rows_option().map_or(file.facts.bytes, |rows| rows == Rows::Bytes);
                let x = if bytes { Features::U8(x.mapv(|value| value as u8)) } else { Features::F32(x) };
                file.preprocessing.clone().unwrap_or_default().encode_array(x).unwrap()
            }
            RawRows::Table(path) => {
                let table = Table::read(&root().join(path), TableFormat::default()).unwrap();
                let all: Vec<usize> = (0..table.len()).collect();
                Features::F32(file.preprocessing.as_ref().unwrap().encode(&table, &all).unwrap())
            }
        }
    }

    /// The largest difference from onnxruntime's outputs; classes must agree.
    fn difference(&self, arrays: &BTreeMap<String, Vec<Vec<f32>>>, device: Device) -> f64 {
        let file = self.file();
        let (known, loss) = (file.preprocessing.clone().unwrap_or_default(), file.spec.loss);
        let inputs = self.inputs(&file, arrays);
        let mut predictions = Predictor::new(&file, &device).unwrap().predict(&inputs).unwrap();
        known.restore(&mut predictions);
        let mut worst: f64 = 0.0;
        for (name, wanted) in &self.outputs {
            if name == "class" {
                let wanted: Vec<usize> = serde_json::from_value(wanted.clone()).unwrap();
                let classes = predictions.outer_iter().map(|row| loss.predicted_class(&row.to_vec()));
                assert_eq!(classes.collect::<Vec<_>>(), wanted, "{}", self.name);
                continue;
            }
            let wanted: Vec<Vec<f64>> = serde_json::from_value(wanted.clone()).unwrap();
            assert_eq!(predictions.dim(), (wanted.len(), wanted[0].len()), "{}", self.name);
            for (had, wanted) in predictions.iter().zip(wanted.concat()) {
                // A NaN is further than anything.
                let difference = (f64::from(*had) - wanted).abs() / wanted.abs().max(1.0);
                worst = if difference <= worst { worst } else { difference };
            }
        }
        worst
    }
}

#[test]
fn the_committed_files_are_what_is_exported_today() {
    let golden = golden();
    for case in &golden.cases {
        // The version alone may differ: the files name the one that wrote them.
        let model = Model::of_version(&case.file(), case.rows_option(), &golden.wgrad).unwrap();
        let committed = std::fs::read(directory().join(&case.onnx)).unwrap();
        assert!(model.bytes == committed, "{}: run tests/golden/make_onnx.py, and look at what changed", case.name);
    }
}

#[test]
fn predictions_are_those_of_onnxruntime() {
    for device in [Device::cpu(), test_gpu().unwrap().into()] {
        let mut worst: f64 = 0.0;
        let golden = golden();
        for case in &golden.cases {
            let difference = case.difference(&golden.arrays, device.clone());
            worst = worst.max(difference);
            assert!(difference <= TOLERANCE, "{} on {}: {difference:e}", case.name, device.info().device);
        }
        println!("{:.1e} {}", worst, device.info().device);
    }
}

/// The comparison sees an activation that is another's.
#[test]
fn a_wrong_operator_is_seen() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.name == "activation_gelu").unwrap();
    let right = case.file();
    let mut wrong = right.clone();
    wrong.model.layers[0].activation = Activation::GeluTanh;
    let inputs = case.inputs(&right, &golden.arrays);
    let [right, wrong] =
        [right, wrong].map(|file| Trainer::from_file(file, Device::cpu()).unwrap().predict(inputs.clone()).unwrap());
    let worst = right.iter().zip(&wrong).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    assert!(worst > 2.0 * TOLERANCE, "{worst:e}");
}

/// Every activation, norm, kind of column and output is among the cases.
#[test]
fn the_cases_cover_what_can_be_exported() {
    let files: Vec<ModelFile> = golden().cases.iter().map(Case::file).collect();
    let layers = || files.iter().flat_map(|file| &file.model.layers);
    for activation in Activation::ALL {
        let there = layers().any(|layer| layer.activation == *activation);
        assert!(there, "{activation}");
    }
    assert!(layers().any(|layer| matches!(layer.norm, Some(Norm::Batch { .. })) && layer.residual.is_some()));
    assert!(layers().any(|layer| matches!(layer.norm, Some(Norm::Layer { .. })) && layer.dropout > 0.0));
    let kinds = files.iter().filter_map(|file| file.preprocessing.as_ref());
    assert!(kinds.clone().any(|known| known.normalize) && kinds.clone().any(|known| known.is_regression()));
    assert!(kinds.clone().any(|known| known.classes.len() == 2) && files.iter().any(|file| file.model.outputs() == 1));
    let names: Vec<String> = golden().cases.iter().flat_map(|case| case.outputs.keys().cloned()).collect();
    for wanted in ["probabilities", "class", "values", "outputs"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let golden = golden();
    let file = |name: &str| golden.cases.iter().find(|case| case.name == name).unwrap().file();
    let message = |file: &ModelFile, rows| Model::new(file, rows).unwrap_err().to_string();
    let text = message(&file("people_classes"), Some(Rows::Bytes));
    assert!(text.contains("job") && text.contains("categories"), "{text}");
    let mut broken = file("mnist");
    broken.weights.get_mut("layers.1.bias").unwrap().values_mut()[3] = f32::NAN;
    assert!(message(&broken, None).contains("layers.1.bias has NaN at 3"));
    broken.weights.remove("layers.1.bias");
    assert!(message(&broken, None).contains("layers.1.bias (10) is missing"));
    let text = super::check_size(1 << 31).unwrap_err().to_string();
    assert!(text.contains("2147483648") && text.contains("2147483647"), "{text}");
}

#[test]
fn every_spelling_of_a_missing_value_is_known() {
    let spellings = missing_spellings();
    let text: String = spellings.iter().map(|spelling| format!("x,{spelling}\n")).collect();
    let table = Table::parse("gaps.csv", text.as_bytes(), TableFormat { header: Header::Absent, ..Default::default() });
    let table = table.unwrap();
    assert_eq!((table.len(), spellings.iter().collect::<BTreeSet<_>>().len()), (58, 58));
    assert!((0..table.len()).all(|row| table.is_missing(row, 1)));
}

/// A table whose columns have the names of outputs, or none.
#[test]
fn names_that_are_taken_or_empty_get_others() {
    let golden = golden();
    let case = golden.cases.iter().find(|case| case.name == "people_classes").unwrap();
    let mut file = case.file();
    let known = file.preprocessing.as_mut().unwrap();
    known.columns[0].source.name = "class".to_owned();
    known.columns[1].source.name = String::new();
    let model = Model::new(&file, None).unwrap();
    let names: Vec<_> = model.inputs.iter().chain(&model.outputs).map(|port| port.name.as_str()).collect();
    assert_eq!(&names[..2], ["class", "column 2"]);
    assert_eq!(&names[names.len() - 2..], ["probabilities", "class_"]);
}
