use crate::support::{assert_says, file, gzip, idx, mutate, mutations, text};
use ndarray::arr2;
use proptest::prelude::*;
use wgrad::data::idx::{IdxError, parse, read, read_images, read_labels};

fn parse_error(bytes: &[u8]) -> IdxError {
    parse(bytes).unwrap_err()
}

#[test]
fn images_are_flattened_in_c_order_gzipped_or_not_whatever_the_name() {
    let bytes = idx(&[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    for (name, bytes) in [("plain.gz", bytes.clone()), ("zipped", gzip(&bytes))] {
        let (_temp, path) = file(name, &bytes);
        let wanted = arr2(&[[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]);
        assert_eq!(read_images(&path).unwrap(), wanted);
    }
}

#[test]
fn two_to_four_dimensions_are_images_and_one_is_labels() {
    for (dims, wanted) in [(&[2, 6][..], (2, 6)), (&[3, 2, 2], (3, 4)), (&[2, 3, 2, 1], (2, 6))] {
        assert_eq!(parse(&idx(dims, &[7; 12])).unwrap().into_images().unwrap().dim(), wanted);
    }
    assert_eq!(parse(&idx(&[3], &[5, 0, 255])).unwrap().into_labels().unwrap(), [5, 0, 255]);
}

#[test]
fn gzip_of_several_members_is_read_to_its_end() {
    let bytes = idx(&[4], &[1, 2, 3, 4]);
    let members = [gzip(&bytes[..6]), gzip(&bytes[6..])].concat();
    assert_eq!(parse(&members).unwrap().into_labels().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn the_checksum_is_of_the_uncompressed_file() {
    // python3 -c "import zlib; print('%08x' % zlib.crc32(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4])))"
    let bytes = idx(&[3], &[5, 0, 4]);
    for bytes in [gzip(&bytes), bytes] {
        assert_eq!(format!("{:08x}", parse(&bytes).unwrap().crc()), "0fe6ba76");
    }
}

#[test]
fn a_missing_file_is_named() {
    let (temp, _) = file("other", b"");
    let path = temp.path().join("train-images-idx3-ubyte");
    assert_says(read(&path).unwrap_err(), &[&text(&path), "cannot open"]);
    assert_says(read(temp.path()).unwrap_err(), &[&text(temp.path()), "cannot read"]);
}

#[test]
fn truncated_and_oversized_are_told_apart_with_the_bytes() {
    let bytes = idx(&[2, 3], &[9; 6]);
    let longer = [bytes.as_slice(), &[1, 2, 3]].concat();
    let cut = &bytes[..bytes.len() - 2];
    for (bytes, parts) in [
        (cut.to_vec(), ["truncated", "needs 6 bytes", "4 are there"]),
        (gzip(cut), ["truncated", "needs 6 bytes", "4 are there"]),
        (bytes[..7].to_vec(), ["truncated: the header", "needs 12 bytes", "7 are there"]),
        (longer.clone(), ["too long", "announces 6 bytes", "at least 9 are"]),
        (gzip(&longer), ["too long", "announces 6 bytes", "at least 7 are"]),
    ] {
        let (_temp, path) = file("images", &bytes);
        assert_says(read_images(&path).unwrap_err(), &[&[text(&path).as_str()], &parts[..]].concat());
    }
}

#[test]
fn what_is_not_idx_is_refused() {
    for bytes in [&b""[..], b"\0\0\x08", b"PNG and so on", b"\0\0\x07\x01\0\0\0\x01x", b"\x01\0\x08\x01\0\0\0\x01x"] {
        assert!(matches!(parse_error(bytes), IdxError::NotIdx { .. }), "{bytes:?}");
        assert!(matches!(parse_error(&gzip(bytes)), IdxError::NotIdx { .. }), "gzipped {bytes:?}");
    }
    assert_says(parse_error(b"PNG and so on"), &["not an IDX file", "[50, 4e, 47, 20]", "00 00 08"]);
}

#[test]
fn other_element_types_are_named() {
    for (code, name) in [(0x09, "i8"), (0x0b, "i16"), (0x0c, "i32"), (0x0d, "f32"), (0x0e, "f64")] {
        let mut bytes = idx(&[1], &[0; 8]);
        bytes[2] = code;
        assert_says(parse_error(&bytes), &[&format!("elements are {name}"), "u8", "NPY or CSV"]);
    }
}

#[test]
fn the_wrong_number_of_dimensions_is_refused() {
    let labels = parse(&idx(&[6], &[0; 6])).unwrap();
    assert_says(labels.into_images().unwrap_err(), &["1 dimension(s)", "2 to 4", "exchanged"]);
    let images = parse(&idx(&[2, 3], &[0; 6])).unwrap();
    assert_says(images.into_labels().unwrap_err(), &["2 dimension(s)", "exactly 1", "exchanged"]);
    for had in [0, 5, 255] {
        assert_says(parse_error(&[0, 0, 8, had]), &[&format!("{had} dimension(s)")]);
    }
    let (_temp, path) = file("labels", &idx(&[2, 3], &[0; 6]));
    assert_says(read_labels(&path).unwrap_err(), &[&text(&path), "exactly 1"]);
}

#[test]
fn empty_arrays_are_refused() {
    for dims in [&[0][..], &[0, 28, 28], &[5, 0, 28], &[u32::MAX, 0, u32::MAX, u32::MAX]] {
        assert!(matches!(parse_error(&idx(dims, &[])), IdxError::Empty { .. }), "{dims:?}");
    }
}

#[test]
fn sizes_beyond_memory_cost_an_error_and_no_memory() {
    let dims = [u32::MAX; 4];
    assert!(matches!(parse_error(&idx(&dims, &[1])), IdxError::TooLarge { .. }));
    assert!(matches!(parse_error(&gzip(&idx(&dims, &[1]))), IdxError::TooLarge { .. }));
    // 2^61 bytes pass for a size, and a buffer of that size would abort.
    let huge = idx(&[1 << 31, 1 << 30], &[1]);
    assert!(matches!(parse_error(&huge), IdxError::Truncated { had: 1, .. }));
    assert_says(parse_error(&gzip(&huge)), &["4294967296", "gunzip"]);
}

#[test]
fn a_gzip_bomb_is_not_unpacked() {
    let bomb = gzip(&[idx(&[4], &[0; 4]), vec![0; 64 << 20]].concat());
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(parse_error(&bomb), IdxError::Oversized { wanted: 4, had: 5 }));
}

#[test]
fn corrupt_gzip_is_refused() {
    let whole = gzip(&idx(&[64], &(0..64).collect::<Vec<u8>>()));
    let (cut, mut bad_sum, mut bad_data) = (whole[..whole.len() / 2].to_vec(), whole.clone(), whole.clone());
    let sum_at = whole.len() - 8;
    bad_sum[sum_at] ^= 1;
    bad_data[10] = 0xff; // first byte of the deflate stream: a block type that does not exist
    let garbage_after = [whole.as_slice(), b"garbage after the end"].concat();
    for bytes in [cut, bad_sum, bad_data, garbage_after, b"\x1f\x8b".to_vec(), b"\x1f\x8bnot gzip".to_vec()] {
        let (_temp, path) = file("train-labels-idx1-ubyte.gz", &bytes);
        assert_says(read_labels(&path).unwrap_err(), &[&text(&path), "gzip stream is cut off or corrupt"]);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn arbitrary_headers_never_panic(rank in 0_u8..6, dims in any::<[u8; 20]>(), zip in any::<bool>()) {
        let bytes = [&[0, 0, 8, rank], &dims[..]].concat();
        let _ = parse(&if zip { gzip(&bytes) } else { bytes });
    }

    #[test]
    fn damaged_files_never_panic(data in prop::collection::vec(any::<u8>(), 6), zip in any::<bool>(), damage in mutations()) {
        let bytes = idx(&[2, 3], &data);
        if let Ok(idx) = parse(&mutate(if zip { gzip(&bytes) } else { bytes }, &damage)) {
            prop_assert_eq!(idx.dims().iter().product::<usize>(), idx.data().len());
            let _ = (idx.clone().into_images(), idx.into_labels());
        }
    }

    #[test]
    fn valid_files_come_back(dims in prop::collection::vec(1_u32..5, 1..5), zip in any::<bool>(), seed in any::<u8>()) {
        let count = dims.iter().product::<u32>();
        let data: Vec<u8> = (0..count).map(|i| (i as u8).wrapping_mul(37).wrapping_add(seed)).collect();
        let bytes = idx(&dims, &data);
        let parsed = parse(&if zip { gzip(&bytes) } else { bytes }).unwrap();
        prop_assert_eq!(parsed.dims(), dims.iter().map(|&d| d as usize).collect::<Vec<_>>());
        prop_assert_eq!(parsed.data(), data);
    }
}
