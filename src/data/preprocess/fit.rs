//! Fitting: means, deviations, extremes and categories of the training rows.

use super::{Column, Encoding, Missing, Scale, Source, Target};
use crate::Result;
use crate::data::{Table, labels::sorted_names};
use crate::hint::Hint;
use ndarray::{ArrayView1, ArrayView2};
use std::collections::HashMap;

/// What a column of a table is read as.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::data) enum Kind {
    Number,
    OneHot,
    /// With the categories in their order, or none: sorted.
    Ordinal(Vec<String>),
}

/// A column and what it is read as.
#[derive(Clone, Debug)]
pub(in crate::data) struct ColumnPlan {
    pub index: usize,
    pub kind: Kind,
}

/// Fits the encodings of a table's columns on these rows.
pub(in crate::data) fn fit_columns(
    table: &Table,
    plans: &[ColumnPlan],
    rows: &[usize],
    scale: Scale,
    missing: Missing,
) -> Result<Vec<Column>> {
    let column = |plan: &ColumnPlan| {
        let source = Source { name: table.names()[plan.index].clone(), index: plan.index };
        let encoding = match &plan.kind {
            Kind::Number => number(table, plan.index, rows, scale, missing)?,
            Kind::OneHot => {
                let (categories, missing) = categories(table, plan.index, rows, &[], missing)?;
                Encoding::OneHot { categories, missing }
            }
            Kind::Ordinal(order) => ordinal(table, plan.index, rows, order, scale, missing)?,
        };
        Ok(Column { source, encoding })
    };
    plans.iter().map(column).collect()
}

fn number(table: &Table, column: usize, rows: &[usize], scale: Scale, missing: Missing) -> Result<Encoding> {
    let known = rows.iter().filter(|row| !table.is_missing(**row, column));
    let mut values: Vec<f64> = known.map(|row| table.number(*row, column)).collect::<Result<_>>()?;
    if missing == Missing::Mean && values.is_empty() {
        let name = &table.names()[column];
        let reason = format!("column `{name}` has no value in the training part");
        return Err(table.refuse(reason).hinting(Hint::Drop));
    }
    let mean = || Some(values.iter().sum::<f64>() / values.len() as f64);
    let missing = (missing == Missing::Mean).then(mean).flatten();
    // Gaps are filled before the deviation is taken: training's inputs have deviation 1, as behind scikit-learn's
    // `SimpleImputer`.
    values.resize(if missing.is_some() { rows.len() } else { values.len() }, missing.unwrap_or_default());
    let (shift, scale) = scaling(&values, scale);
    Ok(Encoding::Number { shift, scale, missing })
}

fn ordinal(
    table: &Table,
    column: usize,
    rows: &[usize],
    order: &[String],
    scale: Scale,
    missing: Missing,
) -> Result<Encoding> {
    let (categories, missing) = categories(table, column, rows, order, missing)?;
    let code = |row: &usize| categories.iter().position(|known| known == table.cell(*row, column)).or(missing);
    let codes: Vec<f64> = rows.iter().filter_map(code).map(|code| code as f64).collect();
    let (shift, scale) = scaling(&codes, scale);
    Ok(Encoding::Ordinal { categories, shift, scale, missing })
}

/// The categories in these rows, sorted or in the order given, and the one that stands in for a missing value.
fn categories(
    table: &Table,
    column: usize,
    rows: &[usize],
    order: &[String],
    missing: Missing,
) -> Result<(Vec<String>, Option<usize>)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for row in rows.iter().filter(|row| !table.is_missing(**row, column)) {
        let cell = table.cell(*row, column);
        if !order.is_empty() && !order.iter().any(|known| known == cell) {
            let reason = format!("is none of the categories that are listed: {}", order.join(", "));
            return Err(table.cell_error(*row, column, &reason));
        }
        *counts.entry(cell).or_default() += 1;
    }
    let names = match order {
        [] => sorted_names(counts.keys().map(|name| (*name).to_owned()).collect()),
        order => order.to_vec(),
    };
    if names.is_empty() {
        let name = &table.names()[column];
        let reason = format!("column `{name}` has no value in the training part");
        return Err(table.refuse(reason).hinting(Hint::Drop));
    }
    // Of equally frequent ones the first.
    let count = |n: &usize| (counts.get(names[*n].as_str()).copied().unwrap_or(0), std::cmp::Reverse(*n));
    let mode = (0..names.len()).max_by_key(count);
    Ok((names, mode.filter(|_| missing == Missing::Mean)))
}

/// Shift and scale of numbers: y = (x - shift) * scale.
fn scaling(values: &[f64], scale: Scale) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let inverse = |width: f64| if width > 0.0 { 1.0 / width } else { 1.0 };
    match scale {
        Scale::None => (0.0, 1.0),
        Scale::Standardize => {
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            // Of a constant column the sum's rounding is all that is left.
            let constant = values.iter().all(|x| *x == values[0]);
            if constant { (values[0], 1.0) } else { (mean, inverse(variance.sqrt())) }
        }
        Scale::MinMax => {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (least, inverse(largest - least))
        }
    }
}

/// Fits the scaling of an array's columns (N, I) on these rows. Columns are called by their numbers, from 1.
pub(in crate::data) fn fit_numbers<T: Copy + Into<f64>>(x: ArrayView2<T>, rows: &[usize], scale: Scale) -> Vec<Column> {
    let column = |(index, values): (usize, ArrayView1<T>)| {
        let values: Vec<f64> = rows.iter().map(|row| values[*row].into()).collect();
        let (shift, scale) = scaling(&values, scale);
        let source = Source { name: (index + 1).to_string(), index };
        Column { source, encoding: Encoding::Number { shift, scale, missing: None } }
    };
    x.columns().into_iter().enumerate().map(column).collect()
}

/// Fits the scaling of values as targets, (rows, O) of the training part.
pub(in crate::data) fn fit_targets(sources: Vec<Source>, values: ArrayView2<f64>, standardize: bool) -> Vec<Target> {
    let scale = if standardize { Scale::Standardize } else { Scale::None };
    let target = |(source, values): (Source, ArrayView1<f64>)| {
        let (shift, scale) = scaling(&values.to_vec(), scale);
        Target { source, shift, scale }
    };
    sources.into_iter().zip(values.columns()).map(target).collect()
}
