use super::{Loss, Row, Target, TargetKind, shifted_exponentials};
use crate::host::{Compute, Memory, in_chunks, prefetch};
use crate::ops::{Activation, Constant, Hyper, Param};
use crate::scalar::Scalar;
use crate::tensor::{Iteration, Metrics, TensorId};

/// Rows whose targets are asked for before they are needed.
const TARGETS_AHEAD: usize = 32;

/// The loss of a batch's rows: what the operations that end in a loss have in common.
#[derive(Clone, Debug)]
pub(crate) struct LossRows {
    pub loss: Loss,
    /// B
    pub batch: usize,
    /// O
    pub outputs: usize,
    /// u32 (N) or f32 (N, O)
    pub targets: TensorId,
    pub target_kind: TargetKind,
    /// (R, N) or (N)
    pub order: TensorId,
    /// N, or 0 when all replicas share one order
    pub order_stride: usize,
    /// (R, B, O), of the loss by the logits
    pub gradient: TensorId,
    /// (R, slots, blocks, 2): loss sum and right answers of each block of rows
    pub metrics: Metrics,
    pub slots: usize,
    /// The output layer's.
    pub activation: Activation,
    pub label_smoothing: f32,
    pub huber_delta: f32,
    /// What rows count, if not all the same.
    pub weights: Option<LossWeights>,
}

/// What samples and classes count in a loss: f32 (C + N), class weights before those of samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LossWeights {
    /// (C + N)
    pub tensor: TensorId,
    /// C
    pub classes: usize,
}

impl LossWeights {
    /// Class weights for `outputs` outputs: a single one tells two classes apart.
    pub fn classes(outputs: usize) -> usize {
        outputs.max(2)
    }
}

impl LossRows {
    /// Floating-point operations, about.
    pub fn flops(&self) -> u64 {
        6 * (self.batch * self.outputs) as u64
    }

    /// WGSL constants: the loss's own.
    pub fn constants(&self) -> Vec<(&'static str, Constant)> {
        self.loss.constants(self.target_kind)
    }

    /// The fields of `Params` that say where metrics go, and the loss's own.
    pub fn own_params(&self) -> [(&'static str, Param); 5] {
        [
            ("slots", Param::Unsigned(self.slots)),
            ("blocks", Param::Unsigned(self.metrics.pairs(self.batch))),
            ("class_weights", Param::Unsigned(self.weights.map_or(0, |weights| weights.classes))),
            ("label_smoothing", Param::Float(self.label_smoothing)),
            ("huber_delta", Param::Float(self.huber_delta)),
        ]
    }

    /// Cuts the live rows into parts of `part` rows, whole blocks of the metrics, and in parallel hands each to
    /// `outputs_and_loss`: the part's first row, its gradients (rows, O) and metrics (blocks, 2).
    pub fn for_parts<T: Compute>(
        &self,
        memory: &mut Memory<T>,
        iteration: &Iteration,
        part: usize,
        outputs_and_loss: impl Fn(&Memory<T>, usize, [&mut [T]; 2]) + Sync,
    ) {
        let (mut gradient, mut metrics) = (memory.take(self.gradient), memory.take(self.metrics.tensor));
        let own = self.metrics.pairs(self.batch) * 2;
        let slot = &mut metrics[iteration.slot as usize * own..][..own];
        let live = &mut gradient[..iteration.rows as usize * self.outputs];
        in_chunks([live, slot], [part * self.outputs, self.metrics.blocks(part) * 2], &|index, results| {
            outputs_and_loss(memory, index * part, results);
        });
        memory.put(self.gradient, gradient);
        memory.put(self.metrics.tensor, metrics);
    }

    /// Rows `first..`, as many as `outputs` (rows, O) holds: their gradients, and the metrics of their blocks.
    pub fn loss<T: Compute>(
        &self,
        memory: &Memory<T>,
        (iteration, hyper): (&Iteration, &Hyper),
        first: usize,
        outputs: &[T],
        [gradient, metrics]: [&mut [T]; 2],
    ) {
        let order = &memory.words(self.order)[iteration.first as usize + first..];
        if self.loss.needs_exponentials(self.activation) {
            shifted_exponentials(outputs, self.outputs, gradient);
        }
        let (block, samples) = (self.metrics.block_rows * self.outputs, &order[..outputs.len() / self.outputs]);
        self.ask_for_targets(memory, &samples[..TARGETS_AHEAD.min(samples.len())]);
        let mut later = samples.get(TARGETS_AHEAD..).unwrap_or_default().chunks(self.metrics.block_rows);
        let blocks = outputs.chunks(block).zip(gradient.chunks_mut(block)).zip(order.chunks(self.metrics.block_rows));
        let half = memory.is_half(self.gradient);
        let loss_scale = T::real(hyper.loss_scale) * T::real(hyper.gradient_scale(half)[0]);
        let (class_weights, sample_weights) = self.weights(memory);
        for (((outputs, gradient), order), metrics) in blocks.zip(metrics.chunks_mut(2)) {
            self.ask_for_targets(memory, later.next().unwrap_or_default());
            let mut right_answers = T::zero();
            let rows = outputs.chunks(self.outputs).zip(gradient.chunks_mut(self.outputs)).zip(order);
            metrics[0] = T::sum(rows.map(|((outputs, gradient), n)| {
                let target = self.target(memory, *n as usize);
                let weight = self.row_weight(&target, class_weights, sample_weights.get(*n as usize));
                let scale = weight * loss_scale;
                let (activation, label_smoothing, huber_delta) =
                    (self.activation, self.label_smoothing, self.huber_delta);
                let row = Row { outputs, target, activation, scale, class_weights, label_smoothing, huber_delta };
                let (loss, right) = self.loss.row(&row, gradient);
                if half {
                    gradient.iter_mut().for_each(|value| *value = value.half());
                }
                right_answers = right_answers + right;
                weight * loss
            }));
            metrics[1] = right_answers;
        }
    }

    /// The weights of classes (C) and samples (N); both empty where there are none.
    fn weights<'a, T: Compute>(&self, memory: &'a Memory<T>) -> (&'a [T], &'a [T]) {
        match self.weights {
            None => (&[], &[]),
            Some(LossWeights { tensor, classes }) => memory.real(tensor).split_at(classes),
        }
    }

    /// What a row counts: its sample's weight, times that of its class where the loss does not weigh classes itself.
    fn row_weight<T: Scalar>(&self, target: &Target<'_, T>, classes: &[T], sample: Option<&T>) -> T {
        let Some(weight) = sample else { return T::one() };
        match target {
            Target::Class(class) if self.loss != Loss::SoftmaxCrossEntropy => *weight * classes[*class],
            _ => *weight,
        }
    }

    /// Has the targets of samples on their way into the cache: they lie anywhere in memory.
    fn ask_for_targets<T: Compute>(&self, memory: &Memory<T>, samples: &[u32]) {
        for n in samples {
            match self.target_kind {
                TargetKind::Classes => prefetch(&memory.words(self.targets)[*n as usize..][..1]),
                TargetKind::Values => {
                    prefetch(&memory.real(self.targets)[*n as usize * self.outputs..][..self.outputs])
                }
            }
        }
    }

    fn target<'a, T: Compute>(&self, memory: &'a Memory<T>, n: usize) -> Target<'a, T> {
        match self.target_kind {
            TargetKind::Classes => Target::Class(memory.words(self.targets)[n] as usize),
            TargetKind::Values => Target::Values(&memory.real(self.targets)[n * self.outputs..][..self.outputs]),
        }
    }
}
