//! ONNX files of trained models, for other programs to run: from raw rows, through the stored preprocessing and the
//! layers, to what `wgrad predict` gives.
//!
//! What is written is opset 20 (the first with GELU) in IR version 9, and `ai.onnx.ml` 3 where a column holds categories:
//! onnxruntime 1.17 and later run it. The number of rows, N, is open. Dropout does nothing in inference and is left out;
//! batch norms have their running statistics. The same model file gives the same bytes.
//!
//! - Rows without stored columns (images, arrays) are one input `rows` (N, I): bytes, scaled as in training, or numbers in
//!   32 bits, taken as they are.
//! - Columns of numbers are one input `rows` (N, columns), in 64 bits, in the order in which the model reads them; NaN is a
//!   missing value. Where a column holds categories, each column is an input (N, 1) of its own, called as it is: text for
//!   categories. An unknown category, or a missing value that nothing stands in for, ends the run with an error, as it
//!   does in `predict`; so do categories' names with spaces around them, which tables are read without.
//! - Outputs are `values` (N, O) of a regression in the targets' own units, else `probabilities` (N, O) (`outputs` where
//!   the loss knows none) and `class` (N). Names of columns, targets and classes are in the model's metadata, as JSON.
//!
//! ```
//! use ndarray::array;
//! use wgrad::{Activation::*, Adam, Dataset, Device, Loss::*, Sequential, Trainer, onnx};
//!
//! let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
//! let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).device(Device::cpu()).build()?;
//! let model = onnx::Model::new(&trainer.to_file(0)?, None)?;
//! assert_eq!((model.inputs[0].name.as_str(), model.inputs[0].width), ("rows", Some(2)));
//! assert_eq!(model.outputs[1].name, "class");
//! # Ok::<(), wgrad::Error>(())
//! ```

mod graph;
mod inputs;
mod layers;
mod proto;
#[cfg(test)]
mod tests;

use std::fmt::{Display, Formatter};
use std::path::Path;

use prost::Message;

use crate::error::{Error, Result};
use crate::hint::Hint;
use crate::train::ModelFile;
use graph::{Graph, ML_DOMAIN};
use proto::{DataType, ModelProto, OperatorSetIdProto, StringStringEntryProto};

const IR_VERSION: i64 = 9;
const OPSET: i64 = 20;
const ML_OPSET: i64 = 3;

/// What rows without stored columns consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// u8, such as pixels.
    Bytes,
    /// f32, or f64 for columns that are scaled.
    Numbers,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its type, in ONNX's words: `float`, `double`, `uint8`, `int64` or `string`.
    pub element: &'static str,
    /// Numbers a row; none: its shape is (N), not (N, width).
    pub width: Option<usize>,
    /// What it holds.
    pub what: String,
}

impl Port {
    fn input(graph: &mut Graph, wanted: &str, element: DataType, width: usize, what: &str) -> Self {
        let name = graph.input(wanted, element, width, what);
        Self { name, element: word(element), width: Some(width), what: what.to_owned() }
    }

    fn output(
        graph: &mut Graph,
        tensor: &str,
        wanted: &str,
        element: DataType,
        width: Option<usize>,
        what: &str,
    ) -> Self {
        let name = graph.output(tensor, wanted, element, width, what);
        Self { name, element: word(element), width, what: what.to_owned() }
    }
}

fn word(element: DataType) -> &'static str {
    match element {
        DataType::Float => "float",
        DataType::Uint8 => "uint8",
        DataType::Int64 => "int64",
        DataType::String => "string",
        DataType::Double => "double",
    }
}

impl Display for Port {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.width {
            Some(width) => write!(f, "{} (N, {width})", self.element),
            None => write!(f, "{} (N)", self.element),
        }
    }
}

/// A model as an ONNX file.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// The inputs.
    pub inputs: Vec<Port>,
    /// What it gives.
    pub outputs: Vec<Port>,
}

impl Model {
    /// Translates a model. `rows` is what rows consist of where no column holds categories; none: bytes where the model was
    /// trained on bytes, else numbers.
    ///
    /// # Errors
    /// [`Error::Spec`] if the model or its weights make no sense, or rows of categories are to be bytes; [`Error::Limit`]
    /// where it is larger than an ONNX file can be, 2 GiB.
    pub fn new(file: &ModelFile, rows: Option<Rows>) -> Result<Self> {
        Self::of_version(file, rows, env!("CARGO_PKG_VERSION"))
    }

    /// As written by a version of wgrad.
    fn of_version(file: &ModelFile, rows: Option<Rows>, version: &str) -> Result<Self> {
        file.check()?;
        let trained = if file.facts.bytes { Rows::Bytes } else { Rows::Numbers };
        let mut graph = Graph::default();
        let (x, inputs) = inputs::add(&mut graph, file, rows.unwrap_or(trained));
        if let Some(text) = inputs.iter().find(|port| port.element == "string").filter(|_| rows == Some(Rows::Bytes)) {
            let reason = format!("bytes cannot be, since column `{}` holds categories; leave it out", text.name);
            return Err(Error::spec("rows", reason));
        }
        let predictions = layers::add(&mut graph, file, &x)?;
        let outputs = layers::outputs(&mut graph, file, predictions);
        let domains = [("", OPSET)].into_iter().chain(graph.has_ml().then_some((ML_DOMAIN, ML_OPSET)));
        let domains = domains.map(|(domain, version)| OperatorSetIdProto { domain: domain.to_owned(), version });
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "wgrad".to_owned(),
            producer_version: version.to_owned(),
            doc_string: format!("A multilayer perceptron, {}, trained by wgrad.", file.model.architecture()),
            opset_import: domains.collect(),
            metadata_props: metadata(file),
            graph: Some(graph.finish()),
        };
        check_size(model.encoded_len())?;
        Ok(Self { bytes: model.encode_to_vec(), inputs, outputs })
    }

    /// Writes the file; it appears whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<()> {
        crate::files::write_whole(path, &self.bytes)
    }
}

/// Names for a description, not too many; those that commas would tear apart in quotes.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    let quoted = |name: &str| if name.contains(',') { format!("`{name}`") } else { name.to_owned() };
    let shown = names.take(SHOWN).map(quoted).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

fn check_size(bytes: usize) -> Result<()> {
    const MOST: usize = i32::MAX as usize;
    if bytes <= MOST {
        return Ok(());
    }
    let sizes = [bytes, MOST].map(|bytes| bytes as u64);
    Err(Error::too_large("the ONNX file".to_owned(), sizes, "the largest protobuf message", Hint::OwnFormat))
}

/// What the graph does not say, lists as JSON.
fn metadata(file: &ModelFile) -> Vec<StringStringEntryProto> {
    let list = |names: Vec<&str>| (!names.is_empty()).then(|| serde_json::json!(names).to_string());
    let known = file.preprocessing.as_ref();
    let sources = |sources: Option<Vec<&str>>| sources.and_then(list);
    let facts = &file.facts;
    let entries = [
        ("wgrad.classes", sources(known.map(|known| known.classes.iter().map(String::as_str).collect()))),
        ("wgrad.columns", sources(known.map(|known| known.columns.iter().map(|c| c.source.name.as_str()).collect()))),
        ("wgrad.dataset", facts.dataset.clone()),
        ("wgrad.epochs", Some(facts.epochs.to_string())),
        ("wgrad.loss", Some(file.spec.loss.name().to_owned())),
        ("wgrad.targets", sources(known.map(|known| known.targets.iter().map(|t| t.source.name.as_str()).collect()))),
        ("wgrad.version", Some(facts.wgrad.clone())),
    ];
    let entry =
        |(key, value): (&str, Option<String>)| value.map(|value| StringStringEntryProto { key: key.to_owned(), value });
    entries.into_iter().filter_map(entry).collect()
}
