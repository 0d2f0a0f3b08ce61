//! `prepared = the batch's samples, gathered and scaled, moved and bent if they are images, with noise on them`, shapes
//! (R, B, I): the first step of training where inputs are not taken as they are.
//!
//! All that is drawn for row b of a step has the step's number and b in its counter ([`step_words`]). Noise: block q is for
//! the row's elements 4q to 4q+3. Images: block 0 gives shift along x and y, angle and scale, blocks 1 to 25 the grid of the
//! elastic field, two points each. The place that target pixel t takes its value from is
//! `c + k R(angle) (t - c) + shift + elastic · field(t)`, with the centre c ([`Augment`] has the sources).

use super::augment::Augment;
use super::{Argument, Constant, Hyper, Input, ModuleConstants, Operation, Param, Shader, Variant, shader};
use crate::host::{Compute, Memory, ROW_SHARD, Scratch, in_chunks};
use crate::random::{Purpose, normal_of, step_words, unit_of};
use crate::scalar::Scalar;
use crate::tensor::{Iteration, TensorId};

pub(super) static SHADER: Shader = shader!("prepare_input", "iteration", "random", "read", "input");

/// Cells of the elastic grid along a side, and its points, as in WGSL.
const CELLS: usize = 4;
const POINTS: usize = CELLS + 3;
/// Blocks of words for the points, two each.
const FIELD_BLOCKS: usize = (POINTS * POINTS).div_ceil(2);

/// Samples on their way into the first layer.
#[derive(Clone, Debug)]
pub(crate) struct PrepareInput {
    /// B
    pub batch: usize,
    /// I
    pub inputs: usize,
    /// The samples.
    pub input: Input,
    /// Standard deviation.
    pub noise: f32,
    pub augment: Option<Augment>,
    /// (R, B, I)
    pub prepared: TensorId,
}

impl Operation for PrepareInput {
    fn shader(&self) -> &'static Shader {
        &SHADER
    }

    fn constants(&self) -> Vec<(&'static str, Constant)> {
        vec![self.input.constant()]
    }

    fn params(&self) -> Vec<(&'static str, Param)> {
        let augment = self.augment.unwrap_or(Augment::new(0, 0));
        let sizes = [("batch", Param::Unsigned(self.batch)), ("inputs", Param::Unsigned(self.inputs))];
        let own = [
            ("noise", Param::Float(self.noise)),
            ("width", Param::Unsigned(augment.width)),
            ("height", Param::Unsigned(augment.height)),
            ("shift", Param::Float(augment.shift)),
            ("turn", Param::Float(turn(&augment))),
            ("zoom", Param::Float(augment.scale)),
            ("elastic", Param::Float(augment.elastic)),
        ];
        sizes.into_iter().chain(self.input.params()).chain(own).collect()
    }

    fn arguments(&self) -> Vec<Argument> {
        self.input.arguments().into_iter().chain([("prepared", Some(self.prepared))]).collect()
    }

    fn read(&self) -> Option<TensorId> {
        Some(self.input.tensor)
    }

    fn grid(&self, _: &Variant, _: &dyn ModuleConstants) -> [usize; 2] {
        [self.batch, 1]
    }

    fn flops(&self) -> u64 {
        let per_input = if self.augment.is_some() { 100 } else { 1 } + if self.noise > 0.0 { 30 } else { 0 };
        per_input * (self.batch * self.inputs) as u64
    }

    fn scratch(&self, _: usize) -> Scratch {
        Scratch::of(1, &[self.inputs])
    }

    fn run<T: Compute>(&self, memory: &mut Memory<T>, iteration: &Iteration, hyper: &Hyper) {
        let mut prepared = memory.take(self.prepared);
        let weights = self.augment.map(|augment| [augment.width, augment.height].map(spline_weights::<T>));
        let samples = &memory.words(self.input.order())[iteration.first as usize..];
        let live = &mut prepared[..iteration.rows as usize * self.inputs];
        in_chunks([live], [ROW_SHARD * self.inputs], &|shard, [rows]| {
            for (b, row) in (shard * ROW_SHARD..).zip(rows.chunks_mut(self.inputs)) {
                let words = |block, purpose| step_words(hyper.seed(), block, iteration.number, b as u32, purpose);
                self.row(memory, samples[b], row, words, weights.as_ref());
            }
        });
        memory.put(self.prepared, prepared);
    }
}

/// A quarter of the largest angle, in radians.
fn turn(augment: &Augment) -> f32 {
    (f64::from(augment.rotate).to_radians() / 4.0) as f32
}

/// Of each pixel along a side of the image: its cell of the grid, and the splines that are not zero there.
type Weights<T> = Vec<(usize, [T; 4])>;

impl PrepareInput {
    /// The row of a sample, drawn from `words` of a block and a purpose.
    fn row<T: Compute>(
        &self,
        memory: &Memory<T>,
        sample: u32,
        row: &mut [T],
        words: impl Fn(u32, Purpose) -> [u32; 4],
        weights: Option<&[Weights<T>; 2]>,
    ) {
        match (&self.augment, weights) {
            (Some(augment), Some(weights)) => memory.with_scratch(self.inputs, |image| {
                self.input.gather_rows(memory, &[sample], None, self.inputs, image);
                let warp = Warp::draw(augment, &words);
                warp.apply(image, weights, row);
            }),
            _ => self.input.gather_rows(memory, &[sample], None, self.inputs, row),
        }
        if self.noise > 0.0 {
            for (quad, values) in (0..).zip(row.chunks_mut(4)) {
                for (value, word) in values.iter_mut().zip(words(quad, Purpose::Noise)) {
                    *value = *value + T::real(self.noise) * normal_of(word);
                }
            }
        }
    }
}

/// Uniform in [-1, 1), exactly.
fn symmetric<T: Scalar>(word: u32) -> T {
    T::real(2.0 * unit_of(word) - 1.0)
}

/// Sine and cosine of four times `u`, which is at most π/4 in size: by their series at `u`, and then of the doubled angle
/// twice.
fn sine_and_cosine<T: Scalar>(u: T) -> [T; 2] {
    let one = T::one();
    let q = u * u;
    let series =
        |divisors: [f32; 3]| divisors.into_iter().rev().fold(one, |inner, divisor| one - q / T::real(divisor) * inner);
    let sine = u * (one - q / T::real(6.0) * series([20.0, 42.0, 72.0]));
    let cosine = one - q / T::real(2.0) * series([12.0, 30.0, 56.0]);
    let two = T::real(2.0);
    let (s, c) = (two * sine * cosine, one - two * sine * sine);
    [two * s * c, one - two * s * s]
}

/// For each pixel of a side its cell and splines. (Uniform cubic B-splines: Rueckert et al. 1999.)
fn spline_weights<T: Scalar>(side: usize) -> Weights<T> {
    let spline = |u: T| {
        let (v, sixth) = (T::one() - u, T::real(1.0 / 6.0));
        let middle = |u: T| u * u * (T::real(3.0) * u - T::real(6.0)) + T::real(4.0);
        [v * v * v, middle(u), middle(v), u * u * u].map(|weight| weight * sixth)
    };
    let place = |x: usize| T::real((CELLS * x % side) as f32) / T::real(side as f32);
    (0..side).map(|x| (CELLS * x / side, spline(place(x)))).collect()
}

/// What one image is subject to.
struct Warp<T> {
    width: usize,
    height: usize,
    /// The matrix is (along, -across; across, along).
    along: T,
    across: T,
    shift: [T; 2],
    /// Along x and y, of each point of the grid.
    field: [[T; 2]; 2 * FIELD_BLOCKS],
    elastic: T,
}

impl<T: Scalar> Warp<T> {
    fn draw(augment: &Augment, words: &impl Fn(u32, Purpose) -> [u32; 4]) -> Self {
        let [x, y, angle, zoom] = words(0, Purpose::Augment).map(symmetric::<T>);
        let [sine, cosine] = sine_and_cosine(T::real(turn(augment)) * angle);
        let k = T::one() + T::real(augment.scale) * zoom;
        let mut field = [[T::zero(); 2]; 2 * FIELD_BLOCKS];
        if augment.elastic > 0.0 {
            for (block, points) in (1..).zip(field.chunks_mut(2)) {
                let [first, second, third, fourth] = words(block, Purpose::Augment).map(symmetric::<T>);
                points.copy_from_slice(&[[first, second], [third, fourth]]);
            }
        }
        Self {
            width: augment.width,
            height: augment.height,
            along: k * cosine,
            across: k * sine,
            shift: [x, y].map(|part| T::real(augment.shift) * part),
            field,
            elastic: T::real(augment.elastic),
        }
    }

    /// The moved and bent image, row by row.
    fn apply(&self, image: &[T], [across, down]: &[Weights<T>; 2], into: &mut [T]) {
        let centre = [self.width, self.height].map(|side| T::real(0.5 * (side - 1) as f32));
        for (y, (row, (cell, weights))) in into.chunks_mut(self.width).zip(down).enumerate() {
            let columns = self.columns(*cell, weights);
            let from_y = T::real(y as f32) - centre[1];
            for (x, (value, (cell, weights))) in row.iter_mut().zip(across).enumerate() {
                let from_x = T::real(x as f32) - centre[0];
                let turned = [
                    centre[0] + (self.along * from_x - self.across * from_y),
                    centre[1] + (self.across * from_x + self.along * from_y),
                ];
                let field = |axis: usize| {
                    let along = |j: usize| weights[j] * columns[cell + j][axis];
                    (1..4).fold(along(0), |sum, j| sum + along(j))
                };
                let source = |axis: usize| turned[axis] + (self.shift[axis] + self.elastic * field(axis));
                *value = self.bilinear(image, source(0), source(1));
            }
        }
    }

    /// The field at a row of pixels, before it is combined along x.
    fn columns(&self, cell: usize, weights: &[T; 4]) -> [[T; 2]; POINTS] {
        std::array::from_fn(|column| {
            std::array::from_fn(|axis| {
                let point = |i: usize| weights[i] * self.field[(cell + i) * POINTS + column][axis];
                (1..4).fold(point(0), |sum, i| sum + point(i))
            })
        })
    }

    /// The image between its pixels; beyond its edges it is zero.
    fn bilinear(&self, image: &[T], x: T, y: T) -> T {
        let inside = |value: T, side: usize| value.max(T::real(-2.0)).min(T::real(side as f32 + 1.0));
        let (x, y) = (inside(x, self.width), inside(y, self.height));
        // Not negative when cut off, so that it is rounded down.
        let base = |value: T| (value.value() + 2.0) as isize - 2;
        let (column, row) = (base(x), base(y));
        let weight = |place: T, pixel: isize| (T::one() - (place - T::real(pixel as f32)).abs()).max(T::zero());
        // A device that finds a place beyond the next pixel gives weight to the one after it; where bounds are derived,
        // these count too, and are zero where no device can.
        let taps = if T::UNSURE { -1..=2 } else { 0..=1 };
        taps.clone().filter(|j| (0..self.height as isize).contains(&(row + j))).fold(T::zero(), |sum, j| {
            let pixels = &image[(row + j) as usize * self.width..][..self.width];
            let along = taps.clone().fold(T::zero(), |sum, i| match pixels.get((column + i) as usize) {
                Some(pixel) => sum + weight(x, column + i) * *pixel,
                None => sum,
            });
            sum + weight(y, row + j) * along
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Bounded;

    fn warped(augment: &Augment, image: &[f64], words: impl Fn(u32, Purpose) -> [u32; 4]) -> Vec<f64> {
        let weights = [augment.width, augment.height].map(spline_weights::<f64>);
        let mut moved = vec![0.0; image.len()];
        Warp::draw(augment, &words).apply(image, &weights, &mut moved);
        moved
    }

    fn image(width: usize, height: usize) -> Vec<f64> {
        (0..width * height).map(|n| (n * n % 17) as f64 / 17.0).collect()
    }

    /// 1, so nearly that it makes no difference.
    const MOST: u32 = u32::MAX;
    /// 0 on the way from -1 to 1.
    const HALF: u32 = 1 << 31;

    #[test]
    fn an_image_that_nothing_is_done_to_stays() {
        let augment = Augment::new(7, 5).rotate(180.0).scale(0.5).elastic(9.0).shift(4.0);
        let moved = warped(&augment, &image(7, 5), |_, _| [HALF; 4]);
        moved.iter().zip(image(7, 5)).for_each(|(had, wanted)| assert!((had - wanted).abs() < 1e-12));
    }

    /// Each pixel takes what is two columns to its right and one row below.
    #[test]
    fn a_shift_takes_pixels_from_where_it_says() {
        let image = image(7, 5);
        let moved = warped(&Augment::new(7, 5).shift(2.0), &image, |_, _| [MOST, HALF + (HALF >> 1), HALF, HALF]);
        for (n, had) in moved.iter().enumerate() {
            let (x, y) = (n % 7 + 2, n / 7 + 1);
            let wanted = if x < 7 && y < 5 { image[y * 7 + x] } else { 0.0 };
            assert!((had - wanted).abs() < 1e-5, "{n}: {had}, wanted {wanted}");
        }
    }

    #[test]
    fn a_quarter_turn_turns_a_square_by_a_quarter() {
        let image = image(6, 6);
        let moved = warped(&Augment::new(6, 6).rotate(90.0), &image, |_, _| [HALF, HALF, MOST, HALF]);
        for (n, had) in moved.iter().enumerate() {
            let (x, y) = (n % 6, n / 6);
            // (-across y, across x) about the centre.
            let wanted = image[x * 6 + (5 - y)];
            assert!((had - wanted).abs() < 1e-4, "{n}: {had}, wanted {wanted}");
        }
    }

    #[test]
    fn sine_and_cosine_are_those_of_the_whole_angle() {
        for quarter in [-0.78, -0.5, -0.1, 0.0, 0.3, 0.785_f64] {
            let [sine, cosine] = sine_and_cosine(quarter);
            let (s, c) = (4.0 * quarter).sin_cos();
            assert!((sine - s).abs() < 4e-7 && (cosine - c).abs() < 4e-7, "{quarter}: {sine} {cosine}");
        }
    }

    /// The splines add up to one everywhere, so that a grid moved as a whole moves the image as a whole.
    #[test]
    fn a_uniform_field_is_a_shift() {
        let image = image(7, 5);
        let field = |block: u32, _| if block == 0 { [HALF; 4] } else { [MOST, HALF, MOST, HALF] };
        let bent = warped(&Augment::new(7, 5).elastic(2.0), &image, field);
        let shifted = warped(&Augment::new(7, 5).shift(2.0), &image, |_, _| [MOST, HALF, HALF, HALF]);
        bent.iter().zip(shifted).for_each(|(had, wanted)| assert!((had - wanted).abs() < 1e-6, "{had} {wanted}"));
    }

    /// A place at a pixel's edge, which devices may find on either side: the bound has both.
    #[test]
    fn a_place_that_may_be_on_either_side_of_a_pixel_is_bounded() {
        let augment = Augment::new(4, 1);
        let warp: Warp<Bounded> = Warp::draw(&augment, &|_, _| [HALF; 4]);
        let pixels = [0.0, 1.0, 5.0, -3.0].map(Bounded::real);
        let place = Bounded { value: 2.0, bound: 0.25 };
        let found = warp.bilinear(&pixels, place, Bounded::zero());
        for (value, at) in [(5.0, "there"), (4.0, "to the left"), (3.0, "to the right")] {
            assert!((found.value - value).abs() <= found.bound, "{at}: {found:?}");
        }
        assert!(found.bound < 4.0, "{found:?}");
    }
}
