//! Losses: the value, its gradient with respect to the logits, and the correct predictions, in one pass over the rows.
//! A new one is a file here, an entry in the list below, and its formula in `shaders/include/loss.wgsl`.

mod differences;
mod rows;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::softmax::{largest, shifted_exponentials};
use super::{Activation, Constant};
use crate::scalar::Scalar;

pub(crate) use rows::{LossRows, LossWeights};

/// Kinds of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One class per sample, u32 (N).
    Classes,
    /// O values per sample, f32 (N, O).
    Values,
}

impl TargetKind {
    /// WGSL's constant.
    pub(super) fn constant(self) -> Constant {
        Constant::named(match self {
            Self::Classes => "CLASSES",
            Self::Values => "VALUES",
        })
    }
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
            Self::Class(class) if outputs == 1 => T::real(*class as f32),
            _ => self.share(o),
        }
    }

    /// What class `o` has of the target: its value, or 1 for the class and 0 for the others.
    fn share(&self, o: usize) -> T {
        match self {
            Self::Values(values) => values[o],
            Self::Class(class) => T::real(f32::from(u8::from(*class == o))),
        }
    }

    /// The class, or the first of those with the largest value.
    fn class(&self) -> usize {
        match self {
            Self::Class(class) => *class,
            Self::Values(values) => largest(values),
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
    /// The row's weight over the batch's sum of weights; 1 / rows where there are none.
    scale: T,
    /// (C), or none: for losses that weigh classes within a row.
    class_weights: &'a [T],
    label_smoothing: f32,
    huber_delta: f32,
}

/// The meaning that a loss gives to outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Logits of classes, one of which is true.
    Softmax,
    /// Logits of independent labels.
    Sigmoid,
    /// Scores: the largest wins, a single one by its sign.
    Margin,
    /// Values, after the output's activation.
    Values,
}

/// A loss over one row of outputs.
trait RowLoss {
    /// The meaning of the outputs.
    const HEAD: Head;
    /// The default targets.
    const TARGETS: TargetKind;
    /// The usual abbreviation.
    const SHORT: &'static str;
    /// Stores the gradient of the batch's mean loss by the row's logits, in whose place the exponentials are
    /// where [`Loss::needs_exponentials`]; gives the row's loss, and 1 if it is right,
    /// else 0.
    fn row<T: Scalar>(row: &Row<'_, T>, gradient: &mut [T]) -> (T, T);
}

macro_rules! losses {
    ($($module:ident: $name:ident),+ $(,)?) => {
        $(mod $module;)+

        /// A loss, minimized as the mean over the batch. Formulas and sources are in the file of each.
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

            /// The usual abbreviation, which the command line knows too.
            pub fn short(self) -> &'static str {
                match self { $(Self::$name => $module::$name::SHORT),+ }
            }

            /// The meaning of the outputs.
            pub(crate) fn head(self) -> Head {
                match self { $(Self::$name => $module::$name::HEAD),+ }
            }

            /// The default targets.
            pub(crate) fn usual_targets(self) -> TargetKind {
                match self { $(Self::$name => $module::$name::TARGETS),+ }
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
    mean_absolute_error: MeanAbsoluteError,
    huber: Huber,
    hinge: Hinge,
    kullback_leibler: KullbackLeibler,
}

impl Loss {
    /// Whether it is a regression loss, such as the mean squared error.
    pub fn is_for_values(self) -> bool {
        self.head() == Head::Values
    }

    /// Whether its predictions are probabilities.
    pub fn is_probable(self) -> bool {
        matches!(self.head(), Head::Softmax | Head::Sigmoid)
    }

    /// Whether it is of a softmax, and so of exp(z - max z) of each logit z, where the output activation is `output`.
    fn needs_exponentials(self, output: Activation) -> bool {
        self.head() == Head::Softmax || output == Activation::Softmax
    }

    /// What the last layer applies in training, where its own activation is `output`: most losses take logits.
    pub(crate) fn trained_activation(self, output: Activation) -> Activation {
        if self.head() == Head::Values { output } else { Activation::Linear }
    }

    /// What the last layer's sums go through for a prediction, where its own activation is `output`.
    pub(crate) fn predicted_activation(self, output: Activation) -> Activation {
        match self.head() {
            Head::Softmax => Activation::Softmax,
            Head::Sigmoid => Activation::Sigmoid,
            Head::Margin => Activation::Linear,
            Head::Values => output,
        }
    }

    /// The output activations that it allows; none where it allows all.
    pub(crate) fn output_activations(self) -> &'static [Activation] {
        match self.head() {
            Head::Softmax => &[Activation::Linear, Activation::Softmax],
            Head::Sigmoid => &[Activation::Linear, Activation::Sigmoid],
            Head::Margin => &[Activation::Linear],
            Head::Values => &[],
        }
    }

    /// Above which a single output, as training has it, stands for class 1.
    pub(crate) fn output_threshold(self) -> f32 {
        if self.head() == Head::Values { 0.5 } else { 0.0 }
    }

    /// Above which a single prediction stands for class 1.
    pub(crate) fn class_threshold(self) -> f32 {
        if self.head() == Head::Margin { 0.0 } else { 0.5 }
    }

    /// The class that a row of predictions (O) stands for: the first largest, or of a single output 1 where it is above
    /// one half, of a margin above 0.
    pub fn predicted_class(self, row: &[f32]) -> usize {
        match row {
            [single] => usize::from(*single > self.class_threshold()),
            _ => (1..row.len()).fold(0, |best, o| if row[o] > row[best] { o } else { best }),
        }
    }

    /// Values of the WGSL constants that specialize the loss.
    fn constants(self, targets: TargetKind) -> Vec<(&'static str, Constant)> {
        vec![("LOSS", Constant::named(self.name())), ("TARGETS", targets.constant())]
    }
}

impl<T: Scalar> Row<'_, T> {
    /// The weight of a class within the row.
    fn class_weight(&self, class: usize) -> T {
        self.class_weights.get(class).copied().unwrap_or(T::one())
    }

    /// 1 if each logit is on its target's side of zero, else 0; of several outputs with a class, if that is the largest.
    fn same_side(&self) -> T {
        if let (Target::Class(class), true) = (self.target, self.outputs.len() > 1) {
            return self.answers(class);
        }
        let (zero, half) = (T::zero(), T::real(0.5));
        self.outputs.iter().enumerate().fold(T::one(), |right, (o, z)| {
            let y: T = self.target.value(o, self.outputs.len());
            let [above, below] = if y > half { [right, zero] } else { [zero, right] };
            z.if_above(zero, above, below)
        })
    }

    /// 1 if `class` is the row's first largest output, else 0.
    fn answers(&self, class: usize) -> T {
        if !T::UNSURE {
            return T::real(f32::from(u8::from(largest(self.outputs) == class)));
        }
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
