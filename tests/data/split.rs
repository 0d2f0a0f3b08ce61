use crate::support::assert_says;
use ndarray::Array2;
use proptest::prelude::*;
use wgrad::data::{Dataset, Features, Split, Targets};

fn split(test: f64, validation: f64) -> Split {
    Split { test, validation, ..Split::default() }
}

fn counts(rows: &[usize], labels: &[u32]) -> Vec<usize> {
    let classes = *labels.iter().max().unwrap() + 1;
    (0..classes).map(|class| rows.iter().filter(|row| labels[**row] == class).count()).collect()
}

#[test]
fn each_class_gives_its_share() {
    let labels: Vec<u32> = [(0, 90), (1, 50), (2, 10)].iter().flat_map(|&(class, n)| vec![class; n]).collect();
    let parts = split(0.2, 0.1).divide(150, Some(&labels)).unwrap();
    assert_eq!(counts(&parts.test, &labels), [18, 10, 2]);
    assert_eq!(counts(&parts.validation, &labels), [9, 5, 1]);
    assert_eq!(counts(&parts.train, &labels), [63, 35, 7]);
}

#[test]
fn the_seed_draws_and_nothing_else_does() {
    let rows = |seed, stratify| Split { seed, stratify, ..split(0.3, 0.0) }.divide(100, Some(&[0; 100])).unwrap();
    assert_eq!(rows(1, true), rows(1, true));
    assert_ne!(rows(1, true).test, rows(2, true).test);
    // Of a single class nothing is left to stratify.
    assert_eq!(rows(1, true), rows(1, false));
    // Taking a validation part leaves the test part as it is.
    assert_eq!(split(0.3, 0.2).divide(100, None).unwrap().test, split(0.3, 0.0).divide(100, None).unwrap().test);
}

#[test]
fn shares_round_up_but_not_on_account_of_binary_fractions() {
    for (share, len, wanted) in [(0.1, 150, 15), (0.2, 150, 30), (0.1, 7, 1), (0.5, 3, 2), (0.07, 100, 7), (0.0, 9, 0)]
    {
        assert_eq!(split(share, 0.0).divide(len, None).unwrap().test.len(), wanted, "{share} of {len}");
    }
}

#[test]
fn a_part_that_would_be_empty_is_refused() {
    for (test, validation, len) in [(0.5, 0.5, 10), (0.9, 0.1, 10), (0.5, 0.0, 1), (0.4, 0.4, 2)] {
        let error = split(test, validation).divide(len, None).unwrap_err();
        assert!(error.is_usage());
        assert_says(error, &["leave none for training", "smaller fractions"]);
    }
    for share in [1.0, -0.1, f64::NAN, 2.0] {
        assert_says(split(share, 0.0).divide(10, None).unwrap_err(), &["test fraction", "below 1"]);
        assert_says(split(0.0, share).divide(10, None).unwrap_err(), &["validation fraction", "below 1"]);
    }
    // Every class keeps a sample to be learned from.
    let lonely: Vec<u32> = (0..10).collect();
    assert_says(
        split(0.2, 0.0).divide(10, Some(&lonely)).unwrap_err(),
        &["test fraction", "no sample to spare", "do not stratify"],
    );
}

#[test]
fn a_dataset_in_parts_keeps_targets_weights_and_classes() {
    let x = Array2::from_shape_fn((10, 2), |(i, j)| (10 * i + j) as f32);
    let labels: Vec<u32> = (0..10).map(|n| n % 2).collect();
    let weights = (0..10).map(|n| n as f32 + 1.0).collect();
    let data = Dataset::classification(x.view(), &labels).unwrap().with_weights(weights).unwrap().with_classes(5);
    let parts = data.split(&split(0.2, 0.2)).unwrap();
    let (validation, test) = (parts.validation.unwrap(), parts.test.unwrap());
    assert_eq!((parts.train.len(), validation.len(), test.len()), (6, 2, 2));
    for part in [&parts.train, &validation, &test] {
        let (Features::F32(x), Targets::Classes(labels)) = (part.features(), part.targets()) else {
            panic!("{part:?}")
        };
        let of_row = |row: usize| (x[[row, 0]] as usize / 10, labels[row], part.weights().unwrap()[row]);
        assert!(
            (0..part.len()).map(of_row).all(|(n, label, weight)| label as usize == n % 2 && weight == n as f32 + 1.0)
        );
        assert_eq!(part.classes(), 5);
    }
    assert_says(data.subset(&[]).unwrap_err(), &["none of the 10"]);
    assert_says(data.subset(&[10]).unwrap_err(), &["no sample 10"]);
}

proptest! {
    #[test]
    fn every_sample_is_in_just_one_part(
        labels in prop::collection::vec(0_u32..4, 4..80), test in 0.0..0.5, validation in 0.0..0.4, seed in any::<u64>(), stratify in any::<bool>()
    ) {
        let split = Split { test, validation, seed, stratify };
        if let Ok(parts) = split.divide(labels.len(), Some(&labels)) {
            let mut all = [&parts.train[..], &parts.validation, &parts.test].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            prop_assert!(!parts.train.is_empty());
            if stratify {
                let (had, left) = (counts(&(0..labels.len()).collect::<Vec<_>>(), &labels), counts(&parts.train, &labels));
                prop_assert!(had.iter().zip(&left).all(|(had, left)| *had == 0 || *left > 0));
            }
        }
    }
}

/// Classes may be numbered as they like: what is counted is those that are there.
#[test]
fn a_class_of_a_large_number_costs_no_more_than_another() {
    let labels: Vec<u32> = (0..40).map(|n| if n % 2 == 0 { 3 } else { u32::MAX }).collect();
    let rows = split(0.25, 0.0).divide(40, Some(&labels)).unwrap();
    let of_class = |class: u32| rows.test.iter().filter(|row| labels[**row] == class).count();
    assert_eq!((of_class(3), of_class(u32::MAX)), (5, 5));
}
