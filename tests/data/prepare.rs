//! Tables to training sets: what is fitted, on which rows, and what is refused.

use crate::support::assert_says;
use ndarray::{Array2, arr2};
use std::sync::Arc;
use wgrad::data::{
    Encoding, Features, Missing, Parts, Preprocessing, Scale, Split, Table, TableFormat, TableSpec, Targets, Task,
};
use wgrad::{Dataset, Error};

const PETS: &str = "\
size,color,kind
1,red,cat
2,blue,dog
3,red,cat
6,green,dog
";

fn table(text: &str) -> Table {
    Table::parse("pets.csv", text.as_bytes(), TableFormat::default()).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn spec() -> TableSpec {
    TableSpec { one_hot: names(&["color"]), ..TableSpec::default() }
}

fn x(data: &Dataset) -> Array2<f32> {
    match data.features() {
        Features::F32(x) => x.clone(),
        Features::U8(_) => panic!("bytes"),
    }
}

fn preprocessing(parts: &Parts) -> Arc<Preprocessing> {
    Arc::new(parts.train.preprocessing().unwrap().clone())
}

#[track_caller]
fn refused(spec: &TableSpec, text: &str, words: &[&str]) -> Error {
    let error = spec.prepare(&table(text)).unwrap_err();
    assert_says(&error, words);
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

#[test]
fn words_are_classes_and_categories_become_inputs() {
    let parts = spec().prepare(&table(PETS)).unwrap();
    assert_eq!(x(&parts.train), arr2(&[[1., 0., 0., 1.], [2., 1., 0., 0.], [3., 0., 0., 1.], [6., 0., 1., 0.]]));
    assert_eq!(parts.train.targets(), &Targets::Classes(vec![0, 1, 0, 1]));
    let fitted = preprocessing(&parts);
    assert_eq!(
        (fitted.classes.clone(), fitted.inputs(), parts.train.name()),
        (names(&["cat", "dog"]), Some(4), "pets")
    );
    assert!(parts.validation.is_none() && parts.test.is_none());
}

#[test]
fn scales_are_those_of_scikit_learn() {
    // python3 -c "from sklearn.preprocessing import *; print(StandardScaler().fit_transform([[1],[2],[3],[6]]).ravel())"
    let standard = [-1.069_045, -0.534_522_5, 0.0, 1.603_567_5];
    for (scale, wanted) in [(Scale::Standardize, standard), (Scale::MinMax, [0.0, 0.2, 0.4, 1.0])] {
        let data = TableSpec { scale, ..spec() }.prepare(&table(PETS)).unwrap().train;
        let column: Vec<f32> = x(&data).column(0).to_vec();
        assert!(column.iter().zip(wanted).all(|(had, wanted)| (had - wanted).abs() < 1e-6), "{column:?}");
        // Categories stay 0 and 1.
        assert!(x(&data).columns().into_iter().skip(1).all(|column| column.iter().all(|v| *v == 0.0 || *v == 1.0)));
    }
}

#[test]
fn constant_columns_become_zero() {
    for scale in [Scale::Standardize, Scale::MinMax] {
        let spec = TableSpec { scale, ..TableSpec::default() };
        let data = spec.prepare(&table("a,b,y\n0.1,1,u\n0.1,2,v\n0.1,3,u\n")).unwrap().train;
        assert!(x(&data).column(0).iter().all(|value| *value == 0.0), "{scale:?}");
    }
}

/// As behind scikit-learn's `SimpleImputer`, of categories in an order too.
#[test]
fn gaps_are_filled_before_the_deviation_is_taken() {
    let spec = TableSpec {
        missing: Missing::Mean,
        scale: Scale::Standardize,
        ordinal: names(&["size=s:m:l"]),
        ..TableSpec::default()
    };
    let data = spec.prepare(&table("a,size,y\n1,s,u\n?,m,v\n3,l,u\n?,s,v\n")).unwrap().train;
    let deviation = |values: ndarray::ArrayView1<f32>| values.mapv(f64::from).std(0.0);
    for column in x(&data).columns() {
        assert!((deviation(column) - 1.0).abs() < 1e-6, "{column}");
    }
    // 1, 2, 3, 2: variance 1/2.
    assert!((x(&data)[(0, 0)] + 2.0_f32.sqrt()).abs() < 1e-6 && x(&data)[(1, 0)] == 0.0);
}

#[test]
fn rows_can_be_brought_to_unit_length() {
    let spec = TableSpec { normalize: true, ..TableSpec::default() };
    let data = spec.prepare(&table("a,b,y\n3,4,u\n0,0,v\n-5,12,v\n")).unwrap().train;
    assert_eq!(x(&data), arr2(&[[0.6, 0.8], [0.0, 0.0], [-5.0 / 13.0, 12.0 / 13.0]]));
}

#[test]
fn ordinal_categories_are_numbered_sorted_or_as_listed() {
    let text = "size,y\nsmall,u\nlarge,v\nmedium,u\n";
    for (ordinal, wanted) in [("size", [2.0, 0.0, 1.0]), ("size=small:medium:large", [0.0, 2.0, 1.0])] {
        let spec = TableSpec { ordinal: names(&[ordinal]), ..TableSpec::default() };
        assert_eq!(x(&spec.prepare(&table(text)).unwrap().train).column(0).to_vec(), wanted);
    }
    let spec = TableSpec { ordinal: names(&["size=small:large"]), ..TableSpec::default() };
    refused(&spec, text, &["line 4, column 1 (`size`): `medium`", "are listed", "small, large"]);
}

#[test]
fn whole_numbers_are_few_classes_or_many_values() {
    let task = |text: &str, task| {
        let parts = TableSpec { task, ..TableSpec::default() }.prepare(&table(text));
        parts.map(|parts| if preprocessing(&parts).is_regression() { "values" } else { "classes" })
    };
    let many: String = "a,y\n".to_owned() + &(0..21).map(|n| format!("{n},{n}\n")).collect::<String>();
    assert_eq!(task("a,y\n1,0\n2,1\n3,0\n", None).unwrap(), "classes");
    assert_eq!(task("a,y\n1,0.5\n2,1\n3,0\n", None).unwrap(), "values");
    assert_eq!(task(&many, None).unwrap(), "values");
    assert_eq!(task(&many, Some(Task::Classification)).unwrap(), "classes");
    assert_eq!(task("a,y\n1,0\n2,1\n3,0\n", Some(Task::Regression)).unwrap(), "values");
    assert_says(task("a,y\n1,u\n2,v\n", Some(Task::Regression)).unwrap_err(), &["line 2, column 2 (`y`): `u`"]);
}

#[test]
fn numbers_as_classes_are_sorted_by_value_and_spelled_once() {
    let parts = TableSpec::default().prepare(&table("a,y\n1,10\n2,9\n3,-1\n4,09\n")).unwrap();
    assert_eq!(preprocessing(&parts).classes, ["-1", "9", "10"]);
    assert_eq!(parts.train.targets(), &Targets::Classes(vec![2, 1, 0, 1]));
}

#[test]
fn several_targets_are_values_and_come_back_in_their_units() {
    let text = "a,u,v\n1,10,0.5\n2,20,1\n3,60,2\n";
    let spec = TableSpec { targets: names(&["v", "u"]), scale_targets: true, ..TableSpec::default() };
    let data = spec.prepare(&table(text)).unwrap().train;
    let Targets::Values(y) = data.targets() else { panic!("classes") };
    assert!((y.mean().unwrap()).abs() < 1e-6 && (y.column(0).std(0.0) - 1.0).abs() < 1e-6);
    let mut back = y.clone();
    data.preprocessing().unwrap().restore(&mut back);
    let wanted = arr2(&[[0.5, 10.0], [1.0, 20.0], [2.0, 60.0]]);
    assert!((&back - &wanted).iter().all(|difference: &f32| difference.abs() < 1e-4), "{back}");
}

#[test]
fn gaps_are_refused_dropped_or_filled() {
    let text = "a,color,y\n1,red,u\n,blue,v\n5,,u\n3,red,v\n";
    let spec = |missing| TableSpec { missing, ..spec() };
    refused(&spec(Missing::Error), text, &["line 3, column 1 (`a`)", "no value", "Missing::Drop", "Missing::Mean"]);
    let dropped = spec(Missing::Drop).prepare(&table(text)).unwrap().train;
    assert_eq!(x(&dropped), arr2(&[[1.0, 1.0], [3.0, 1.0]]));
    let filled = spec(Missing::Mean).prepare(&table(text)).unwrap();
    assert_eq!(x(&filled.train), arr2(&[[1., 0., 1.], [3., 1., 0.], [5., 0., 1.], [3., 0., 1.]]));
    let Encoding::Number { missing, .. } = preprocessing(&filled).columns[0].encoding else { panic!() };
    assert_eq!(missing, Some(3.0));
    // Answers cannot be made up.
    refused(&spec(Missing::Mean), "a,color,y\n1,red,\n2,red,u\n", &["line 2, column 3 (`y`)", "cannot be made up"]);
    refused(&spec(Missing::Drop), "a,color,y\n1,,u\n,red,u\n", &["no row has a value in every column"]);
    refused(&spec(Missing::Mean), "a,color,y\n,red,u\n,red,v\n", &["column `a` has no value"]);
}

#[test]
fn everything_is_fitted_on_the_training_part_alone() {
    // The test part's rows are far off: were they seen, means and extremes would show it.
    let text: String = "a,y\n".to_owned()
        + &(0..40).map(|n| format!("{},{}\n", if n % 2 == 0 { n } else { n * 1000 }, n % 4)).collect::<String>();
    let table = table(&text);
    let split = Split { test: 0.25, validation: 0.25, seed: 3, stratify: true };
    let spec = TableSpec { scale: Scale::Standardize, split, ..TableSpec::default() };
    let parts = spec.prepare(&table).unwrap();
    let column = x(&parts.train).column(0).mapv(f64::from);
    assert!(column.mean().unwrap().abs() < 1e-6 && (column.std(0.0) - 1.0).abs() < 1e-6);
    let (validation, test) = (parts.validation.unwrap(), parts.test.unwrap());
    assert_eq!((parts.train.len(), validation.len(), test.len()), (20, 10, 10));
    let fitted = Arc::new(parts.train.preprocessing().unwrap().clone());
    // A table of its own meets the same means.
    let again = fitted.dataset(&table).unwrap();
    assert_eq!(again.len(), 40);
    let rows = x(&again);
    assert!(x(&test).rows().into_iter().all(|row| rows.rows().into_iter().any(|other| other == row)));
}

#[test]
fn parts_from_tables_of_their_own() {
    let (train, test) = (table(PETS), table("kind,size,color\ndog,9,red\n"));
    let parts = spec().prepare_with(&train, None, Some(&test)).unwrap();
    let test = parts.test.unwrap();
    assert_eq!((x(&test), test.targets(), test.classes()), (arr2(&[[9., 0., 0., 1.]]), &Targets::Classes(vec![1]), 2));
    let unseen = table("size,color,kind\n1,red,cat\n2,red,cow\n");
    let error = spec().prepare_with(&train, Some(&unseen), None).unwrap_err();
    assert_says(error, &["line 3, column 3 (`kind`): `cow` is a class that training did not have", "cat, dog"]);
    let unseen = table("size,color,kind\n1,pink,cat\n");
    let error = spec().prepare_with(&train, None, Some(&unseen)).unwrap_err();
    assert_says(
        error,
        &["line 2, column 2 (`color`): `pink` is a category that training did not have", "blue, green, red"],
    );
    let both = TableSpec { split: Split { test: 0.5, ..Split::default() }, ..spec() };
    assert_says(both.prepare_with(&train, None, Some(&table(PETS))).unwrap_err(), &["test fraction", "one of the two"]);
}

#[test]
fn raw_rows_are_taken_by_name_or_by_place() {
    let fitted = preprocessing(&spec().prepare(&table(PETS)).unwrap());
    let wanted = arr2(&[[4., 1., 0., 0.]]);
    let encode = |text: &str| fitted.encode(&table(text), &[0]);
    for text in ["color,size\nblue,4\n", "id,size,kind,color\n7,4,?,blue\n", "4,blue\n", "4,blue,cat\n"] {
        assert_eq!(encode(text).unwrap(), wanted, "{text}");
    }
    assert_says(encode("colour,size\nblue,4\n").unwrap_err(), &["no column `color`", "did you mean `colour`?"]);
    assert_says(encode("1,2,3,4\n").unwrap_err(), &["has 4 columns", "reads 2 of the 3"]);
    assert_says(
        encode("size,color\n,blue\n").unwrap_err(),
        &["line 2, column 1 (`size`)", "no value", "Missing::Mean"],
    );
    assert_says(encode("size,color\nbig,blue\n").unwrap_err(), &["`big` is not a number"]);
    let array = fitted.encode_array(Features::F32(arr2(&[[1.0, 2.0]]))).unwrap_err();
    assert_says(array, &["color", "categories", "CSV"]);
}

#[test]
fn weights_have_a_column_of_their_own() {
    let text = "a,w,y\n1,0.5,u\n2,2,v\n";
    let spec = TableSpec { weights: Some("w".to_owned()), ..TableSpec::default() };
    let data = spec.prepare(&table(text)).unwrap().train;
    assert_eq!((data.weights(), data.inputs()), (Some(&[0.5, 2.0][..]), 1));
    refused(&spec, "a,w,y\n1,-1,u\n2,2,v\n", &["line 2, column 2 (`w`): `-1` is not a weight"]);
    // A table to judge on needs none.
    let fitted = Arc::new(data.preprocessing().unwrap().clone());
    assert!(fitted.dataset(&table("a,y\n1,u\n")).unwrap().weights().is_none());
}

#[test]
fn columns_that_are_not_there_or_named_twice_are_refused() {
    let with = |change: fn(&mut TableSpec)| {
        let mut spec = spec();
        change(&mut spec);
        spec
    };
    let usage = |spec: TableSpec, words: &[&str]| assert!(refused(&spec, PETS, words).is_usage());
    usage(with(|s| s.targets = names(&["knd"])), &["target", "no column `knd`", "did you mean `kind`?"]);
    usage(with(|s| s.one_hot = names(&["colr"])), &["categorical", "`colr`", "`color`"]);
    usage(with(|s| s.ordinal = names(&["siz"])), &["ordinal", "`siz`", "`size`"]);
    usage(with(|s| s.drop = names(&["9"])), &["drop", "`9`"]);
    usage(with(|s| s.weights = Some("w".into())), &["weights column", "`w`"]);
    usage(with(|s| s.drop = names(&["kind"])), &["drop", "`kind` is named already, for target"]);
}

#[test]
fn what_cannot_be_learned_is_refused() {
    refused(
        &spec(),
        "size,color,kind\n1,red,cat\n2,red,cat\n",
        &["target `kind` is `cat` in every row", "check which column"],
    );
    let values = TableSpec { task: Some(Task::Regression), ..TableSpec::default() };
    refused(&values, "a,y\n1,5\n2,5\n", &["target `y` is `5` in every row"]);
    refused(&TableSpec { drop: names(&["a"]), ..TableSpec::default() }, "a,y\n1,u\n2,v\n", &["no column is left"]);
    refused(&TableSpec::default(), PETS, &["line 2, column 2 (`color`): `red` is not a number", "categorical"]);
    let classes = TableSpec { targets: names(&["a", "b"]), task: Some(Task::Classification), ..TableSpec::default() };
    refused(&classes, "a,b,c\n1,2,3\n", &["target", "one target column, got 2"]);
    let empty = TableSpec { split: Split { test: 0.9, ..Split::default() }, ..spec() };
    refused(&empty, PETS, &["leave none for training"]);
}

/// A column whose every value is another, such as a name, taken for categories: as many inputs as rows.
#[test]
fn categories_that_no_memory_holds_are_refused() {
    let rows = 1 << 19;
    let text: String =
        std::iter::once("name,y\n".to_owned()).chain((0..rows).map(|n| format!("c{n},{}\n", n % 7))).collect();
    let spec = TableSpec { one_hot: names(&["name"]), ..TableSpec::default() };
    let error = spec.prepare(&table(&text)).unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    assert_says(error, &["the table's inputs, 524288 rows of 524288", "ordinal", "drop"]);
}
