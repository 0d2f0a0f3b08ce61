//! Losses: the value, its gradient by the logits, and how many answers are right, in one pass over the batch's rows.
//! A new one is a file here, a word in the list below, and its formula in `shaders/include/loss.wgsl`.

mod rows;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::softmax::shifted_exponentials;
use super::{Activation, Constant};
use crate::scalar::Scalar;

pub(crate) use rows::LossRows;

/// What the targets of a dataset are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One class a sample, u32 (N).
    Classes,
    /// O numbers a sample, f32 (N, O).
    Values,
}

/// One row's target.
#[derive(Clone, Copy, Debug)]
enum Target<'a, T> {
    Class(usize),
    Values(&'a [T]),
}

impl<T: Scalar> Target<'_, T> {
    /// Target `o` of `outputs`: its value, or 1 for the class and 0 for the others; a single output takes the class.
    fn value(&self, o: usize, outputs: usize) -> T {
        match self {
            Self::Values(values) => values[o],
            Self::Class(class) if outputs == 1 => T::real(*class as f32),
            Self::Class(class) => T::real(f32::from(u8::from(*class == o))),
        }
    }
}

/// What a loss sees of one row.
struct Row<'a, T> {
    /// (O): logits, or what the output activation made of them.
    outputs: &'a [T],
    target: Target<'a, T>,
    /// The output layer's.
    activation: Activation,
    /// Rows that share in the batch's mean.
    rows: usize,
}

/// A loss over one row of outputs.
trait RowLoss {
    /// Stores the gradient of the batch's mean loss by the row's logits; gives the row's loss, and 1 if it is right,
    /// else 0.
    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T);
}

macro_rules! losses {
    ($($module:ident: $name:ident),+ $(,)?) => {
        $(mod $module;)+

        /// What training minimizes, as the mean over the batch. Formulas and sources are in the file of each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Loss {
            $(#[doc = concat!("`", stringify!($module), "`")] $name,)+
        }

        impl Loss {
            /// Every loss, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name in specs, on the command line and, in capitals, in WGSL.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($module)),+ }
            }

            fn row<T: Scalar>(self, row: &Row<'_, T>, gradient: &mut [T]) -> (T, T) {
                match self { $(Self::$name => $module::$name::row(row, gradient)),+ }
            }
        }
    };
}

losses! {
    softmax_cross_entropy: SoftmaxCrossEntropy,
    binary_cross_entropy: BinaryCrossEntropy,
    mean_squared_error: MeanSquaredError,
}

impl Loss {
    /// Values of the WGSL constants that specialize the loss.
    fn constants(self, targets: TargetKind) -> Vec<(&'static str, Constant)> {
        let mut constants = vec![("LOSS", Constant::named(self.name()))];
        if self != Self::SoftmaxCrossEntropy {
            let targets = match targets {
                TargetKind::Classes => "CLASSES",
                TargetKind::Values => "VALUES",
            };
            constants.push(("TARGETS", Constant::named(targets)));
        }
        constants
    }
}

impl<T: Scalar> Row<'_, T> {
    /// 1 if `class` is the row's first largest output, else 0.
    fn answers(&self, class: usize) -> T {
        let (zero, own) = (T::zero(), self.outputs[class]);
        self.outputs.iter().enumerate().fold(T::one(), |right, (o, other)| match o.cmp(&class) {
            Ordering::Less => own.if_above(*other, right, zero),
            Ordering::Equal => right,
            Ordering::Greater => other.if_above(own, zero, right),
        })
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
