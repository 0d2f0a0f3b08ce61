//! Applying what was fitted: to tables by column name, to arrays by position, and backwards to predictions.

use super::{Column, Encoding, Missing, Preprocessing, Source};
use crate::data::labels::{Lookup, canonical};
use crate::data::room::check_room;
use crate::data::{Features, Table, Targets};
use crate::hint::Hint;
use crate::names::suggestion;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2, ArrayViewMut1, Axis};

/// Names that a message lists.
const LISTED: usize = 12;

impl Preprocessing {
    /// The inputs of these rows of a table (N, I). Columns are found by name where both this table and the one of the
    /// training have a header, else by their place; columns that the model does not read may be there or not.
    ///
    /// # Errors
    /// [`Error::Data`] with file, line, column and cell: text where a number belongs, a category that training did not
    /// have, a missing value without a mean to stand in; or a column that is not there. [`Error::Limit`] where categories
    /// make more inputs than memory holds.
    pub fn encode(&self, table: &Table, rows: &[usize]) -> Result<Array2<f32>> {
        let places = self.places(table)?;
        let inputs = self.inputs().unwrap_or(places.len());
        // As they are encoded, and in the dataset.
        check_room("the table's inputs", [rows.len(), inputs, 2 * size_of::<f32>()], Hint::OrdinalOrDrop)?;
        let mut x = Array2::zeros((rows.len(), inputs));
        let mut first = 0;
        for (column, place) in self.columns.iter().zip(places) {
            let inputs = column.encoding.inputs();
            let part = x.slice_axis_mut(Axis(1), (first..first + inputs).into());
            encode_column(table, column, place, rows, part)?;
            first += inputs;
        }
        if self.normalize {
            x.rows_mut().into_iter().for_each(to_unit_length);
        }
        Ok(x)
    }

    /// The inputs of raw rows (N, I) of an array, as they were in training: bytes stay bytes where nothing is to be
    /// done to them.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of columns; [`Error::Spec`] where a column holds categories, which arrays
    /// cannot.
    pub fn encode_array(&self, raw: Features) -> Result<Features> {
        if self.columns.is_empty() && !self.normalize {
            return Ok(raw);
        }
        if !self.columns.is_empty() && raw.inputs() != self.columns.len() {
            let (wanted, got) = (format!("(N, {}), as in training,", self.columns.len()), format!("{:?}", raw.dim()));
            return Err(Error::Shape { operation: "preprocess", tensor: "rows".to_owned(), wanted, got });
        }
        let mut x = match &raw {
            Features::U8(x) => x.mapv(f64::from),
            Features::F32(x) => x.mapv(f64::from),
        };
        for (column, mut values) in self.columns.iter().zip(x.columns_mut()) {
            let Encoding::Number { shift, scale, .. } = column.encoding else {
                let reason = "holds categories, and arrays only numbers; give the rows as CSV";
                return Err(Error::spec(format!("column `{}`", column.source.name), reason));
            };
            values.mapv_inplace(|value| (value - shift) * scale);
        }
        let mut x = x.mapv(|value| value as f32);
        if self.normalize {
            x.rows_mut().into_iter().for_each(to_unit_length);
        }
        Ok(Features::F32(x))
    }

    /// The answers of these rows of a table: classes by name, or values scaled as in training.
    ///
    /// # Errors
    /// [`Error::Data`] with file, line, column and cell: a class that training did not have, no number, no value.
    pub fn encode_targets(&self, table: &Table, rows: &[usize]) -> Result<Targets> {
        let places: Vec<usize> =
            self.targets.iter().map(|target| self.place(table, &target.source)).collect::<Result<_>>()?;
        for (row, place) in rows.iter().flat_map(|row| places.iter().map(move |place| (*row, *place))) {
            if table.is_missing(row, place) {
                let reason = "is no answer: the target has no value here";
                return Err(table.cell_error(row, place, reason).hinting(Hint::MissingDrop));
            }
        }
        let lookup = Lookup::new(&self.classes);
        let class = |row: &usize| {
            let (place, cell) = (places[0], table.cell(*row, places[0]));
            let found = lookup.get(cell).or_else(|| lookup.get(&canonical(cell)));
            let unknown = || format!("is a class that training did not have; it had {}", listed(&self.classes));
            found.map(|class| class as u32).ok_or_else(|| table.cell_error(*row, place, &unknown()))
        };
        if !self.classes.is_empty() && !places.is_empty() {
            return rows.iter().map(class).collect::<Result<_>>().map(Targets::Classes);
        }
        let mut y = Array2::zeros((rows.len(), places.len()));
        for ((mut values, target), place) in y.columns_mut().into_iter().zip(&self.targets).zip(places) {
            for (value, row) in values.iter_mut().zip(rows) {
                *value = ((table.answer(*row, place)? - target.shift) * target.scale) as f32;
            }
        }
        Ok(Targets::Values(y))
    }

    /// Values as targets (N, O) of arrays, scaled as in training.
    pub(in crate::data) fn scale_targets(&self, y: ArrayView2<f64>) -> Array2<f32> {
        let mut y = y.to_owned();
        for (target, mut column) in self.targets.iter().zip(y.columns_mut()) {
            column.mapv_inplace(|value| (value - target.shift) * target.scale);
        }
        y.mapv(|value| value as f32)
    }

    /// Brings predictions (N, O) back to the targets' own units; those of classes stay as they are.
    pub fn restore(&self, predictions: &mut Array2<f32>) {
        if !self.is_regression() {
            return;
        }
        for (target, mut column) in self.targets.iter().zip(predictions.columns_mut()) {
            column.mapv_inplace(|value| (f64::from(value) / target.scale + target.shift) as f32);
        }
    }

    /// The rows of a table that are used: all of them, or, where rows with missing values were dropped in training,
    /// those that have a value in every column that is read.
    ///
    /// # Errors
    /// [`Error::Data`] where a column is not there.
    pub fn rows(&self, table: &Table) -> Result<Vec<usize>> {
        let mut places = self.places(table)?;
        for target in &self.targets {
            places.push(self.place(table, &target.source)?);
        }
        // A table to evaluate a model on need not have weights.
        places.extend(self.weights.as_ref().and_then(|source| self.place(table, source).ok()));
        let drop = self.missing == Missing::Drop;
        let whole = |row: &usize| !drop || !places.iter().any(|place| table.is_missing(*row, *place));
        Ok((0..table.len()).filter(whole).collect())
    }

    /// Where each column that is read stands in this table.
    fn places(&self, table: &Table) -> Result<Vec<usize>> {
        let width = table.names().len();
        if self.by_name(table) || width == self.width {
            return self.columns.iter().map(|column| self.place(table, &column.source)).collect();
        }
        if width == self.columns.len() {
            return Ok((0..width).collect());
        }
        let (all, read) = (self.width, self.columns.len());
        let reason = format!(
            "has {width} columns, but the model reads {read} of the {all} of its training; give all of them or those {read}, or a header line with their names"
        );
        Err(table.refuse(reason))
    }

    pub(in crate::data) fn place(&self, table: &Table, source: &Source) -> Result<usize> {
        let Source { name, index } = source;
        let found = match self.by_name(table) {
            true => table.names().iter().position(|known| known == name),
            false => Some(*index).filter(|index| table.names().len() == self.width && *index < self.width),
        };
        found.ok_or_else(|| {
            let near = suggestion(name, table.names().iter().map(String::as_str));
            table.refuse(format!("has no column `{name}`, which the model needs{near}{}", table.listing()))
        })
    }

    /// Whether columns have names here and had some in training.
    fn by_name(&self, table: &Table) -> bool {
        let numbered = |source: &Source| source.name == (source.index + 1).to_string();
        let mut sources = self.columns.iter().map(|column| &column.source);
        let mut targets = self.targets.iter().map(|target| &target.source);
        table.has_header() && !(sources.all(numbered) && targets.all(numbered))
    }
}

fn encode_column(
    table: &Table,
    column: &Column,
    place: usize,
    rows: &[usize],
    mut part: ndarray::ArrayViewMut2<f32>,
) -> Result<()> {
    let absent = |row: usize| table.cell_error(row, place, "has no value").hinting(Hint::TrainWithMissingMean);
    let place_of = |row: usize, lookup: &Lookup, names: &[String], missing: Option<usize>| {
        if table.is_missing(row, place) {
            return missing.ok_or_else(|| absent(row));
        }
        let unknown = || format!("is a category that training did not have; it had {}", listed(names));
        lookup.get(table.cell(row, place)).ok_or_else(|| table.cell_error(row, place, &unknown()))
    };
    match &column.encoding {
        Encoding::Number { shift, scale, missing } => {
            for (to, row) in part.column_mut(0).iter_mut().zip(rows) {
                let value = match table.is_missing(*row, place) {
                    true => missing.ok_or_else(|| absent(*row))?,
                    false => table.known_number(*row, place)?,
                };
                *to = ((value - shift) * scale) as f32;
            }
        }
        Encoding::OneHot { categories, missing } => {
            let lookup = Lookup::new(categories);
            for (mut to, row) in part.rows_mut().into_iter().zip(rows) {
                to[place_of(*row, &lookup, categories, *missing)?] = 1.0;
            }
        }
        Encoding::Ordinal { categories, shift, scale, missing } => {
            let lookup = Lookup::new(categories);
            for (to, row) in part.column_mut(0).iter_mut().zip(rows) {
                let code = place_of(*row, &lookup, categories, *missing)?;
                *to = ((code as f64 - shift) * scale) as f32;
            }
        }
    }
    Ok(())
}

/// Divides a row by its Euclidean length; one of zeros stays as it is.
fn to_unit_length(mut row: ArrayViewMut1<f32>) {
    let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        row.mapv_inplace(|value| (f64::from(value) / length) as f32);
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED { format!("{shown} and {} more", names.len() - LISTED) } else { shown }
}
