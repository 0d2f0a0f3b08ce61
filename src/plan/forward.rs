//! A program's samples, and its forward steps: from these to the layers' outputs.

use super::build::{Builder, Capacity, step};
use super::tail::TailTensors;
use super::{Element, LayerTensors, Role, Step, TensorId};
use crate::ops::{
    Activation, Dense, DenseForward, DenseLayer, Input, InputKind, LossWeights, Op, PrepareInput, TargetKind,
};
use crate::spec::TrainSpec;

/// The tensors that the host fills, and the layers' outputs.
pub(super) struct Pass {
    pub capacity: Capacity,
    pub training: bool,
    pub samples: TensorId,
    pub targets: TensorId,
    pub weights: Option<TensorId>,
    pub order: TensorId,
    /// Samples with noise on them, or moved and bent, where the first layer reads such.
    prepared: Option<TensorId>,
    pub activations: Vec<TensorId>,
    /// By layer, of those that have a tail.
    pub tails: Vec<Option<TailTensors>>,
    /// By layer, where the gradients by its output go together that layers behind the next one give.
    pub skipped: Vec<Option<TensorId>>,
    pub steps: Vec<Step>,
}

impl Builder<'_> {
    /// A program with the forward steps of the first `layers` layers.
    pub(super) fn forward(&mut self, prefix: &str, capacity: Capacity, layers: usize, training: bool) -> Pass {
        let mut pass = self.pass(prefix, capacity, training);
        let (model, replicas) = (self.request.model, self.replicas());
        let name = |what: &str| format!("{prefix}.{what}");
        for n in 0..layers {
            let shape = [replicas, capacity.batch, model.layers[n].units];
            let element = self.output_element(n);
            let output = self.tensor(name(&format!("layers.{n}.output")), &shape, element, Role::Activation);
            let layer = self.layer(&pass, n);
            if self.is_tailed(n, training) {
                let sums = self.tensor(name(&format!("layers.{n}.sums")), &shape, Element::F32, Role::Activation);
                let layer = DenseLayer { activation: Activation::Linear, ..layer };
                let op = DenseForward { layer, output: sums };
                pass.steps.push(step(format!("layers.{n} forward"), Op::DenseForward(op)));
                self.tail_forward(&mut pass, prefix, n, sums, output);
            } else {
                let op = DenseForward { layer, output };
                pass.steps.push(step(format!("layers.{n} forward"), Op::DenseForward(op)));
            }
            pass.activations.push(output);
        }
        pass
    }

    /// What the host fills of a program, with the step that prepares the samples, if training is to.
    fn pass(&mut self, prefix: &str, capacity: Capacity, training: bool) -> Pass {
        let (model, replicas) = (self.request.model, self.replicas());
        let element = match self.request.samples {
            InputKind::SamplesU8 => Element::U8,
            _ => Element::F32,
        };
        let name = |what: &str| format!("{prefix}.{what}");
        let samples = self.tensor(name("samples"), &[capacity.samples, model.inputs], element, Role::Input);
        let targets = match self.request.targets {
            TargetKind::Classes => self.tensor(name("targets"), &[capacity.samples], Element::U32, Role::Target),
            TargetKind::Values => {
                self.tensor(name("targets"), &[capacity.samples, model.outputs()], Element::F32, Role::Target)
            }
        };
        let weights = self.request.weighted.then(|| {
            let len = LossWeights::classes(model.outputs()) + capacity.samples;
            self.tensor(name("weights"), &[len], Element::F32, Role::Target)
        });
        let order = match capacity.order {
            0 => self.tensor(name("order"), &[capacity.samples], Element::U32, Role::Order),
            len => self.tensor(name("order"), &[replicas, len], Element::U32, Role::Order),
        };
        let mut pass = Pass {
            capacity,
            training,
            samples,
            targets,
            weights,
            order,
            prepared: None,
            activations: Vec::new(),
            tails: vec![None; model.layers.len()],
            skipped: vec![None; model.layers.len()],
            steps: Vec::new(),
        };
        if training {
            self.prepare_input(&mut pass);
        }
        pass
    }

    /// Adds the step that puts noise on the samples, or moves and bends them, if training is to.
    fn prepare_input(&mut self, pass: &mut Pass) {
        let TrainSpec { noise, augment, .. } = *self.request.spec;
        if noise == 0.0 && augment.is_none() {
            return;
        }
        let (batch, inputs) = (pass.capacity.batch, self.request.model.inputs);
        let shape = [self.replicas(), batch, inputs];
        let prepared = self.tensor("train.input".to_owned(), &shape, Element::F32, Role::Activation);
        let op = PrepareInput { batch, inputs, input: self.input(pass, 0), noise, augment, prepared };
        pass.steps.push(step("input".to_owned(), Op::PrepareInput(op)));
        pass.prepared = Some(prepared);
    }

    /// What the outputs of layer `n` are stored as: those of the last one, which losses and metrics are made of, as f32.
    fn output_element(&self, n: usize) -> Element {
        let last = n + 1 == self.request.model.layers.len();
        if last { Element::F32 } else { self.stored_element() }
    }

    /// What layer `n` applies in training: of the last one, losses may want the logits.
    pub(super) fn trained_activation(&self, n: usize) -> Activation {
        let own = self.request.model.layers[n].activation;
        let last = n + 1 == self.request.model.layers.len();
        if last { self.request.spec.loss.trained_activation(own) } else { own }
    }

    pub(super) fn layer(&self, pass: &Pass, n: usize) -> DenseLayer {
        let LayerTensors { weight, bias, .. } = self.layers[n];
        let activation = self.trained_activation(n);
        DenseLayer { dense: self.dense(pass, n), input: self.input(pass, n), weight, bias, activation }
    }

    pub(super) fn dense(&self, pass: &Pass, n: usize) -> Dense {
        let (outputs, inputs) = self.request.model.shapes().nth(n).unwrap_or_default();
        Dense { batch: pass.capacity.batch, inputs, outputs }
    }

    /// What layer `n` reads: the samples, or the layer before.
    pub(super) fn input(&self, pass: &Pass, n: usize) -> Input {
        if n > 0 {
            return Input::activations(pass.activations[n - 1]);
        }
        if let Some(prepared) = pass.prepared {
            return Input::activations(prepared);
        }
        let kind = self.request.samples;
        let scale = if kind == InputKind::SamplesU8 { self.request.spec.pixel_scale } else { 1.0 };
        Input { tensor: pass.samples, order: Some(pass.order), order_stride: pass.capacity.order, kind, scale }
    }
}
