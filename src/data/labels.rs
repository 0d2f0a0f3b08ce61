//! Classes and categories by name.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Sorted by value where all of them are numbers, else by text; each once.
pub(super) fn sorted_names(mut names: Vec<String>) -> Vec<String> {
    let numbers = names.iter().all(|name| name.parse::<f64>().is_ok());
    let value = |name: &String| name.parse::<f64>().unwrap_or(f64::NAN);
    names.sort_by(|one, other| {
        let by_value = if numbers { value(one).total_cmp(&value(other)) } else { Ordering::Equal };
        by_value.then_with(|| one.cmp(other))
    });
    names.dedup();
    names
}

/// Finds classes and categories by their names.
pub(super) struct Lookup<'a> {
    places: HashMap<&'a str, usize>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(names: &'a [String]) -> Self {
        Self { places: names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect() }
    }

    /// The name's place.
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

/// A class's name as it is kept: of a number its shortest spelling, so that `1`, `1.0` and `01` are one class where all
/// classes are numbers.
pub(super) fn canonical(name: &str) -> String {
    match name.parse::<f64>() {
        Ok(value) if value.is_finite() => (value + 0.0).to_string(), // -0 is 0
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_value_and_words_by_text() {
        let sorted = |names: &[&str]| sorted_names(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(sorted(&["10", "9", "-1", "9"]), ["-1", "9", "10"]);
        assert_eq!(sorted(&["10", "9", "b", "a"]), ["10", "9", "a", "b"]);
    }

    #[test]
    fn spellings_of_one_number_are_one_class() {
        for (name, wanted) in
            [("1.0", "1"), ("01", "1"), ("-0", "0"), ("2.50", "2.5"), ("v1.0", "v1.0"), ("nan", "nan")]
        {
            assert_eq!(canonical(name), wanted);
        }
    }
}
