//! Small sets that are compiled in: iris and exclusive or.

use super::{Dataset, Preprocessing, Table, TableFormat, TableSpec};
use crate::Result;
use ndarray::arr2;
use std::sync::Arc;

/// Source and licence: `datasets/iris/README.md`.
const IRIS: &str = include_str!("../../datasets/iris/iris.csv");

/// Fisher's irises as a table: 150 rows of four lengths in centimetres and the column `species`.
///
/// ```
/// use wgrad::data::{Scale, Split, TableSpec};
/// let spec = TableSpec { scale: Scale::Standardize, split: Split { test: 0.2, ..Split::default() }, ..TableSpec::default() };
/// let iris = spec.prepare(&wgrad::datasets::iris_table()?)?;
/// assert_eq!((iris.train.len(), iris.train.inputs(), iris.train.classes()), (120, 4, 3));
/// assert_eq!(iris.train.preprocessing().unwrap().classes, ["setosa", "versicolor", "virginica"]);
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// None on a sound build.
pub fn iris_table() -> Result<Table> {
    Table::parse("iris", IRIS.as_bytes(), TableFormat::default())
}

/// Fisher's irises as they are: (150, 4) centimetres and three classes by name.
///
/// # Errors
/// As [`iris_table`].
pub fn iris() -> Result<Dataset> {
    Ok(TableSpec::default().prepare(&iris_table()?)?.train)
}

/// Exclusive or: four rows of two inputs, class 1 where just one of them is 1.
///
/// # Errors
/// None.
pub fn xor() -> Result<Dataset> {
    let x = arr2(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let names = Preprocessing { classes: vec!["0".to_owned(), "1".to_owned()], ..Preprocessing::default() };
    Ok(Dataset::classification(x.view(), &[0, 1, 1, 0])?.with_name("xor").with_preprocessing(Arc::new(names)))
}
