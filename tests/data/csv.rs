use crate::support::{assert_says, file, mutate, mutations, text};
use ndarray::{Array2, arr2};
use proptest::prelude::*;
use wgrad::data::{
    Features,
    csv::{CsvError, parse, read},
};

#[test]
fn numbers_are_read_with_and_without_header_and_in_every_notation() {
    let wanted = arr2(&[[1.0, -2.5, 0.001], [4.0, 0.5, -60.0]]);
    for text in [
        "1,-2.5,1e-3\n4,.5,-6E1\n",
        "a,b,c\n1,-2.5,1e-3\n4,.5,-6E1",
        "\"a, quoted\",b,\n1,-2.5,1e-3\n4,.5,-6E1",
        " 1 ,\t-2.5, 1e-3\r\n4., +0.5,-60\r\n",
        "\u{feff}1,-2.5,1e-3\n\n\n4,.5,-60\n\n",
        "\"1\",\"-2.5\",\"1e-3\"\r4,.5,-60",
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap(), wanted, "{text:?}");
    }
}

#[test]
fn one_column_and_one_row_are_rows() {
    assert_eq!(parse(b"1\n2\n3\n").unwrap().dim(), (3, 1));
    assert_eq!(parse(b"1,2,3").unwrap().dim(), (1, 3));
}

#[test]
fn a_bad_cell_is_named_with_line_and_column() {
    for (text, line, column) in [
        ("1,2\n3,x\n", 2, 2),
        ("a,b\n1,2\n\n\nx,4\n", 5, 1),
        ("a,b\r\n1,2\r\n\r\n3,x\r\n", 4, 2),
        ("\u{feff}1,2\r\n3,4\r\n5,x", 3, 2),
        ("1,2\r3,x\r", 2, 2),
        ("\"two\nlines\",b\n1,2\n3,x\n", 4, 2),
        ("1,2\n3,\n", 2, 2),
        ("\n\n1,x\n", 3, 2),
        ("1;2\n3;4\n", 2, 1),
    ] {
        let error = parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, CsvError::NotANumber { .. }), "{text:?}: {error}");
        assert_says(error, &[&format!("line {line}, column {column}:")]);
    }
}

#[test]
fn a_first_line_with_a_slip_is_not_taken_for_a_header() {
    assert_says(
        parse(b"1,2,x\n4,5,6\n").unwrap_err(),
        &["line 1, column 3", "`x`", "header line must not have numbers"],
    );
    assert_says(parse(b"1,,3\n4,5,6\n").unwrap_err(), &["line 1, column 2", "``"]);
}

#[test]
fn numbers_that_are_not_finite_are_refused_in_every_line() {
    for cell in ["nan", "NaN", "inf", "-Infinity", "1e39", "-1e400"] {
        for text in [format!("1,{cell}"), format!("1,2\n3,{cell}"), format!("{cell},{cell}\n1,2")] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(matches!(&error, CsvError::NotFinite { cell: had, .. } if had == cell), "{text:?}: {error}");
        }
    }
}

#[test]
fn ragged_rows_are_refused_with_both_widths() {
    assert_says(parse(b"1,2,3\n4,5\n").unwrap_err(), &["line 2 has 2", "first line has 3"]);
    assert_says(parse(b"1,2\n\n3,4,5\n").unwrap_err(), &["line 3 has 3", "first line has 2"]);
    assert_says(parse(b"a,b,c\n1,2\n").unwrap_err(), &["line 2 has 2", "first line has 3"]);
    assert_says(parse(b"1,2\n3,4,\n").unwrap_err(), &["line 2 has 3", "first line has 2"]);
}

#[test]
fn a_file_without_numbers_is_refused() {
    for bytes in [&b""[..], b"\n\n\r\n", b"a,b,c\n", b"\xef\xbb\xbf", b"\xef\xbb\xbfonly text"] {
        assert_eq!(parse(bytes), Err(CsvError::Empty), "{bytes:?}");
    }
}

#[test]
fn other_encodings_are_refused_and_not_taken_for_a_header() {
    assert_eq!(parse(b"\xff\xfe1\0,\x002\0\n\0"), Err(CsvError::NotUtf8 { line: 1, column: 1 }));
    assert_eq!(parse(b"1,2\n3,\xe4\n"), Err(CsvError::NotUtf8 { line: 2, column: 2 }));
}

#[test]
fn an_endless_cell_is_shown_in_part() {
    let error = parse(format!("1,2\n3,\"{}", "9x".repeat(10_000)).as_bytes()).unwrap_err();
    assert_says(&error, &["line 2, column 2"]);
    assert!(error.to_string().len() < 200, "{error}");
}

#[test]
fn files_are_named_in_errors() {
    let (temp, path) = file("rows.csv", b"1,2\n3,x\n");
    assert_says(read(&path).unwrap_err(), &[&text(&path), "line 2, column 2", "`x`"]);
    let missing = temp.path().join("missing.csv");
    assert_says(read(&missing).unwrap_err(), &[&text(&missing), "cannot read"]);
    let (_temp, path) = file("rows.csv", b"1,2\n3,4\n");
    assert_eq!(read(&path).unwrap(), Features::F32(arr2(&[[1.0, 2.0], [3.0, 4.0]])));
}

fn finite() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |x| x.is_finite())
}

fn matrix() -> impl Strategy<Value = Array2<f32>> {
    (1_usize..6, 1_usize..6).prop_flat_map(|dim| {
        prop::collection::vec(finite(), dim.0 * dim.1).prop_map(move |x| Array2::from_shape_vec(dim, x).unwrap())
    })
}

fn write(x: &Array2<f32>, end: &str) -> String {
    let line = |row: ndarray::ArrayView1<f32>| row.iter().map(f32::to_string).collect::<Vec<_>>().join(",") + end;
    x.rows().into_iter().map(line).collect()
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn arbitrary_cells_never_panic(text in "([0-9.,e\"\r\n -]|nan|\u{feff}){0,60}") {
        if let Ok(x) = parse(text.as_bytes()) {
            prop_assert!(x.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn damaged_files_never_panic(x in matrix(), damage in mutations()) {
        let _ = parse(&mutate(write(&x, "\r\n").into_bytes(), &damage));
    }

    #[test]
    fn valid_files_come_back_bit_for_bit(x in matrix(), header in any::<bool>(), end in prop::sample::select(vec!["\n", "\r\n"])) {
        let names = (0..x.ncols()).map(|i| format!("x{i}")).collect::<Vec<_>>().join(",") + end;
        let text = if header { names } else { String::new() } + &write(&x, end);
        let parsed = parse(text.as_bytes()).unwrap();
        prop_assert_eq!(parsed.mapv(f32::to_bits), x.mapv(f32::to_bits));
    }

    #[test]
    fn a_bad_cell_anywhere_is_found(x in matrix(), at in any::<prop::sample::Index>()) {
        let at = at.index(x.len());
        let (row, column) = (at / x.ncols(), at % x.ncols());
        let mut lines: Vec<Vec<String>> =
            x.rows().into_iter().map(|row| row.iter().map(f32::to_string).collect()).collect();
        lines[row][column] = "oops".into();
        let text = "0,".repeat(x.ncols() - 1) + "0\n" + &lines.iter().map(|l| l.join(",") + "\n").collect::<String>();
        let wanted = format!("line {}, column {}: `oops`", row + 2, column + 1);
        prop_assert!(parse(text.as_bytes()).unwrap_err().to_string().starts_with(&wanted));
    }
}
