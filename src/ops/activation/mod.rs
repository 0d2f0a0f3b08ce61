//! Activations. A new one is a file here, an entry in the list below, and its formula in `shaders/include/activation.wgsl`;
//! nothing else in the program names it (a registry test).

use serde::{Deserialize, Serialize};

use super::Param;
use crate::init::Init;
use crate::scalar::Scalar;

/// An activation function, elementwise unless it says otherwise.
pub(crate) trait Function {
    /// The value at `z`.
    fn value<T: Scalar>(z: T) -> T;
    /// The derivative, in terms of the value `a = f(z)`; not a number where that does not tell it.
    #[inline(always)]
    fn derivative<T: Scalar>(_a: T) -> T {
        T::real(f32::NAN)
    }
    /// The derivative, in terms of the sum `z`.
    #[inline(always)]
    fn slope<T: Scalar>(z: T) -> T {
        Self::derivative(Self::value(z))
    }
    /// Whether the value does not tell the derivative: the layer's sums are then kept, and [`Function::slope`] has the
    /// formula (WGSL: a case of `activation_slope`).
    const NEEDS_SUM: bool = false;
    /// The sums at which the derivative, or its own, jumps: checks by differences stay clear of them.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    const KINKS: &'static [f32] = &[];
    /// The initialization that keeps variances level through a layer with this activation.
    const INIT: Init;
    /// Its module in Python, `nn` being PyTorch's; none where it does nothing.
    const PYTORCH: Option<&'static str>;
    /// What it is in ONNX.
    const ONNX: Onnx;
}

/// An activation in ONNX.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Onnx {
    /// Nothing: the sums themselves.
    Sums,
    /// This operator of the sums, with its attributes.
    Operator(&'static str, &'static [(&'static str, OnnxValue)]),
    /// The sums times what this operator gives of them.
    Gate(&'static str),
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OnnxValue {
    Float(f32),
    Int(i64),
    Text(&'static str),
}

macro_rules! activations {
    ($($module:ident: $name:ident),+ $(,)?) => {
        $(mod $module;)+

        /// An activation function. Formulas, derivatives and sources are in the file of each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Activation {
            $(#[doc = concat!("`", stringify!($module), "`")] $name,)+
        }

        impl Activation {
            /// Every activation, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name in specs, on the command line and, in capitals, in WGSL.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($module)),+ }
            }

            /// The value at `z`.
            pub(crate) fn value<T: Scalar>(self, z: T) -> T {
                match self { $(Self::$name => $module::$name::value(z)),+ }
            }

            /// The derivative, in terms of the value `a = f(z)`.
            pub(crate) fn derivative<T: Scalar>(self, a: T) -> T {
                match self { $(Self::$name => $module::$name::derivative(a)),+ }
            }

            /// A row's sums become `f(sum + bias)`. The choice is made once a row, so that the loop is plain.
            #[inline(always)]
            pub(crate) fn activate<T: Scalar>(self, sums: &mut [T], bias: &[T]) {
                match self {
                    $(Self::$name => {
                        sums.iter_mut().zip(bias).for_each(|(sum, b)| *sum = $module::$name::value(*sum + *b))
                    }),+
                }
            }

            /// A row's sums become `f(sum)`.
            #[inline(always)]
            pub(crate) fn apply<T: Scalar>(self, sums: &mut [T]) {
                match self {
                    $(Self::$name => sums.iter_mut().for_each(|sum| *sum = $module::$name::value(*sum))),+
                }
            }

            /// Gradients by the values become gradients by the sums, which are given.
            #[inline(always)]
            pub(crate) fn chain_sums<T: Scalar>(self, gradients: &mut [T], sums: &[T]) {
                match self {
                    $(Self::$name => {
                        gradients.iter_mut().zip(sums).for_each(|(g, z)| *g = *g * $module::$name::slope(*z))
                    }),+
                }
            }

            /// Whether its derivative needs the sum, which makes a layer with it keep its sums.
            pub(crate) fn needs_sum(self) -> bool {
                match self { $(Self::$name => $module::$name::NEEDS_SUM),+ }
            }

            /// The sums at which its derivative, or that one's, jumps.
            #[cfg(test)]
            pub(crate) fn kinks(self) -> &'static [f32] {
                match self { $(Self::$name => $module::$name::KINKS),+ }
            }

            /// Gradients by the values become gradients by the sums.
            #[inline(always)]
            pub(crate) fn chain<T: Scalar>(self, gradients: &mut [T], values: &[T]) {
                match self {
                    $(Self::$name => {
                        gradients.iter_mut().zip(values).for_each(|(g, a)| *g = *g * $module::$name::derivative(*a))
                    }),+
                }
            }

            /// Its module in Python; none where it does nothing.
            pub(crate) fn pytorch(self) -> Option<&'static str> {
                match self { $(Self::$name => $module::$name::PYTORCH),+ }
            }

            /// What it is in ONNX.
            pub(crate) fn onnx(self) -> Onnx {
                match self { $(Self::$name => $module::$name::ONNX),+ }
            }

            /// The default initialization of a layer with this activation.
            pub fn default_init(self) -> Init {
                match self { $(Self::$name => $module::$name::INIT),+ }
            }
        }
    };
}

activations! {
    linear: Linear,
    relu: Relu,
    leaky_relu: LeakyRelu,
    elu: Elu,
    selu: Selu,
    gelu: Gelu,
    gelu_tanh: GeluTanh,
    silu: Silu,
    softplus: Softplus,
    sigmoid: Sigmoid,
    hard_sigmoid: HardSigmoid,
    tanh: Tanh,
    softmax: Softmax,
}

impl Activation {
    /// Those whose derivative is a function of the value: allowed at the output, whose sums are not stored.
    pub(crate) fn told_by_value() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|activation| !activation.needs_sum()).collect()
    }

    /// Its number in WGSL.
    pub(super) fn param(self) -> Param {
        Param::Named(self.name())
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
