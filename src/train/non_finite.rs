//! Numbers that may be NaN or infinite, read back from JSON, which has null for all of these: they come back as NaN.

use serde::{Deserialize, Deserializer};

/// A number.
pub(super) fn number<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + From<f32>,
{
    Ok(or_nan(Option::deserialize(from)?))
}

/// A list of numbers.
pub(super) fn numbers<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + From<f32>,
{
    Ok(Vec::deserialize(from)?.into_iter().map(or_nan).collect())
}

/// A number that is left out where there is none; with `#[serde(default)]`.
pub(super) fn present<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + From<f32>,
{
    number(from).map(Some)
}

fn or_nan<T: From<f32>>(value: Option<T>) -> T {
    value.unwrap_or_else(|| f32::NAN.into())
}
