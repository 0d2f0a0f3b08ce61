//! Philox4x32-10, the counter-based generator behind every random choice.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, and its Random123
//! reference vectors. A value is a pure function of (seed, purpose, epoch or layer, element), so that replica r of a
//! run draws what a single run with its seed draws, and a resumed run draws what an uninterrupted one does.

use std::convert::Infallible;

use rand::rand_core::TryRng;

use crate::scalar::Scalar;
use crate::scalar::special::polynomial;

const MULTIPLIER_0: u32 = 0xD251_1F53;
const MULTIPLIER_1: u32 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;
const ROUNDS: u32 = 10;

/// What a stream of random numbers is for; streams of different purposes never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; the stream's index is the dense layer.
    Weights = 0,
    /// The order of an epoch's samples; the index is the epoch.
    Order = 1,
    /// Inputs that verification and benchmarks make up; the index is the tensor.
    Inputs = 2,
    /// Which units a training step drops; the index is the dense layer ([`step_words`]).
    Dropout = 3,
    /// Noise on a training step's inputs ([`step_words`]).
    Noise = 4,
    /// How a training step's images are moved and bent ([`step_words`]).
    Augment = 5,
    /// Which samples go to which part of a dataset.
    Split = 100,
    /// Samples of the datasets that are made up; the index is the quantity.
    Generate = 101,
}

/// Four words that a training step's kernels draw themselves, as `random_words` in `shaders/include/random.wgsl`: `number`
/// is the step's, `index` tells layers or tensors apart, and each `block` is four words.
#[inline(always)]
pub fn step_words(seed: u64, block: u32, number: u32, index: u32, purpose: Purpose) -> [u32; 4] {
    philox([block, number, index, purpose as u32], [seed as u32, (seed >> 32) as u32])
}

/// Uniform in [0, 1): the word's upper 24 bits, exactly (WGSL's `random_unit`).
#[inline(always)]
pub fn unit_of(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// Standard normal, as `random_normal` in WGSL: sqrt(2) erfinv(x), for x an odd multiple of 2^-23 between -1 and 1, from
/// the word's upper 23 bits; at most 5.3 sizes, and 3e-7 off relatively. erfinv is that of Giles, "Approximating the
/// erfinv function", GPU Computing Gems Jade Edition, 2011, table 5 (single precision).
#[inline(always)]
pub fn normal_of<T: Scalar>(word: u32) -> T {
    let x = T::real(((word >> 9) as f32 - 4_194_303.5) * (1.0 / (1 << 22) as f32));
    let w = -((T::one() - x) * (T::one() + x)).ln();
    let central = polynomial(ERFINV_CENTRAL, w - T::real(2.5));
    let tail = polynomial(ERFINV_TAIL, w.max(T::real(5.0)).sqrt() - T::real(3.0));
    w.if_above(T::real(5.0), tail, central) * x * T::real(std::f32::consts::SQRT_2)
}

#[rustfmt::skip]
#[expect(clippy::excessive_precision, reason = "digits as published")]
const ERFINV_CENTRAL: [f32; 9] = [
    2.810_226_36e-8, 3.432_739_39e-7, -3.523_387_7e-6, -4.391_506_54e-6, 0.000_218_580_87, -0.001_253_725_03,
    -0.004_177_681_64, 0.246_640_727, 1.501_409_41,
];
#[rustfmt::skip]
#[expect(clippy::excessive_precision, reason = "digits as published")]
const ERFINV_TAIL: [f32; 9] = [
    -0.000_200_214_257, 0.000_100_950_558, 0.001_349_343_22, -0.003_673_428_44, 0.005_739_507_73, -0.007_622_461_3,
    0.009_438_870_47, 1.001_674_06, 2.832_976_82,
];

/// One block of Philox4x32-10: four words from a 128-bit counter and a 64-bit key.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let first = u64::from(counter[0]) * u64::from(MULTIPLIER_0);
        let second = u64::from(counter[2]) * u64::from(MULTIPLIER_1);
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
        key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
    }
    counter
}

/// [`step_words`] of as many blocks as there are lanes, from block `first` on: lane l of word w is word w of block
/// first + l. Written so that a compiler makes vectors of the lanes.
#[inline(always)]
pub(crate) fn step_word_lanes<const LANES: usize>(
    seed: u64,
    first: u32,
    [number, index]: [u32; 2],
    purpose: Purpose,
) -> [[u32; LANES]; 4] {
    let blocks = std::array::from_fn(|lane| first.wrapping_add(lane as u32));
    let mut counter = [blocks, [number; LANES], [index; LANES], [purpose as u32; LANES]];
    let mut key = [seed as u32, (seed >> 32) as u32];
    for _ in 0..ROUNDS {
        let mut next = [[0; LANES]; 4];
        for lane in 0..LANES {
            let first = u64::from(counter[0][lane]) * u64::from(MULTIPLIER_0);
            let second = u64::from(counter[2][lane]) * u64::from(MULTIPLIER_1);
            next[0][lane] = (second >> 32) as u32 ^ counter[1][lane] ^ key[0];
            next[1][lane] = second as u32;
            next[2][lane] = (first >> 32) as u32 ^ counter[3][lane] ^ key[1];
            next[3][lane] = first as u32;
        }
        counter = next;
        key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
    }
    counter
}

/// A stream of random words for one purpose: an [`rand::Rng`], so that rand's distributions work on it.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of `purpose` number `index` under `seed`.
    pub fn new(seed: u64, purpose: Purpose, index: u32) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Self { key, counter: [0, 0, index, purpose as u32], block: [0; 4], used: 4 }
    }

    /// The next word.
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            let low = self.counter[0].wrapping_add(1);
            self.counter[1] = self.counter[1].wrapping_add(u32::from(low == 0));
            self.counter[0] = low;
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// Uniform in [0, 1), 24 bits.
    pub fn unit(&mut self) -> f32 {
        unit_of(self.word())
    }

    /// Uniform in [-limit, limit).
    pub fn symmetric(&mut self, limit: f32) -> f32 {
        (2.0 * self.unit() - 1.0) * limit
    }

    /// Standard normal by Box and Muller (1958), in f64 before rounding.
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - f64::from(self.unit())).ln()).sqrt();
        (radius * (std::f64::consts::TAU * f64::from(self.unit())).cos()) as f32
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from(self.word()) | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        for chunk in target.chunks_mut(4) {
            let bytes = self.word().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

/// The order in which an epoch visits `len` samples: a permutation drawn from (seed, epoch), or 0, 1, 2, ...
pub fn epoch_order(seed: u64, epoch: usize, len: usize, shuffle: bool) -> Vec<u32> {
    use rand::seq::SliceRandom;
    let mut order: Vec<u32> = (0..len as u32).collect();
    if shuffle {
        order.shuffle(&mut Stream::new(seed, Purpose::Order, epoch as u32));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of Random123's kat_vectors for philox4x32 10.
    #[test]
    fn philox_gives_the_published_vectors() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    /// Against the distribution's quantiles: 0.5 + 0.5 erf(1/sqrt 2) and so on, from tables.
    #[test]
    fn a_word_becomes_the_normal_of_its_quantile() {
        let word = |quantile: f64| (quantile * f64::from(1u32 << 23)) as u32 * 512;
        for (quantile, wanted) in
            [(0.5, 0.0), (0.841_344_746, 1.0), (0.977_249_868, 2.0), (0.998_650_102, 3.0), (0.999_968_329, 4.0)]
        {
            let (above, below): (f64, f64) = (normal_of(word(quantile)), normal_of(!word(quantile)));
            // A 23-bit quantile moves a normal by the inverse of the density there.
            let density = (-0.5 * wanted * wanted).exp() / std::f64::consts::TAU.sqrt();
            let bound = 1.2e-7 / density + 1e-6;
            assert!((above - wanted).abs() <= bound && (below + wanted).abs() <= bound, "{above} {below} {wanted}");
        }
    }

    #[test]
    fn step_words_have_mean_and_variance_of_the_normal() {
        let words = (0..5000).flat_map(|block| step_words(7, block, 3, 0, Purpose::Noise));
        let draws: Vec<f64> = words.map(normal_of).collect();
        let moment = |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
        // Four standard errors of each: 1, 2, 15 and 96 over 20,000.
        for (power, wanted, error) in [(1, 0.0, 0.029), (2, 1.0, 0.041), (3, 0.0, 0.11), (4, 3.0, 0.28)] {
            assert!((moment(power) - wanted).abs() < error, "moment {power}: {}", moment(power));
        }
    }

    #[test]
    fn lanes_are_the_words_of_their_blocks() {
        let lanes = step_word_lanes::<5>(u64::MAX / 3, u32::MAX - 1, [9, 2], Purpose::Dropout);
        for lane in 0..5 {
            let block = (u32::MAX - 1).wrapping_add(lane as u32);
            let words = step_words(u64::MAX / 3, block, 9, 2, Purpose::Dropout);
            assert_eq!(lanes.map(|word| word[lane]), words);
        }
    }

    #[test]
    fn an_epoch_visits_every_sample_once_in_its_own_order() {
        let first = epoch_order(7, 0, 1000, true);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, epoch_order(7, 0, 1000, false));
        assert_eq!(first, epoch_order(7, 0, 1000, true));
        assert_ne!(first, epoch_order(7, 1, 1000, true));
        assert_ne!(first, epoch_order(8, 0, 1000, true));
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut stream = Stream::new(1, Purpose::Weights, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| f64::from(stream.normal())).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}
