use serde::{Deserialize, Serialize};

use crate::random::{Purpose, Stream};

/// How a layer's weights start; biases start at zero, as in Keras.
///
/// Glorot: variance 2 / (fan-in + fan-out) (Glorot and Bengio, AISTATS 2010). He: variance 2 / fan-in (He et al.,
/// ICCV 2015). A uniform distribution of variance v reaches from -sqrt(3 v) to sqrt(3 v).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// All zero.
    Zeros,
}

impl Init {
    /// Weights of dense layer `layer`, shape (O, I) in row-major order, drawn from `seed`.
    pub fn weights(self, seed: u64, layer: usize, outputs: usize, inputs: usize) -> Vec<f32> {
        let mut stream = Stream::new(seed, Purpose::Weights, layer as u32);
        let glorot = 2.0 / (inputs + outputs) as f32;
        let he = 2.0 / inputs as f32;
        let mut draw = || match self {
            Self::GlorotUniform => stream.symmetric((3.0 * glorot).sqrt()),
            Self::GlorotNormal => stream.normal() * glorot.sqrt(),
            Self::HeUniform => stream.symmetric((3.0 * he).sqrt()),
            Self::HeNormal => stream.normal() * he.sqrt(),
            Self::Zeros => 0.0,
        };
        (0..outputs * inputs).map(|_| draw()).collect()
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
            (Init::Zeros, 0.0),
        ];
        for (init, variance) in wanted {
            let weights = init.weights(5, 0, 100, 200);
            let mean = weights.iter().map(|w| f64::from(*w)).sum::<f64>() / weights.len() as f64;
            let had = weights.iter().map(|w| (f64::from(*w) - mean).powi(2)).sum::<f64>() / weights.len() as f64;
            assert!((had - variance).abs() <= 0.04 * variance, "{init:?}: variance {had}, wanted {variance}");
        }
    }

    #[test]
    fn layers_and_seeds_draw_differently() {
        let draw = |seed, layer| Init::HeNormal.weights(seed, layer, 3, 4);
        assert_ne!(draw(0, 0), draw(0, 1));
        assert_ne!(draw(0, 0), draw(1, 0));
        assert_eq!(draw(1, 1), draw(1, 1));
    }
}
