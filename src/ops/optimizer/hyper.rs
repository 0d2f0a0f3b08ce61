use super::rule::complement;
use super::{Optimizer, Replica};
use crate::tensor::Iteration;

/// One replica's hyper-parameters at one step, as every device gets them: f32, complements rounded once from f64.
/// The layout is WGSL's `struct Hyper`; a test compares the two.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Hyper {
    /// After the schedule.
    pub learning_rate: f32,
    /// Coupled weight decay: lambda. Decoupled: the factor 1 - learning_rate * lambda.
    pub decay: f32,
    /// What `sign(w)` is multiplied by on its way into the gradient.
    pub l1: f32,
    /// The replica's own dropout rate, or [`Hyper::LAYERS_DROPOUT`] for that of each layer.
    pub dropout: f32,
    pub momentum: f32,
    pub momentum_complement: f32,
    /// What an optimizer wants computed once a step; Adam: its step size, and what the second moment's root is
    /// multiplied by.
    pub correction_x: f32,
    pub correction_y: f32,
    pub correction_z: f32,
    /// What a row of weight 1 counts in the batch's loss: 1 / the sum of the rows' weights, which is 1 / rows without any.
    pub loss_scale: f32,
    /// The replica's seed, the key of its random numbers.
    pub seed_low: u32,
    pub seed_high: u32,
}

impl Hyper {
    /// The value of `dropout` that leaves each layer its own rate.
    pub const LAYERS_DROPOUT: f32 = -1.0;

    /// The replica's seed.
    pub fn seed(&self) -> u64 {
        u64::from(self.seed_low) | u64::from(self.seed_high) << 32
    }

    /// The hyper-parameters of `replica` in an iteration, whose optimizer steps are counted from 1, at the learning rate
    /// that its schedule gives.
    pub fn at(replica: &Replica, optimizer: Optimizer, iteration: &Iteration, rate: f64) -> Self {
        let Replica { seed, weight_decay, momentum, l1, dropout, .. } = *replica;
        let corrections = optimizer.corrections(rate, momentum, iteration.number);
        let [correction_x, correction_y, correction_z] = corrections.map(|correction| correction as f32);
        let decay = if optimizer.decoupled() { 1.0 - rate * weight_decay } else { weight_decay };
        Self {
            learning_rate: rate as f32,
            decay: decay as f32,
            l1: l1 as f32,
            dropout: dropout.map_or(Self::LAYERS_DROPOUT, |rate| rate as f32),
            momentum: momentum as f32,
            momentum_complement: complement(momentum),
            correction_x,
            correction_y,
            correction_z,
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
            ..Self::neutral(iteration)
        }
    }

    /// Those of programs that train nothing: only that the rows of a batch count 1 each.
    pub fn neutral(iteration: &Iteration) -> Self {
        let loss_scale = (1.0 / f64::from(iteration.rows)) as f32;
        Self { dropout: Self::LAYERS_DROPOUT, loss_scale, ..bytemuck::Zeroable::zeroed() }
    }

    /// The same for a batch whose rows' weights have this sum. Where no row counts, nothing does.
    pub fn with_weight(self, weight: f64) -> Self {
        Self { loss_scale: if weight == 0.0 { 0.0 } else { (1.0 / weight) as f32 }, ..self }
    }

    /// What gradients by outputs and sums are multiplied by where they are stored, as f16 (`half`) or f32, and its inverse:
    /// the same as in `shaders/f16/stored.wgsl`.
    pub fn gradient_scale(&self, half: bool) -> [f32; 2] {
        if !half {
            return [1.0, 1.0];
        }
        let exponent = (self.loss_scale.to_bits() >> 23).clamp(64, 190);
        [254 + GRADIENT_BITS - exponent, exponent - GRADIENT_BITS].map(|exponent| f32::from_bits(exponent << 23))
    }

    /// The same for parameters that are left out of weight decay and L1.
    pub fn without_decay(self, optimizer: Optimizer) -> Self {
        Self { decay: if optimizer.decoupled() { 1.0 } else { 0.0 }, l1: 0.0, ..self }
    }
}

/// WGSL's constant of this name, which a test compares with it.
pub(crate) const GRADIENT_BITS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::optimizer::OptimizerSpec;
    use crate::spec::Sgd;

    /// Times the batch's own scale it is 16 to 32 for every batch, so that a sample's gradient is stored alike in all of
    /// them; and it is a power of two.
    #[test]
    fn stored_gradients_are_scaled_alike_in_every_batch() {
        let spec = OptimizerSpec::from(Sgd::new(0.1));
        let replica = Replica::new(0, &spec);
        for rows in [1, 2, 3, 7, 64, 100, 1000, 60_000] {
            let iteration = Iteration { rows, first: 0, slot: 0, number: 1 };
            let hyper = Hyper::at(&replica, spec.optimizer, &iteration, 0.1);
            let [scale, unscale] = hyper.gradient_scale(true);
            assert!((16.0..32.0).contains(&(hyper.loss_scale * scale)), "{rows} {scale}");
            assert!(scale * unscale == 1.0 && scale.log2().fract() == 0.0, "{rows} {scale} {unscale}");
            assert_eq!(hyper.gradient_scale(false), [1.0, 1.0]);
        }
        for weight in [0.0, 1e-30, 1e30] {
            let iteration = Iteration { rows: 3, first: 0, slot: 0, number: 1 };
            let hyper = Hyper::at(&replica, spec.optimizer, &iteration, 0.1).with_weight(weight);
            let [scale, unscale] = hyper.gradient_scale(true);
            assert!(scale.is_normal() && unscale.is_normal() && scale * unscale == 1.0, "{weight}");
        }
    }
}
