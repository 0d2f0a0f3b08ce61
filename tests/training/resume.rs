//! A run that is stopped and resumed ends with the bits of one that was not.

use std::path::Path;

use tempfile::TempDir;
use wgrad::{
    Adam, Callback, Checkpoints, Dataset, Device, EarlyStopping, End, EpochReport, Error, Fit, History, Loss, Monitor,
    OptimizerSpec, Replica, Sgd, StepReport, Trainer, TrainerBuilder, epochs,
};

use crate::support::{bits, classifier, devices, images};

fn replicas() -> Vec<Replica> {
    let adam = OptimizerSpec::from(Adam::new(0.01));
    vec![Replica::new(5, &adam), Replica { learning_rate: 0.003, momentum: 0.8, ..Replica::new(9, &adam) }]
}

fn builder(device: &Device) -> TrainerBuilder {
    let builder = Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(8);
    builder.replicas(replicas()).device(device.clone())
}

fn weights(trainer: &mut Trainer) -> [Vec<u32>; 2] {
    [0, 1].map(|replica| bits(&trainer.weights(replica).unwrap()))
}

/// As many images as `images`, and one pixel of the last is another.
fn images_of_another_kind(samples: usize) -> Dataset {
    let data = images(samples);
    let (wgrad::Features::U8(pixels), wgrad::Targets::Classes(labels)) = (data.features(), data.targets()) else {
        panic!("images are bytes with classes")
    };
    let mut pixels = pixels.clone();
    pixels[[samples - 1, 12]] ^= 1;
    Dataset::from_images("images", pixels, labels.clone()).unwrap()
}

/// Asks to stop once so many steps have been reported.
struct StopAfter(u64, u64);

impl Callback for StopAfter {
    fn on_step(&mut self, step: &StepReport) {
        self.1 = self.1.max(step.step);
    }
    fn stop(&mut self) -> bool {
        self.1 >= self.0
    }
}

/// All that a run tells, but for times.
fn told(history: &History) -> Vec<EpochReport> {
    let timeless = |report: &EpochReport| EpochReport { seconds: 0.0, samples_per_second: 0.0, ..report.clone() };
    history.epochs.iter().map(timeless).collect()
}

/// Runs `fit` whole, then again with a stop after each of `stops` steps and a resumption, and compares.
pub fn same_after_stops(
    device: &Device,
    data: &Dataset,
    fit: Fit<'_>,
    stops: &[u64],
    builder: impl Fn() -> TrainerBuilder,
) {
    let mut whole = builder().build().unwrap();
    let history = whole.fit(data, fit, &mut ()).unwrap();
    let dir = TempDir::new().unwrap();
    let checkpoints = Checkpoints::in_directory(dir.path());
    let fit = fit.checkpoints(&checkpoints);
    let mut parts = builder().build().unwrap();
    for stop in stops {
        let stopped = parts.fit(data, fit, &mut StopAfter(*stop, 0)).unwrap();
        assert_eq!(stopped.end, End::Asked, "after {stop}");
        parts = builder().resume(dir.path()).unwrap();
        assert_eq!(parts.resume_note(), None);
        let (epochs, steps) = parts.resumes_after().unwrap();
        assert!(steps >= *stop && epochs == stopped.epochs.len(), "{epochs} {steps}");
    }
    let end = parts.fit(data, fit, &mut ()).unwrap();
    assert_eq!(weights(&mut whole), weights(&mut parts), "{}", device.info().device);
    assert_eq!((told(&history), history.steps, history.end), (told(&end), end.steps, end.end));
    // Of the finished run nothing is left to do.
    let mut again = Trainer::resume(dir.path(), device.clone()).unwrap();
    let nothing = again.fit(data, fit, &mut ()).unwrap();
    assert_eq!((told(&nothing), nothing.steps), (told(&end), end.steps));
    assert_eq!(weights(&mut whole), weights(&mut again));
}

#[test]
fn a_run_stopped_anywhere_ends_as_one_that_was_not() {
    let (data, validation) = (images(85), images(30)); // ten batches of 8 and one of 5
    for device in devices() {
        let fit = epochs(4).validate(&validation);
        same_after_stops(&device, &data, fit, &[3, 11, 12, 30], || builder(&device));
        same_after_stops(&device, &data, fit.steps(Some(27)), &[1, 20], || builder(&device));
        let streaming = || builder(&device).streaming_above(630);
        same_after_stops(&device, &data, fit, &[5, 17], streaming);
    }
}

#[test]
fn early_stopping_goes_on_where_it_was() {
    let (data, validation) = (images(60), images(25));
    for device in devices() {
        let rule = EarlyStopping::patience(2).min_delta(0.02).restore_best();
        let fit = epochs(60).validate(&validation).early_stopping(rule);
        same_after_stops(&device, &data, fit, &[20, 60], || builder(&device));
        let without = EarlyStopping { restore_best: false, ..rule };
        same_after_stops(&device, &data, fit.early_stopping(without), &[20, 60], || builder(&device));
    }
}

#[test]
fn replicas_stop_on_their_own_as_in_single_runs() {
    let (data, validation) = (images(60), images(25));
    for device in devices() {
        for restore_best in [false, true] {
            let rule = EarlyStopping { restore_best, ..EarlyStopping::patience(2).min_delta(0.03) };
            let fit = epochs(80).validate(&validation).early_stopping(rule);
            let mut together = builder(&device).build().unwrap();
            let both = together.fit(&data, fit, &mut ()).unwrap();
            let mut lengths = Vec::new();
            for (r, replica) in replicas().into_iter().enumerate() {
                let mut alone = builder(&device).replicas(vec![replica]).build().unwrap();
                let history = alone.fit(&data, fit, &mut ()).unwrap();
                assert_eq!(history.end, End::Stopped);
                assert_eq!(bits(&together.weights(r).unwrap()), bits(&alone.weights(0).unwrap()), "replica {r}");
                lengths.push(history.epochs.len());
            }
            assert!(lengths[0] != lengths[1] && both.epochs.len() == *lengths.iter().max().unwrap(), "{lengths:?}");
        }
    }
}

#[test]
fn the_best_epochs_weights_come_back() {
    let (data, validation) = (images(40), images(25));
    for device in devices() {
        let mut trainer = builder(&device).replicas(replicas()[..1].to_vec()).build().unwrap();
        let rule = EarlyStopping::patience(3).monitor(Monitor::ValidationLoss).restore_best();
        // A learning rate this high makes the validation loss go up and down.
        let wild = Replica { learning_rate: 0.2, ..replicas()[0] };
        let mut wild = builder(&device).replicas(vec![wild]).build().unwrap();
        let history = wild.fit(&data, epochs(40).validate(&validation).early_stopping(rule), &mut ()).unwrap();
        let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.validation.as_ref().unwrap().loss).collect();
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(history.end == End::Stopped && losses.last() != Some(&best), "{losses:?}");
        assert_eq!(wild.evaluate(&validation).unwrap().loss, best);
        let error = trainer.fit(&data, epochs(2).early_stopping(rule), &mut ()).expect_err("nothing to watch");
        assert!(error.to_string().contains("no validation set"), "{error}");
    }
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let data = images(40);
    let device = Device::cpu();
    let dir = TempDir::new().unwrap();
    let checkpoints = Checkpoints::in_directory(dir.path()).every_steps(1);
    let fit = epochs(3).checkpoints(&checkpoints);
    let mut whole = builder(&device).build().unwrap();
    whole.fit(&data, epochs(3), &mut ()).unwrap();
    let mut parts = builder(&device).build().unwrap();
    parts.fit(&data, fit, &mut StopAfter(4, 0)).unwrap();
    let newest = Trainer::resume(dir.path(), device.clone()).unwrap().resumes_after().unwrap().1;
    let files = ["checkpoint.0.safetensors", "checkpoint.1.safetensors"].map(|name| dir.path().join(name));
    let steps = |path: &Path| Trainer::resume(path, Device::cpu()).unwrap().resumes_after().unwrap().1;
    let later = usize::from(steps(&files[1]) > steps(&files[0]));
    let mut bytes = std::fs::read(&files[later]).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(&files[later], bytes).unwrap();
    let mut resumed = builder(&device).resume(dir.path()).unwrap();
    assert!(resumed.resume_note().is_some_and(|note| note.contains("damaged")), "{:?}", resumed.resume_note());
    assert!(resumed.resumes_after().unwrap().1 < newest);
    resumed.fit(&data, fit, &mut ()).unwrap();
    assert_eq!(weights(&mut whole), weights(&mut resumed));
    for (file, cut) in files.iter().zip([10, 2000]) {
        std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(cut).unwrap();
    }
    let error = Trainer::resume(dir.path(), device).err().expect("both are cut off");
    assert!(matches!(error, Error::Model { .. }), "{error}");
}

#[test]
fn a_checkpoint_between_fits_goes_on_with_everything() {
    let data = images(40);
    for device in devices() {
        let mut whole = builder(&device).build().unwrap();
        whole.fit(&data, epochs(2), &mut ()).unwrap();
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("between.safetensors");
        whole.save_checkpoint(&path).unwrap();
        let mut resumed = Trainer::resume(&path, device.clone()).unwrap();
        assert_eq!((weights(&mut resumed), resumed.resumes_after()), (weights(&mut whole), None));
        whole.fit(&data, epochs(2), &mut ()).unwrap();
        resumed.fit(&data, epochs(2), &mut ()).unwrap();
        assert_eq!(weights(&mut whole), weights(&mut resumed));
    }
}

#[test]
fn another_run_is_refused_with_the_field_that_differs() {
    let (data, device) = (images(40), Device::cpu());
    let dir = TempDir::new().unwrap();
    let checkpoints = Checkpoints::in_directory(dir.path());
    let fit = epochs(3).validate(&data).checkpoints(&checkpoints);
    builder(&device).build().unwrap().fit(&data, fit, &mut StopAfter(4, 0)).unwrap();
    let refused = |result: wgrad::Result<Trainer>, field: &str, had: &str, wanted: &str| match result.err() {
        Some(error @ Error::Resume { .. }) => {
            assert!(error.is_usage());
            let text = error.to_string();
            assert!([field, had, wanted].iter().all(|word| text.contains(word)), "{text}");
        }
        other => panic!("{other:?}"),
    };
    refused(builder(&device).batch_size(10).resume(dir.path()), "training.batch", "8", "10");
    refused(
        builder(&device).replicas(replicas()[1..].to_vec()).resume(dir.path()),
        "number of training.replicas",
        "2",
        "1",
    );
    let wider = wgrad::Sequential::new(13).dense(10, wgrad::Activation::Relu).dense(4, wgrad::Activation::Linear);
    let wider = Trainer::new(wider, Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(8).replicas(replicas());
    refused(wider.resume(dir.path()), "model.layers.0.units", "9", "10");
    let sgd = Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, Sgd::new(0.01)).batch_size(8).replicas(replicas());
    refused(sgd.resume(dir.path()), "training.optimizer", "", "");
    let fit_refused = |data: &Dataset, fit: Fit<'_>, field: &str| {
        let error = builder(&device).resume(dir.path()).unwrap().fit(data, fit, &mut ()).expect_err("differs");
        assert!(matches!(&error, Error::Resume { field: named, .. } if named == field), "{error}");
    };
    fit_refused(&data.take(30).unwrap(), fit, "data.samples");
    fit_refused(&images_of_another_kind(40), fit, "data.values, by their fingerprint,");
    fit_refused(&data, epochs(3).checkpoints(&checkpoints), "validation");
    fit_refused(&data, fit.early_stopping(EarlyStopping::patience(3)), "stopping");
    // Refused once, it still goes on when it is asked rightly.
    let mut trainer = builder(&device).resume(dir.path()).unwrap();
    trainer.fit(&data.take(30).unwrap(), fit, &mut ()).expect_err("differs");
    let (_, before) = trainer.resumes_after().unwrap();
    let history = trainer.fit(&data, fit, &mut ()).unwrap();
    assert!(before >= 4 && history.steps == 15 && history.epochs.len() == 3, "{before}, {history:?}");
    let missing = Trainer::resume(dir.path().join("no"), device.clone()).err().expect("is not there");
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("checkpoint"), "{missing}");
}
