//! Names that somebody mistyped.

/// The known name that a mistyped one is most likely to mean, if any is near: at most a third of its letters (and one in
/// any case) inserted, deleted or replaced, capitals aside.
///
/// ```
/// use wgrad::names::nearest;
/// assert_eq!(nearest("speces", ["island", "species"]), Some("species"));
/// assert_eq!(nearest("age", ["island", "species"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = (name.chars().count() / 3).max(1);
    let measured = known.into_iter().map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other));
    measured
        .filter(|(distance, other)| *distance <= near && *distance < other.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// "; did you mean `species`?", or nothing where no name is near.
pub fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |other| format!("; did you mean `{other}`?"))
}

/// Levenshtein's distance (1966): insertions, deletions and replacements that lead from one to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *against);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (one, other, wanted) in [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("same", "same", 0)]
        {
            assert_eq!((distance(one, other), distance(other, one)), (wanted, wanted), "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_of_several_is_taken_and_a_far_one_is_not() {
        assert_eq!(nearest("Pric", ["rice", "price"]), Some("price"));
        assert_eq!(nearest("xyz", ["rice", "price"]), None);
        assert_eq!(suggestion("x1", ["x2"]), "; did you mean `x2`?");
        assert_eq!(nearest("w", ["a"]), None);
    }
}
