//! Where a fit stands for schedules, and what plateaus remember from epoch to epoch.

use super::report::Evaluation;
use super::run::Course;
use super::trainer::Trainer;
use crate::schedule::{Pace, PlateauState};
use crate::spec::Replica;

/// What plateaus remember before the first epoch; of replicas with other schedules it is never looked at.
pub(super) fn plateaus(replicas: &[Replica]) -> Vec<PlateauState> {
    replicas.iter().map(|replica| PlateauState::new(replica.learning_rate)).collect()
}

impl Trainer {
    /// Where the fit stands, between two epochs or within one. A schedule is as long as the epochs that were asked for,
    /// whether or not a limit on steps ends the fit before: more steps can follow, as if there had been none.
    pub(super) fn pace(&self, course: &Course) -> Pace {
        let steps_per_epoch = course.data.len().div_ceil(self.spec.batch);
        let whole = (course.fit.epochs as u64).saturating_mul(steps_per_epoch as u64);
        Pace {
            start: self.steps.saturating_sub(u32::try_from(course.state.steps).unwrap_or(u32::MAX)),
            steps_per_epoch: u32::try_from(steps_per_epoch).unwrap_or(u32::MAX),
            steps: u32::try_from(whole).unwrap_or(u32::MAX),
            fallen: course.state.plateaus.iter().map(|plateau| plateau.learning_rate).collect(),
        }
    }

    /// Each replica's learning rate at an optimizer step, counted from 1.
    pub(super) fn learning_rates(&self, pace: &Pace, number: u32) -> Vec<f32> {
        let replicas = self.spec.replicas.iter().enumerate();
        replicas.map(|(r, replica)| replica.rate(r, pace, number) as f32).collect()
    }

    /// Plateaus take note of an epoch's losses.
    pub(super) fn note_losses(&self, plateaus: &mut [PlateauState], losses: &Evaluation) {
        for ((plateau, replica), scores) in plateaus.iter_mut().zip(&self.spec.replicas).zip(&losses.replicas) {
            plateau.note(&replica.schedule, scores.loss);
        }
    }
}
