//! The built-in small sets: what scikit-learn's generators promise, checked on what ours make.

use crate::support::assert_says;
use ndarray::{Array1, Array2, Axis};
use wgrad::data::{Features, Targets};
use wgrad::datasets::{
    self, MakeClassification, MakeLine, MakeMoons, MakeRegression, make_classification, make_line, make_moons,
    make_regression, make_regression_with_coefficients,
};
use wgrad::{Dataset, Error};

fn x(data: &Dataset) -> Array2<f64> {
    match data.features() {
        Features::F32(x) => x.mapv(f64::from),
        Features::U8(x) => x.mapv(f64::from),
    }
}

fn labels(data: &Dataset) -> Vec<u32> {
    match data.targets() {
        Targets::Classes(labels) => labels.clone(),
        Targets::Values(_) => panic!("values"),
    }
}

fn y(data: &Dataset) -> Array2<f64> {
    match data.targets() {
        Targets::Values(y) => y.mapv(f64::from),
        Targets::Classes(_) => panic!("classes"),
    }
}

#[test]
fn iris_is_fishers() {
    let iris = datasets::iris().unwrap();
    assert_eq!((iris.len(), iris.inputs(), iris.classes(), iris.name()), (150, 4, 3, "iris"));
    assert_eq!(labels(&iris), [[0; 50], [1; 50], [2; 50]].concat());
    // The means that Fisher's paper gives for the species, table II.
    let wanted = [[5.006, 3.428, 1.462, 0.246], [5.936, 2.770, 4.260, 1.326], [6.588, 2.974, 5.552, 2.026]];
    for (species, wanted) in wanted.iter().enumerate() {
        let rows: Vec<usize> = (50 * species..50 * (species + 1)).collect();
        let means = x(&iris).select(Axis(0), &rows).mean_axis(Axis(0)).unwrap();
        assert!(means.iter().zip(wanted).all(|(had, wanted)| (had - wanted).abs() < 1e-6), "{means}");
    }
}

#[test]
fn xor_is_exclusive_or() {
    let xor = datasets::xor().unwrap();
    assert!(x(&xor).rows().into_iter().zip(labels(&xor)).all(|(row, label)| (row[0] != row[1]) == (label == 1)));
    assert_eq!(xor.len(), 4);
}

#[test]
fn moons_lie_on_their_circles() {
    let moons = make_moons(&MakeMoons { samples: 101, ..MakeMoons::default() }).unwrap();
    let labels = labels(&moons);
    assert_eq!(labels.iter().filter(|label| **label == 0).count(), 50);
    for (point, label) in x(&moons).rows().into_iter().zip(&labels) {
        let (cx, cy, above) = if *label == 0 { (0.0, 0.0, 1.0) } else { (1.0, 0.5, -1.0) };
        let (dx, dy) = (point[0] - cx, point[1] - cy);
        assert!((dx.hypot(dy) - 1.0).abs() < 1e-6 && above * dy > -1e-6, "{point} {label}");
    }
    let clean = x(&moons);
    let noisy = make_moons(&MakeMoons { samples: 101, noise: 0.1, seed: 0 }).unwrap();
    let noise = x(&noisy) - clean;
    assert!((noise.std(0.0) - 0.1).abs() < 0.02 && noise.mean().unwrap().abs() < 0.03);
}

#[test]
fn regression_targets_are_what_the_coefficients_say() {
    let spec = MakeRegression { samples: 500, features: 6, informative: 3, targets: 2, bias: 7.0, noise: 0.0, seed: 5 };
    let (data, coefficients) = make_regression_with_coefficients(&spec).unwrap();
    let wanted = x(&data).dot(&coefficients) + 7.0;
    assert!((&y(&data) - &wanted).iter().all(|difference| difference.abs() < 1e-3));
    let informative = coefficients.rows().into_iter().filter(|row| row.iter().any(|c| *c != 0.0)).count();
    assert!(informative == 3 && coefficients.iter().all(|c| (0.0..100.0).contains(c)));
    let features = x(&data);
    assert!(features.mean().unwrap().abs() < 0.1 && (features.std(0.0) - 1.0).abs() < 0.1);
    let noisy = make_regression(&MakeRegression { noise: 2.0, ..spec }).unwrap();
    assert_eq!(noisy.features(), data.features(), "noise draws from a stream of its own");
    assert!(((y(&noisy) - y(&data)).std(0.0) - 2.0).abs() < 0.2);
}

#[test]
fn lines_are_lines() {
    let data = make_line(&MakeLine { samples: 50, slope: 3.0, intercept: -1.0, noise: 0.0, seed: 2 }).unwrap();
    let (x, y) = (x(&data), y(&data));
    assert!(x.iter().zip(&y).all(|(x, y)| (3.0 * x - 1.0 - y).abs() < 1e-6 && (-1.0..1.0).contains(x)));
}

#[test]
fn classes_are_clusters_at_the_corners_of_a_cube() {
    let spec = MakeClassification {
        samples: 2001,
        features: 7,
        informative: 3,
        redundant: 2,
        repeated: 1,
        classes: 3,
        clusters_per_class: 2,
        flip: 0.0,
        separation: 30.0,
        seed: 4,
    };
    let data = make_classification(&spec).unwrap();
    let (x, labels) = (x(&data), labels(&data));
    assert_eq!((data.len(), data.inputs(), data.classes()), (2001, 7, 3));
    let counts: Vec<usize> = (0..3).map(|class| labels.iter().filter(|label| **label == class).count()).collect();
    assert!(counts.iter().all(|count| (666..=668).contains(count)), "{counts:?}");
    // Far apart, clusters are told by the signs of the informative features: each pattern of signs is one class.
    let informative: Vec<usize> =
        (0..7).filter(|i| x.column(*i).iter().all(|v| (v.abs() - 30.0).abs() < 12.0)).collect();
    assert!(informative.len() >= 3, "{informative:?}");
    let mut patterns = std::collections::HashMap::new();
    for (row, label) in x.rows().into_iter().zip(&labels) {
        let pattern: Vec<bool> = informative.iter().map(|i| row[*i] > 0.0).collect();
        assert_eq!(*patterns.entry(pattern).or_insert(*label), *label);
    }
    assert_eq!(patterns.len(), 6);
    // Three informative features, two of their combinations and a repetition: rank 3 and noise.
    let noise = (0..7).filter(|i| x.column(*i).iter().all(|v| v.abs() < 6.0)).count();
    assert_eq!(noise, 1);
    let repeated =
        (0..7).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|(i, j)| x.column(*i) == x.column(*j)).count();
    assert_eq!(repeated, 1);
}

#[test]
fn flipped_labels_are_drawn_from_all_classes() {
    let spec = MakeClassification { samples: 4000, flip: 0.0, ..MakeClassification::default() };
    let (clean, flipped) =
        (make_classification(&spec).unwrap(), make_classification(&MakeClassification { flip: 0.2, ..spec }).unwrap());
    assert_eq!(clean.features(), flipped.features());
    let changed = labels(&clean).iter().zip(labels(&flipped)).filter(|(a, b)| **a != *b).count();
    // Of two classes half of those drawn again come out as they were.
    assert!((350..=450).contains(&changed), "{changed}");
}

#[test]
fn all_corners_of_a_small_cube_can_be_taken() {
    let spec = MakeClassification {
        informative: 2,
        redundant: 0,
        features: 2,
        classes: 4,
        clusters_per_class: 1,
        ..MakeClassification::default()
    };
    assert_eq!(make_classification(&spec).unwrap().classes(), 4);
}

#[test]
fn the_seed_makes_the_set() {
    let make = |seed| make_classification(&MakeClassification { seed, ..MakeClassification::default() }).unwrap();
    assert_eq!((make(1).features(), make(1).targets()), (make(1).features(), make(1).targets()));
    assert_ne!(make(1).features(), make(2).features());
    let columns = x(&make(1)).map_axis(Axis(0), |column| column.std(0.0));
    assert!(columns.iter().all(|deviation| *deviation > 0.0), "{:?}", Array1::from(columns));
}

#[test]
fn generators_go_by_name_and_options() {
    let made = |text: &str| datasets::made(text).map(|data| data.map(|data| (data.len(), data.inputs())));
    assert_eq!(made("make-regression:samples=30,features=2,noise=0.1").unwrap(), Some((30, 2)));
    assert_eq!(made("make_classification").unwrap(), Some((100, 20)));
    assert_eq!((made("xor").unwrap(), made("line:slope=-2").unwrap()), (Some((4, 2)), Some((100, 1))));
    assert_eq!(made("mnist").unwrap(), None);
    for (text, words) in [
        ("make-moons:sample=3", ["option `sample=3` is not known", "did you mean `samples`?"]),
        ("make-moons:samples", ["option `samples`", "no value"]),
        ("make-moons:samples=1.5", ["samples=1.5", "a whole number"]),
        ("make-moons:noise=much", ["noise=much", "a number"]),
        ("make-moons:noise=-1", ["noise", "at least 0"]),
        ("xor:samples=3", ["xor", "no options"]),
    ] {
        assert_says(made(text).unwrap_err(), &words);
    }
}

#[test]
fn options_that_cannot_be_are_named() {
    let refused = |result: Result<Dataset, Error>, words: &[&str]| {
        let error = result.unwrap_err();
        assert!(error.is_usage());
        assert_says(error, words);
    };
    let classes = MakeClassification::default();
    refused(make_moons(&MakeMoons { samples: 1, ..MakeMoons::default() }), &["samples", "at least 2"]);
    // More than any memory holds: refused before anything is allocated.
    let huge = usize::MAX / 2;
    refused(make_moons(&MakeMoons { samples: huge, ..MakeMoons::default() }), &["samples", "at most"]);
    refused(make_line(&MakeLine { samples: huge, ..MakeLine::default() }), &["samples", "at most"]);
    let wide = MakeRegression { features: 1 << 24, targets: 1 << 24, samples: 1, ..MakeRegression::default() };
    refused(make_regression(&wide), &["targets", "16777216 by 16777216"]);
    let wide = MakeClassification { features: 1 << 24, informative: 1 << 24, redundant: 0, samples: 2, ..classes };
    refused(make_classification(&wide), &["informative", "16777216 by 16777216"]);
    let many = MakeClassification { features: 64, informative: 64, redundant: 0, classes: huge, ..classes };
    refused(make_classification(&many), &["classes"]);
    refused(make_moons(&MakeMoons { noise: -1.0, ..MakeMoons::default() }), &["noise", "-1"]);
    refused(make_line(&MakeLine { slope: f64::NAN, ..MakeLine::default() }), &["slope", "finite"]);
    refused(make_regression(&MakeRegression { targets: 0, ..MakeRegression::default() }), &["targets"]);
    refused(make_regression(&MakeRegression { bias: f64::INFINITY, ..MakeRegression::default() }), &["bias"]);
    refused(make_classification(&MakeClassification { features: 3, ..classes }), &["features", "are 4", "3 in all"]);
    refused(
        make_classification(&MakeClassification { classes: 5, ..classes }),
        &["informative", "10 clusters", "make 4"],
    );
    refused(make_classification(&MakeClassification { classes: 1, ..classes }), &["classes", "at least 2"]);
    refused(make_classification(&MakeClassification { flip: 1.5, ..classes }), &["flip"]);
    refused(make_classification(&MakeClassification { samples: 3, ..classes }), &["4 clusters", "as many samples"]);
}
