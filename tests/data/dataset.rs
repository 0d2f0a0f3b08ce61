use crate::support::assert_says;
use ndarray::{Array2, ShapeBuilder, arr2, s};
use wgrad::{
    Error,
    data::{Dataset, Features, Targets, TrainTest},
};

fn x() -> Array2<f32> {
    arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
}

fn is_c_order(data: &Dataset) -> bool {
    match data.features() {
        Features::U8(x) => x.as_slice().is_some(),
        Features::F32(x) => x.as_slice().is_some(),
    }
}

#[test]
fn classification_counts_samples_inputs_and_classes() {
    let data = Dataset::classification(x().view(), &[0, 4, 1]).unwrap();
    assert_eq!((data.len(), data.inputs(), data.classes(), data.is_empty()), (3, 2, 5, false));
    assert_eq!(data.features(), &Features::F32(x()));
    assert_eq!(data.targets(), &Targets::Classes(vec![0, 4, 1]));
    assert_eq!((data.features().row_bytes(), data.targets().len()), (8, 3));
}

#[test]
fn rows_that_do_not_lie_one_after_the_other_are_turned() {
    let columns = Array2::from_shape_vec((3, 2).f(), vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]).unwrap();
    assert!(columns.as_slice().is_none());
    for features in [Features::from(columns.view()), Features::from(columns.clone()), Features::from(x())] {
        let Features::F32(rows) = &features else { panic!("{features:?}") };
        assert!(rows.as_slice().is_some() && *rows == x(), "{features:?}");
    }
    assert_eq!(Features::from(arr2(&[[1_u8, 2]])), Features::U8(arr2(&[[1, 2]])));
}

/// -1 as u32 would make four billion classes.
#[test]
fn labels_that_cannot_be_meant_are_refused() {
    let error = Dataset::classification(x().view(), &[0, u32::MAX, 1]).unwrap_err();
    assert!(error.is_usage());
    assert_says(error, &["labels", "row 1", "4294967295", "count from 0"]);
}

#[test]
fn images_stay_bytes() {
    let pixels = arr2(&[[0_u8, 255], [7, 8]]);
    let named = Dataset::from_images("digits", pixels.clone(), vec![1, 0]).unwrap();
    let viewed = Dataset::image_classification(pixels.view(), &[1, 0]).unwrap();
    assert_eq!((named.name(), viewed.clone().with_name("other").name()), ("digits", "other"));
    for data in [named, viewed] {
        assert_eq!((data.features(), data.classes()), (&Features::U8(pixels.clone()), 2));
        assert_eq!(data.features().row_bytes(), 2);
    }
}

#[test]
fn regression_has_values_and_no_classes() {
    let y = arr2(&[[1.0], [2.0], [3.0]]);
    let data = Dataset::regression(x().view(), y.view()).unwrap();
    assert_eq!((data.classes(), data.targets()), (0, &Targets::Values(y)));
}

#[test]
fn any_strides_become_c_order() {
    let wide = arr2(&[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
    for view in [wide.t(), wide.slice(s![.., ..;2]), wide.slice(s![..;-1, ..])] {
        let labels = vec![0; view.nrows()];
        let data = Dataset::classification(view, &labels).unwrap();
        assert!(is_c_order(&data));
        assert_eq!(data.features(), &Features::F32(view.to_owned()));
    }
    let transposed = arr2(&[[1_u8, 2, 3], [4, 5, 6]]).reversed_axes();
    let data = Dataset::from_images("t", transposed.clone(), vec![0; 3]).unwrap();
    assert!(is_c_order(&data));
    assert_eq!(data.features(), &Features::U8(transposed));
}

#[test]
fn counts_that_differ_are_refused_with_both_shapes() {
    let bytes = Array2::<u8>::zeros((3, 2));
    let y = Array2::<f32>::zeros((2, 1));
    for (error, parts) in [
        (Dataset::classification(x().view(), &[0, 1]).unwrap_err(), ["labels", "(2,)", "(3,)"]),
        (Dataset::image_classification(bytes.view(), &[0; 4]).unwrap_err(), ["labels", "(4,)", "(3,)"]),
        (Dataset::from_images("a", bytes, vec![]).unwrap_err(), ["labels", "(0,)", "(3,)"]),
        (Dataset::regression(x().view(), y.view()).unwrap_err(), ["y has shape", "(2, 1)", "(3, O)"]),
        (Dataset::regression(x().view(), y.slice(s![..0, ..])).unwrap_err(), ["y has shape", "(0, 1)", "(3, O)"]),
    ] {
        assert!(matches!(error, Error::Shape { .. }), "{error}");
        assert_says(error, &parts);
    }
}

#[test]
fn empty_arrays_are_refused() {
    for dim in [(0, 2), (2, 0), (0, 0)] {
        let (bytes, floats, labels) = (Array2::<u8>::zeros(dim), Array2::<f32>::zeros(dim), vec![0; dim.0]);
        for result in [
            Dataset::classification(floats.view(), &labels),
            Dataset::regression(floats.view(), floats.view()),
            Dataset::image_classification(bytes.view(), &labels),
            Dataset::from_images("empty", bytes, labels),
        ] {
            assert_says(result.unwrap_err(), &["at least 1", &format!("{dim:?}")]);
        }
    }
    let no_outputs = Array2::zeros((3, 0));
    assert_says(Dataset::regression(x().view(), no_outputs.view()).unwrap_err(), &["y", "(3, 0)", "O at least 1"]);
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut broken = x();
        broken[[2, 1]] = bad;
        let parts = ["row 2, column 1", "finite"];
        assert_says(Dataset::classification(broken.view(), &[0; 3]).unwrap_err(), &[&parts[..], &["x:"]].concat());
        assert_says(Dataset::regression(broken.view(), x().view()).unwrap_err(), &[&parts[..], &["x:"]].concat());
        assert_says(Dataset::regression(x().view(), broken.view()).unwrap_err(), &[&parts[..], &["y:"]].concat());
    }
}

#[test]
fn take_keeps_the_first_samples_and_the_classes() {
    let data = Dataset::classification(x().view(), &[0, 1, 6]).unwrap().with_name("digits");
    let first = data.take(2).unwrap();
    assert_eq!(first.features(), &Features::F32(arr2(&[[1.0, 2.0], [3.0, 4.0]])));
    assert_eq!(first.targets(), &Targets::Classes(vec![0, 1]));
    assert_eq!((first.name(), first.classes(), data.take(3).unwrap().len()), ("digits", 7, 3));
    let y = arr2(&[[1.0], [2.0], [3.0]]);
    let values = Dataset::regression(x().view(), y.view()).unwrap().take(1).unwrap();
    assert_eq!(values.targets(), &Targets::Values(arr2(&[[1.0]])));
    for n in [0, 4] {
        assert_says(data.take(n).unwrap_err(), &[&format!("take {n} of the 3"), "1 to 3"]);
    }
}

#[test]
fn weights_are_one_for_each_sample_and_take_keeps_them() {
    let data = || Dataset::classification(x().view(), &[0, 1, 6]).unwrap();
    assert_eq!(data().weights(), None);
    let weighted = data().with_weights(vec![0.0, 0.0, 2.5]).unwrap().with_name("heavy");
    assert_eq!(weighted.weights(), Some(&[0.0, 0.0, 2.5][..]));
    assert_says(weighted.take(2).unwrap_err(), &["weights", "all are 0"]);
    let weighted = data().with_weights(vec![0.5, 0.0, 2.5]).unwrap();
    assert_eq!(weighted.take(2).unwrap().weights(), Some(&[0.5, 0.0][..]));
}

#[test]
fn weights_that_cannot_be_meant_are_refused() {
    let refused = |weights: Vec<f32>| {
        let data = Dataset::regression(x().view(), x().view()).unwrap();
        data.with_weights(weights).unwrap_err()
    };
    assert_says(refused(vec![1.0; 2]), &["weights", "(3,)", "(2,)"]);
    assert_says(refused(vec![0.0; 3]), &["weights", "all are 0"]);
    for bad in [-0.5, f32::NAN, f32::INFINITY] {
        assert_says(refused(vec![1.0, bad, 1.0]), &["weights", "row 1", &bad.to_string()]);
    }
}

#[test]
fn both_parts_get_the_larger_number_of_classes() {
    let part = |labels: &[u32]| Dataset::classification(x().view(), labels).unwrap();
    for (train, test) in [(part(&[0, 1, 2]), part(&[8, 0, 0])), (part(&[8, 1, 2]), part(&[1, 0, 0]))] {
        let both = TrainTest::new(train, test).unwrap();
        assert_eq!((both.train.classes(), both.test.classes()), (9, 9));
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let train = || Dataset::classification(x().view(), &[0; 3]).unwrap();
    let narrow = Dataset::classification(x().slice(s![.., ..1]), &[0; 3]).unwrap();
    let bytes = Dataset::image_classification(Array2::zeros((3, 2)).view(), &[0; 3]).unwrap();
    let values = Dataset::regression(x().view(), x().view()).unwrap();
    for (test, had) in [(narrow, "(N, 1) f32"), (bytes, "(N, 2) u8"), (values, "(N, 2) values")] {
        assert_says(TrainTest::new(train(), test).unwrap_err(), &["test", had, "(N, 2) f32 with class labels"]);
    }
}
