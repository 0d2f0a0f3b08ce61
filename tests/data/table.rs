use crate::support::assert_says;
use proptest::prelude::*;
use wgrad::Error;
use wgrad::data::{Header, Table, TableFormat};

fn parse(text: &str) -> Result<Table, Error> {
    Table::parse("data.csv", text.as_bytes(), TableFormat::default())
}

/// Rows that an open quote swallows must not be missed in silence.
#[test]
fn quotes_have_to_be_closed() {
    for text in ["a,b\n1,\"2\n3,4\n", "a,b\n\"1,2\n", "a,b\n1,\"", "a,b\n1,\"2\"\"\n", "a,b\r\n1,\"2\r\n"] {
        assert_says(parse(text).unwrap_err(), &["line 2: a quote is opened"]);
    }
    for text in ["a,b\n1,\"2\"", "a,b\n1,\"2\"\"\"\n", "a,b\n1,2\"\n", "a,b\n1,\"2\n3\"\n", "a,b\n\"\",\"\"\n"] {
        assert_eq!(parse(text).unwrap().len(), 1, "{text}");
    }
}

#[test]
fn a_first_line_without_a_number_is_a_header() {
    let named = parse("kind,age\ncat,3\n").unwrap();
    assert!(named.has_header() && named.names() == ["kind", "age"] && named.len() == 1);
    let numbered = parse("cat,3\ndog,4\n").unwrap();
    assert!(!numbered.has_header() && numbered.names() == ["1", "2"] && numbered.len() == 2);
}

#[test]
fn whether_there_is_a_header_can_be_said() {
    let format = |header| TableFormat { header, ..TableFormat::default() };
    let years = Table::parse("a", b"kind,2020\ncat,3\n", format(Header::Present)).unwrap();
    assert!(years.names() == ["kind", "2020"] && years.len() == 1);
    let words = Table::parse("a", b"cat,red\ndog,blue\n", format(Header::Absent)).unwrap();
    assert!(words.names() == ["1", "2"] && words.len() == 2 && words.cell(0, 0) == "cat");
}

#[test]
fn lines_count_as_in_an_editor_whatever_stands_between_them() {
    let table = parse("a,b\r\n\r\n\"one\ntwo\",2\r\n\n3,4").unwrap();
    assert_eq!((table.len(), table.line(0), table.line(1), table.cell(0, 0)), (2, 3, 6, "one\ntwo"));
}

#[test]
fn quotes_spaces_other_delimiters_and_byte_order_marks_are_understood() {
    let table = parse("\u{feff}name,\"a \"\"b\"\"\"\n\"x, y\", 1 \n").unwrap();
    assert_eq!((table.names(), table.cell(0, 1)), (&["name".to_owned(), "a \"b\"".to_owned()][..], "1"));
    let format = TableFormat { delimiter: b';', ..TableFormat::default() };
    assert_eq!(Table::parse("a", b"a;b\n1,5;2\n", format).unwrap().cell(0, 0), "1,5");
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("tabs.tsv");
    std::fs::write(&path, "a\tb\n1\t2\n").unwrap();
    assert_eq!(Table::read(&path, TableFormat::default()).unwrap().names(), ["a", "b"]);
}

#[test]
fn gaps_are_known_by_their_usual_names() {
    let table = parse("a,b\n,NA\nNaN,?\nnull,N/A\n0,none\n-,x\n").unwrap();
    let missing: Vec<bool> = (0..5).flat_map(|row| [table.is_missing(row, 0), table.is_missing(row, 1)]).collect();
    assert_eq!(missing, [true, true, true, true, true, true, false, true, false, false]);
}

#[test]
fn columns_are_found_by_name_or_number() {
    let table = parse("sepal,petal,species\n1,2,x\n").unwrap();
    for (name, wanted) in [("petal", 1), ("1", 0), ("3", 2), ("-1", 2), ("-3", 0)] {
        assert_eq!(table.column(name, "target").unwrap(), wanted, "{name}");
    }
    for name in ["4", "-4", "0", ""] {
        assert_says(
            table.column(name, "target").unwrap_err(),
            &["target: data.csv has no column", "sepal, petal, species"],
        );
    }
    let error = table.column("speces", "target").unwrap_err();
    assert!(error.is_usage());
    assert_says(error, &["no column `speces`", "did you mean `species`?"]);
    assert_says(
        parse("1,2\n").unwrap().column("x", "drop").unwrap_err(),
        &["drop", "no header line", "columns 1 to 2"],
    );
}

#[test]
fn what_is_no_table_is_refused_with_its_line() {
    for (text, words) in [
        ("", &["data.csv", "no row"][..]),
        ("a,b\n", &["no row"]),
        ("a,b\n1,2\n3\n", &["line 3 has 1 cell", "first line has 2"]),
        ("a,b\n1,2\n\n3,4,5\n", &["line 4 has 3 cell"]),
        ("a,a\n1,2\n", &["line 1", "column 2", "`a`"]),
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, Error::Data { .. }), "{error}");
        assert_says(error, words);
    }
    let latin = Table::parse("data.csv", b"a,b\n1,caf\xe9\n", TableFormat::default());
    assert_says(latin.unwrap_err(), &["line 2, column 2", "UTF-8"]);
}

#[test]
fn text_where_a_number_belongs_is_named_with_its_place() {
    let table = parse("size,color\n1,red\n1e60,blue\n").unwrap();
    assert_says(
        table.number(0, 1).unwrap_err(),
        &["data.csv: line 2, column 2 (`color`): `red` is not a number", "categorical", "drop"],
    );
    assert_says(table.number(1, 0).unwrap_err(), &["line 3, column 1 (`size`): `1e60`", "32 bits"]);
    assert_eq!(table.number(0, 0).unwrap(), 1.0);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(table) = Table::parse("x", &bytes, TableFormat::default()) {
            let cells = (0..table.len()).flat_map(|row| (0..table.names().len()).map(move |column| (row, column)));
            for (row, column) in cells {
                let _ = (table.cell(row, column).len(), table.is_missing(row, column), table.number(row, column).is_ok());
            }
        }
    }

    #[test]
    fn cells_come_back(rows in prop::collection::vec(("[a-z]{1,5}", "[a-z0-9.]{1,5}"), 1..6)) {
        let text: String = rows.iter().map(|(a, b)| format!("{a},\"{b}\"\n")).collect();
        let format = TableFormat { header: Header::Absent, ..TableFormat::default() };
        let table = Table::parse("x", text.as_bytes(), format).unwrap();
        for (n, (a, b)) in rows.iter().enumerate() {
            prop_assert_eq!((table.cell(n, 0), table.cell(n, 1)), (a.as_str(), b.as_str()));
            prop_assert_eq!(table.line(n), n as u64 + 1);
        }
    }
}
