//! What follows a layer's sums in a plan: norm, activation, residual and dropout, forwards and backwards.

use super::build::{Builder, NormTensors, TrainedNorm};
use super::forward::Pass;
use crate::ops::{
    BatchNormBackward, BatchNormForward, Dropout, Incoming, LayerNormBackward, LayerNormForward, LayerNormGradient, Op,
    Passed, Running, Tail, TailBackward, TailForward, UpdateStep, Updated,
};
use crate::plan::Step;
use crate::spec::Norm;
use crate::tensor::{Element, Role, TensorId};

/// What a layer's tail keeps between its forward and its backward step.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailTensors {
    /// (R, B, O)
    sums: TensorId,
    /// Mean and deviation: of the batch (R, 2, O), or of each row (R, 2, B).
    statistics: Option<TensorId>,
}

impl Builder<'_> {
    /// A norm's scales and shifts, and the running statistics of one that has them.
    pub(super) fn norm(&mut self, n: usize) -> Option<NormTensors> {
        let layer = &self.request.model.layers[n];
        let norm = layer.norm?;
        let shape = [self.replicas(), 2, layer.units];
        let mut tensor = |what: &str, role| self.tensor(format!("layers.{n}.norm.{what}"), &shape, Element::F32, role);
        Some(NormTensors {
            scales: tensor("scales", Role::Parameter),
            running: matches!(norm, Norm::Batch { .. }).then(|| tensor("running", Role::Statistics)),
        })
    }

    /// What training has of a norm.
    pub(super) fn trained_norm(&mut self, n: usize) -> Option<TrainedNorm> {
        let layer = &self.request.model.layers[n];
        layer.norm?;
        let (replicas, slots, units) = (self.replicas(), self.request.spec.optimizer.slots(), layer.units);
        let mut tensor = |what: &str, shape: &[usize], role| {
            self.tensor(format!("layers.{n}.norm.scales.{what}"), shape, Element::F32, role)
        };
        Some(TrainedNorm {
            state: tensor("state", &[replicas, slots, 2, units], Role::OptimizerState),
            gradient: tensor("gradient", &[replicas, 2, units], Role::Gradient),
        })
    }

    /// Whether layer `n` has steps of its own after its sums. In training that is so too where its gradient comes from
    /// several layers, or from its sums.
    pub(super) fn is_tailed(&self, n: usize, training: bool) -> bool {
        let layers = &self.request.model.layers;
        let layer = &layers[n];
        let always = layer.norm.is_some() || layer.residual.is_some();
        let for_gradients = layer.dropout > 0.0 || layer.activation.needs_sum() || self.skippers(n).next().is_some();
        n + 1 < layers.len() && (always || training && for_gradients)
    }

    /// The layers that add the output of layer `n`.
    fn skippers(&self, n: usize) -> impl Iterator<Item = usize> + '_ {
        let layers = self.request.model.layers.iter().enumerate();
        layers.filter(move |(m, layer)| layer.residual.is_some_and(|back| n + back == *m)).map(|(m, _)| m)
    }

    fn tail(&self, pass: &Pass, n: usize, sums: TensorId) -> Tail {
        let layer = &self.request.model.layers[n];
        Tail {
            batch: pass.capacity.batch,
            outputs: layer.units,
            sums,
            activation: layer.activation,
            dropout: (pass.trains() && layer.dropout > 0.0).then_some(Dropout { rate: layer.dropout, layer: n }),
        }
    }

    /// Adds the steps from layer `n`'s sums to its output.
    pub(super) fn tail_forward(&mut self, pass: &mut Pass, n: usize, sums: TensorId, output: TensorId) {
        let tail = self.tail(pass, n, sums);
        let layer = &self.request.model.layers[n];
        let residual = layer.residual.and_then(|back| pass.activations.get(n - back).copied());
        let norm = layer.norm.zip(self.layers[n].norm);
        let mut statistics = |extent: usize| {
            let shape = [self.replicas(), 2, extent];
            self.tensor(pass.name(&format!("layers.{n}.statistics")), &shape, Element::F32, Role::Activation)
        };
        let mut own = None;
        let op = match norm {
            Some((Norm::Layer { epsilon }, NormTensors { scales, .. })) => {
                let statistics = *own.insert(statistics(tail.batch));
                Op::LayerNormForward(LayerNormForward { tail, epsilon, scales, statistics, residual, output })
            }
            Some((Norm::Batch { momentum, epsilon }, NormTensors { scales, running: Some(running), .. })) => {
                if pass.trains() {
                    let statistics = *own.insert(statistics(tail.outputs));
                    let op =
                        BatchNormForward { tail, momentum, epsilon, scales, running, statistics, residual, output };
                    Op::BatchNormForward(op)
                } else {
                    let running = Some(Running { scales, statistics: running, epsilon });
                    Op::TailForward(TailForward { tail, running, residual, output })
                }
            }
            _ => Op::TailForward(TailForward { tail, running: None, residual, output }),
        };
        pass.steps.push(Step::new(format!("layers.{n} {}", self.tail_label(n)), op));
        pass.tails[n] = Some(TailTensors { sums, statistics: own });
    }

    /// `norm, relu, residual, dropout`, as far as layer `n` has them.
    fn tail_label(&self, n: usize) -> String {
        let layer = &self.request.model.layers[n];
        let parts = [
            layer.norm.map(|_| "norm"),
            Some(layer.activation.name()),
            layer.residual.map(|_| "residual"),
            (layer.dropout > 0.0).then_some("dropout"),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Adds the steps that turn the gradient by layer `n`'s output into that by its sums, in place.
    pub(super) fn tail_backward(&mut self, pass: &mut Pass, n: usize, gradient: TensorId) {
        let Some(TailTensors { sums, statistics }) = pass.tails[n] else { return };
        let tail = self.tail(pass, n, sums);
        let passed = self.request.model.layers[n].residual.map(|back| self.passed(pass, n, n - back));
        let skipped = pass.skipped[n];
        let incoming = Incoming { gradient, skipped, passed };
        let label = |what: &str| format!("layers.{n} {what}");
        let Some((norm, statistics)) = self.layers[n].norm.zip(statistics) else {
            let what = label(&format!("{} gradient", self.tail_label(n)));
            return pass.steps.push(Step::new(what, Op::TailBackward(TailBackward { tail, incoming })));
        };
        let NormTensors { scales, running } = norm;
        let trained = self.trained[n].norm.expect("a layer with a norm has what training needs of it");
        let scales_gradient = trained.gradient;
        if running.is_some() {
            let op = BatchNormBackward { tail, incoming, scales, statistics, scales_gradient };
            pass.steps.push(Step::new(label("norm gradient"), Op::BatchNormBackward(op)));
        } else {
            let op = LayerNormGradient { tail: tail.clone(), gradient, skipped, scales, statistics, scales_gradient };
            pass.steps.push(Step::new(label("norm scale gradient"), Op::LayerNormGradient(op)));
            let op = LayerNormBackward { tail, incoming, scales, statistics };
            pass.steps.push(Step::new(label("norm gradient"), Op::LayerNormBackward(op)));
        }
        if !self.stores_gradients() {
            let tensors = self.norm_updated(n, norm, trained);
            let op = UpdateStep { tensors, scale: None, update: self.request.spec.update() };
            pass.steps.push(Step::new(format!("layers.{n} norm update"), Op::UpdateStep(op)));
        }
    }

    /// A norm's scales and shifts, which are one tensor, as an update takes them.
    pub(super) fn norm_updated(&self, n: usize, norm: NormTensors, trained: TrainedNorm) -> [Updated; 2] {
        let (value, TrainedNorm { state, gradient }) = (norm.scales, trained);
        let len = 2 * self.request.model.layers[n].units;
        let own = Updated { value, gradient, state, len, is_weight: false };
        [own, own.without_numbers()]
    }

    /// Where layer `n` hands the gradient by the output of layer `source` that it adds.
    fn passed(&mut self, pass: &mut Pass, n: usize, source: usize) -> Passed {
        // Layers come last to first, so that the last of those that add it writes first.
        let more = self.skippers(source).any(|m| m > n);
        if let Some(tensor) = pass.skipped[source] {
            return Passed { tensor, more };
        }
        let shape = [self.replicas(), pass.capacity.batch, self.request.model.layers[source].units];
        let name = pass.name(&format!("layers.{source}.skipped"));
        let tensor = self.tensor(name, &shape, self.stored_element(), Role::Activation);
        pass.skipped[source] = Some(tensor);
        Passed { tensor, more }
    }
}
