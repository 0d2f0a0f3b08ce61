//! Initialization of weights.

mod orthogonal;

use serde::{Deserialize, Serialize};

use self::orthogonal::orthogonal;
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};

/// Initialization of a layer's weights; biases start at zero, as in Keras.
///
/// Glorot: variance 2 / (fan-in + fan-out) (Glorot and Bengio, AISTATS 2010). He: variance 2 / fan-in (He et al.,
/// ICCV 2015). LeCun: variance 1 / fan-in (LeCun, Bottou, Orr, Müller, "Efficient BackProp", 1998). A uniform distribution
/// of variance v reaches from -sqrt(3 v) to sqrt(3 v).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform of Glorot's variance; the default before sigmoid, tanh, softmax and linear.
    GlorotUniform,
    /// Normal of Glorot's variance.
    GlorotNormal,
    /// Uniform of He's variance; the default before the ReLU family.
    HeUniform,
    /// Normal of He's variance.
    HeNormal,
    /// Uniform of LeCun's variance.
    LecunUniform,
    /// Normal of LeCun's variance; the default before SELU, which asks for it.
    LecunNormal,
    /// Orthonormal rows, or columns where there are more rows (Saxe, McClelland, Ganguli, ICLR 2014): the Q of a normal
    /// matrix's QR decomposition, as PyTorch's `orthogonal_`.
    Orthogonal,
    /// All this number.
    Constant(f32),
    /// All zero.
    Zeros,
}

impl Init {
    /// Those that take no number, and `Constant(0.1)`.
    pub const EXAMPLES: [Self; 9] = [
        Self::GlorotUniform,
        Self::GlorotNormal,
        Self::HeUniform,
        Self::HeNormal,
        Self::LecunUniform,
        Self::LecunNormal,
        Self::Orthogonal,
        Self::Constant(0.1),
        Self::Zeros,
    ];

    /// The name in specs.
    pub fn name(self) -> &'static str {
        match self {
            Self::GlorotUniform => "glorot_uniform",
            Self::GlorotNormal => "glorot_normal",
            Self::HeUniform => "he_uniform",
            Self::HeNormal => "he_normal",
            Self::LecunUniform => "lecun_uniform",
            Self::LecunNormal => "lecun_normal",
            Self::Orthogonal => "orthogonal",
            Self::Constant(_) => "constant",
            Self::Zeros => "zeros",
        }
    }

    /// Checks its number, if it has one.
    ///
    /// # Errors
    /// [`Error::Spec`] for `field`.
    pub(super) fn validate(self, field: &str) -> Result<()> {
        match self {
            Self::Constant(value) if !value.is_finite() => {
                Err(Error::spec(field, format!("a constant must be finite, got {value}")))
            }
            _ => Ok(()),
        }
    }

    /// Weights of dense layer `layer`, shape (O, I) in row-major order, drawn from `seed`.
    pub fn weights(self, seed: u64, layer: usize, outputs: usize, inputs: usize) -> Vec<f32> {
        let mut stream = Stream::new(seed, Purpose::Weights, layer as u32);
        let glorot = 2.0 / (inputs + outputs) as f32;
        let he = 2.0 / inputs as f32;
        let lecun = 1.0 / inputs as f32;
        let mut draw = || match self {
            Self::GlorotUniform => stream.symmetric((3.0 * glorot).sqrt()),
            Self::GlorotNormal => stream.normal() * glorot.sqrt(),
            Self::HeUniform => stream.symmetric((3.0 * he).sqrt()),
            Self::HeNormal => stream.normal() * he.sqrt(),
            Self::LecunUniform => stream.symmetric((3.0 * lecun).sqrt()),
            Self::LecunNormal => stream.normal() * lecun.sqrt(),
            Self::Orthogonal => stream.normal(),
            Self::Constant(value) => value,
            Self::Zeros => 0.0,
        };
        let drawn: Vec<f32> = (0..outputs * inputs).map(|_| draw()).collect();
        match self {
            Self::Orthogonal => orthogonal(&drawn, outputs, inputs),
            _ => drawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_has_its_variance() {
        let wanted = [
            (Init::GlorotUniform, 2.0 / 300.0),
            (Init::GlorotNormal, 2.0 / 300.0),
            (Init::HeUniform, 2.0 / 200.0),
            (Init::HeNormal, 2.0 / 200.0),
            (Init::LecunUniform, 1.0 / 200.0),
            (Init::LecunNormal, 1.0 / 200.0),
            // Each of 100 rows of 200 numbers is one long.
            (Init::Orthogonal, 1.0 / 200.0),
            (Init::Constant(0.1), 0.0),
            (Init::Zeros, 0.0),
        ];
        assert_eq!(wanted.map(|(init, _)| init), Init::EXAMPLES);
        for (init, variance) in wanted {
            let weights = init.weights(5, 0, 100, 200);
            let mean = weights.iter().map(|w| f64::from(*w)).sum::<f64>() / weights.len() as f64;
            let had = weights.iter().map(|w| (f64::from(*w) - mean).powi(2)).sum::<f64>() / weights.len() as f64;
            assert!((had - variance).abs() <= 0.04 * variance + 1e-15, "{init:?}: variance {had}, wanted {variance}");
        }
        assert!(Init::Constant(0.1).weights(5, 0, 2, 3).iter().all(|w| *w == 0.1));
    }

    /// The names are those that specs are written with.
    #[test]
    fn names_are_those_of_specs() {
        for init in Init::EXAMPLES {
            assert!(serde_json::to_string(&init).unwrap().contains(&format!("\"{}\"", init.name())), "{init:?}");
        }
    }

    /// Uniform numbers reach to sqrt 3 deviations, and no further; normal ones do.
    #[test]
    fn uniform_numbers_end_where_they_should() {
        let largest = |init: Init| init.weights(5, 0, 100, 200).into_iter().fold(0.0, |most: f32, w| most.max(w.abs()));
        for (init, variance) in
            [(Init::GlorotUniform, 2.0 / 300.0), (Init::HeUniform, 2.0 / 200.0), (Init::LecunUniform, 1.0 / 200.0)]
        {
            let end = (3.0 * variance as f32).sqrt();
            assert!(largest(init) <= end && largest(init) > 0.99 * end, "{init:?}");
        }
        assert!(largest(Init::LecunNormal) > 3.0 * (1.0 / 200.0_f32).sqrt());
    }

    #[test]
    fn layers_and_seeds_draw_differently() {
        let draw = |seed, layer| Init::HeNormal.weights(seed, layer, 3, 4);
        assert_ne!(draw(0, 0), draw(0, 1));
        assert_ne!(draw(0, 0), draw(1, 0));
        assert_eq!(draw(1, 1), draw(1, 1));
    }
}
