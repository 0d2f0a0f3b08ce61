use crate::support::{assert_says, file, mutate, mutations, npy, npy_header, text};
use ndarray::arr2;
use proptest::prelude::*;
use wgrad::data::{
    Features,
    npy::{Elements, NpyError, parse, parse_array, read},
};

/// Six numbers that f32 holds exactly.
const NUMBERS: [f32; 6] = [0.5, -1.0, 2.0, 3.25, -4.0, 1e30];

fn f32s(x: &[f32]) -> Vec<u8> {
    x.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn f64s(x: &[f64]) -> Vec<u8> {
    x.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn parse_with_header(header: &str) -> Result<Features, NpyError> {
    parse(&npy(1, header, &f32s(&NUMBERS)))
}

#[test]
fn what_numpy_writes_is_read() {
    // python3 -c "import numpy as np; np.save('/dev/stdout', np.array([[1.5, -2.0]], np.float32))" | xxd -i
    // The header is 118 bytes long (0x76): 128 with the 10 before it.
    let start = b"\x93NUMPY\x01\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }";
    let mut bytes = start.to_vec();
    bytes.resize(127, b' ');
    bytes.extend(b"\n\0\0\xc0\x3f\0\0\0\xc0");
    assert_eq!(parse(&bytes).unwrap(), Features::F32(arr2(&[[1.5, -2.0]])));
}

#[test]
fn every_version_and_element_type_is_read() {
    let wanted = Features::F32(arr2(&[[0.5, -1.0, 2.0], [3.25, -4.0, 1e30]]));
    for version in 1..=3 {
        let read = |descr, data: &[u8]| parse(&npy(version, &npy_header(descr, "(2, 3)"), data)).unwrap();
        assert_eq!(read("<f4", &f32s(&NUMBERS)), wanted);
        assert_eq!(read("<f8", &f64s(&[0.5, -1.0, 2.0, 3.25, -4.0, f64::from(1e30_f32)])), wanted);
        assert_eq!(read("|u1", &[1, 2, 3, 4, 5, 255]), Features::U8(arr2(&[[1, 2, 3], [4, 5, 255]])));
    }
}

#[test]
fn whole_numbers_are_read_with_their_signs() {
    let array =
        |descr: &str, bytes: &[u8]| match parse_array(&npy(1, &npy_header(descr, "(2,)"), bytes)).unwrap().elements {
            Elements::Whole(values) => values,
            other => panic!("{other:?}"),
        };
    assert_eq!(array("|i1", &[0x80, 0x7f]), [-128, 127]);
    assert_eq!(array("|b1", &[0, 1]), [0, 1]);
    assert_eq!(array("<i2", &[0xfe, 0xff, 1, 2]), [-2, 513]);
    assert_eq!(array("<u2", &[0xfe, 0xff, 1, 2]), [65534, 513]);
    assert_eq!(array("<i4", &[0xff; 8]), [-1, -1]);
    assert_eq!(array("<u4", &[0xff; 8]), [i64::from(u32::MAX); 2]);
    assert_eq!(array("<i8", &[[0xff; 8], 5_u64.to_le_bytes()].concat()), [-1, 5]);
    let wide = parse_array(&npy(1, &npy_header("<u8", "(2,)"), &[[0; 8], [0xff; 8]].concat()));
    assert_says(wide.unwrap_err(), &["element 1", "18446744073709551615"]);
    let rows = parse(&npy(1, &npy_header("<i2", "(1, 2)"), &[0xfe, 0xff, 1, 2])).unwrap();
    assert_eq!(rows, Features::F32(arr2(&[[-2.0, 513.0]])));
    let surrogate = parse_array(&npy(1, &npy_header("<U1", "(1,)"), &[0, 0xd8, 0, 0]));
    assert_says(surrogate.unwrap_err(), &["element 0", "0xd800"]);
}

#[test]
fn higher_dimensions_are_flattened() {
    for (shape, wanted) in
        [("(2, 3)", (2, 3)), ("(3, 2, 1)", (3, 2)), ("(1, 2, 3)", (1, 6)), ("(6, 1, 1, 1, 1)", (6, 1))]
    {
        assert_eq!(parse_with_header(&npy_header("<f4", shape)).unwrap().dim(), wanted);
    }
}

#[test]
fn headers_of_other_writers_are_read() {
    for header in [
        "{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":False}",
        "{ 'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 2 , 3 , ) , }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
    ] {
        assert_eq!(parse_with_header(header).unwrap().dim(), (2, 3), "{header}");
    }
}

#[test]
fn bad_headers_are_refused() {
    for header in [
        "",
        "{",
        "{}",
        "not a dictionary",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (2, 3)}",
        "{'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } extra",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 6}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999)}",
        "{'descr': '<f4 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr: False}",
        "{'descr': 4, 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}",
    ] {
        assert!(
            matches!(parse_with_header(header), Err(NpyError::Header(_))),
            "{header}: {:?}",
            parse_with_header(header)
        );
    }
    assert_says(parse_with_header("{'descr': '<f4', }").unwrap_err(), &["`fortran_order` is missing", "numpy.save"]);
}

#[test]
fn other_elements_are_refused_with_the_way_out() {
    for descr in [">i8", ">f4", "<f2", "|b2", "<c8", "|O", "=f4", "<U", "<U0", ""] {
        let error = parse_with_header(&npy_header(descr, "(2, 3)")).unwrap_err();
        assert_eq!(error, NpyError::ElementType(descr.into()));
        assert_says(error, &["astype('<f4')"]);
    }
    let fields = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3)}";
    assert_says(parse_with_header(fields).unwrap_err(), &["structured array"]);
}

/// As pandas' `to_numpy` often has it.
#[test]
fn arrays_in_fortran_order_are_read_as_they_are_meant() {
    let read = |descr: &str, shape: &str, data: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': {shape}}}");
        parse_array(&npy(1, &header, data)).unwrap().into_features().unwrap()
    };
    let numbers = f32s(&[0.5, 3.25, -1.0, -4.0, 2.0, 1e30]);
    assert_eq!(read("<f4", "(2, 3)", &numbers), Features::F32(arr2(&[[0.5, -1.0, 2.0], [3.25, -4.0, 1e30]])));
    // numpy.arange(12).reshape(2, 3, 2), column by column.
    let bytes = [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11];
    assert_eq!(read("|u1", "(2, 3, 2)", &bytes), Features::U8(arr2(&[[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]])));
    assert_eq!(read("<i2", "(2, 2)", &[1, 0, 2, 0, 3, 0, 4, 0]), Features::F32(arr2(&[[1.0, 3.0], [2.0, 4.0]])));
    // A vector has one order.
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (3,)}";
    assert_eq!(parse_array(&npy(1, header, &[1, 2, 3])).unwrap().elements, Elements::U8(vec![1, 2, 3]));
}

#[test]
fn shapes_without_rows_and_columns_are_refused() {
    assert_says(parse_with_header(&npy_header("<f4", "(6,)")).unwrap_err(), &["[6]", "reshape(1, -1)"]);
    assert_eq!(parse_with_header(&npy_header("<f4", "()")), Err(NpyError::Rank(vec![])));
    for shape in ["(0, 3)", "(2, 0)", "(18446744073709551615, 0, 18446744073709551615)"] {
        assert!(matches!(parse_with_header(&npy_header("<f4", shape)), Err(NpyError::Empty(_))), "{shape}");
    }
}

#[test]
fn sizes_beyond_memory_cost_an_error_and_no_memory() {
    for shape in ["(18446744073709551615, 2)", "(4611686018427387904, 1)", "(4294967296, 4294967296)"] {
        assert!(matches!(parse_with_header(&npy_header("<f4", shape)), Err(NpyError::TooLarge(_))), "{shape}");
    }
    let error = parse_with_header(&npy_header("<f4", "(1000000000000, 1000)")).unwrap_err();
    assert_eq!(error, NpyError::Truncated { wanted: 4_000_000_000_000_000, had: 24 });
}

#[test]
fn truncated_and_oversized_are_told_apart_with_the_bytes() {
    let whole = npy(1, &npy_header("<f4", "(2, 3)"), &f32s(&NUMBERS));
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(parse(&whole[..whole.len() - 1]), Err(NpyError::Truncated { wanted: 24, had: 23 }));
    assert_eq!(parse(&longer), Err(NpyError::Oversized { wanted: 24, had: 25 }));
    for end in 6..whole.len() - 24 {
        assert!(matches!(parse(&whole[..end]), Err(NpyError::Header(_))), "cut off after {end} bytes");
    }
    let mut hostile = npy(2, &npy_header("<f4", "(2, 3)"), &[]);
    hostile[8..12].fill(0xff); // a header of 4 GiB
    assert!(matches!(parse(&hostile), Err(NpyError::Header(_))));
}

#[test]
fn what_is_not_npy_is_refused() {
    for bytes in [&b""[..], b"\x93NUMP", b"NUMPY\x01\0", b"PK\x03\x04 an npz file"] {
        assert_eq!(parse(bytes), Err(NpyError::NotNpy), "{bytes:?}");
    }
    let future = npy(4, &npy_header("<f4", "(2, 3)"), &f32s(&NUMBERS));
    assert_eq!(parse(&future), Err(NpyError::Version { major: 4, minor: 0 }));
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    let mut x = NUMBERS.map(f64::from);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39] {
        x[5] = bad; // 1e39 is finite in 64 bits only
        let error = parse(&npy(1, &npy_header("<f8", "(2, 3)"), &f64s(&x))).unwrap_err();
        assert_says(error, &["row 1, column 2", "finite"]);
    }
}

#[test]
fn files_are_named_in_errors() {
    let (temp, path) = file("rows.npy", b"\x93NUMPY\x01");
    assert_says(read(&path).unwrap_err(), &[&text(&path), "NPY header"]);
    let missing = temp.path().join("missing.npy");
    assert_says(read(&missing).unwrap_err(), &[&text(&missing), "cannot read"]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"\x93NUMPY", bytes.as_slice()].concat());
    }

    #[test]
    fn arbitrary_headers_never_panic(header in "([{}():,'0-9L ]|descr|fortran_order|shape|<f4|True|False){0,40}") {
        let _ = parse_with_header(&header);
    }

    #[test]
    fn arbitrary_shapes_never_panic(dims in prop::collection::vec(any::<u64>(), 0..5), descr in prop::sample::select(vec!["<f4", "<f8", "|u1"])) {
        let shape = dims.iter().map(|dim| format!("{dim},")).collect::<String>();
        let _ = parse_with_header(&npy_header(descr, &format!("({shape})")));
    }

    #[test]
    fn damaged_files_never_panic(version in 1_u8..4, damage in mutations()) {
        let _ = parse(&mutate(npy(version, &npy_header("<f4", "(2, 3)"), &f32s(&NUMBERS)), &damage));
    }

    #[test]
    fn valid_files_come_back_bit_for_bit(rows in 1_usize..6, bits in prop::collection::vec(any::<f32>(), 1..6), version in 1_u8..4) {
        let row: Vec<f32> = bits.into_iter().map(|x| if x.is_finite() { x } else { -0.0 }).collect();
        let data = row.repeat(rows);
        let bytes = npy(version, &npy_header("<f4", &format!("({rows}, {})", row.len())), &f32s(&data));
        let Ok(Features::F32(x)) = parse(&bytes) else { panic!("not read") };
        prop_assert_eq!(x.dim(), (rows, row.len()));
        prop_assert!(x.iter().zip(&data).all(|(x, y)| x.to_bits() == y.to_bits()));
    }
}
