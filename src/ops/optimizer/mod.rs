//! Optimizers: the update that ends a weight gradient. A new one is a file here, a word in the list below, and its
//! formula in `shaders/include/optimizer.wgsl`.

mod hyper;
mod rule;
mod spec;
mod update;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[cfg(test)]
pub(crate) use hyper::GRADIENT_BITS;
pub(crate) use hyper::Hyper;
pub(crate) use rule::SLOTS;
use rule::{Constants, Rule};
pub use spec::{MAX_REPLICAS, OptimizerSpec, Replica, check_rate};
pub(crate) use update::{Update, split_slots, state_slots};

macro_rules! optimizers {
    ($($module:ident: $name:ident),+ $(,)?) => {
        $(pub mod $module;)+
        $(pub use $module::$name;)+

        /// The update rule, with what all replicas share of it. Formulas, defaults and sources are in the file of each.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Optimizer {
            $(#[doc = concat!("`", stringify!($module), "`: see [`", stringify!($name), "`]")] $name($module::Rule),)+
        }

        impl Optimizer {
            /// The name in specs and, in capitals, in WGSL.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($module)),+ }
            }

            /// Every optimizer under each of its names, with its defaults, in the order of the list.
            pub fn presets() -> Vec<(&'static str, OptimizerSpec)> {
                [$($module::Rule::presets()),+].concat()
            }

            /// Numbers that it keeps per parameter.
            pub fn slots(self) -> usize {
                match self { $(Self::$name(rule) => rule.slots()),+ }
            }

            /// Whether weight decay shrinks the weight itself rather than being part of the gradient.
            pub fn decoupled(self) -> bool {
                match self { $(Self::$name(rule) => rule.decoupled()),+ }
            }

            /// Whether a step takes all samples.
            pub fn full_batch(self) -> bool {
                match self { $(Self::$name(rule) => rule.full_batch()),+ }
            }

            /// What a replica's momentum means to it, such as `beta 1`; nothing to those that have none.
            pub fn momentum(self) -> Option<&'static str> {
                match self { $(Self::$name(_) => $module::Rule::MOMENTUM),+ }
            }

            /// Which of its numbers per parameter are never negative.
            pub(crate) fn squares(self) -> [bool; SLOTS] {
                match self { $(Self::$name(rule) => rule.squares()),+ }
            }

            fn constants_of_all(self) -> Constants {
                match self { $(Self::$name(rule) => rule.constants()),+ }
            }

            fn corrections(self, rate: f64, momentum: f64, number: u32) -> [f64; 3] {
                match self { $(Self::$name(rule) => rule.corrections(rate, momentum, number)),+ }
            }

            fn validate_rule(self, momentum: f64) -> Result<()> {
                match self { $(Self::$name(rule) => rule.validate(momentum)),+ }
            }
        }

        impl Update {
            /// Updates parameters from their gradients; `state` has [`Optimizer::slots`] parts as long as `values`, and
            /// empty ones behind them. The rule is chosen here, once, and not for each parameter.
            #[inline(always)]
            pub(crate) fn apply<T: crate::scalar::Scalar>(
                &self,
                values: &mut [T],
                gradients: &[T],
                state: [&mut [T]; SLOTS],
                hyper: &Hyper,
            ) {
                match self.optimizer {
                    $(Optimizer::$name(rule) => self.apply_rule(rule, values, gradients, state, hyper)),+
                }
            }
        }
    };
}

optimizers! {
    gradient_descent: GradientDescent,
    sgd: Sgd,
    adagrad: Adagrad,
    rmsprop: Rmsprop,
    adam: Adam,
    adam_w: AdamW,
    nadam: Nadam,
    adadelta: Adadelta,
    lion: Lion,
}

impl Optimizer {
    /// Checks its own numbers, with a replica's momentum.
    ///
    /// # Errors
    /// [`Error::Spec`] that names the field.
    pub(crate) fn validate(self, momentum: f64) -> Result<()> {
        spec::check_share("momentum", momentum)?;
        if self.momentum().is_none() && momentum != 0.0 {
            return Err(Error::spec("momentum", format!("{} has none; leave it out, or at 0", self.name())));
        }
        self.validate_rule(momentum)
    }

    /// Values of the WGSL constants that specialize the update.
    pub(crate) fn constants(self) -> Vec<(&'static str, f64)> {
        self.constants_of_all().named(self.decoupled())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optimizer_has_a_preset_of_sound_defaults() {
        let presets = Optimizer::presets();
        for (name, spec) in &presets {
            assert!(spec.optimizer.validate(spec.momentum).is_ok(), "{name}");
            assert!(spec.optimizer.slots() <= SLOTS, "{name}");
        }
        let mut names: Vec<_> = presets.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), presets.len());
    }

    /// The form in which older model files have them.
    #[test]
    fn the_serialized_form_has_not_changed() {
        let text = r#"{"adam":{"beta2":0.999,"epsilon":1e-8}}"#;
        assert_eq!(serde_json::from_str::<Optimizer>(text).unwrap(), OptimizerSpec::from(Adam::new(0.1)).optimizer);
        let text = r#"{"sgd":{"nesterov":true}}"#;
        let nesterov = OptimizerSpec::from(Sgd::new(0.1).nesterov()).optimizer;
        assert_eq!(serde_json::from_str::<Optimizer>(text).unwrap(), nesterov);
        assert_eq!(serde_json::to_string(&nesterov).unwrap(), text);
    }

    #[test]
    fn a_momentum_without_use_is_refused() {
        let spec: OptimizerSpec = Adagrad::new(0.1).into();
        let error = spec.optimizer.validate(0.9).unwrap_err();
        assert_eq!(error.to_string(), "momentum: adagrad has none; leave it out, or at 0");
    }
}
