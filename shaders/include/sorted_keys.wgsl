// Places among sorted keys. The shader defines `sorted_key(i)`.

// How many of the keys from `first` up to `end`, which are sorted, are below `key`, or with `ties` not above it.
fn keys_below(first: u32, end: u32, key: u32, ties: bool) -> u32 {
    var low = first;
    var high = end;
    while low < high {
        let middle = low + (high - low) / 2u;
        let other = sorted_key(middle);
        if other < key || (ties && other == key) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low - first;
}
