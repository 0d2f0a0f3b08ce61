//! The cases: every kernel family at awkward sizes, with every activation, input, optimizer, loss and target.

use super::suite::{Fill, Suite, SuiteBuilder};
use super::{input_cases, loss_cases, metric_cases, optimizer_cases, tail_cases};
use crate::error::Result;
use crate::gpu::reflect::{Reflection, Specialized};
use crate::ops::optimizer::{Optimizer, sgd};
use crate::ops::{
    Activation, Dense, DenseForward, DenseInputGradient, DenseLayer, DenseWeightGradient, Destination, Input,
    InputKind, Loss, MATMUL_VARIANTS, Op, Shader, Softmax, shaders, tile,
};
use crate::precision::Precision;
use crate::spec::{Adam, OptimizerSpec};
use crate::tensor::{Element, TensorId};

/// Sizes that are awkward whatever the tiles are: 1, primes, a power of two and a bit, an image and its bias.
const AWKWARD: [usize; 6] = [1, 7, 10, 13, 104, 785];
/// Multiply-adds that one case may take of each replica.
const BUDGET: usize = 70_000;
/// Numbers before and behind a batch in the order of samples.
pub(super) const AROUND: usize = 5;
/// R of the suites that go through all sizes; a few cases run with R = 1 too.
const REPLICAS: usize = 3;
/// What u8 samples are multiplied by.
const PIXEL_SCALE: f32 = 1.0 / 255.0;

/// Those whose update is verified in every variant of the weight gradient even where it is to be quick: without state,
/// and with one, two and three numbers a parameter. The others' formulas are the same there as in `update`.
const QUICK: [&str; 5] = ["gradient-descent", "nesterov", "adam", "adamw", "rmsprop-centered-momentum"];
/// What dense layers read.
pub(super) const KINDS: [InputKind; 3] = [InputKind::Activations, InputKind::SamplesF32, InputKind::SamplesU8];
pub(super) const ANY: Optimizer = Optimizer::Sgd(sgd::Rule { nesterov: false });

/// All suites; of each only a third of the cases if it is to be `quick`.
pub(super) fn suites(seed: u64, quick: bool, precision: Precision) -> Result<Vec<Suite>> {
    let extents: Vec<_> = combinations(&sizes()?).into_iter().step_by(if quick { 3 } else { 1 }).collect();
    let few: Vec<_> = extents.iter().step_by(7).copied().collect();
    if precision == Precision::F16 {
        return half_suites(seed, quick, [&extents, &few]);
    }
    let stored = Element::F32;
    let mut suites = Vec::new();
    for (replicas, extents) in [(REPLICAS, &extents), (1, &few)] {
        suites.push(forward(seed, replicas, extents, stored));
        suites.push(input_gradient(seed, replicas, extents, stored));
        suites.push(weight_gradient(seed, replicas, extents, ("gradient", None), stored));
    }
    let optimizers: Vec<_> = optimizer_cases::optimizers();
    let in_epilogue = optimizers.iter().filter(|(name, _)| !quick || QUICK.contains(name));
    let count = in_epilogue.clone().count();
    for (n, (name, optimizer)) in in_epilogue.enumerate() {
        let some: Vec<_> = extents.iter().skip(n).step_by(count).copied().collect();
        let named = (*name, Some(*optimizer));
        suites.push(weight_gradient(seed, REPLICAS, &some, named, stored));
        suites.push(weight_gradient(seed, 1, &some[..some.len().min(2)], named, stored));
    }
    for (name, optimizer) in optimizers {
        suites.push(optimizer_cases::updates(seed, REPLICAS, name, optimizer)?);
    }
    suites.push(optimizer_cases::updates(seed, 1, "adam", OptimizerSpec::from(Adam::new(1e-3)).optimizer)?);
    for replicas in [REPLICAS, 1] {
        suites.push(optimizer_cases::gradient_norms(seed, replicas));
        suites.push(optimizer_cases::clip_norms(seed, replicas));
        suites.push(optimizer_cases::max_norms(seed, replicas));
        for loss in Loss::ALL {
            suites.push(loss_cases::loss_steps(seed, replicas, *loss, stored)?);
            suites.push(loss_cases::dense_losses(seed, replicas, *loss, quick || replicas == 1, stored)?);
        }
        suites.push(softmax(seed, replicas)?);
        suites.push(input_cases::prepare_inputs(seed, replicas, quick || replicas == 1));
        suites.push(metric_cases::class_counts(seed, replicas)?);
        suites.push(metric_cases::difference_sums(seed, replicas));
        suites.push(metric_cases::score_keys(seed, replicas));
        suites.push(metric_cases::merges(seed, replicas));
        suites.push(metric_cases::mann_whitneys(seed, replicas));
        suites.extend(tail_cases::tails(seed, replicas, quick, stored));
    }
    Ok(suites)
}

/// The suites of the kernels that read or write f16, with whatever makes them other pipelines or other arithmetic.
fn half_suites(seed: u64, quick: bool, [extents, few]: [&[[usize; 3]]; 2]) -> Result<Vec<Suite>> {
    let stored = Element::F16;
    let mut suites = Vec::new();
    for (replicas, extents) in [(REPLICAS, extents), (1, few)] {
        suites.push(forward(seed, replicas, extents, stored));
        suites.push(input_gradient(seed, replicas, extents, stored));
        suites.push(weight_gradient(seed, replicas, extents, ("gradient", None), stored));
        for loss in Loss::ALL {
            suites.push(loss_cases::loss_steps(seed, replicas, *loss, stored)?);
            suites.push(loss_cases::dense_losses(seed, replicas, *loss, true, stored)?);
        }
        suites.extend(tail_cases::tails(seed, replicas, quick, stored));
    }
    let optimizers = optimizer_cases::optimizers().into_iter().filter(|(name, _)| QUICK.contains(name));
    for (n, (name, optimizer)) in optimizers.enumerate() {
        let some: Vec<_> = extents.iter().skip(n).step_by(QUICK.len()).copied().collect();
        suites.push(weight_gradient(seed, REPLICAS, &some, (name, Some(optimizer)), stored));
    }
    Ok(suites)
}

pub(super) fn shader(stem: &str) -> Option<&'static Shader> {
    shaders().into_iter().find(|shader| shader.stem == stem)
}

/// The awkward sizes, and those around the edges of every tile of the matrix products, as their WGSL has them.
pub(super) fn sizes() -> Result<Vec<usize>> {
    let mut sizes = AWKWARD.to_vec();
    if let Some(shader) = shader("dense_forward") {
        let reflection = Reflection::of(shader)?;
        let edges = MATMUL_VARIANTS
            .iter()
            .flat_map(|variant| tile(variant, &Specialized { reflection: &reflection, overrides: variant.constants }));
        sizes.extend(edges.flat_map(|edge| [edge - 1, edge, edge + 1]));
    }
    sizes.sort_unstable();
    sizes.dedup();
    Ok(sizes)
}

/// (B, I, O) such that every size stands in every place, beside ever other sizes that keep within the budget.
fn combinations(sizes: &[usize]) -> Vec<[usize; 3]> {
    let mut pairs = (0..).map(|n: usize| [sizes[n * 5 % sizes.len()], sizes[n * (n + 3) / 2 % sizes.len()]]);
    let mut all = Vec::new();
    for place in 0..3 {
        for size in sizes {
            let Some([one, other]) = pairs.find(|[one, other]| size * one * other <= BUDGET) else { continue };
            let mut extents = [*size, one, other];
            extents.rotate_right(place);
            all.push(extents);
        }
    }
    all
}

/// Full batches, and short ones, which must leave the rows behind them as they were. Every sixth case has the same
/// activation; it gets both.
pub(super) fn rows(batch: usize, case: usize) -> usize {
    if (case + case / 6).is_multiple_of(2) { batch } else { (batch * 2).div_ceil(3) }
}

/// The kinds of input in turn, such that each meets every activation and both full and short batches.
fn input_kind(case: usize) -> InputKind {
    KINDS[(case + case / 12) % KINDS.len()]
}

/// An input of this kind, and where its batch starts.
pub(super) fn input(suite: &mut SuiteBuilder, kind: InputKind, batch: usize, inputs: usize) -> (Input, usize, String) {
    let (replicas, samples, first) = (suite.replicas(), batch + 3, AROUND);
    let order_len = batch + 2 * AROUND;
    let case = suite.next();
    let own_order = !case.is_multiple_of(5);
    if kind == InputKind::Activations {
        // What steps hand on; of the first layer, samples with noise, which are f32 whatever layers store.
        let is_prepared = case % 3 == 1;
        let tensor = if is_prepared { SuiteBuilder::tensor } else { SuiteBuilder::stored };
        let tensor = tensor(suite, "input", &[replicas, batch, inputs], Fill::Signed);
        let stored = if is_prepared || suite.element() == Element::F32 { "" } else { "f16 " };
        return (Input::activations(tensor), 0, format!("{stored}activations"));
    }
    let (fill, scale) = match kind {
        InputKind::SamplesU8 => (Fill::Pixels, PIXEL_SCALE),
        _ => (Fill::Signed, 1.0),
    };
    let tensor = suite.shared("samples", &[samples, inputs], fill);
    let (order, order_stride) = order(suite, own_order, order_len, samples);
    let label = format!("{kind:?}{}", if own_order { "" } else { ", shared order" });
    (Input { tensor, order: Some(order), order_stride, kind, scale }, first, label)
}

/// An order for each replica, or one for all; and its stride.
pub(super) fn order(suite: &mut SuiteBuilder, own: bool, len: usize, samples: usize) -> (TensorId, usize) {
    if own {
        (suite.tensor("order", &[suite.replicas(), len], Fill::Orders(samples)), len)
    } else {
        (suite.tensor("order", &[len], Fill::Orders(samples)), 0)
    }
}

pub(super) fn layer(suite: &mut SuiteBuilder, dense: Dense, input: Input, activation: Activation) -> DenseLayer {
    let (replicas, Dense { inputs, outputs, .. }) = (suite.replicas(), dense);
    let weight = suite.tensor("weight", &[replicas, outputs, inputs], Fill::Signed);
    let bias = suite.tensor("bias", &[replicas, outputs], Fill::Signed);
    DenseLayer { dense, input, weight, bias, activation }
}

fn forward(seed: u64, replicas: usize, extents: &[[usize; 3]], stored: Element) -> Suite {
    let mut suite = SuiteBuilder::new("dense_forward", replicas, seed).storing(stored);
    for [batch, inputs, outputs] in extents.iter().copied() {
        let case = suite.next();
        let activation = Activation::ALL[case % Activation::ALL.len()];
        let (input, first, kind) = input(&mut suite, input_kind(case), batch, inputs);
        let layer = layer(&mut suite, Dense { batch, inputs, outputs }, input, activation);
        // The last layer of a network stores f32 whatever those before it do.
        let shape = [replicas, batch, outputs];
        let output = if case % 4 == 3 { SuiteBuilder::tensor } else { SuiteBuilder::stored };
        let op = DenseForward { layer, output: output(&mut suite, "output", &shape, Fill::Signed) };
        let rows = rows(batch, case);
        let label = format!("B={batch} I={inputs} O={outputs} rows={rows} {activation} of {kind}");
        suite.case(label, Op::DenseForward(op), rows, first);
    }
    suite.suite("every activation and input", ANY)
}

fn input_gradient(seed: u64, replicas: usize, extents: &[[usize; 3]], stored: Element) -> Suite {
    let mut suite = SuiteBuilder::new("dense_input_gradient", replicas, seed).storing(stored);
    let activations = Activation::told_by_value();
    for [batch, inputs, outputs] in extents.iter().copied() {
        let case = suite.next();
        let activation = activations[case % activations.len()];
        let op = DenseInputGradient {
            dense: Dense { batch, inputs, outputs },
            output_gradient: suite.stored("output_gradient", &[replicas, batch, outputs], Fill::Signed),
            weight: suite.tensor("weight", &[replicas, outputs, inputs], Fill::Signed),
            input: suite.stored("input", &[replicas, batch, inputs], Fill::Activated(activation)),
            input_gradient: suite.stored("input_gradient", &[replicas, batch, inputs], Fill::Signed),
            activation,
        };
        let rows = rows(batch, case);
        let label = format!("B={batch} I={inputs} O={outputs} rows={rows} {activation}");
        suite.case(label, Op::DenseInputGradient(op), rows, 0);
    }
    suite.suite("every activation", ANY)
}

fn weight_gradient(
    seed: u64,
    replicas: usize,
    extents: &[[usize; 3]],
    (name, optimizer): (&str, Option<Optimizer>),
    stored: Element,
) -> Suite {
    let mut suite = SuiteBuilder::new("dense_weight_gradient", replicas, seed).storing(stored);
    for [batch, inputs, outputs] in extents.iter().copied() {
        let case = suite.next();
        // An optimizer has one kind of input, so that it takes few pipelines.
        let kind = optimizer.map_or(input_kind(case), |_| KINDS[name.len() % KINDS.len()]);
        let (input, first, kind) = input(&mut suite, kind, batch, inputs);
        let output_gradient = suite.stored("output_gradient", &[replicas, batch, outputs], Fill::Signed);
        let weight = suite.tensor("weight", &[replicas, outputs, inputs], Fill::Signed);
        let bias = suite.tensor("bias", &[replicas, outputs], Fill::Signed);
        let destination = match optimizer {
            None => Destination::Gradient { weight, bias },
            Some(optimizer) => {
                let (slots, fill) = (optimizer.slots(), Fill::State(optimizer.squares()));
                let weight_state = suite.tensor("weight_state", &[replicas, slots, outputs, inputs], fill);
                let bias_state = suite.tensor("bias_state", &[replicas, slots, outputs], fill);
                let update = optimizer_cases::update(optimizer, case);
                Destination::Update { weight, bias, weight_state, bias_state, update }
            }
        };
        let op = DenseWeightGradient { dense: Dense { batch, inputs, outputs }, input, output_gradient, destination };
        let rows = rows(batch, case);
        let label = format!("B={batch} I={inputs} O={outputs} rows={rows} {name} of {kind}");
        suite.case(label, Op::DenseWeightGradient(op), rows, first);
    }
    suite.suite(name, optimizer.unwrap_or(ANY))
}

/// (B, O) of the steps over rows: around the edge of a workgroup's rows, several workgroups, and a single output.
pub(super) fn row_extents(stem: &str) -> Result<Vec<[usize; 2]>> {
    let group = match shader(stem) {
        Some(shader) => Reflection::of(shader)?.constant("ROW_GROUP").unwrap_or(1) as usize,
        None => 1,
    };
    Ok(vec![[1, 10], [group - 1, 7], [7, 1], [group, 13], [group + 1, 10], [2 * group + 1, 104], [13, 1], [10, 785]])
}

fn softmax(seed: u64, replicas: usize) -> Result<Suite> {
    let mut suite = SuiteBuilder::new("softmax", replicas, seed);
    for [batch, outputs] in row_extents("softmax")? {
        let case = suite.next();
        let logits = suite.tensor("logits", &[replicas, batch, outputs], Fill::Signed);
        let probabilities = suite.tensor("probabilities", &[replicas, batch, outputs], Fill::Signed);
        let rows = rows(batch, case);
        let op = Op::Softmax(Softmax { batch, outputs, logits, probabilities });
        suite.case(format!("B={batch} O={outputs} rows={rows}"), op, rows, 0);
    }
    Ok(suite.suite("", ANY))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1, primes, an image; one less, as much and one more than each tile edge, here in numbers for who reads this.
    #[test]
    fn the_sizes_straddle_every_tile_edge() {
        assert_eq!(sizes().unwrap(), [1, 7, 8, 9, 10, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65, 104, 127, 128, 129, 785]);
    }

    #[test]
    fn every_size_stands_in_every_place() {
        let sizes = sizes().unwrap();
        let all = combinations(&sizes);
        for size in &sizes {
            for place in 0..3 {
                assert!(all.iter().any(|extents| extents[place] == *size), "{size} in place {place}");
            }
        }
        for [one, other] in [[0, 1], [0, 2], [1, 2]] {
            let larger = |extents: &&[usize; 3]| extents[one] > 32 && extents[other] > 32;
            assert!(all.iter().any(|extents| larger(&extents)), "several tiles in both directions");
        }
    }

    /// Every input with every activation, in full and in short batches.
    #[test]
    fn forward_cases_cover_activations_inputs_and_rows() {
        let labels: Vec<_> =
            suites(0, false, Precision::F32).unwrap().swap_remove(0).cases.into_iter().map(|case| case.label).collect();
        for activation in Activation::ALL {
            for kind in ["activations", "SamplesF32", "SamplesU8"] {
                let wanted = format!(" {activation} of {kind}");
                assert!(labels.iter().any(|label| label.contains(&wanted)), "{wanted}");
            }
            let own = || labels.iter().filter(|label| label.contains(&format!(" {activation} of")));
            let full = |label: &&String| {
                let number = |key: &str| label.split_once(key).unwrap().1.split(' ').next().unwrap().to_owned();
                number("B=") == number("rows=")
            };
            assert!(own().any(|label| full(&label)) && own().any(|label| !full(&label)), "{activation}");
        }
        assert!(labels.iter().any(|label| label.contains("shared order")));
    }
}
