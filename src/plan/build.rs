//! Spec to plan.

use super::{Element, LayerTensors, Plan, Program, Role, Step, Tensor, TensorId};
use crate::error::{Error, Result};
use crate::ops::{
    Activation, Dense, DenseForward, DenseInputGradient, DenseWeightGradient, Destination, Input, InputKind, Loss,
    LossStep, Op, Softmax, TargetKind,
};
use crate::spec::{Sequential, TrainSpec};

/// Steps whose metrics are kept on the device before the host must have read them.
const SLOTS: usize = 128;

/// How much room the host wants for the samples of one program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    /// B.
    pub batch: usize,
    /// N, samples on the device at a time.
    pub samples: usize,
    /// Sample indices on the device at a time, per replica; 0 where all replicas take samples in the same order.
    pub order: usize,
}

/// All that a plan follows from.
pub(crate) struct PlanRequest<'a> {
    pub model: &'a Sequential,
    pub spec: &'a TrainSpec,
    /// Whether samples are u8 or f32.
    pub samples: InputKind,
    pub targets: TargetKind,
    pub train: Capacity,
    pub evaluate: Capacity,
    /// Keep gradients in tensors of their own rather than update in the weight gradient's epilogue: for checks.
    pub keep_gradients: bool,
}

impl PlanRequest<'_> {
    /// The plan.
    ///
    /// # Errors
    /// [`Error::Spec`] where the spec is not sound, or where loss and targets do not fit.
    pub fn plan(&self) -> Result<Plan> {
        self.spec.validate(self.model)?;
        if self.spec.loss == Loss::SoftmaxCrossEntropy && self.targets == TargetKind::Values {
            return Err(Error::spec("loss", "softmax_cross_entropy needs classes as targets, the dataset has values"));
        }
        let mut builder = Builder { request: self, tensors: Vec::new(), layers: Vec::new() };
        builder.parameters();
        let train = builder.train();
        let evaluate = builder.evaluate();
        let predict = builder.predict(&evaluate);
        Ok(Plan {
            tensors: builder.tensors,
            replicas: self.spec.replicas.clone(),
            optimizer: self.spec.optimizer,
            layers: builder.layers,
            targets: self.targets,
            slots: SLOTS,
            train,
            evaluate,
            predict,
        })
    }
}

struct Builder<'a> {
    request: &'a PlanRequest<'a>,
    tensors: Vec<Tensor>,
    layers: Vec<LayerTensors>,
}

/// The tensors that the host fills, and the layers' outputs.
struct Pass {
    capacity: Capacity,
    samples: TensorId,
    targets: TensorId,
    order: TensorId,
    activations: Vec<TensorId>,
    steps: Vec<Step>,
}

impl Builder<'_> {
    fn tensor(&mut self, name: String, shape: &[usize], element: Element, role: Role) -> TensorId {
        self.tensors.push(Tensor { name, shape: shape.to_vec(), element, role });
        TensorId(self.tensors.len() - 1)
    }

    fn replicas(&self) -> usize {
        self.request.spec.replicas.len()
    }

    fn parameters(&mut self) {
        let slots = self.request.spec.optimizer.slots();
        let replicas = self.replicas();
        let keep_gradients = self.request.keep_gradients;
        for (n, (outputs, inputs)) in self.request.model.shapes().enumerate() {
            let mut tensor = |what: &str, shape: &[usize], role| {
                self.tensor(format!("layers.{n}.{what}"), shape, Element::F32, role)
            };
            let weight = tensor("weight", &[replicas, outputs, inputs], Role::Parameter);
            let bias = tensor("bias", &[replicas, outputs], Role::Parameter);
            let weight_state = tensor("weight.state", &[replicas, slots, outputs, inputs], Role::OptimizerState);
            let bias_state = tensor("bias.state", &[replicas, slots, outputs], Role::OptimizerState);
            let gradient = keep_gradients.then(|| {
                let weight = tensor("weight.gradient", &[replicas, outputs, inputs], Role::Gradient);
                [weight, tensor("bias.gradient", &[replicas, outputs], Role::Gradient)]
            });
            self.layers.push(LayerTensors { weight, bias, weight_state, bias_state, gradient });
        }
    }

    /// Samples, targets and order of a program, and the forward steps of all layers.
    fn forward(&mut self, prefix: &str, capacity: Capacity) -> Pass {
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
        let order = match capacity.order {
            0 => self.tensor(name("order"), &[capacity.samples], Element::U32, Role::Order),
            len => self.tensor(name("order"), &[replicas, len], Element::U32, Role::Order),
        };
        let mut pass = Pass { capacity, samples, targets, order, activations: Vec::new(), steps: Vec::new() };
        for n in 0..model.layers.len() {
            let shape = [replicas, capacity.batch, model.layers[n].units];
            let output = self.tensor(name(&format!("layers.{n}.output")), &shape, Element::F32, Role::Activation);
            let activation = self.trained_activation(n);
            let op = self.forward_step(&pass, n, output, activation);
            pass.steps.push(step(format!("layers.{n} forward"), Op::DenseForward(op)));
            pass.activations.push(output);
        }
        pass
    }

    /// What layer `n` applies in training: the cross-entropies take logits.
    fn trained_activation(&self, n: usize) -> Activation {
        let model = self.request.model;
        match self.request.spec.loss {
            Loss::SoftmaxCrossEntropy | Loss::BinaryCrossEntropy if n + 1 == model.layers.len() => Activation::Linear,
            _ => model.layers[n].activation,
        }
    }

    fn forward_step(&self, pass: &Pass, n: usize, output: TensorId, activation: Activation) -> DenseForward {
        let LayerTensors { weight, bias, .. } = self.layers[n];
        DenseForward { dense: self.dense(pass, n), input: self.input(pass, n), weight, bias, output, activation }
    }

    fn dense(&self, pass: &Pass, n: usize) -> Dense {
        let (outputs, inputs) = self.request.model.shapes().nth(n).unwrap_or_default();
        Dense { batch: pass.capacity.batch, inputs, outputs }
    }

    /// What layer `n` reads: the samples, or the layer before.
    fn input(&self, pass: &Pass, n: usize) -> Input {
        if n > 0 {
            return Input::activations(pass.activations[n - 1]);
        }
        let kind = self.request.samples;
        let scale = if kind == InputKind::SamplesU8 { self.request.spec.pixel_scale } else { 1.0 };
        Input { tensor: pass.samples, order: pass.order, order_stride: pass.capacity.order, kind, scale }
    }

    /// Adds the loss; gives the tensors of its metrics and of the gradient by the last layer's sums.
    fn loss(&mut self, prefix: &str, pass: &mut Pass, outputs: TensorId) -> (TensorId, TensorId) {
        let (replicas, classes) = (self.replicas(), self.request.model.outputs());
        let Capacity { batch, order: order_stride, .. } = pass.capacity;
        let last = self.layers.len() - 1;
        let shape = [replicas, SLOTS, LossStep::blocks(batch), 2];
        let metrics = self.tensor(format!("{prefix}.metrics"), &shape, Element::F32, Role::Metric);
        let name = format!("{prefix}.layers.{last}.gradient");
        let gradient = self.tensor(name, &[replicas, batch, classes], Element::F32, Role::Activation);
        let op = LossStep {
            loss: self.request.spec.loss,
            batch,
            classes,
            outputs,
            targets: pass.targets,
            target_kind: self.request.targets,
            order: pass.order,
            order_stride,
            gradient,
            metrics,
            slots: SLOTS,
            activation: self.trained_activation(last),
        };
        pass.steps.push(step("loss".to_owned(), Op::Loss(op)));
        (metrics, gradient)
    }

    fn train(&mut self) -> Program {
        let mut pass = self.forward("train", self.request.train);
        let outputs = pass.activations[self.layers.len() - 1];
        let (metrics, mut gradient) = self.loss("train", &mut pass, outputs);
        for n in (0..self.layers.len()).rev() {
            // The input gradient goes first: it needs the weights from before the update.
            let own = gradient;
            if n > 0 {
                gradient = self.input_gradient(&mut pass, n, own);
            }
            self.weight_gradient(&mut pass, n, own);
        }
        program(pass, Some(metrics), outputs)
    }

    fn input_gradient(&mut self, pass: &mut Pass, n: usize, output_gradient: TensorId) -> TensorId {
        let dense = self.dense(pass, n);
        let shape = [self.replicas(), dense.batch, dense.inputs];
        let name = format!("train.layers.{}.gradient", n - 1);
        let input_gradient = self.tensor(name, &shape, Element::F32, Role::Activation);
        let op = DenseInputGradient {
            dense,
            output_gradient,
            weight: self.layers[n].weight,
            input: pass.activations[n - 1],
            input_gradient,
            activation: self.trained_activation(n - 1),
        };
        pass.steps.push(step(format!("layers.{n} input gradient"), Op::DenseInputGradient(op)));
        input_gradient
    }

    fn weight_gradient(&self, pass: &mut Pass, n: usize, output_gradient: TensorId) {
        let LayerTensors { weight, bias, weight_state, bias_state, gradient } = self.layers[n];
        let (what, destination) = match gradient {
            Some([weight, bias]) => ("weight gradient", Destination::Gradient { weight, bias }),
            None => {
                let optimizer = self.request.spec.optimizer;
                ("update", Destination::Update { weight, bias, weight_state, bias_state, optimizer })
            }
        };
        let (dense, input) = (self.dense(pass, n), self.input(pass, n));
        let op = DenseWeightGradient { dense, input, output_gradient, destination };
        pass.steps.push(step(format!("layers.{n} {what}"), Op::DenseWeightGradient(op)));
    }

    fn evaluate(&mut self) -> Program {
        let mut pass = self.forward("evaluate", self.request.evaluate);
        let outputs = pass.activations[self.layers.len() - 1];
        let (metrics, _) = self.loss("evaluate", &mut pass, outputs);
        program(pass, Some(metrics), outputs)
    }

    /// The forward steps of evaluation, but the last one gives what the loss means by the outputs: probabilities.
    fn predict(&mut self, evaluate: &Program) -> Program {
        let last = self.layers.len() - 1;
        let activation = match self.request.spec.loss {
            Loss::SoftmaxCrossEntropy => Activation::Softmax,
            Loss::BinaryCrossEntropy => Activation::Sigmoid,
            Loss::MeanSquaredError => self.request.model.layers[last].activation,
        };
        let (batch, outputs) = (evaluate.batch, self.request.model.outputs());
        let shape = [self.replicas(), batch, outputs];
        let answer = self.tensor("predict.output".to_owned(), &shape, Element::F32, Role::Activation);
        let mut steps: Vec<Step> = evaluate.steps[..=last].to_vec();
        if activation == Activation::Softmax {
            let op = Softmax { batch, outputs, logits: evaluate.outputs, probabilities: answer };
            steps.push(step("softmax".to_owned(), Op::Softmax(op)));
        } else if let Op::DenseForward(forward) = &mut steps[last].op {
            (forward.activation, forward.output) = (activation, answer);
        }
        Program { steps, metrics: None, outputs: answer, ..evaluate.clone() }
    }
}

fn step(label: String, op: Op) -> Step {
    Step { label, op }
}

fn program(pass: Pass, metrics: Option<TensorId>, outputs: TensorId) -> Program {
    let Pass { capacity, samples, targets, order, steps, .. } = pass;
    Program { batch: capacity.batch, steps, samples, targets, order, metrics, outputs }
}
