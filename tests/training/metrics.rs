//! Metrics against scikit-learn's (`tests/golden/make_metrics.py`), and over more rows than a chunk has.

use ndarray::Array2;
use serde_json::Value;
use wgrad::Activation::{Linear, Softmax};
use wgrad::Loss::{BinaryCrossEntropy, Hinge, Huber, MeanSquaredError, SoftmaxCrossEntropy};
use wgrad::random::{Purpose, Stream};
use wgrad::{
    Adam, Classification, Dataset, Device, Loss, NamedTensor, OptimizerSpec, Rates, Replica, Sequential, State, Trainer,
};

use crate::support::devices;

fn golden(name: &str) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/metrics.json");
    let mut all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    all[name].take()
}

fn array(value: &Value) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = serde_json::from_value(value.clone()).unwrap();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn labels(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Two replicas of a layer that gives what it gets.
fn identity(width: usize, loss: Loss, device: &Device) -> Trainer {
    let adam = OptimizerSpec::from(Adam::new(0.01));
    let builder = Trainer::new(Sequential::new(width).dense(width, Linear), loss, Adam::new(0.01));
    let builder = builder.batch_size(1).replicas(vec![Replica::new(0, &adam), Replica::new(1, &adam)]);
    let mut trainer = builder.device(device.clone()).build().unwrap();
    trainer.set_weights(&unchanged(width)).unwrap();
    trainer
}

/// The weights of a layer that gives what it gets.
fn unchanged(width: usize) -> State {
    let tensor = |name, shape: &[usize], values| NamedTensor::new(name, shape, values).unwrap();
    let weight = tensor("layers.0.weight", &[width, width], Array2::eye(width).into_raw_vec_and_offset().0);
    State::from_tensors([weight, tensor("layers.0.bias", &[width], vec![0.0; width])]).unwrap()
}

fn near(had: f64, wanted: &Value, tolerance: f64, what: &str) {
    let wanted = wanted.as_f64().unwrap_or_else(|| panic!("{what}: {wanted}"));
    assert!((had - wanted).abs() <= tolerance * wanted.abs().max(1.0), "{what}: {had}, wanted {wanted}");
}

fn rates(had: Rates, wanted: &Value, class: Option<usize>, what: &str) {
    let own = |name: &str| class.map_or(&wanted[name], |class| &wanted[name][class]);
    for (name, had) in [("precision", had.precision), ("recall", had.recall), ("f1", had.f1)] {
        near(had, own(name), 1e-12, &format!("{what} {name}"));
    }
}

fn check(had: &Classification, wanted: &Value, what: &str) {
    let confusion: Vec<Vec<u64>> = serde_json::from_value(wanted["confusion"].clone()).unwrap();
    assert_eq!(had.confusion.outer_iter().map(|row| row.to_vec()).collect::<Vec<_>>(), confusion, "{what}");
    for class in 0..had.classes() {
        rates(had.of_class(class), &wanted["per_class"], Some(class), what);
        assert_eq!(had.support(class), wanted["per_class"]["support"][class].as_u64().unwrap(), "{what}");
        near(had.top_k(class + 1), &wanted["top_k"][class], 1e-12, &format!("{what} top {}", class + 1));
    }
    rates(had.macro_average(), &wanted["macro"], None, what);
    rates(had.micro_average(), &wanted["micro"], None, what);
    near(had.accuracy(), &wanted["accuracy"], 1e-12, what);
    match &wanted["roc_auc"] {
        Value::Null => assert_eq!(had.roc_auc, None, "{what}"),
        wanted => near(had.roc_auc.unwrap(), wanted, 1e-12, what),
    }
}

#[test]
fn classification_is_judged_as_scikit_learn_does() {
    let cases = [
        ("multiclass", 5, SoftmaxCrossEntropy),
        ("multiclass", 5, Hinge),
        ("two", 2, SoftmaxCrossEntropy),
        ("binary", 1, BinaryCrossEntropy),
        ("binary", 1, Hinge),
    ];
    for device in devices() {
        for (name, width, loss) in cases {
            let wanted = golden(name);
            let labels = labels(&wanted["labels"]);
            let data = Dataset::classification(array(&wanted["outputs"]).view(), &labels).unwrap();
            let mut trainer = identity(width, loss, &device);
            let evaluation = trainer.evaluate(&data).unwrap();
            for scores in &evaluation.replicas {
                check(scores.metrics.classification.as_ref().unwrap(), &wanted, &format!("{name} {loss}"));
                near(scores.accuracy, &wanted["accuracy"], 1e-12, name);
            }
            let own = evaluation.metrics().classification.as_ref().unwrap();
            assert_eq!(trainer.confusion(&data).unwrap(), own.confusion);
            // The same classes as truths or probabilities.
            let count = width.max(2);
            let truths = Array2::from_shape_fn((labels.len(), if width == 1 { 1 } else { count }), |(n, o)| {
                if width == 1 { labels[n] as f32 } else { f32::from(u8::from(labels[n] == o as u32)) }
            });
            if loss != Hinge || width == 1 {
                let data = Dataset::regression(array(&wanted["outputs"]).view(), truths.view()).unwrap();
                let other = trainer.evaluate(&data).unwrap();
                assert_eq!(other.metrics().classification.as_ref(), Some(own), "{name} {loss}");
            }
        }
    }
}

#[test]
fn regression_is_judged_as_scikit_learn_does() {
    let wanted = golden("regression");
    let data = Dataset::regression(array(&wanted["outputs"]).view(), array(&wanted["values"]).view()).unwrap();
    for (device, loss) in devices().into_iter().flat_map(|device| [(device.clone(), MeanSquaredError), (device, Huber)])
    {
        for scores in identity(3, loss, &device).evaluate(&data).unwrap().replicas {
            assert!(scores.metrics.classification.is_none());
            let own = scores.metrics.regression.unwrap();
            // Products in f32, and sums of 32 of them.
            for (name, had) in [("mae", own.mae), ("rmse", own.rmse), ("r2", own.r2)] {
                near(had, &wanted[name], 2e-6, name);
            }
            for (o, own) in own.outputs.iter().enumerate() {
                for (name, had) in [("mae", own.mae), ("rmse", own.rmse), ("r2", own.r2)] {
                    near(had, &wanted["per_output"][name][o], 2e-6, &format!("{name} of output {o}"));
                }
            }
        }
    }
}

/// More rows than an evaluation has on the device at a time, in batches of which the last is short.
const MANY: usize = 2 * 16_384 + 1_030;

#[test]
fn metrics_go_on_from_chunk_to_chunk() {
    let mut stream = Stream::new(21, Purpose::Inputs, 0);
    let x = Array2::from_shape_simple_fn((MANY, 2), || (stream.symmetric(4.0) * 8.0).round() / 8.0);
    let labels: Vec<u32> =
        x.rows().into_iter().map(|row| u32::from(row[1] - row[0] + stream.symmetric(3.0) > 0.0)).collect();
    let y = x.mapv(|value| value + (stream.symmetric(1.0) * 4.0).round() / 4.0);
    let classes = Dataset::classification(x.view(), &labels).unwrap();
    let values = Dataset::regression(x.view(), y.view()).unwrap();
    let absolute = (&x - &y).mapv(f64::from).mapv(f64::abs).mean().unwrap();
    let mut before = None;
    for device in devices() {
        let own = identity(2, SoftmaxCrossEntropy, &device).evaluate(&classes).unwrap();
        let own = own.replicas[1].metrics.classification.clone().unwrap();
        assert_eq!((own.samples(), own.support(1)), (MANY as u64, labels.iter().map(|label| u64::from(*label)).sum()));
        let right =
            x.rows().into_iter().zip(&labels).filter(|(row, label)| u32::from(row[1] > row[0]) == **label).count();
        assert_eq!(own.accuracy(), right as f64 / MANY as f64);
        let area = own.roc_auc.unwrap();
        assert!(area > 0.8 && area < 1.0, "{area}");
        assert_eq!(*before.get_or_insert(own.clone()), own, "both devices count the same");
        let regression = identity(2, MeanSquaredError, &device).evaluate(&values).unwrap();
        // Differences are multiples of a fourth: sums of them are exact.
        assert_eq!(regression.metrics().regression.as_ref().unwrap().mae, absolute);
    }
}

#[test]
fn probabilities_are_judged_where_the_output_is_a_softmax() {
    let x = ndarray::arr2(&[[0.0, 0.0], [3.0, 0.0]]);
    let y = ndarray::arr2(&[[0.5, 0.5], [1.0, 0.0]]);
    let data = Dataset::regression(x.view(), y.view()).unwrap();
    for device in devices() {
        let model = Sequential::new(2).dense(2, Softmax);
        let mut trainer = Trainer::new(model, MeanSquaredError, Adam::new(0.1)).device(device).build().unwrap();
        trainer.set_weights(&unchanged(2)).unwrap();
        let own = trainer.evaluate(&data).unwrap().metrics().regression.clone().unwrap();
        // Of the second row, each output is 1 / (1 + e³) off.
        assert!((own.mae - 0.5 / (1.0 + 3f64.exp())).abs() < 1e-7, "{own:?}");
    }
}

#[test]
fn validation_is_not_held_up_by_metrics() {
    let data = crate::support::images(40);
    for device in devices() {
        let builder = Trainer::new(crate::support::classifier(), SoftmaxCrossEntropy, Adam::new(0.01)).device(device);
        let mut trainer = builder.batch_size(8).build().unwrap();
        let history = trainer.fit(&data, wgrad::epochs(1).validate(&data), &mut ()).unwrap();
        let (validated, judged) = (history.epochs[0].validation.clone().unwrap(), trainer.evaluate(&data).unwrap());
        assert!(validated.metrics().is_empty() && !judged.metrics().is_empty());
        assert_eq!((validated.loss, validated.accuracy), (judged.loss, judged.accuracy));
        assert_eq!(trainer.validate(&data).unwrap(), validated);
    }
}
