//! A program's samples, and its forward steps: from these to the layers' outputs.

use std::collections::BTreeMap;

use super::build::{Builder, LayerTensors};
use super::request::Capacity;
use super::tail::TailTensors;
use crate::ops::{
    Activation, Dense, DenseForward, DenseLayer, Input, InputKind, LossWeights, Op, PrepareInput, TargetKind,
};
use crate::plan::{Port, ProgramId, Step};
use crate::spec::TrainSpec;
use crate::tensor::{Element, Role, TensorId};

/// The tensors that the host fills, and the layers' outputs.
pub(super) struct Pass {
    pub program: ProgramId,
    pub capacity: Capacity,
    pub ports: BTreeMap<Port, TensorId>,
    /// Samples with noise on them, or moved and bent, where the first layer reads such.
    prepared: Option<TensorId>,
    pub activations: Vec<TensorId>,
    /// By layer, of those that have a tail.
    pub tails: Vec<Option<TailTensors>>,
    /// By layer, where the gradients by its output go together that layers behind the next one give.
    pub skipped: Vec<Option<TensorId>>,
    pub steps: Vec<Step>,
}

impl Pass {
    /// A tensor's name that begins with the program's.
    pub fn name(&self, what: &str) -> String {
        let program = match self.program {
            ProgramId::Train => "train",
            ProgramId::Predict => "predict",
            _ => "evaluate",
        };
        format!("{program}.{what}")
    }

    /// Whether the steps are those of training, which drops units and needs what gradients need.
    pub fn trains(&self) -> bool {
        self.program == ProgramId::Train
    }

    /// A tensor that the host fills.
    pub fn port(&self, port: Port) -> TensorId {
        self.ports[&port]
    }
}

impl Builder<'_> {
    /// A program with the forward steps of the first `layers` layers.
    pub(super) fn forward(&mut self, program: ProgramId, capacity: Capacity, layers: usize) -> Pass {
        let mut pass = self.pass(program, capacity);
        let (model, replicas) = (self.request.model, self.replicas());
        for n in 0..layers {
            let shape = [replicas, capacity.batch, model.layers[n].units];
            let element = self.output_element(n);
            let output = self.tensor(pass.name(&format!("layers.{n}.output")), &shape, element, Role::Activation);
            let layer = self.layer(&pass, n);
            if self.is_tailed(n, pass.trains()) {
                let sums = self.tensor(pass.name(&format!("layers.{n}.sums")), &shape, Element::F32, Role::Activation);
                let layer = DenseLayer { activation: Activation::Linear, ..layer };
                let op = DenseForward { layer, output: sums };
                pass.steps.push(Step::new(format!("layers.{n} forward"), Op::DenseForward(op)));
                self.tail_forward(&mut pass, n, sums, output);
            } else {
                let op = DenseForward { layer, output };
                pass.steps.push(Step::new(format!("layers.{n} forward"), Op::DenseForward(op)));
            }
            pass.activations.push(output);
        }
        pass
    }

    /// What the host fills of a program, with the step that prepares the samples, if training is to.
    fn pass(&mut self, program: ProgramId, capacity: Capacity) -> Pass {
        let layers = self.request.model.layers.len();
        let mut pass = Pass {
            program,
            capacity,
            ports: BTreeMap::new(),
            prepared: None,
            activations: Vec::new(),
            tails: vec![None; layers],
            skipped: vec![None; layers],
            steps: Vec::new(),
        };
        let (request, samples, replicas) = (self.request, capacity.samples, self.replicas());
        let model = request.model;
        let mut port = |port: Port, name: &str, shape: &[usize], (element, role): (Element, Role)| {
            let id = self.tensor(pass.name(name), shape, element, role);
            pass.ports.insert(port, id);
        };
        let element = match request.samples {
            InputKind::SamplesU8 => Element::U8,
            InputKind::SamplesF32 => Element::F32,
            InputKind::Activations => panic!("a plan takes samples, not activations"),
        };
        port(Port::Samples, "samples", &[samples, model.inputs], (element, Role::Input));
        // What predicts has nothing to compare its answers with.
        if program != ProgramId::Predict {
            match request.targets {
                TargetKind::Classes => port(Port::Targets, "targets", &[samples], (Element::U32, Role::Target)),
                TargetKind::Values => {
                    port(Port::Targets, "targets", &[samples, model.outputs()], (Element::F32, Role::Target));
                }
            }
            if request.weighted {
                let len = LossWeights::classes(model.outputs()) + samples;
                port(Port::Weights, "weights", &[len], (Element::F32, Role::Target));
            }
        }
        match capacity.order {
            0 => port(Port::Order, "order", &[samples], (Element::U32, Role::Order)),
            len => port(Port::Order, "order", &[replicas, len], (Element::U32, Role::Order)),
        }
        if pass.trains() {
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
        let prepared = self.tensor(pass.name("input"), &shape, Element::F32, Role::Activation);
        let op = PrepareInput { batch, inputs, input: self.input(pass, 0), noise, augment, prepared };
        pass.steps.push(Step::new("input", Op::PrepareInput(op)));
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
        DenseLayer { dense: self.dense(n, pass.capacity.batch), input: self.input(pass, n), weight, bias, activation }
    }

    /// The extents of layer `n`'s products.
    pub(super) fn dense(&self, n: usize, batch: usize) -> Dense {
        let model = self.request.model;
        let inputs = if n == 0 { model.inputs } else { model.layers[n - 1].units };
        Dense { batch, inputs, outputs: model.layers[n].units }
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
        let (tensor, order) = (pass.port(Port::Samples), pass.port(Port::Order));
        Input { tensor, order: Some(order), order_stride: pass.capacity.order, kind, scale }
    }
}
