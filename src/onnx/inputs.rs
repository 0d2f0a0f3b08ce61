//! From raw rows to a model's inputs: the stored preprocessing as operators.

use super::graph::{Graph, Name, int, ints, strings};
use super::proto::DataType;
use super::{Port, Rows, listed};
use crate::data::{Column, Encoding, Preprocessing, missing_spellings};
use crate::train::ModelFile;

/// Adds the graph's inputs, and what makes (N, I) numbers in 32 bits of them; `rows` is what rows without columns of
/// their own consist of.
pub(super) fn add(graph: &mut Graph, file: &ModelFile, rows: Rows) -> (Name, Vec<Port>) {
    let plain = Preprocessing::default();
    let known = file.preprocessing.as_ref().unwrap_or(&plain);
    let (x, ports) = if known.columns.iter().any(|column| categories(column).is_some()) {
        columns(graph, &known.columns)
    } else {
        matrix(graph, file, known, rows)
    };
    (if known.normalize { to_unit_length(graph, &x) } else { x }, ports)
}

/// All columns in one input: none of them holds categories.
fn matrix(graph: &mut Graph, file: &ModelFile, known: &Preprocessing, rows: Rows) -> (Name, Vec<Port>) {
    let width = file.model.inputs;
    let scaled = rows == Rows::Bytes && known.columns.is_empty() && !known.normalize;
    let (element, what) = match rows {
        Rows::Bytes if scaled => (DataType::Uint8, format!("bytes, multiplied by {}", file.spec.pixel_scale)),
        Rows::Bytes => (DataType::Uint8, "bytes".to_owned()),
        Rows::Numbers if known.columns.is_empty() => (DataType::Float, "numbers, taken as they are".to_owned()),
        // As the columns of tables are read: in 64 bits, rounded once they are scaled.
        Rows::Numbers => {
            let names = known.columns.iter().map(|column| column.source.name.as_str());
            (DataType::Double, format!("columns {}", listed(names)))
        }
    };
    let port = Port::input(graph, "rows", element, width, &what);
    let mut x = port.name.clone();
    if known.columns.is_empty() {
        if element != DataType::Float {
            x = graph.cast(&x, DataType::Float, "rows.numbers");
        }
        if scaled {
            let scale = graph.floats("pixel_scale", &[], &[file.spec.pixel_scale]);
            x = graph.node("Mul", &[&x, &scale], "rows.scaled", Vec::new());
        }
        return (x, vec![port]);
    }
    if element != DataType::Double {
        x = graph.cast(&x, DataType::Double, "rows.numbers");
    }
    (numbers(graph, &x, &known.columns, "rows"), vec![port])
}

/// An input for each column, (N, 1), named as it is.
fn columns(graph: &mut Graph, columns: &[Column]) -> (Name, Vec<Port>) {
    let mut ports = Vec::new();
    for column in columns {
        let name = match column.source.name.as_str() {
            "" => format!("column {}", column.source.index + 1),
            name => name.to_owned(),
        };
        let (element, what) = match categories(column) {
            Some(names) => (DataType::String, format!("one of {}", listed(names.iter().map(String::as_str)))),
            None => (DataType::Double, "a number".to_owned()),
        };
        ports.push(Port::input(graph, &name, element, 1, &what));
    }
    let mut parts = Vec::new();
    // Neighbours that are numbers go through their scaling together.
    let kinds: Vec<_> = columns.iter().zip(&ports).collect();
    for (n, group) in
        kinds.chunk_by(|(one, _), (other, _)| [one, other].map(|c| categories(c)) == [None; 2]).enumerate()
    {
        let label = format!("inputs.{n}");
        let (column, port) = group[0];
        if categories(column).is_some() {
            parts.push(encoded(graph, &port.name, &column.encoding, &label));
            continue;
        }
        let names: Vec<&str> = group.iter().map(|(_, port)| port.name.as_str()).collect();
        let x = concatenated(graph, &names, &format!("{label}.numbers"));
        let columns: Vec<Column> = group.iter().map(|(column, _)| (*column).clone()).collect();
        parts.push(numbers(graph, &x, &columns, &label));
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    (concatenated(graph, &parts, "inputs"), ports)
}

fn concatenated(graph: &mut Graph, parts: &[&str], output: &str) -> Name {
    match parts {
        [single] => (*single).to_owned(),
        parts => graph.node("Concat", parts, output, vec![int("axis", 1)]),
    }
}

/// `((x or its stand-in) - shift) * scale` of each column, (N, columns), in 64 bits and then rounded to 32.
fn numbers(graph: &mut Graph, x: &str, columns: &[Column], label: &str) -> Name {
    let parts = columns.iter().map(|column| match column.encoding {
        Encoding::Number { shift, scale, missing } => (shift, scale, missing),
        // Of categories `encoded` takes care.
        Encoding::OneHot { .. } | Encoding::Ordinal { .. } => (0.0, 1.0, None),
    });
    let parts: Vec<(f64, f64, Option<f64>)> = parts.collect();
    let row = |value: fn(&(f64, f64, Option<f64>)) -> f64| parts.iter().map(value).collect::<Vec<_>>();
    let mut x = x.to_owned();
    if parts.iter().any(|(_, _, missing)| missing.is_some()) {
        let gaps = graph.node("IsNaN", &[&x], &format!("{label}.gaps"), Vec::new());
        let means = row(|(_, _, missing)| missing.unwrap_or(f64::NAN));
        let means = graph.doubles(&format!("{label}.means"), &[parts.len()], &means);
        x = graph.node("Where", &[&gaps, &means, &x], &format!("{label}.filled"), Vec::new());
    }
    if parts.iter().any(|(_, _, missing)| missing.is_none()) {
        x = without_gaps(graph, &x, label);
    }
    if parts.iter().any(|(shift, ..)| *shift != 0.0) {
        let shifts = graph.doubles(&format!("{label}.shifts"), &[parts.len()], &row(|(shift, ..)| *shift));
        x = graph.node("Sub", &[&x, &shifts], &format!("{label}.shifted"), Vec::new());
    }
    if parts.iter().any(|(_, scale, _)| *scale != 1.0) {
        let scales = graph.doubles(&format!("{label}.scales"), &[parts.len()], &row(|(_, scale, _)| *scale));
        x = graph.node("Mul", &[&x, &scales], &format!("{label}.scaled"), Vec::new());
    }
    graph.cast(&x, DataType::Float, &format!("{label}.encoded"))
}

/// The same numbers. Where one is NaN, a missing value without a stand-in, the run ends with an error, as `predict` does: a
/// table of one zero is asked for its second number. (A device that does not check adds nothing to the NaN.)
fn without_gaps(graph: &mut Graph, x: &str, label: &str) -> Name {
    let gaps = graph.node("IsNaN", &[x], &format!("{label}.has_gap"), Vec::new());
    let places = graph.cast(&gaps, DataType::Int64, &format!("{label}.gap_place"));
    let zero = graph.doubles(&format!("{label}.zero"), &[1], &[0.0]);
    let zeros = graph.node("Gather", &[&zero, &places], &format!("{label}.missing_value_without_stand_in"), Vec::new());
    graph.node("Add", &[x, &zeros], &format!("{label}.whole"), Vec::new())
}

/// A column of categories, (N, 1), as its inputs. Words that are none of them have the number past the last, at which the
/// next operator stops.
fn encoded(graph: &mut Graph, x: &str, encoding: &Encoding, label: &str) -> Name {
    let (categories, missing) = match encoding {
        Encoding::OneHot { categories, missing } | Encoding::Ordinal { categories, missing, .. } => {
            (categories, *missing)
        }
        Encoding::Number { .. } => return x.to_owned(),
    };
    let gaps = missing_spellings();
    let known = categories.iter().zip(0_i64..).filter(|(name, _)| !gaps.contains(name));
    let (mut keys, mut codes): (Vec<String>, Vec<i64>) = known.map(|(name, code)| (name.clone(), code)).unzip();
    if let Some(stand_in) = missing {
        codes.extend(gaps.iter().map(|_| stand_in as i64));
        keys.extend(gaps);
    }
    let count = categories.len() as i64;
    let attributes = vec![strings("keys_strings", &keys), ints("values_int64s", codes), int("default_int64", count)];
    let code = graph.ml_node("LabelEncoder", &[x], &format!("{label}.code"), attributes);
    let output = format!("{label}.encoded");
    match encoding {
        Encoding::Ordinal { shift, scale, .. } => {
            let values: Vec<f32> = (0..count).map(|code| ((code as f64 - shift) * scale) as f32).collect();
            let values = graph.floats(&format!("{label}.values"), &[values.len()], &values);
            graph.node("Gather", &[&values, &code], &output, Vec::new())
        }
        _ => {
            let attributes = vec![ints("cats_int64s", (0..count).collect()), int("zeros", 0)];
            let hot = graph.ml_node("OneHotEncoder", &[&code], &format!("{label}.hot"), attributes); // (N, 1, categories)
            let axis = graph.integers(&format!("{label}.axis"), &[1], &[1]);
            graph.node("Squeeze", &[&hot, &axis], &output, Vec::new())
        }
    }
}

/// Each row over its Euclidean length, in 64 bits; one of zeros stays as it is.
fn to_unit_length(graph: &mut Graph, x: &str) -> Name {
    let x = graph.cast(x, DataType::Double, "unit.numbers");
    let squares = graph.node("Mul", &[&x, &x], "unit.squares", Vec::new());
    let axis = graph.integers("unit.axis", &[1], &[1]);
    let sums = graph.node("ReduceSum", &[&squares, &axis], "unit.sums", vec![int("keepdims", 1)]);
    let lengths = graph.node("Sqrt", &[&sums], "unit.lengths", Vec::new());
    let [zero, one] = [("unit.zero", 0.0), ("unit.one", 1.0)].map(|(name, value)| graph.doubles(name, &[], &[value]));
    let some = graph.node("Greater", &[&lengths, &zero], "unit.some", Vec::new());
    let divisors = graph.node("Where", &[&some, &lengths, &one], "unit.divisors", Vec::new());
    let divided = graph.node("Div", &[&x, &divisors], "unit.divided", Vec::new());
    graph.cast(&divided, DataType::Float, "unit.encoded")
}

fn categories(column: &Column) -> Option<&[String]> {
    match &column.encoding {
        Encoding::Number { .. } => None,
        Encoding::OneHot { categories, .. } | Encoding::Ordinal { categories, .. } => Some(categories),
    }
}
