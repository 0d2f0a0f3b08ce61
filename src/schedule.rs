//! Learning rate schedules. The host computes each step's rate in f64 and sends it with the step.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A replica's learning rate schedule. `base` below is the spec's rate: the initial rate or the peak.
///
/// Steps are counted from t = 0 at the start of a fit, T in all, and epochs from e = 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// base
    #[default]
    Constant,
    /// base * factor^floor(e / epochs): PyTorch's `StepLR`, which it defaults to a factor of 0.1.
    Step {
        /// Epochs between two reductions.
        epochs: u32,
        /// The factor of each reduction.
        factor: f64,
    },
    /// base * factor^e: PyTorch's `ExponentialLR`.
    Exponential {
        /// The factor of each epoch.
        factor: f64,
    },
    /// Rises over w steps, base * (t + 1) / (w + 1), then falls along half a cosine,
    /// minimum + (base - minimum) (1 + cos(pi (t - w) / (T - w))) / 2: PyTorch's `LinearLR` from 1 / (w + 1), then
    /// `CosineAnnealingLR` (Loshchilov and Hutter, "SGDR", ICLR 2017; warm-up: Goyal et al., arXiv:1706.02677).
    Cosine {
        /// Epochs of warm-up, possibly fractional.
        warmup: f64,
        /// The final rate.
        minimum: f64,
    },
    /// From base / initial_divisor up to base in the first `rise` of the steps, then down to
    /// base / initial_divisor / final_divisor, both along half a cosine: PyTorch's `OneCycleLR`, whose momentum does not
    /// cycle here (Smith and Topin, "Super-convergence", arXiv:1708.07120). PyTorch's defaults: 0.3, 25, 1e4.
    OneCycle {
        /// Share of the steps in which it rises.
        rise: f64,
        /// The peak over what it starts from.
        initial_divisor: f64,
        /// What it starts from over what it ends at.
        final_divisor: f64,
    },
    /// Falls when the loss has not for a while: PyTorch's `ReduceLROnPlateau`, its mode `min` and threshold relative. The
    /// loss is the validation's, or without one that of the epoch's training. PyTorch's defaults: factor 0.1, patience 10,
    /// threshold 1e-4, cooldown 0, minimum 0.
    Plateau {
        /// What each fall multiplies it by.
        factor: f64,
        /// Epochs without improvement that are still borne.
        patience: u32,
        /// Share by which a loss must be below the best one to count as an improvement.
        threshold: f64,
        /// Epochs after a fall in which none counts against it.
        cooldown: u32,
        /// What it does not fall below.
        minimum: f64,
    },
}

impl Schedule {
    /// PyTorch's defaults of `OneCycleLR`.
    pub const ONE_CYCLE: Self = Self::OneCycle { rise: 0.3, initial_divisor: 25.0, final_divisor: 1e4 };
    /// PyTorch's defaults of `ReduceLROnPlateau`.
    pub const PLATEAU: Self = Self::Plateau { factor: 0.1, patience: 10, threshold: 1e-4, cooldown: 0, minimum: 0.0 };
    /// Without warm-up, down to 0.
    pub const COSINE: Self = Self::Cosine { warmup: 0.0, minimum: 0.0 };

    /// True if the rate never changes.
    pub fn is_constant(&self) -> bool {
        *self == Self::Constant
    }

    /// Checks its numbers.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the field.
    pub fn validate(&self) -> Result<()> {
        let refused = |what: &str, value: f64, wanted: &str| {
            Err(Error::spec("schedule", format!("{what} must be {wanted}, got {value}")))
        };
        let above_zero = |what: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => refused(what, value, "a finite number above 0"),
        };
        let not_negative = |what: &str, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => refused(what, value, "a finite number of at least 0"),
        };
        match *self {
            Self::Constant => Ok(()),
            Self::Step { epochs: 0, .. } => refused("epochs", 0.0, "at least 1"),
            Self::Step { factor, .. } | Self::Exponential { factor } => above_zero("factor", factor),
            Self::Cosine { warmup, minimum } => {
                not_negative("warmup", warmup)?;
                not_negative("minimum", minimum)
            }
            Self::OneCycle { rise, .. } if !(rise > 0.0 && rise < 1.0) => refused("rise", rise, "between 0 and 1"),
            Self::OneCycle { initial_divisor, final_divisor, .. } => {
                above_zero("initial divisor", initial_divisor)?;
                above_zero("final divisor", final_divisor)
            }
            Self::Plateau { factor, .. } if !(factor > 0.0 && factor < 1.0) => {
                refused("factor", factor, "between 0 and 1")
            }
            Self::Plateau { threshold, minimum, .. } => {
                not_negative("threshold", threshold)?;
                not_negative("minimum", minimum)
            }
        }
    }

    /// The learning rate of optimizer step `number`, counted from 1, of a replica whose rate is `base`; `fallen` is the
    /// rate that a plateau has left.
    pub(crate) fn rate(&self, base: f64, fallen: Option<f64>, pace: &Pace, number: u32) -> f64 {
        let t = f64::from(number.saturating_sub(1).saturating_sub(pace.start));
        let total = f64::from(pace.steps);
        let epoch = (t / f64::from(pace.steps_per_epoch.max(1))).floor();
        match *self {
            Self::Constant => base,
            Self::Step { epochs, factor } => base * factor.powf((epoch / f64::from(epochs)).floor()),
            Self::Exponential { factor } => base * factor.powf(epoch),
            Self::Cosine { warmup, minimum } => {
                let rise = (warmup * f64::from(pace.steps_per_epoch)).round();
                match t < rise {
                    true => base * (t + 1.0) / (rise + 1.0),
                    false => along_cosine(base, minimum, share(t - rise, total - rise)),
                }
            }
            Self::OneCycle { rise, initial_divisor, final_divisor } => {
                let (initial, peak_at) = (base / initial_divisor, rise * total - 1.0);
                match t <= peak_at {
                    true => along_cosine(initial, base, share(t, peak_at)),
                    false => {
                        let fallen = share(t - peak_at, total - 1.0 - peak_at);
                        along_cosine(base, initial / final_divisor, fallen)
                    }
                }
            }
            Self::Plateau { .. } => fallen.unwrap_or(base),
        }
    }
}

/// `part` of `whole`, between 0 and 1; all of it where there is no whole.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 1.0 }
}

/// From one number to another along half a cosine.
fn along_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
}

/// A fit's position in the training of a model, for schedules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pace {
    /// Optimizer steps before the fit began.
    pub start: u32,
    /// Steps of a whole epoch.
    pub steps_per_epoch: u32,
    /// Steps of the whole fit.
    pub steps: u32,
    /// The replicas' current rates after plateaus; empty before the first.
    pub fallen: Vec<f64>,
}

/// The state of [`Schedule::Plateau`] of one replica from epoch to epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateauState {
    /// The rate that it has left.
    pub learning_rate: f64,
    /// The lowest loss so far; none before the first epoch.
    pub best: Option<f64>,
    /// Epochs in a row without improvement.
    pub bad_epochs: u32,
    /// Epochs of cooldown that are left.
    pub cooling: u32,
}

impl PlateauState {
    /// A fall of the rate by less than this is left out, as in PyTorch.
    const LEAST_FALL: f64 = 1e-8;

    /// Before the first epoch.
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, best: None, bad_epochs: 0, cooling: 0 }
    }

    /// Records an epoch's loss.
    pub fn note(&mut self, schedule: &Schedule, loss: f64) {
        let Schedule::Plateau { factor, patience, threshold, cooldown, minimum } = *schedule else { return };
        if self.best.is_none_or(|best| loss < best * (1.0 - threshold)) {
            (self.best, self.bad_epochs) = (Some(loss), 0);
        } else {
            self.bad_epochs += 1;
        }
        if self.cooling > 0 {
            (self.cooling, self.bad_epochs) = (self.cooling - 1, 0);
        }
        if self.bad_epochs > patience {
            let rate = (self.learning_rate * factor).max(minimum);
            if self.learning_rate - rate > Self::LEAST_FALL {
                self.learning_rate = rate;
            }
            (self.cooling, self.bad_epochs) = (cooldown, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, steps: u32) -> Vec<f64> {
        let pace = Pace { start: 3, steps_per_epoch: 5, steps, fallen: Vec::new() };
        (0..steps).map(|t| schedule.rate(0.1, None, &pace, 3 + t + 1)).collect()
    }

    #[test]
    fn falls_come_at_epochs() {
        let step = rates(Schedule::Step { epochs: 2, factor: 0.5 }, 25);
        assert!(step[..10].iter().all(|rate| *rate == 0.1) && step[10] == 0.05 && step[24] == 0.025, "{step:?}");
        let exponential = rates(Schedule::Exponential { factor: 0.5 }, 12);
        assert!(exponential[4] == 0.1 && exponential[5] == 0.05 && exponential[11] == 0.025, "{exponential:?}");
    }

    #[test]
    fn a_cosine_rises_to_its_base_and_falls_to_its_minimum() {
        let rates = rates(Schedule::Cosine { warmup: 1.0, minimum: 0.02 }, 45);
        assert!((rates[0] - 0.1 / 6.0).abs() < 1e-15 && rates[5] == 0.1);
        assert!((rates[25] - 0.06).abs() < 1e-15, "halfway: {}", rates[25]);
        assert!(rates[5..].windows(2).all(|pair| pair[1] < pair[0]) && rates[44] > 0.02);
    }

    /// PyTorch's last step is at the final rate, and the first at the initial one.
    #[test]
    fn one_cycle_starts_and_ends_where_pytorchs_does() {
        let rates = rates(Schedule::ONE_CYCLE, 50);
        assert!((rates[0] - 0.004).abs() < 1e-15 && (rates[14] - 0.1).abs() < 1e-15, "{rates:?}");
        assert!((rates[49] - 0.004 / 1e4).abs() < 1e-15, "{rates:?}");
    }

    #[test]
    fn without_a_known_length_nothing_is_divided_by_zero() {
        for schedule in [Schedule::COSINE, Schedule::ONE_CYCLE, Schedule::Step { epochs: 1, factor: 0.1 }] {
            assert!(schedule.rate(0.1, None, &Pace::default(), 1).is_finite(), "{schedule:?}");
        }
    }

    #[test]
    fn a_plateau_falls_after_its_patience_and_cools_down() {
        let schedule = Schedule::Plateau { factor: 0.5, patience: 1, threshold: 0.1, cooldown: 1, minimum: 0.03 };
        let mut state = PlateauState::new(0.1);
        let mut rates = Vec::new();
        // An improvement of less than a tenth is none.
        for loss in [1.0, 0.95, 0.94, 0.93, 0.93, 0.93, 0.93, 0.93, 0.5] {
            state.note(&schedule, loss);
            rates.push(state.learning_rate);
        }
        assert_eq!(rates, [0.1, 0.1, 0.05, 0.05, 0.05, 0.03, 0.03, 0.03, 0.03]);
        assert_eq!((state.best, state.bad_epochs), (Some(0.5), 0));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let error = Schedule::Exponential { factor: -1.0 }.validate().unwrap_err().to_string();
        assert_eq!(error, "schedule: factor must be a finite number above 0, got -1");
        assert!(Schedule::Step { epochs: 0, factor: 0.1 }.validate().is_err());
        assert!(Schedule::OneCycle { rise: 1.0, initial_divisor: 25.0, final_divisor: 1e4 }.validate().is_err());
        assert!(Schedule::Cosine { warmup: f64::NAN, minimum: 0.0 }.validate().is_err());
    }
}
