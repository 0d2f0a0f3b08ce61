//! Tensors' names: in which order people mean them.

/// A run of digits, or of anything else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    Number(u64),
    Text(String),
}

/// What names are sorted by: numbers in them by value, so that `net.2` comes before `net.10`, and `layers.0.norm` after
/// `layers.0`.
pub(super) fn natural(name: &str) -> Vec<Piece> {
    let characters: Vec<char> = name.chars().collect();
    let pieces = characters.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit());
    let piece = |text: String| text.parse().map_or(Piece::Text(text), Piece::Number);
    pieces.map(|characters| piece(characters.iter().collect())).collect()
}

/// How many places of a numbered list, such as an `nn.Sequential`, lie between two modules.
pub(super) fn places_between(one: &str, other: &str) -> Option<u64> {
    let split = |name: &str| {
        let (list, place) = name.rsplit_once('.').unwrap_or(("", name));
        place.parse::<u64>().ok().map(|place| (list.to_owned(), place))
    };
    let ((list, place), (other_list, other_place)) = (split(one)?, split(other)?);
    if list == other_list { other_place.checked_sub(place) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_people_count() {
        let mut names = ["net.10", "net.2", "layers.0.norm", "layers.1", "layers.0", "fc2", "fc1", "fc10"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["fc1", "fc2", "fc10", "layers.0", "layers.0.norm", "layers.1", "net.2", "net.10"]);
    }

    #[test]
    fn places_are_those_of_one_list() {
        assert_eq!(places_between("0", "2"), Some(2));
        assert_eq!(places_between("net.3", "net.4"), Some(1));
        assert_eq!(places_between("net.3", "norm.4"), None);
        assert_eq!(places_between("layers.0", "layers.0.norm"), None);
    }
}
