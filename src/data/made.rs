//! Generators by name, with options: `make-moons:samples=500,noise=0.1`.

use super::datasets::{
    MakeClassification, MakeLine, MakeMoons, MakeRegression, make_classification, make_line, make_moons,
    make_regression,
};
use super::{Dataset, small};
use crate::names::suggestion;
use crate::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The names that [`made`] knows.
pub const MADE: &[&str] = &["xor", "line", "make-moons", "make-regression", "make-classification"];

/// A dataset that is made up, by name, with options after a colon; None for another name.
///
/// Options are the fields of [`MakeLine`], [`MakeMoons`], [`MakeRegression`] and [`MakeClassification`].
///
/// ```
/// let moons = wgrad::datasets::made("make-moons:samples=500,noise=0.1")?.unwrap();
/// assert_eq!((moons.len(), moons.inputs(), moons.classes()), (500, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// [`Error::Spec`] that names the option: unknown, with the nearest known one, no number, or out of range.
pub fn made(text: &str) -> Result<Option<Dataset>> {
    let (name, options) = text.split_once(':').unwrap_or((text, ""));
    Ok(Some(match name.replace('_', "-").as_str() {
        "xor" if options.is_empty() => small::xor()?,
        "xor" => return Err(Error::spec("xor", "has no options")),
        "line" => make_line(&parsed::<MakeLine>(name, options)?)?,
        "make-moons" => make_moons(&parsed::<MakeMoons>(name, options)?)?,
        "make-regression" => make_regression(&parsed::<MakeRegression>(name, options)?)?,
        "make-classification" => make_classification(&parsed::<MakeClassification>(name, options)?)?,
        _ => return Ok(None),
    }))
}

/// The defaults with these options in place of theirs.
fn parsed<T: Default + Serialize + DeserializeOwned>(name: &str, options: &str) -> Result<T> {
    let broken = |error: serde_json::Error| Error::spec(name, error.to_string());
    let Value::Object(mut fields) = serde_json::to_value(T::default()).map_err(broken)? else {
        return Ok(T::default());
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let bad = |reason: String| Error::spec(name, format!("option `{option}` {reason}"));
        let (key, value) = option.split_once('=').ok_or_else(|| bad("has no value; write samples=500".to_owned()))?;
        let key = key.trim();
        if !fields.contains_key(key) {
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            let near = suggestion(key, known.iter().copied());
            return Err(bad(format!("is not known{near}; options are {}", known.join(", "))));
        }
        let number: Value = serde_json::from_str(value.trim()).ok().filter(Value::is_number).unwrap_or(Value::Null);
        if number.is_null() || (fields[key].is_u64() && !number.is_u64()) {
            let wanted = if fields[key].is_u64() { "a whole number" } else { "a number" };
            return Err(bad(format!("needs {wanted}")));
        }
        fields.insert(key.to_owned(), number);
    }
    serde_json::from_value(Value::Object(fields)).map_err(broken)
}
