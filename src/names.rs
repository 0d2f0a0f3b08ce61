//! Suggestions for mistyped names.

/// The known name that a mistyped one is most likely to mean, if any is near: at most a third of its letters (and one in
/// any case) inserted, deleted, replaced or swapped, capitals aside.
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

/// How many insertions, deletions, replacements and swaps of neighbours lead from one to the other, none at a place that
/// another has touched (optimal string alignment; Damerau, CACM 1964).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let width = other.len() + 1;
    let mut table = vec![0; (one.len() + 1) * width];
    for i in 0..=one.len() {
        for j in 0..width {
            let at = |i: usize, j: usize| table[i * width + j];
            let edited = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => (at(i - 1, j) + 1)
                    .min(at(i, j - 1) + 1)
                    .min(at(i - 1, j - 1) + usize::from(one[i - 1] != other[j - 1])),
            };
            let swapped = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
            table[i * width + j] = if swapped { edited.min(at(i - 2, j - 2) + 1) } else { edited };
        }
    }
    table[one.len() * width + other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_textbook() {
        for (one, other, wanted) in
            [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("knid", "kind", 1), ("same", "same", 0)]
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
