use std::time::Duration;

use super::probe::sample;
use super::traffic::bytes;
use super::*;
use crate::error::Error;
use crate::executor::Probe;
use crate::executor::{Clock, Timing};
use crate::plan::ProgramId;
use crate::train::Device;
use crate::verify::test_gpu;

const BUDGET: Duration = Duration::from_millis(1);

fn network(text: &str) -> Network {
    text.parse().unwrap()
}

fn made_up_peak() -> Peak {
    Peak { bytes_per_second: 1e9, flops_per_second: 1e10, runs: [1, 1], clock: Clock::Host }
}

#[test]
fn networks_are_written_as_they_are_read() {
    for text in NETWORKS.iter().chain(&["784-10@1", "1-2@3"]) {
        assert_eq!(network(text).to_string(), *text);
    }
    for text in
        ["", "784-10", "784@64", "784-1@64", "784-ten@64", "784-0-10@64", "784-10@0", "784-10@", "9-99999999-2@1"]
    {
        let refused = text.parse::<Network>().unwrap_err();
        assert!(matches!(refused, Error::Spec { .. }) && refused.is_usage(), "{text}: {refused}");
    }
}

#[test]
fn samples_have_the_networks_width_and_classes() {
    let data = network("20-7-3@16").samples().unwrap();
    assert_eq!((data.features().inputs(), data.len()), (20, 60_000));
    assert_eq!(data.classes(), 3);
    // Wide rows are fewer, but still a batch.
    assert_eq!([3, 99].map(|batch| network(&format!("16777216-2@{batch}")).sample_count()), [32, 99]);
}

#[test]
fn a_network_beyond_the_memory_is_refused_before_samples_are_made() {
    let refused = training(&Device::cpu(), &network("16777216-16777216-2@64"), 1, BUDGET).unwrap_err();
    assert!(matches!(refused, Error::Limit { .. }), "{refused}");
}

fn every_step_has_a_share(device: &Device) -> Vec<KernelRow> {
    let (network, mut rows) = (network("20-7-10@16"), Vec::new());
    kernels(device, &network, &made_up_peak(), BUDGET, &mut |row| rows.push(row)).unwrap();
    let sound = |row: &KernelRow| {
        row.runs > 0 && row.seconds > 0.0 && row.gflops.is_finite() && row.roofline > 0.0 && row.roofline.is_finite()
    };
    assert!(rows.iter().all(sound), "{rows:?}");
    let forward = rows.iter().find(|row| row.operation == "dense_forward").unwrap();
    assert!(forward.flops >= 2 * 16 * 20 * 7, "{forward:?}");
    rows
}

fn training_steps_are_timed(device: &Device, steps: usize) -> TrainingRow {
    let alone = training(device, &network("20-7-10@16"), 1, BUDGET).unwrap();
    assert_eq!((alone.network.as_str(), alone.dispatches_per_step, alone.replicas), ("20-7-10@16", steps, 1));
    assert!(alone.steps > 0 && alone.steps_per_second > 0.0 && alone.plan_bytes > 60_000 * 20, "{alone:?}");
    let three = training(device, &network("20-7-10@16"), 3, BUDGET).unwrap();
    assert!((three.model_steps_per_second - 3.0 * three.steps_per_second).abs() < 1e-6 * three.steps_per_second);
    assert!(three.plan_bytes > alone.plan_bytes, "{three:?}");
    alone
}

#[test]
fn the_cpu_is_measured() {
    let rows = every_step_has_a_share(&Device::cpu());
    assert!(rows.iter().all(|row| row.variant.is_none() && row.clock == Clock::Host));
    assert!(training_steps_are_timed(&Device::cpu(), rows.len()).host.is_none());
}

#[test]
fn a_gpu_is_measured() {
    let device = Device::from(test_gpu().unwrap());
    let rows = every_step_has_a_share(&device);
    assert!(rows.iter().all(|row| row.variant.is_some()));
    let row = training_steps_are_timed(&device, rows.len());
    let host = row.host.unwrap();
    assert!(host.seconds_per_dispatch > 0.0 && host.dispatches >= rows.len() as u64, "{row:?}");
}

/// The work is checked: a wrong copy or a wrong number of multiply-adds is an error.
#[test]
fn peaks_of_both_devices_are_of_work_that_was_done() {
    for device in [Device::cpu(), Device::from(test_gpu().unwrap())] {
        let peak = peak(&device, BUDGET).unwrap();
        assert!(peak.bytes_per_second > 0.0 && peak.bytes_per_second.is_finite(), "{peak:?}");
        assert!(peak.flops_per_second > 0.0 && peak.flops_per_second.is_finite(), "{peak:?}");
        assert!(peak.runs.iter().all(|runs| *runs > 0), "{peak:?}");
    }
}

#[test]
fn a_probe_that_has_not_run_fails_its_check() {
    let gpu = test_gpu().unwrap();
    let mut probes: [Box<dyn Probe>; 4] = [
        Box::new(crate::cpu::Copy::new()),
        Box::new(crate::cpu::MultiplyAdd::new()),
        Box::new(crate::gpu::Copy::new(&gpu).unwrap()),
        Box::new(crate::gpu::MultiplyAdd::new(&gpu).unwrap()),
    ];
    for (index, probe) in probes.iter_mut().enumerate() {
        let untouched = probe.check();
        // The CPU's chains start from nothing, and nothing is what no step leaves.
        assert!(untouched.is_err() || index == 1, "probe {index}");
        assert!(probe.work() > 0.0);
        probe.run(2).unwrap();
        probe.check().unwrap();
    }
}

#[test]
fn the_roofline_is_the_longer_of_the_two() {
    let peak = made_up_peak();
    assert_eq!(peak.least_seconds(1_000_000_000, 1), 1.0);
    assert_eq!(peak.least_seconds(1, 20_000_000_000), 2.0);
}

#[test]
fn a_step_moves_its_tensors_once_and_what_it_updates_twice() {
    let network = network("20-7-10@16");
    for replicas in [1, 3] {
        let trainer = network.trainer(&Device::cpu(), replicas).unwrap();
        let plan = trainer.plan(&network.samples().unwrap()).unwrap();
        let steps = &plan.program(ProgramId::Train).steps;
        let of = |label: &str| {
            let step = steps.iter().find(|step| step.label == label).unwrap();
            bytes(&plan, ProgramId::Train, step).unwrap()
        };
        let r = replicas as u64;
        // Samples u8 and their order, weight, bias, output.
        assert_eq!(of("layers.0 forward"), r * (16 * 20 + 4 * (16 + 7 * 20 + 7 + 16 * 7)));
        // Samples and order, gradient, and weight, bias and two states of each, read and written.
        assert_eq!(of("layers.0 update"), r * (16 * 20 + 4 * (16 + 16 * 7 + 2 * 3 * (7 * 20 + 7))));
    }
}

#[test]
fn timings_double_until_they_are_long_enough() {
    let mut asked = Vec::new();
    let mut run = |times: usize| {
        asked.push(times);
        Ok(Timing { seconds: 0.004 * times as f64, clock: Clock::Device })
    };
    let samples = sample(Duration::ZERO, 1 << 16, &mut run).unwrap();
    assert_eq!((asked.clone(), samples.times), (vec![1, 2, 4, 8, 8], 8));
    assert!(samples.clock == Clock::Device && (samples.seconds[0] - 0.004).abs() < 1e-12);
    let mut run = |_| Ok(Timing { seconds: 1e-9, clock: Clock::Host });
    assert_eq!(sample(Duration::ZERO, 16, &mut run).unwrap().times, 16);
}
