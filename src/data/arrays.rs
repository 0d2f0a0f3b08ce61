//! From arrays (NPY, NPZ) to a training set.

use super::labels::{Lookup, canonical, sorted_names};
use super::npy::{self, Elements, NpyArray};
use super::preprocess::{fit_numbers, fit_targets};
use super::{Content, Dataset, Features, Parts, Preprocessing, Scale, Source, Split, Targets, Task, npz};
use crate::hint::Hint;
use crate::names::suggestion;
use crate::{Error, Result};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names that arrays usually have in an NPZ file, the parts of a divided set first, as Keras writes them.
const X: &[&str] = &["x_train", "X_train", "x", "X"];
const Y: &[&str] = &["y_train", "Y_train", "y", "Y", "labels"];
const VALIDATION: &[(&str, &str)] = &[("x_val", "y_val"), ("X_val", "y_val"), ("x_valid", "y_valid")];
const TEST: &[(&str, &str)] = &[("x_test", "y_test"), ("X_test", "y_test")];

/// Rows with their answers, as they stand in files.
#[derive(Clone, Debug)]
pub struct RawArrays {
    /// The file, for messages.
    pub source: PathBuf,
    /// The file of the answers, for messages.
    pub answers: PathBuf,
    /// (N, I).
    pub x: Features,
    /// (N), (N, 1) or (N, O).
    pub y: NpyArray,
}

/// Raw rows in parts.
#[derive(Clone, Debug)]
pub struct RawParts {
    /// To learn from.
    pub train: RawArrays,
    /// A validation part of its own.
    pub validation: Option<RawArrays>,
    /// A test part of its own.
    pub test: Option<RawArrays>,
}

/// How arrays become a training set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArraySpec {
    /// The features' array in an NPZ file; none: `x_train` (or `X_train`), else `x` or `X`.
    pub x: Option<String>,
    /// The answers' array; none: `y_train`, else `y` or `labels`.
    pub y: Option<String>,
    /// What the answers are; none: classes where they are whole numbers or words in one column, values where they are
    /// floating-point numbers.
    pub task: Option<Task>,
    /// How columns are scaled. Bytes stay bytes, in memory and on the device, unless they are scaled here.
    pub scale: Scale,
    /// Whether each row is then divided by its Euclidean length.
    pub normalize: bool,
    /// Whether values as targets are standardized; predictions are scaled back.
    pub scale_targets: bool,
    /// How rows are divided, where the file has not got parts of its own.
    pub split: Split,
}

impl ArraySpec {
    /// Reads the arrays of an NPZ file.
    ///
    /// # Errors
    /// As [`Content::read`] and [`ArraySpec::npz`].
    pub fn read_npz(&self, path: &Path) -> Result<RawParts> {
        self.npz(&Content::read(path)?)
    }

    /// The arrays of an NPZ file that was read.
    ///
    /// # Errors
    /// [`Error::Data`] for a damaged file; [`Error::Spec`] for an array that is not there, with the nearest name.
    pub fn npz(&self, content: &Content) -> Result<RawParts> {
        let (path, mut arrays) = (content.path(), npz::of(content)?);
        let names: Vec<String> = arrays.iter().map(|(name, _)| name.clone()).collect();
        let has = |name: &str| names.iter().any(|known| known == name);
        let pick = |field: &str, asked: &Option<String>, usual: &[&str]| {
            let found = match asked {
                Some(name) => Some(name.as_str()).filter(|name| has(name)),
                None => usual.iter().copied().find(|name| has(name)),
            };
            let (file, known) = (path.display(), names.join(", "));
            let reason = match asked {
                Some(wanted) => {
                    let near = suggestion(wanted, names.iter().map(String::as_str));
                    format!("{file} has no array `{wanted}`{near}; it has {known}")
                }
                None => format!("{file} has none of the arrays {}; it has {known}", usual.join(", ")),
            };
            let hint = if field == "x" { Hint::ArrayX } else { Hint::ArrayY };
            let refused = || match asked {
                Some(_) => Error::spec(field, reason),
                None => Error::spec(field, reason).hinting(hint),
            };
            found.map(str::to_owned).ok_or_else(refused)
        };
        let (x, y) = (pick("x", &self.x, X)?, pick("y", &self.y, Y)?);
        let mut take = |x: &str, y: &str| -> Result<RawArrays> {
            let mut array = |name: &str| {
                let at = arrays.iter().position(|(known, _)| known == name);
                let missing = || Error::data(path, format!("array `{name}` is named for two parts"));
                at.map(|at| arrays.swap_remove(at).1).ok_or_else(missing)
            };
            let (features, y) = (array(x)?.into_features(), array(y)?);
            let features = features.map_err(|error| Error::data(path, format!("array `{x}`: {error}")))?;
            Ok(RawArrays { source: path.to_path_buf(), answers: path.to_path_buf(), x: features, y })
        };
        let divided = x.ends_with("_train");
        let train = take(&x, &y)?;
        let mut own = |usual: &[(&str, &str)]| {
            // Other arrays that somebody names are no training part of the usual ones.
            let found = usual.iter().find(|(x, y)| divided && has(x) && has(y));
            found.map(|(x, y)| take(x, y)).transpose()
        };
        Ok(RawParts { train, validation: own(VALIDATION)?, test: own(TEST)? })
    }

    /// Reads the features of one NPY file and the answers of another.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Data`].
    pub fn read_npy(x: &Path, y: &Path) -> Result<RawArrays> {
        Self::npy(&Content::read(x)?, &Content::read(y)?)
    }

    /// The features of one NPY file and the answers of another, both read.
    ///
    /// # Errors
    /// [`Error::Data`].
    pub fn npy(x: &Content, y: &Content) -> Result<RawArrays> {
        let answers = npy::parse_array(y.bytes()).map_err(|e| Error::data(y.path(), e.to_string()))?;
        Ok(RawArrays { source: x.path().into(), answers: y.path().into(), x: npy::of(x)?, y: answers })
    }

    /// Divides the rows, fits the preprocessing on the training part, and applies it to all.
    ///
    /// # Errors
    /// [`Error::Data`] where arrays do not belong together, for a class that the training part does not have, and for a
    /// target that is constant; [`Error::Spec`] for a part that has both a share and an array, or would be empty.
    pub fn prepare(&self, raw: RawParts) -> Result<Parts> {
        for (field, share, own) in [
            ("validation fraction", self.split.validation, raw.validation.is_some()),
            ("test fraction", self.split.test, raw.test.is_some()),
        ] {
            if share > 0.0 && own {
                return Err(Error::spec(field, "the file has a part of its own for it; leave the fraction out"));
            }
        }
        let RawArrays { source, answers, x, y } = &raw.train;
        check_rows(source, x, y)?;
        let task = self.task.unwrap_or_else(|| guess(y));
        let names = match task {
            Task::Classification => Some(class_labels(answers, y)?),
            Task::Regression => None,
        };
        let classes = names.as_ref().map(|names| sorted_names(names.clone()));
        let labels: Option<Vec<u32>> = names.as_ref().zip(classes.as_ref()).map(|(names, classes)| {
            let lookup = Lookup::new(classes);
            names.iter().filter_map(|name| lookup.get(name)).map(|class| class as u32).collect()
        });
        let rows = self.split.divide(x.len(), labels.as_deref())?;
        let preprocessing = Arc::new(self.fit(&raw.train, &rows.train, names.as_deref())?);
        let whole = rows.validation.is_empty() && rows.test.is_empty();
        let own = |raw: Option<RawArrays>| raw.map(|raw| preprocessing.array_dataset(raw)).transpose();
        if whole {
            return Ok(Parts {
                train: preprocessing.array_dataset(raw.train)?,
                validation: own(raw.validation)?,
                test: own(raw.test)?,
            });
        }
        let part = |rows: &[usize]| {
            if rows.is_empty() { Ok(None) } else { preprocessing.array_part(&raw.train, rows).map(Some) }
        };
        let train = preprocessing.array_part(&raw.train, &rows.train)?;
        let (validation, test) = (part(&rows.validation)?, part(&rows.test)?);
        Ok(Parts {
            train,
            validation: validation.map_or_else(|| own(raw.validation), |part| Ok(Some(part)))?,
            test: test.map_or_else(|| own(raw.test), |part| Ok(Some(part)))?,
        })
    }

    fn fit(&self, raw: &RawArrays, rows: &[usize], names: Option<&[String]>) -> Result<Preprocessing> {
        let columns = match (&raw.x, self.scale) {
            (_, Scale::None) => Vec::new(),
            (Features::U8(x), scale) => fit_numbers(x.view(), rows, scale),
            (Features::F32(x), scale) => fit_numbers(x.view(), rows, scale),
        };
        let constant = |value: &str| {
            let reason =
                format!("the target is `{value}` in every row of the training part: there is nothing to learn");
            Err(Error::data(&raw.answers, reason))
        };
        let (classes, values) = match names {
            Some(names) => {
                (sorted_names(rows.iter().map(|row| names[*row].clone()).collect()), Array2::zeros((rows.len(), 1)))
            }
            None => (Vec::new(), values(&raw.answers, &raw.y)?.select(ndarray::Axis(0), rows)),
        };
        if let [only] = &classes[..] {
            return constant(only);
        }
        if names.is_none() && rows.len() > 1 {
            let same = values.columns().into_iter().find(|column| column.iter().all(|value| *value == column[0]));
            if let Some(column) = same {
                return constant(&column[0].to_string());
            }
        }
        let name = |index: usize| if values.ncols() == 1 { "y".to_owned() } else { format!("y{}", index + 1) };
        let sources = (0..values.ncols()).map(|index| Source { name: name(index), index }).collect();
        Ok(Preprocessing {
            columns,
            width: raw.x.inputs(),
            normalize: self.normalize,
            targets: fit_targets(sources, values.view(), self.scale_targets && names.is_none()),
            classes,
            split: Some(self.split).filter(|split| split.test > 0.0 || split.validation > 0.0),
            ..Preprocessing::default()
        })
    }
}

impl Preprocessing {
    /// Raw rows with their answers as a dataset, for evaluation.
    ///
    /// # Errors
    /// [`Error::Data`] where the two do not belong together, or for a class that training did not have; otherwise as
    /// [`Preprocessing::encode_array`].
    pub fn array_dataset(self: &Arc<Self>, raw: RawArrays) -> Result<Dataset> {
        let RawArrays { source, answers, x, y } = raw;
        check_rows(&source, &x, &y)?;
        let targets = self.array_targets(&answers, &y)?;
        let name = source.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let data = match (self.encode_array(x)?, targets) {
            (Features::U8(x), Targets::Classes(labels)) => Dataset::from_images("", x, labels)?,
            (Features::F32(x), Targets::Classes(labels)) => Dataset::classification(x.view(), &labels)?,
            (Features::F32(x), Targets::Values(y)) => Dataset::regression(x.view(), y.view())?,
            (Features::U8(x), Targets::Values(y)) => Dataset::image_regression(x, y)?,
        };
        Ok(data.with_classes(self.classes.len()).with_name(name).with_preprocessing(self.clone()))
    }

    fn array_part(self: &Arc<Self>, raw: &RawArrays, rows: &[usize]) -> Result<Dataset> {
        let axis = ndarray::Axis(0);
        let x = match &raw.x {
            Features::U8(x) => Features::U8(x.select(axis, rows)),
            Features::F32(x) => Features::F32(x.select(axis, rows)),
        };
        let width = raw.y.elements.len() / raw.y.shape[0];
        let elements = match &raw.y.elements {
            Elements::U8(y) => Elements::U8(pick(y, rows, width)),
            Elements::Whole(y) => Elements::Whole(pick(y, rows, width)),
            Elements::Float(y) => Elements::Float(pick(y, rows, width)),
            Elements::Text(y) => Elements::Text(pick(y, rows, width)),
        };
        let shape = std::iter::once(rows.len()).chain(raw.y.shape[1..].iter().copied()).collect();
        let (source, answers) = (raw.source.clone(), raw.answers.clone());
        self.array_dataset(RawArrays { source, answers, x, y: NpyArray { shape, elements } })
    }

    fn array_targets(&self, source: &Path, y: &NpyArray) -> Result<Targets> {
        if self.classes.is_empty() {
            let y = values(source, y)?;
            if y.ncols() != self.targets.len() {
                let reason =
                    format!("has {} targets a row, but the model was trained on {}", y.ncols(), self.targets.len());
                return Err(Error::data(source, reason));
            }
            return Ok(Targets::Values(self.scale_targets(y.view())));
        }
        let lookup = Lookup::new(&self.classes);
        let class = |(row, name): (usize, &String)| {
            let known = self.classes.join(", ");
            let unknown = || {
                Error::data(
                    source,
                    format!("row {row} (from 0): `{name}` is a class that training did not have; it had {known}"),
                )
            };
            lookup.get(name).map(|class| class as u32).ok_or_else(unknown)
        };
        class_labels(source, y)?.iter().enumerate().map(class).collect::<Result<_>>().map(Targets::Classes)
    }
}

fn pick<T: Clone>(values: &[T], rows: &[usize], width: usize) -> Vec<T> {
    rows.iter().flat_map(|row| values[row * width..(row + 1) * width].iter().cloned()).collect()
}

fn check_rows(source: &Path, x: &Features, y: &NpyArray) -> Result<()> {
    let elements = y.shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
    match y.shape.first() {
        Some(rows) if *rows == x.len() && y.shape.len() <= 2 && elements == Some(y.elements.len()) => Ok(()),
        _ => {
            let reason = format!(
                "{} rows of features, but targets of shape {:?}; (N), (N, 1) or (N, O) is needed",
                x.len(),
                y.shape
            );
            Err(Error::data(source, reason))
        }
    }
}

fn is_one_column(y: &NpyArray) -> bool {
    y.shape[1..].iter().product::<usize>() == 1
}

fn guess(y: &NpyArray) -> Task {
    match y.elements {
        Elements::Float(_) => Task::Regression,
        _ if is_one_column(y) => Task::Classification,
        _ => Task::Regression,
    }
}

/// Each row's class by name.
fn class_labels(source: &Path, y: &NpyArray) -> Result<Vec<String>> {
    if !is_one_column(y) {
        let reason = format!("classes need one answer a row, but they have shape {:?}", y.shape);
        return Err(Error::data(source, reason));
    }
    Ok(match &y.elements {
        Elements::U8(y) => y.iter().map(u8::to_string).collect(),
        Elements::Whole(y) => y.iter().map(i64::to_string).collect(),
        Elements::Float(y) => {
            check_finite(source, y.iter().map(|value| f64::from(*value)))?;
            y.iter().map(|value| canonical(&value.to_string())).collect()
        }
        Elements::Text(y) => y.clone(),
    })
}

fn check_finite(source: &Path, answers: impl Iterator<Item = f64>) -> Result<()> {
    match answers.enumerate().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((at, value)) => {
            Err(Error::data(source, format!("answer {at} (from 0) is {value}; every number must be finite")))
        }
    }
}

/// Answers as numbers (N, O).
fn values(source: &Path, y: &NpyArray) -> Result<Array2<f64>> {
    let numbers: Vec<f64> = match &y.elements {
        Elements::U8(y) => y.iter().map(|value| f64::from(*value)).collect(),
        Elements::Whole(y) => y.iter().map(|value| *value as f64).collect(),
        Elements::Float(y) => y.iter().map(|value| f64::from(*value)).collect(),
        Elements::Text(_) => return Err(Error::data(source, "targets are text, so classes, not values")),
    };
    check_finite(source, numbers.iter().copied())?;
    let (rows, width) = (y.shape[0], y.shape[1..].iter().product::<usize>());
    let view = ArrayView2::from_shape((rows, width), &numbers);
    view.map(|view| view.to_owned()).map_err(|error| Error::data(source, error.to_string()))
}

impl From<Dataset> for RawArrays {
    /// The samples as if they had just been read, for datasets that are made in memory.
    fn from(data: Dataset) -> Self {
        let rows = data.len();
        let (shape, elements) = match Arc::unwrap_or_clone(data.targets) {
            Targets::Classes(labels) => (vec![rows], Elements::Whole(labels.into_iter().map(i64::from).collect())),
            Targets::Values(y) => (vec![rows, y.ncols()], Elements::Float(y.into_iter().collect())),
        };
        let source = PathBuf::from(data.name);
        Self {
            answers: source.clone(),
            source,
            x: Arc::unwrap_or_clone(data.features),
            y: NpyArray { shape, elements },
        }
    }
}
