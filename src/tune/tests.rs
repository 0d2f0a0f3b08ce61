use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::data::Dataset;
use crate::error::Error;
use crate::state::State;
use crate::train::Trainer;
use crate::verify::test_gpu;
use crate::verify::tests::broken::broken;
use crate::verify::tests::halves::half_gpu;

const SHORT: Duration = Duration::from_millis(1);

fn network() -> Network {
    "20-7-10@16".parse().unwrap()
}

/// Tunes the small network; gives the steps, and the variants whose verification failed.
fn tuned(
    gpu: &Gpu,
    network: Network,
    tuning: &mut Tuning,
) -> (Vec<TunedStep>, Vec<(String, String)>, Vec<&'static str>) {
    let (mut steps, mut failed, mut families) = (Vec::new(), Vec::new(), Vec::new());
    tune(gpu, tuning, &[(network, 1)], SHORT, &mut |finding| match finding {
        Finding::Verifying(stem, _) => families.push(stem),
        Finding::Tuned(step) => steps.push(step.clone()),
        Finding::Verified(row) => {
            if !row.passed() {
                failed.push((row.kernel.clone(), row.variant.clone()));
            }
        }
    })
    .unwrap();
    (steps, failed, families)
}

/// A tuning by hand: every variant counts as verified, and each step of a small network takes its last one.
fn forced(gpu: &Gpu, network: &Network) -> (Tuning, Vec<&'static str>) {
    let trainer = network.trainer(&Device::from(gpu.clone()), 1).unwrap();
    let plan = trainer.plan(&network.some_samples(16).unwrap()).unwrap();
    let (mut tuning, mut last) = (Tuning::new(gpu), Vec::new());
    for step in &plan.program(ProgramId::Train).steps {
        let (halves, variants) = (Halves::of(&step.op, &plan.tensors), step.op.variants());
        tuning.set_passed(step.operation(), halves, variants.iter().map(|variant| variant.name.to_owned()).collect());
        last.push(variants[variants.len() - 1].name);
        tuning.choose(shape_of(&step.op, halves, 1).unwrap(), last[last.len() - 1]);
    }
    (tuning, last)
}

/// A tuning in which all kernel families but one count as verified: verifying them all takes its time.
fn unverified(gpu: &Gpu, stem: &str) -> Tuning {
    let (mut tuning, _) = forced(gpu, &network());
    tuning.set_passed(stem, Halves::default(), BTreeSet::new());
    tuning
}

#[test]
fn every_step_gets_a_verified_variant_and_verification_is_not_repeated() {
    let gpu = test_gpu().unwrap();
    let mut tuning = unverified(&gpu, "dense_loss");
    let (steps, failed, families) = tuned(&gpu, network(), &mut tuning);
    assert!(failed.is_empty() && families == ["dense_loss"], "{failed:?} {families:?}");
    // The two updates and the one forward step, input gradient and loss: no two of one shape.
    assert_eq!(steps.len(), 5, "{steps:?}");
    for step in &steps {
        let all = if step.shape.starts_with("dense_loss") { 2 } else { 6 };
        assert_eq!(step.candidates.len(), all, "{step:?}");
        assert!(step.candidates.iter().all(|own| own.seconds > 0.0 && own.seconds.is_finite()), "{step:?}");
        assert!(tuning.chosen().any(|(shape, variant)| shape == step.shape && variant == step.chosen));
    }
    assert!(tuned(&gpu, network(), &mut tuning).2.is_empty(), "verified again");
}

#[test]
fn a_broken_variant_is_never_chosen() {
    let gpu = broken(&test_gpu().unwrap(), "dense_forward", "k < size.z; k += 4u", "k + 4u < size.z; k += 4u");
    let mut tuning = unverified(&gpu, "dense_forward");
    let (steps, failed, _) = tuned(&gpu, network(), &mut tuning);
    assert!(
        !failed.is_empty() && failed.iter().all(|(kernel, variant)| kernel == "dense_forward" && variant == "direct")
    );
    let forward = steps.iter().find(|step| step.shape.starts_with("dense_forward")).unwrap();
    assert!(forward.candidates.iter().all(|own| own.variant != "direct") && forward.chosen != "direct", "{forward:?}");
    // Nor where a record asks for it.
    tuning.choose(forward.shape.clone(), "direct");
    let trainer = network().trainer(&Device::from(gpu.clone()), 1).unwrap();
    let plan = trainer.plan(&network().some_samples(16).unwrap()).unwrap();
    assert_eq!(tuning.variant(&plan.program(ProgramId::Train).steps[0].op, Halves::default(), 1), None);
}

#[test]
fn executors_take_what_was_tuned_and_say_so() {
    let gpu = test_gpu().unwrap();
    let (tuning, last) = forced(&gpu, &network());
    let small = network();
    let data = small.some_samples(48).unwrap();
    let run = |gpu: Gpu| {
        let mut trainer = small.trainer(&Device::from(gpu), 1).unwrap();
        let history = trainer.fit(&data, crate::epochs(1), &mut ()).unwrap();
        (history.run.kernels, trainer.weights(0).unwrap())
    };
    let (default, before) = run(gpu.clone());
    let (kernels, _) = run(gpu.clone().tuned(tuning));
    assert!(default.iter().all(|kernel| !kernel.tuned) && kernels.iter().all(|kernel| kernel.tuned), "{kernels:?}");
    assert_eq!(kernels.iter().map(|kernel| &*kernel.variant).collect::<Vec<_>>(), last);
    // A record of other shapes, or of a variant that this version does not have, changes nothing.
    let (mut other, _) = forced(&gpu, &network());
    let shapes: Vec<_> = other.chosen().map(|(shape, _)| shape.to_owned()).collect();
    shapes.into_iter().for_each(|shape| other.choose(shape, "warp9"));
    other.set_passed("dense_forward", Halves::default(), BTreeSet::from(["warp9".to_owned()]));
    let (kernels, after) = run(gpu.tuned(other));
    assert_eq!((kernels, after), (default, before));
}

/// What was verified and timed in f32 says nothing of f16, and the other way round.
#[test]
fn kernels_with_f16_are_tuned_by_themselves() {
    let Some(gpu) = half_gpu(false) else { return };
    let half = network().with_precision(Precision::F16);
    let data = half.some_samples(48).unwrap();
    let run = |gpu: Gpu, network: &Network| {
        let history = network.trainer(&Device::from(gpu), 1).unwrap().fit(&data, crate::epochs(1), &mut ()).unwrap();
        history.run.kernels
    };
    let ((mut tuning, last), (whole, _)) = (forced(&gpu, &half), forced(&gpu, &network()));
    let kernels = run(gpu.clone().tuned(tuning.clone()), &half);
    assert_eq!(kernels.iter().map(|kernel| &*kernel.variant).collect::<Vec<_>>(), last);
    assert!(kernels.iter().all(|kernel| kernel.tuned), "{kernels:?}");
    for (other, network) in [(&tuning, network()), (&whole, half.clone())] {
        let kernels = run(gpu.clone().tuned(other.clone()), &network);
        assert!(kernels.iter().all(|kernel| !kernel.tuned), "{kernels:?}");
    }
    // Those of one precision may have passed while the others have not.
    let stored = Halves { read: true, stored: true };
    tuning.set_passed("dense_loss", stored, BTreeSet::new());
    tuning.set_passed("dense_loss", Halves::default(), BTreeSet::from(["split".to_owned(), "direct".to_owned()]));
    let (steps, failed, families) = tuned(&gpu, half.clone(), &mut tuning);
    assert!(failed.is_empty() && families == ["dense_loss"], "{failed:?} {families:?}");
    assert!(steps.len() == 5 && steps.iter().all(|step| step.shape.ends_with("-f16")), "{steps:?}");
    assert!(steps.iter().all(|step| step.network == half.to_string()), "{steps:?}");
    let mut without = gpu.clone();
    without.f16 = false;
    let error = tune(&without, &mut tuning, &[(half, 1)], SHORT, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("GpuOptions { f16: true"), "{error}");
}

#[test]
fn a_record_is_read_as_it_was_written_and_gone_when_forgotten() {
    let (gpu, place) = (test_gpu().unwrap(), TempDir::new().unwrap());
    let directory = place.path().join("not/there/yet");
    assert_eq!(Tuning::load(&directory, &gpu).unwrap(), None);
    let (tuning, _) = forced(&gpu, &network());
    let path = tuning.save(&directory, &gpu).unwrap();
    assert_eq!(Tuning::load(&directory, &gpu).unwrap().as_ref(), Some(&tuning));
    // Another driver has another file.
    let mut updated = gpu.clone();
    updated.info.driver_info.push('9');
    assert_eq!(Tuning::load(&directory, &updated).unwrap(), None);
    assert_eq!(Tuning::forget(&directory, &updated).unwrap(), None);
    assert_eq!(Tuning::forget(&directory, &gpu).unwrap(), Some(path));
    assert_eq!(Tuning::load(&directory, &gpu).unwrap(), None);
}

#[test]
fn a_record_of_something_else_is_passed_over_with_a_note_and_can_be_overwritten() {
    let (gpu, place) = (test_gpu().unwrap(), TempDir::new().unwrap());
    let (tuning, _) = forced(&gpu, &network());
    let path = tuning.save(place.path(), &gpu).unwrap();
    let sound = fs::read_to_string(&path).unwrap();
    let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
    let driver = gpu.info().driver;
    let damages: [(&str, String, &str); 4] = [
        ("cut", sound[..sound.len() / 2].to_owned(), "not a valid record"),
        ("not JSON", "tuned!".to_owned(), "not a valid record"),
        ("another wgrad", sound.replacen(&version, "\"0.0.0\"", 1), "wgrad 0.0.0"),
        ("another driver", sound.replacen(&driver, "driver 1", 1), "driver 1"),
    ];
    for (damage, text, word) in damages {
        assert_ne!(text, sound, "{damage}");
        fs::write(&path, text).unwrap();
        let error = Tuning::load(place.path(), &gpu).unwrap_err();
        assert!(matches!(error, Error::Data { .. }) && error.to_string().contains(word), "{damage}: {error}");
        let device = Device::from(gpu.clone()).with_tuned_kernels(place.path());
        assert!(device.kernel_note().is_some_and(|note| note.contains(word)), "{damage}: {:?}", device.kernel_note());
        assert!(device.as_gpu().unwrap().tuning.is_none(), "{damage}");
    }
    tuning.save(place.path(), &gpu).unwrap();
    let device = Device::from(gpu).with_tuned_kernels(place.path());
    assert!(device.kernel_note().is_none() && device.as_gpu().unwrap().tuning.is_some());
}

#[test]
fn records_are_of_the_very_kernels() {
    let (gpu, place) = (test_gpu().unwrap(), TempDir::new().unwrap());
    forced(&gpu, &network()).0.save(place.path(), &gpu).unwrap();
    let other = broken(&gpu, "softmax", "if b >= iteration.rows", "if b > iteration.rows");
    let error = Tuning::load(place.path(), &other).unwrap_err().to_string();
    assert!(error.contains("other kernels"), "{error}");
}

#[test]
fn the_default_wins_ties_and_the_hopeless_run_no_more() {
    let own = |variant, seconds| Candidate { variant, seconds };
    let all = [own("a", 1.04), own("b", 1.0), own("c", 2.0)];
    assert_eq!(["a", "b", "c", "not there"].map(|default| winner(&all, default)), ["a", "b", "b", "b"].map(Some));
    let mut runs = [0; 3];
    let seconds = race(3, Duration::ZERO, &mut |candidate, times| {
        runs[candidate] += 1;
        assert_eq!(times, 1);
        Ok([1.0, 9.0, 3.0][candidate])
    });
    assert_eq!((seconds.unwrap(), runs), (vec![1.0, 9.0, 3.0], [3, 2, 3]));
}

/// What [`refine`] needs of a small network: its trainer on a device, and data.
fn running(gpu: &Gpu) -> (Trainer, Dataset) {
    let small = network();
    (small.trainer(&Device::from(gpu.clone()), 1).unwrap(), small.some_samples(48).unwrap())
}

fn train(gpu: Gpu) -> State {
    let (mut trainer, data) = running(&gpu);
    trainer.fit(&data, crate::epochs(2), &mut ()).unwrap();
    trainer.weights(0).unwrap()
}

const LONG: Duration = Duration::from_secs(600);

#[test]
fn an_idle_moment_finds_only_variants_with_the_same_bits() {
    let gpu = test_gpu().unwrap();
    let (trainer, data) = running(&gpu);
    let mut tuning = Tuning::new(&gpu);
    let steps = refine(&trainer, &data, &mut tuning, LONG).unwrap();
    // The loss adds in one order only that way.
    assert_eq!(steps.len(), 4, "{steps:?}");
    for step in &steps {
        let names: Vec<_> = step.candidates.iter().map(|own| own.variant).collect();
        assert_eq!((&names[..], &*step.default), (&["direct", "tile64", "tile128"][..], "direct"), "{step:?}");
        assert!(tuning.chosen().any(|(shape, variant)| shape == step.shape && variant == step.chosen), "{step:?}");
    }
    assert!(refine(&trainer, &data, &mut tuning, LONG).unwrap().is_empty(), "decided anew");
    for variant in ["tile64", "tile128"] {
        let mut other = tuning.clone();
        steps.iter().for_each(|step| other.refine(step.shape.clone(), variant));
        let tuned = gpu.clone().tuned(other);
        let (mut trainer, data) = running(&tuned);
        let history = trainer.fit(&data, crate::epochs(1), &mut ()).unwrap();
        let taken = history.run.kernels.iter().filter(|kernel| kernel.variant == variant && kernel.tuned);
        assert_eq!(taken.count(), 4, "{:?}", history.run.kernels);
        assert!(train(tuned) == train(gpu.clone()), "{variant} gives other bits");
    }
}

#[test]
fn what_was_tuned_is_not_refined() {
    let gpu = test_gpu().unwrap();
    let (mut tuning, _) = forced(&gpu, &network());
    let (trainer, data) = running(&gpu);
    let known = tuning.clone();
    assert!(refine(&trainer, &data, &mut tuning, LONG).unwrap().is_empty());
    assert_eq!(tuning, known);
    // Nor does what was refined outdo it.
    let (shape, variant) = known.chosen().next().unwrap();
    tuning.refine(shape.to_owned(), "direct");
    assert!(tuning.chosen().any(|own| own == (shape, variant)) && tuning.chosen().count() == known.chosen().count());
}

#[test]
fn a_variant_with_other_bits_is_not_taken_in_an_idle_moment() {
    // The first is within every bound.
    for to in ["vec4(1e-7)", "vec4(1.0)"] {
        let to = format!("var c_00 = mat4x4<f32>({to}, vec4(0.0), vec4(0.0), vec4(0.0));");
        let gpu = broken(&test_gpu().unwrap(), "dense_forward", "var c_00 = mat4x4<f32>();", &to);
        let (trainer, data) = running(&gpu);
        let steps = refine(&trainer, &data, &mut Tuning::new(&gpu), LONG).unwrap();
        let forward = steps.iter().find(|step| step.shape.starts_with("dense_forward")).unwrap();
        let names: Vec<_> = forward.candidates.iter().map(|own| own.variant).collect();
        assert_eq!((&names[..], &*forward.chosen), (&["direct"][..], "direct"), "{forward:?}");
    }
}

/// Of the rows of a short batch as of a full one.
#[test]
fn a_variant_that_takes_a_short_batch_for_a_full_one_is_not_taken() {
    let gpu = test_gpu().unwrap();
    let (from, to) = (
        "let b_0 = right_quad(buffer, d, 0u, local.x);",
        "let b_0 = right_quad(buffer, d, 0u, local.x) * select(1.0, 0.5, size.z < 16u);",
    );
    let gpu = broken(&gpu, "dense_weight_gradient", from, to);
    let (trainer, data) = running(&gpu);
    let steps = refine(&trainer, &data, &mut Tuning::new(&gpu), LONG).unwrap();
    let own: Vec<_> = steps.iter().filter(|step| step.shape.starts_with("dense_weight_gradient")).collect();
    assert!(own.len() == 2 && own.iter().all(|step| step.candidates.len() == 1 && step.chosen == "direct"), "{own:?}");
}

#[test]
fn an_idle_moment_leaves_a_record_and_without_time_nothing() {
    let (gpu, place) = (test_gpu().unwrap(), TempDir::new().unwrap());
    let (trainer, data) = running(&gpu);
    assert!(refine_in(place.path(), &trainer, &data, Duration::ZERO).unwrap().is_empty());
    assert_eq!(Tuning::load(place.path(), &gpu).unwrap(), None);
    let cpu = network().trainer(&Device::cpu(), 1).unwrap();
    assert!(refine_in(place.path(), &cpu, &data, LONG).unwrap().is_empty());
    // What time does not reach is left for another.
    let steps = refine_in(place.path(), &trainer, &data, Duration::from_nanos(1)).unwrap();
    let rest = refine_in(place.path(), &trainer, &data, LONG).unwrap();
    assert_eq!(steps.len() + rest.len(), 4);
    assert_eq!(Tuning::load(place.path(), &gpu).unwrap().unwrap().chosen().count(), 4);
    // A record of other kernels is one of nothing.
    let path = Tuning::path(place.path(), &gpu);
    let text = fs::read_to_string(&path).unwrap();
    let other = text.replacen(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), "\"0.0.0\"", 1);
    assert_ne!(other, text);
    fs::write(&path, other).unwrap();
    assert_eq!(refine_in(place.path(), &trainer, &data, LONG).unwrap().len(), 4);
    assert!(Tuning::load(place.path(), &gpu).unwrap().is_some());
}

/// What verification finds later counts.
#[test]
fn a_refined_variant_that_fails_verification_is_not_taken() {
    let gpu = test_gpu().unwrap();
    let (trainer, data) = running(&gpu);
    let plan = trainer.plan(&data).unwrap();
    let (op, mut tuning) = (&plan.program(ProgramId::Train).steps[0].op, Tuning::new(&gpu));
    tuning.refine(shape_of(op, Halves::default(), 1).unwrap(), "tile64");
    assert_eq!(tuning.variant(op, Halves::default(), 1), Some("tile64"));
    tuning.set_passed("dense_forward", Halves::default(), BTreeSet::from(["direct".to_owned()]));
    assert_eq!(tuning.variant(op, Halves::default(), 1), None);
}

#[test]
fn kernels_with_f16_are_refined_too() {
    let Some(gpu) = half_gpu(false) else { return };
    let half = network().with_precision(Precision::F16);
    let trainer = half.trainer(&Device::from(gpu.clone()), 1).unwrap();
    let steps = refine(&trainer, &half.some_samples(48).unwrap(), &mut Tuning::new(&gpu), LONG).unwrap();
    assert!(steps.len() == 4 && steps.iter().all(|step| step.candidates.len() == 3), "{steps:?}");
    assert!(steps.iter().all(|step| step.shape.ends_with("-f16")), "{steps:?}");
}
