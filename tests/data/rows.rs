use crate::support::{assert_says, file, gzip, idx, npy, npy_header, text};
use ndarray::arr2;
use wgrad::data::{Content, Features, read_rows, rows_of};

#[test]
fn the_format_is_known_by_content_before_the_name() {
    let images = idx(&[1, 1, 2], &[3, 4]);
    let bytes = npy(1, &npy_header("|u1", "(1, 2)"), &[3, 4]);
    for (name, bytes) in [("a.csv", images.clone()), ("b.npy", gzip(&images)), ("c.csv", bytes.clone()), ("d", bytes)] {
        let (_temp, path) = file(name, &bytes);
        assert_eq!(read_rows(&path).unwrap(), Features::U8(arr2(&[[3, 4]])), "{name}");
    }
    for name in ["a.csv", "A.CSV"] {
        let (_temp, path) = file(name, b"3,4");
        assert_eq!(read_rows(&path).unwrap(), Features::F32(arr2(&[[3.0, 4.0]])));
    }
}

#[test]
fn gzipped_files_and_pipes_hold_the_same() {
    let wanted = Features::F32(arr2(&[[3.0, 4.0]]));
    let array = npy(1, &npy_header("<f4", "(1, 2)"), &[3_f32, 4.0].map(f32::to_le_bytes).concat());
    for (name, bytes) in [("a.csv.gz", gzip(b"3,4")), ("A.CSV.GZ", gzip(b"3,4")), ("a.npy.gz", gzip(&array))] {
        let (_temp, path) = file(name, &bytes);
        assert_eq!(read_rows(&path).unwrap(), wanted, "{name}");
    }
    for bytes in [b"3,4".to_vec(), gzip(b"3,4"), array.clone(), gzip(&array)] {
        let content = Content::of("a pipe", &bytes[..]).unwrap();
        assert_eq!((rows_of(&content, None).unwrap(), content.is_pipe()), (wanted.clone(), true));
    }
    // Two gzip streams, one after the other, are one (RFC 1952), and what follows them is no gzip.
    let (_temp, path) = file("a.csv.gz", &[gzip(b"3,"), gzip(b"4")].concat());
    assert_eq!(read_rows(&path).unwrap(), wanted);
    for bytes in [&gzip(b"3,4")[..10], &[&gzip(b"3,4")[..], b"rest"].concat()] {
        let (_temp, path) = file("a.csv.gz", bytes);
        assert_says(read_rows(&path).unwrap_err(), &[&text(&path), "gzip stream is cut off or corrupt"]);
    }
}

#[test]
fn other_files_are_refused_with_the_three_formats() {
    for (name, bytes) in
        [("rows.txt", &b"1,2\n"[..]), ("csv", b"1,2\n"), ("x.npy", b"1,2\n"), ("empty", b""), ("short", b"\0")]
    {
        let (_temp, path) = file(name, bytes);
        assert_says(read_rows(&path).unwrap_err(), &[&text(&path), "IDX", "NPY", "CSV"]);
    }
}

#[test]
fn damaged_and_missing_files_are_named() {
    let labels = idx(&[3], &[1, 2, 3]);
    let cases: [(&str, &[u8], &str); 5] = [
        ("cut.gz", b"\x1f\x8b\x08", "gzip"),
        ("labels", &labels, "2 to 4"),
        ("floats", &[0, 0, 0x0d, 2, 0], "f32"),
        ("cut.npy", b"\x93NUMPY\x01\0\xff\xff", "NPY header"),
        ("empty.csv", b"", "no row"),
    ];
    for (name, bytes, wanted) in cases {
        let (_temp, path) = file(name, bytes);
        assert_says(read_rows(&path).unwrap_err(), &[&text(&path), wanted]);
    }
    let (temp, _) = file("other", b"");
    let missing = temp.path().join("missing.csv");
    assert_says(read_rows(&missing).unwrap_err(), &[&text(&missing), "cannot read"]);
    assert_says(read_rows(temp.path()).unwrap_err(), &[&text(temp.path()), "cannot read"]);
}
