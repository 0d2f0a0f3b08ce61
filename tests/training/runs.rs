//! Runs that are pulled, event by event.

use tempfile::TempDir;
use wgrad::{
    Activation, Adam, CheckpointReport, Checkpoints, Dataset, Device, End, Event, Loss, Note, Run, Sequential, Trainer,
    TrainerBuilder, datasets, epochs,
};

use crate::support::{bits, classifier, devices, images};

fn builder(device: &Device) -> TrainerBuilder {
    Trainer::new(classifier(), Loss::SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(8).device(device.clone())
}

fn weights(trainer: &mut Trainer) -> Vec<u32> {
    bits(&trainer.weights(0).unwrap())
}

/// What an event is called in JSON.
fn name(event: &Event) -> String {
    serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned()
}

/// All events that are left.
fn rest(run: &mut Run<'_>) -> Vec<Event> {
    std::iter::from_fn(|| run.next().unwrap()).collect()
}

fn names(events: &[Event]) -> Vec<String> {
    let mut names: Vec<_> = events.iter().map(name).collect();
    names.dedup();
    names
}

/// Steps of which these events tell, in order.
fn steps(events: &[Event]) -> Vec<u64> {
    let reports = events.iter().filter_map(|event| if let Event::Steps(report) = event { Some(report) } else { None });
    reports.flat_map(|report| report.steps.iter().map(|step| step.step)).collect()
}

#[test]
fn a_run_that_is_pulled_tells_all_and_comes_to_the_bits_of_a_fit() {
    let (data, validation) = (images(21), images(9));
    for device in devices() {
        let fit = epochs(2).validate(&validation);
        let mut whole = builder(&device).build().unwrap();
        let history = whole.fit(&data, fit, &mut ()).unwrap();
        let mut trainer = builder(&device).build().unwrap();
        let mut run = trainer.start(&data, fit).unwrap();
        assert_eq!(run.info().steps_per_epoch, 3);
        let mut events = rest(&mut run);
        assert!(run.next().unwrap().is_none(), "and nothing more");
        drop(run);
        assert_eq!(weights(&mut whole), weights(&mut trainer));
        assert_eq!(names(&events), ["started", "steps", "epoch", "steps", "epoch", "finished"]);
        assert_eq!(steps(&events), [1, 2, 3, 4, 5, 6]);
        let Some(Event::Finished(told)) = events.pop() else { panic!("the end comes last") };
        let losses = |history: &wgrad::History| history.epochs.iter().map(|e| e.train.loss).collect::<Vec<_>>();
        assert_eq!((losses(&told), told.steps, told.end), (losses(&history), 6, End::Epochs));
    }
}

#[test]
fn a_run_that_is_asked_to_stop_takes_a_checkpoint_and_goes_on_from_it() {
    let (data, directory) = (images(85), TempDir::new().unwrap());
    let checkpoints = Checkpoints::in_directory(directory.path());
    let fit = epochs(3).checkpoints(&checkpoints);
    for device in devices() {
        checkpoints.clear().unwrap();
        let mut whole = builder(&device).build().unwrap();
        whole.fit(&data, epochs(3), &mut ()).unwrap();
        let mut trainer = builder(&device).build().unwrap();
        let mut run = trainer.start(&data, fit).unwrap();
        assert!(!checkpoints.are_there(), "nothing is written before the run is pulled");
        while !steps(&[run.next().unwrap().unwrap()]).contains(&14) {}
        run.stop();
        let events = rest(&mut run);
        let [.., Event::Checkpoint(CheckpointReport { epochs: whole, steps: at }), Event::Finished(history)] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert!((14..=22).contains(at), "{at}");
        assert_eq!((history.end, history.steps, history.epochs.len()), (End::Asked, *at, *whole));
        let mut resumed = Trainer::resume(directory.path(), device.clone()).unwrap();
        let mut run = resumed.start(&data, fit).unwrap();
        let first = run.next().unwrap();
        assert_eq!(first, Some(Event::Note(Note::GoesOn { epochs: *whole, steps: *at })));
        let told = steps(&rest(&mut run));
        drop(run);
        assert_eq!(told, (at + 1..=33).collect::<Vec<_>>());
        assert_eq!(weights(&mut whole), weights(&mut resumed));
    }
}

#[test]
fn a_run_that_is_dropped_leaves_a_trainer_that_goes_on() {
    let data = images(85);
    for device in devices() {
        let mut trainer = builder(&device).build().unwrap();
        let mut run = trainer.start(&data, epochs(2)).unwrap();
        while !steps(&[run.next().unwrap().unwrap()]).contains(&3) {}
        drop(run);
        let mut run = trainer.start(&data, epochs(1)).unwrap();
        let told = steps(&rest(&mut run));
        // Of what was queued all is done, and counted.
        assert!(told[0] > 3 && told.windows(2).all(|pair| pair[1] == pair[0] + 1) && told.len() == 11, "{told:?}");
        let end = u64::from(run.close().to_file(0).unwrap().facts.steps);
        assert_eq!(Some(&end), told.last());
        assert!(run.next().unwrap().is_none());
    }
}

#[test]
fn a_run_owns_what_it_needs_and_moves_to_another_thread() {
    fn start(data: &Dataset) -> Run<'static> {
        builder(&Device::cpu()).build().unwrap().into_run(data, epochs(2)).unwrap()
    }
    let mut run = start(&images(21));
    let ended = std::thread::spawn(move || (rest(&mut run).len(), weights(run.close()))).join().unwrap();
    let mut here = builder(&Device::cpu()).build().unwrap();
    here.fit(&images(21), epochs(2), &mut ()).unwrap();
    assert_eq!(ended.1, weights(&mut here));
}

#[test]
fn steps_before_a_loss_that_diverges_are_told_before_the_error() {
    let xor = datasets::xor().unwrap();
    let model = Sequential::new(2).dense(2, Activation::Linear);
    let rate = wgrad::Sgd::new(1e38);
    let mut trainer = Trainer::new(model, Loss::MeanSquaredError, rate).batch_size(2).build().unwrap();
    let mut run = trainer.start(&xor, epochs(9)).unwrap();
    let mut told = Vec::new();
    let error = loop {
        match run.next() {
            Ok(event) => told.extend(event),
            Err(error) => break error,
        }
    };
    let wgrad::Error::NonFinite { step, .. } = error else { panic!("{error}") };
    assert_eq!(steps(&told), (1..step).collect::<Vec<_>>());
    assert!(run.next().unwrap().is_none());
}
