//! From a table to a training set: who is a target, who is a category, which rows train, and what is fitted on them.

use super::labels::{canonical, sorted_names};
use super::preprocess::{ColumnPlan, Kind, fit_columns, fit_targets};
use super::{Dataset, Missing, Parts, Preprocessing, Scale, Source, Split, SplitRows, Table, Targets};
use crate::hint::Hint;
use crate::{Error, Result};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Whole numbers as targets are classes up to so many different ones.
const MOST_NUMBERED_CLASSES: usize = 20;

/// What the targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Classes, known by name.
    Classification,
    /// Numbers.
    Regression,
}

/// How a table becomes a training set. Columns are named, or numbered from 1 (and from -1 backwards).
///
/// ```
/// use wgrad::data::{Scale, Split, Table, TableFormat, TableSpec};
/// let csv = "size,color,price\n1,red,3\n2,blue,4\n3,red,9\n4,blue,8\n";
/// let table = Table::parse("prices.csv", csv.as_bytes(), TableFormat::default())?;
/// let spec = TableSpec {
///     targets: vec!["price".into()],
///     one_hot: vec!["color".into()],
///     scale: Scale::Standardize,
///     task: Some(wgrad::data::Task::Regression),
///     split: Split { test: 0.25, ..Split::default() },
///     ..TableSpec::default()
/// };
/// let parts = spec.prepare(&table)?;
/// assert_eq!((parts.train.len(), parts.train.inputs()), (3, 3));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// Columns of the answers; none: the last one.
    pub targets: Vec<String>,
    /// What they are; none: classes where a single target column holds words, or at most 20 different whole numbers.
    pub task: Option<Task>,
    /// Columns of categories that become an input each.
    pub one_hot: Vec<String>,
    /// Columns of categories that become their number: `NAME`, sorted, or `NAME=FIRST:SECOND:...` in this order.
    pub ordinal: Vec<String>,
    /// Columns that are not read.
    pub drop: Vec<String>,
    /// The column of sample weights.
    pub weights: Option<String>,
    /// What to do about cells without a value.
    pub missing: Missing,
    /// How columns of numbers are scaled.
    pub scale: Scale,
    /// Whether each row is then divided by its Euclidean length.
    pub normalize: bool,
    /// Whether values as targets are standardized; predictions are scaled back.
    pub scale_targets: bool,
    /// How rows are divided.
    pub split: Split,
}

/// Which column is what.
struct Roles {
    features: Vec<ColumnPlan>,
    targets: Vec<usize>,
    weights: Option<usize>,
}

impl TableSpec {
    /// Divides the rows, fits the preprocessing on the training part, and applies it to all.
    ///
    /// # Errors
    /// [`Error::Spec`] for a column that is not there, with the nearest that is, for columns with two roles, and for a
    /// part that would be empty; [`Error::Data`] with file, line, column and cell for text where a number belongs, a
    /// missing value, and a class or category that the training part does not have; and for a target that is constant.
    pub fn prepare(&self, table: &Table) -> Result<Parts> {
        self.prepare_with(table, None, None)
    }

    /// [`TableSpec::prepare`] with tables of their own for validation and test, which then take no share of `table`.
    ///
    /// # Errors
    /// As there; [`Error::Spec`] where a part has both a share and a table.
    pub fn prepare_with(&self, table: &Table, validation: Option<&Table>, test: Option<&Table>) -> Result<Parts> {
        for (field, share, own) in
            [("validation fraction", self.split.validation, validation), ("test fraction", self.split.test, test)]
        {
            if share > 0.0 && own.is_some() {
                return Err(Error::spec(field, "has a table of its own too; give one of the two"));
            }
        }
        let roles = self.roles(table)?;
        let rows = self.usable_rows(table, &roles)?;
        let (rows, task) = self.divide(table, &roles, &rows)?;
        let preprocessing = Arc::new(self.fit(table, &roles, &rows.train, task)?);
        let part = |rows: &[usize]| if rows.is_empty() { Ok(None) } else { preprocessing.part(table, rows).map(Some) };
        let own = |table: Option<&Table>| table.map(|table| preprocessing.dataset(table)).transpose();
        let train = preprocessing.part(table, &rows.train)?;
        let (validation, test) = match (validation, test) {
            (None, None) => (part(&rows.validation)?, part(&rows.test)?),
            (Some(_), None) => (own(validation)?, part(&rows.test)?),
            (None, Some(_)) => (part(&rows.validation)?, own(test)?),
            (Some(_), Some(_)) => (own(validation)?, own(test)?),
        };
        Ok(Parts { train, validation, test })
    }

    fn roles(&self, table: &Table) -> Result<Roles> {
        let mut taken: HashMap<usize, &str> = HashMap::new();
        let mut take = |name: &str, field: &'static str| {
            let column = table.column(name, field)?;
            match taken.insert(column, field) {
                Some(before) => Err(Error::spec(field, format!("column `{name}` is named already, for {before}"))),
                None => Ok(column),
            }
        };
        let last = [table.names()[table.names().len() - 1].clone()];
        let targets = if self.targets.is_empty() { &last[..] } else { &self.targets[..] };
        let targets = targets.iter().map(|name| take(name, "target")).collect::<Result<Vec<_>>>()?;
        let weights = self.weights.as_deref().map(|name| take(name, "weights column")).transpose()?;
        let drop = self.drop.iter().map(|name| take(name, "drop")).collect::<Result<Vec<_>>>()?;
        let mut kinds: HashMap<usize, Kind> = HashMap::new();
        for name in &self.one_hot {
            kinds.insert(take(name, "categorical")?, Kind::OneHot);
        }
        for text in &self.ordinal {
            let (name, order) = text.split_once('=').unwrap_or((text, ""));
            let order = order.split(':').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            kinds.insert(take(name, "ordinal")?, Kind::Ordinal(order));
        }
        let apart = |column: &usize| targets.contains(column) || drop.contains(column) || weights == Some(*column);
        let features = (0..table.names().len()).filter(|column| !apart(column));
        let features: Vec<ColumnPlan> =
            features.map(|index| ColumnPlan { index, kind: kinds.remove(&index).unwrap_or(Kind::Number) }).collect();
        if features.is_empty() {
            return Err(match table.names().len() {
                1 => {
                    let reason = "every line is one cell, the target, and nothing is left to learn from";
                    table.refuse(reason).hinting(Hint::Delimiter)
                }
                _ => table.refuse("no column is left to learn from: all are targets, weights or dropped"),
            });
        }
        Ok(Roles { features, targets, weights })
    }

    /// The rows that have all they need; a gap where there may be none is an error.
    fn usable_rows(&self, table: &Table, roles: &Roles) -> Result<Vec<usize>> {
        let answers = roles.targets.iter().copied().chain(roles.weights);
        let read: Vec<usize> = roles.features.iter().map(|plan| plan.index).chain(answers.clone()).collect();
        match self.missing {
            Missing::Drop => {
                let whole = |row: &usize| !read.iter().any(|column| table.is_missing(*row, *column));
                let rows: Vec<usize> = (0..table.len()).filter(whole).collect();
                if rows.is_empty() {
                    let reason = "no row has a value in every column";
                    return Err(table.refuse(reason).hinting(Hint::MissingMeanOrDrop));
                }
                return Ok(rows);
            }
            Missing::Error => {
                refuse_gaps(table, &answers.collect::<Vec<_>>(), NO_ANSWER)?;
                refuse_gaps(table, &read, ("has no value", Hint::MissingDropOrMean))?;
            }
            Missing::Mean => refuse_gaps(table, &answers.collect::<Vec<_>>(), NO_ANSWER)?,
        }
        Ok((0..table.len()).collect())
    }

    /// Which of the usable rows go where, and what the targets are.
    fn divide(&self, table: &Table, roles: &Roles, rows: &[usize]) -> Result<(SplitRows, Task)> {
        let task = self.task.unwrap_or_else(|| guess(table, &roles.targets, rows));
        let labels = match (task, &roles.targets[..]) {
            (Task::Classification, [target]) => Some(strata(table, *target, rows)),
            (Task::Classification, _) => {
                let reason = format!("classes need one target column, got {}", roles.targets.len());
                return Err(Error::spec("target", reason));
            }
            (Task::Regression, _) => None,
        };
        let parts = self.split.divide(rows.len(), labels.as_deref())?;
        let of_table = |part: Vec<usize>| part.into_iter().map(|n| rows[n]).collect();
        let [train, validation, test] = [parts.train, parts.validation, parts.test].map(of_table);
        Ok((SplitRows { train, validation, test }, task))
    }

    fn fit(&self, table: &Table, roles: &Roles, rows: &[usize], task: Task) -> Result<Preprocessing> {
        let source = |index: usize| Source { name: table.names()[index].clone(), index };
        let values = match task {
            // Their names are all that is fitted.
            Task::Classification => Array2::zeros((rows.len(), 1)),
            Task::Regression => target_values(table, &roles.targets, rows)?,
        };
        let classes = match task {
            Task::Classification => class_names(table, roles.targets[0], rows)?,
            Task::Regression => Vec::new(),
        };
        let sources = roles.targets.iter().map(|index| source(*index)).collect();
        Ok(Preprocessing {
            columns: fit_columns(table, &roles.features, rows, self.scale, self.missing)?,
            width: table.names().len(),
            normalize: self.normalize,
            missing: self.missing,
            classes,
            targets: fit_targets(sources, values.view(), self.scale_targets && task == Task::Regression),
            weights: roles.weights.map(source),
            split: Some(self.split).filter(|split| split.test > 0.0 || split.validation > 0.0),
        })
    }
}

/// A gap where nothing can stand in.
const NO_ANSWER: (&str, Hint) = ("has no value, and a target or weight cannot be made up", Hint::MissingDrop);

fn refuse_gaps(table: &Table, columns: &[usize], (reason, hint): (&str, Hint)) -> Result<()> {
    let cells = (0..table.len()).flat_map(|row| columns.iter().map(move |column| (row, *column)));
    let gap = cells.into_iter().find(|(row, column)| table.is_missing(*row, *column));
    gap.map_or(Ok(()), |(row, column)| Err(table.cell_error(row, column, reason).hinting(hint)))
}

/// Classes where the one target holds words, or few whole numbers without a decimal point; else values.
fn guess(table: &Table, targets: &[usize], rows: &[usize]) -> Task {
    let [target] = targets else { return Task::Regression };
    let mut cells: Vec<&str> = rows.iter().map(|row| table.cell(*row, *target)).collect();
    cells.sort_unstable();
    cells.dedup();
    let numbers = cells.iter().all(|cell| cell.parse::<f64>().is_ok());
    let whole = cells.iter().all(|cell| cell.parse::<i64>().is_ok());
    match (numbers, whole) {
        (false, _) => Task::Classification,
        (true, true) if cells.len() <= MOST_NUMBERED_CLASSES => Task::Classification,
        _ => Task::Regression,
    }
}

/// Names by their spelling in the file, or, where all are numbers, by their value.
fn names_of(table: &Table, target: usize, rows: &[usize]) -> Vec<String> {
    let cells = || rows.iter().map(|row| table.cell(*row, target));
    match cells().all(|cell| cell.parse::<f64>().is_ok()) {
        true => cells().map(canonical).collect(),
        false => cells().map(str::to_owned).collect(),
    }
}

fn strata(table: &Table, target: usize, rows: &[usize]) -> Vec<u32> {
    let names = names_of(table, target, rows);
    let sorted = sorted_names(names.clone());
    let places: HashMap<&String, u32> = sorted.iter().zip(0..).collect();
    names.iter().map(|name| places[name]).collect()
}

fn class_names(table: &Table, target: usize, rows: &[usize]) -> Result<Vec<String>> {
    let names = sorted_names(names_of(table, target, rows));
    match &names[..] {
        [only] => Err(constant(table, target, only)),
        _ => Ok(names),
    }
}

fn target_values(table: &Table, targets: &[usize], rows: &[usize]) -> Result<Array2<f64>> {
    let mut values = Array2::zeros((rows.len(), targets.len()));
    for ((at, column), value) in values.indexed_iter_mut() {
        *value = table.answer(rows[at], targets[column])?;
    }
    for (column, target) in values.columns().into_iter().zip(targets) {
        if rows.len() > 1 && column.iter().all(|value| *value == column[0]) {
            return Err(constant(table, *target, table.cell(rows[0], *target)));
        }
    }
    Ok(values)
}

fn constant(table: &Table, target: usize, value: &str) -> Error {
    let name = &table.names()[target];
    let reason =
        format!("the target `{name}` is `{value}` in every row of the training part: there is nothing to learn");
    table.refuse(reason).hinting(Hint::Target)
}

impl Preprocessing {
    /// All rows of a table with their answers, for evaluation; rows with missing values are left out where they were in
    /// training.
    ///
    /// # Errors
    /// As [`Preprocessing::encode`] and [`Preprocessing::encode_targets`].
    pub fn dataset(self: &Arc<Self>, table: &Table) -> Result<Dataset> {
        let rows = self.rows(table)?;
        if rows.is_empty() {
            return Err(table.refuse("no row has a value in every column that the model reads"));
        }
        self.part(table, &rows)
    }

    /// These rows of a table with their answers.
    ///
    /// # Errors
    /// As [`Preprocessing::dataset`].
    pub fn part(self: &Arc<Self>, table: &Table, rows: &[usize]) -> Result<Dataset> {
        let (x, targets) = (self.encode(table, rows)?, self.encode_targets(table, rows)?);
        let data = match targets {
            Targets::Classes(labels) => Dataset::classification(x.view(), &labels)?.with_classes(self.classes.len()),
            Targets::Values(y) => Dataset::regression(x.view(), y.view())?,
        };
        let name = table.source().file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let data = data.with_name(name).with_preprocessing(self.clone());
        // A table to evaluate a model on need not have weights.
        let column = self.weights.as_ref().and_then(|source| self.place(table, source).ok());
        let Some(column) = column else { return Ok(data) };
        let weight = |row: &usize| match table.number(*row, column)? {
            value if value >= 0.0 => Ok(value as f32),
            _ => Err(table.cell_error(*row, column, "is not a weight; weights are at least 0")),
        };
        data.with_weights(rows.iter().map(weight).collect::<Result<_>>()?)
    }
}
