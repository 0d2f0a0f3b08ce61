//! Rows for `wgrad predict`.

use std::path::Path;

use wgrad::data::{Content, Format, Preprocessing, Table, rows_of};
use wgrad::run::{is_table, names};
use wgrad::{Error, Features, ModelFile};

use super::source::{RowFormat, content, refuse_idle};
use crate::{Failure, Result};

/// Rows to predict, encoded as the model's preprocessing says.
pub fn rows(path: &Path, format: &RowFormat, x: Option<&str>, known: Option<&Preprocessing>) -> Result<Features> {
    let content = content(path).map_err(|failure| by_name(path, failure))?;
    let path = content.path();
    let columns = known.filter(|known| !known.columns.is_empty());
    let name = path.display().to_string();
    let is_text = content.format() == Format::Other && is_table(&content);
    refuse_idle(&name, &[(is_text, &format.given(), "tables (CSV)")])?;
    if let (Some(known), true, None) = (columns, is_text, x) {
        let table = Table::of(&content, format.format()?)?;
        let all: Vec<usize> = (0..table.len()).collect();
        return Ok(Features::F32(known.encode(&table, &all)?));
    }
    if let Some((flag, _)) = format.given().iter().find(|(_, given)| *given) {
        let reason = "is for models that were trained on a table; this one takes numbers with commas between them";
        return Err(Failure::Usage(format!("{flag} {reason}")));
    }
    plain(&content, x, known)
}

/// Rows without names of columns.
fn plain(content: &Content, x: Option<&str>, known: Option<&Preprocessing>) -> Result<Features> {
    let raw = rows_of(content, x)?;
    let Some(known) = known else { return Ok(raw) };
    known.encode_array(raw).map_err(|error| match error {
        Error::Shape { operation, wanted, got, .. } => {
            Error::Shape { operation, tensor: content.path().display().to_string(), wanted, got }.into()
        }
        other => other.into(),
    })
}

/// A set's name where a file was meant.
fn by_name(path: &Path, failure: Failure) -> Failure {
    match names().find(|name| path == Path::new(name)) {
        Some(name) if !path.exists() => Failure::Usage(format!(
            "{name} is a dataset by name, and predict takes a file of rows; `wgrad eval` takes names"
        )),
        _ => failure,
    }
}

/// What to know where a model of bytes, which were scaled to 0 to 1 in training, is given numbers beyond 1: they are taken
/// as they are, and are hardly meant so.
pub fn scaled_otherwise(model: &ModelFile, rows: &Features) -> Option<String> {
    let Features::F32(x) = rows else { return None };
    let largest = x.iter().copied().fold(0.0, f32::max);
    let plain = model.preprocessing.as_ref().is_none_or(|known| known.columns.is_empty() && !known.normalize);
    (model.facts.bytes && plain && largest > 1.0).then(|| {
        format!(
            "the model was trained on bytes scaled to 0 to 1, and these numbers, which reach {largest}, are taken as they \
             are; save pixels as NPY of dtype uint8, or divide them by 255"
        )
    })
}
