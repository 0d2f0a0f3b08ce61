//! The losses' cases: on their own and behind the last layer, with every target and output activation.

use super::cases::{ANY, AROUND, KINDS, input, layer, order, row_extents, rows, shader};
use super::suite::{Fill, SLOTS, Suite, SuiteBuilder};
use crate::error::Result;
use crate::gpu::reflect::Reflection;
use crate::ops::{Activation, Dense, DenseLoss, InputKind, Loss, LossRows, LossStep, Op, TargetKind};
use crate::plan::Metrics;

/// The output activations and targets that a loss takes.
fn settings(loss: Loss) -> Vec<(Activation, TargetKind)> {
    let activations = match loss {
        Loss::MeanSquaredError => Activation::ALL,
        _ => &[Activation::Linear],
    };
    let kinds: &[_] = match loss {
        Loss::SoftmaxCrossEntropy => &[TargetKind::Classes],
        _ => &[TargetKind::Classes, TargetKind::Values],
    };
    activations.iter().flat_map(|activation| kinds.iter().map(|kind| (*activation, *kind))).collect()
}

pub(super) fn loss_steps(seed: u64, replicas: usize, loss: Loss) -> Result<Suite> {
    let mut suite = SuiteBuilder::new("loss_step", replicas, seed);
    let (extents, settings) = (row_extents("loss_step")?, settings(loss));
    // Where there are many settings, half of the sizes with each will do.
    let step = if settings.len() > 2 { 2 } else { 1 };
    for (n, (activation, kind)) in settings.into_iter().enumerate() {
        for [batch, outputs] in extents.iter().skip(n / 2 % step).step_by(step).copied().chain([[10, 1]]) {
            let case = suite.next();
            let shape = [replicas, batch, outputs];
            let given = suite.tensor("outputs", &shape, Fill::Activated(activation));
            let rows = loss_rows(&mut suite, loss, kind, activation, [batch, outputs], LossStep::BLOCK_ROWS);
            let live = self::rows(batch, case);
            let label = format!("B={batch} O={outputs} rows={live} {kind:?} {activation}");
            suite.case(label, Op::LossStep(LossStep { outputs: given, rows }), live, AROUND);
        }
    }
    Ok(suite.suite(loss.name(), ANY))
}

/// The tensors of a loss, with targets that it takes.
fn loss_rows(
    suite: &mut SuiteBuilder,
    loss: Loss,
    target_kind: TargetKind,
    activation: Activation,
    [batch, outputs]: [usize; 2],
    block_rows: usize,
) -> LossRows {
    let (case, replicas, samples) = (suite.next(), suite.replicas(), batch + 3);
    let labels = match (outputs, loss) {
        (1, Loss::SoftmaxCrossEntropy) => 1,
        (1, _) => 2,
        _ => outputs as u32,
    };
    let targets = match target_kind {
        TargetKind::Classes => suite.tensor("targets", &[samples], Fill::Labels(labels)),
        TargetKind::Values => suite.tensor("targets", &[samples, outputs], Fill::Activated(Activation::Sigmoid)),
    };
    let (order, order_stride) = order(suite, !case.is_multiple_of(3), batch + 2 * AROUND, samples);
    let blocks = [replicas, SLOTS, batch.div_ceil(block_rows), 2];
    LossRows {
        loss,
        batch,
        outputs,
        targets,
        target_kind,
        order,
        order_stride,
        gradient: suite.tensor("gradient", &[replicas, batch, outputs], Fill::Signed),
        metrics: Metrics { tensor: suite.tensor("metrics", &blocks, Fill::Signed), block_rows },
        slots: SLOTS,
        activation,
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

/// Of the sizes a third if it is to be `quick`.
pub(super) fn dense_losses(seed: u64, replicas: usize, loss: Loss, quick: bool) -> Result<Suite> {
    let mut suite = SuiteBuilder::new("dense_loss", replicas, seed);
    let (settings, extents) = (settings(loss), dense_loss_extents()?);
    // Every setting with every kind of input, and at least all sizes; a quick run has each setting once.
    let cases = extents.len().max(settings.len()) * if quick { 1 } else { KINDS.len() };
    for case in 0..cases {
        let (round, setting) = (case / settings.len(), case % settings.len());
        let (activation, kind) = settings[setting];
        let [batch, inputs, outputs] = extents[(case + case / extents.len()) % extents.len()];
        let (input, first, from) = input(&mut suite, KINDS[(round + setting) % KINDS.len()], batch, inputs);
        let mut rows = loss_rows(&mut suite, loss, kind, activation, [batch, outputs], DenseLoss::BLOCK_ROWS);
        let samples = input.kind != InputKind::Activations;
        if samples {
            // Samples and targets go through one order.
            (rows.order, rows.order_stride) = (input.order, input.order_stride);
        }
        let layer = layer(&mut suite, Dense { batch, inputs, outputs }, input, activation);
        let live = self::rows(batch, case);
        let label = format!("B={batch} I={inputs} O={outputs} rows={live} {kind:?} {activation} of {from}");
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
            let labels: Vec<_> =
                dense_losses(0, 1, *loss, false).unwrap().cases.into_iter().map(|case| case.label).collect();
            for (activation, kind) in settings(*loss) {
                for input in ["activations", "SamplesF32", "SamplesU8"] {
                    let wanted = format!("{kind:?} {activation} of {input}");
                    assert!(labels.iter().any(|label| label.contains(&wanted)), "{loss}: {wanted}");
                }
            }
        }
    }
}
