//! The losses' cases: on their own and behind the last layer, with every target and output activation.

use super::cases::{ANY, AROUND, KINDS, input, layer, order, row_extents, rows, shader};
use super::suite::{Fill, SLOTS, Suite, SuiteBuilder};
use crate::error::Result;
use crate::gpu::reflect::Reflection;
use crate::ops::{
    Activation, Dense, DenseLoss, Head, InputKind, Loss, LossRows, LossStep, LossWeights, Op, TargetKind,
};
use crate::tensor::{Element, Metrics};

/// A way to use a loss.
#[derive(Clone, Copy, Debug)]
struct Setting {
    activation: Activation,
    targets: TargetKind,
    label_smoothing: f32,
    huber_delta: f32,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { activation, targets, label_smoothing, .. } = self;
        let smooth = if *label_smoothing > 0.0 { ", smoothed" } else { "" };
        write!(f, "{targets:?}{smooth} {activation}")
    }
}

/// The output activations, targets and options that a loss takes.
fn settings(loss: Loss) -> Vec<Setting> {
    let every = Activation::told_by_value();
    let activations = match loss {
        Loss::MeanSquaredError => &every[..],
        Loss::MeanAbsoluteError | Loss::Huber => &[Activation::Linear, Activation::Tanh, Activation::Softmax],
        _ => &[Activation::Linear],
    };
    let smoothings: &[f32] = if loss == Loss::SoftmaxCrossEntropy { &[0.0, 0.1] } else { &[0.0] };
    let huber_delta = if loss == Loss::Huber { 0.4 } else { 1.0 };
    let mut all = Vec::new();
    for activation in activations.iter().copied() {
        for targets in [TargetKind::Classes, TargetKind::Values] {
            let own = smoothings.iter().copied();
            all.extend(own.map(|label_smoothing| Setting { activation, targets, label_smoothing, huber_delta }));
        }
    }
    all
}

pub(super) fn loss_steps(seed: u64, replicas: usize, loss: Loss, stored: Element) -> Result<Suite> {
    let mut suite = SuiteBuilder::new("loss_step", replicas, seed).storing(stored);
    let (extents, settings) = (row_extents("loss_step")?, settings(loss));
    // Where there are many settings, half of the sizes with each will do.
    let step = if settings.len() > 2 { 2 } else { 1 };
    for (n, setting) in settings.into_iter().enumerate() {
        for [batch, outputs] in extents.iter().skip(n / 2 % step).step_by(step).copied().chain([[10, 1]]) {
            let case = suite.next();
            let shape = [replicas, batch, outputs];
            let given = suite.tensor("outputs", &shape, Fill::Activated(setting.activation));
            let rows = loss_rows(&mut suite, loss, setting, [batch, outputs], LossStep::BLOCK_ROWS);
            let live = self::rows(batch, case);
            let weights = if rows.weights.is_some() { ", weighted" } else { "" };
            let label = format!("B={batch} O={outputs} rows={live} {setting}{weights}");
            suite.case(label, Op::LossStep(LossStep { outputs: given, rows }), live, AROUND);
        }
    }
    Ok(suite.suite(loss.name(), ANY))
}

/// The tensors of a loss, with targets that it takes.
fn loss_rows(
    suite: &mut SuiteBuilder,
    loss: Loss,
    setting: Setting,
    [batch, outputs]: [usize; 2],
    block_rows: usize,
) -> LossRows {
    let (case, replicas, samples) = (suite.next(), suite.replicas(), batch + 3);
    let labels = match (outputs, loss.head()) {
        (1, Head::Softmax) => 1,
        (1, _) => 2,
        _ => outputs as u32,
    };
    let targets = match setting.targets {
        TargetKind::Classes => suite.shared("targets", &[samples], Fill::Labels(labels)),
        TargetKind::Values => suite.shared("targets", &[samples, outputs], Fill::Activated(Activation::Sigmoid)),
    };
    // Two cases of three, so that every setting meets both full and short batches with weights.
    let classes = LossWeights::classes(outputs);
    let weights = (!case.is_multiple_of(3)).then(|| {
        let tensor = suite.shared("weights", &[classes + samples], Fill::Activated(Activation::Relu));
        LossWeights { tensor, classes }
    });
    let (order, order_stride) = order(suite, !case.is_multiple_of(3), batch + 2 * AROUND, samples);
    let blocks = [replicas, SLOTS, batch.div_ceil(block_rows), 2];
    LossRows {
        loss,
        batch,
        outputs,
        targets,
        target_kind: setting.targets,
        order,
        order_stride,
        gradient: suite.stored("gradient", &[replicas, batch, outputs], Fill::Signed),
        metrics: Metrics { tensor: suite.tensor("metrics", &blocks, Fill::Signed), block_rows, has_norm: false },
        slots: SLOTS,
        activation: setting.activation,
        label_smoothing: setting.label_smoothing,
        huber_delta: setting.huber_delta,
        weights,
    }
}

/// (B, I, O) around a workgroup's rows, the lanes of a sum, the outputs at a time, and the most outputs.
fn dense_loss_extents() -> Result<Vec<[usize; 3]>> {
    let Some(shader) = shader("dense_loss") else { return Ok(Vec::new()) };
    let reflection = Reflection::of(shader)?;
    let [group, lanes, teams, most] =
        ["ROW_GROUP", "LANES", "TEAMS", "MOST_OUTPUTS"].map(|name| reflection.constant(name).unwrap_or(1) as usize);
    Ok(vec![
        [1, 1, 1],
        [group - 1, 13, 10],
        [group, lanes, 7],
        [group + 1, lanes + 1, 13],
        [10, 104, 1],
        [13, lanes - 1, most - 1],
        [2 * group + 1, 2 * lanes + 1, most],
        [1, 4 * lanes, teams + 1],
        [65, 7, 10],
        [2 * group, 785, 3],
        [33, 128, teams],
        [15, 100, teams - 1],
    ])
}

/// Every kind of input with a loss of each shape; the other losses differ from these in their rows alone, which
/// `loss_step` has too, and every kind is a pipeline more.
fn kinds(loss: Loss) -> &'static [InputKind] {
    match loss {
        Loss::SoftmaxCrossEntropy | Loss::BinaryCrossEntropy | Loss::MeanSquaredError => &KINDS,
        Loss::MeanAbsoluteError | Loss::KullbackLeibler => &[InputKind::SamplesU8],
        Loss::Huber => &[InputKind::SamplesF32],
        Loss::Hinge => &[InputKind::Activations],
    }
}

/// Of the sizes a third if it is to be `quick`.
pub(super) fn dense_losses(seed: u64, replicas: usize, loss: Loss, quick: bool, stored: Element) -> Result<Suite> {
    let mut suite = SuiteBuilder::new("dense_loss", replicas, seed).storing(stored);
    let (settings, extents) = (settings(loss), dense_loss_extents()?);
    // Every setting with every kind of input, and at least all sizes; a quick run has each setting once.
    let kinds = kinds(loss);
    let cases = extents.len().max(settings.len()) * if quick { 1 } else { kinds.len() };
    for case in 0..cases {
        let (round, at) = (case / settings.len(), case % settings.len());
        let setting = settings[at];
        let [batch, inputs, outputs] = extents[(case + case / extents.len()) % extents.len()];
        let (input, first, from) = input(&mut suite, kinds[(round + at) % kinds.len()], batch, inputs);
        let mut rows = loss_rows(&mut suite, loss, setting, [batch, outputs], DenseLoss::BLOCK_ROWS);
        let samples = input.kind != InputKind::Activations;
        if samples {
            // Samples and targets go through one order.
            (rows.order, rows.order_stride) = (input.order(), input.order_stride);
        }
        let layer = layer(&mut suite, Dense { batch, inputs, outputs }, input, setting.activation);
        let live = self::rows(batch, case);
        let label = format!("B={batch} I={inputs} O={outputs} rows={live} {setting} of {from}");
        suite.case(label, Op::DenseLoss(DenseLoss { layer, rows }), live, if samples { first } else { AROUND });
    }
    Ok(suite.suite(loss.name(), ANY))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In numbers for who reads this: a block has 8 rows, a sum 16 lanes, 16 outputs go at a time, and 64 fit.
    #[test]
    fn the_sizes_straddle_what_a_workgroup_has() {
        let extents = dense_loss_extents().unwrap();
        let all = |place: usize| extents.iter().map(move |extents| extents[place]);
        assert!([1, 7, 8, 9, 10, 13].iter().all(|rows| all(0).any(|own| own == *rows)));
        assert!([1, 7, 13, 15, 16, 17].iter().all(|inputs| all(1).any(|own| own == *inputs)));
        assert!([1, 7, 10, 13, 15, 16, 17, 63, 64].iter().all(|outputs| all(2).any(|own| own == *outputs)));
    }

    #[test]
    fn every_setting_meets_every_input() {
        for loss in Loss::ALL {
            let labels: Vec<_> = dense_losses(0, 1, *loss, false, Element::F32)
                .unwrap()
                .cases
                .into_iter()
                .map(|case| case.label)
                .collect();
            for setting in settings(*loss) {
                for kind in kinds(*loss) {
                    let wanted = match kind {
                        InputKind::Activations => format!("{setting} of activations"),
                        kind => format!("{setting} of {kind:?}"),
                    };
                    assert!(labels.iter().any(|label| label.contains(&wanted)), "{loss}: {wanted}");
                }
            }
        }
    }
}
