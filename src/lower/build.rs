//! A plan's parameters, and the steps of its programs.

use std::collections::BTreeMap;

use super::forward::Pass;
use super::request::{Capacity, PlanRequest};
use crate::ops::{
    Activation, DenseInputGradient, DenseLoss, DenseWeightGradient, Destination, LossRows, LossStep, LossWeights, Op,
    Softmax,
};
use crate::plan::{HyperSource, Plan, Port, Program, ProgramId, Step};
use crate::tensor::{Element, Metrics, Role, Tensor, TensorId};

/// Steps whose metrics are kept on the device before the host must have read them.
const SLOTS: usize = 128;

/// One dense layer's parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerTensors {
    /// (R, O, I)
    pub weight: TensorId,
    /// (R, O)
    pub bias: TensorId,
    /// Those of its norm.
    pub norm: Option<NormTensors>,
}

/// One norm's parameters and statistics, each as first and second of a pair for every unit.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormTensors {
    /// Scale and shift, (R, 2, O).
    pub scales: TensorId,
    /// Of batch norm: running mean and variance, (R, 2, O).
    pub running: Option<TensorId>,
}

/// What training has of one dense layer beside its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrainedTensors {
    /// (R, S, O, I)
    pub weight_state: TensorId,
    /// (R, S, O)
    pub bias_state: TensorId,
    /// (R, O, I) and (R, O), of plans that store gradients.
    pub gradient: Option<[TensorId; 2]>,
    /// Of its norm's scales and shifts: (R, S, 2, O) and (R, 2, O).
    pub norm: Option<TrainedNorm>,
}

/// What training has of a norm beside its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrainedNorm {
    /// (R, S, 2, O)
    pub state: TensorId,
    /// (R, 2, O)
    pub gradient: TensorId,
}

pub(super) struct Builder<'a> {
    pub request: &'a PlanRequest<'a>,
    tensors: Vec<Tensor>,
    pub layers: Vec<LayerTensors>,
    /// By layer, of plans that train.
    pub trained: Vec<TrainedTensors>,
}

impl<'a> Builder<'a> {
    /// With the model's parameters, and what training needs beside them if `trains`.
    pub fn new(request: &'a PlanRequest<'a>, trains: bool) -> Self {
        let mut new = Self { request, tensors: Vec::new(), layers: Vec::new(), trained: Vec::new() };
        for n in 0..request.model.layers.len() {
            new.parameters(n, trains);
        }
        new
    }

    pub fn plan(self, programs: BTreeMap<ProgramId, Program>, hyper: Option<HyperSource>) -> Plan {
        Plan { replicas: self.replicas(), tensors: self.tensors, programs, slots: SLOTS, hyper }
    }

    pub fn tensor(&mut self, name: String, shape: &[usize], element: Element, role: Role) -> TensorId {
        self.tensors.push(Tensor { name, shape: shape.to_vec(), element, role });
        TensorId(self.tensors.len() - 1)
    }

    pub fn shape(&self, id: TensorId) -> &[usize] {
        &self.tensors[id.index()].shape
    }

    pub fn replicas(&self) -> usize {
        self.request.spec.replicas.len()
    }

    fn parameters(&mut self, n: usize, trains: bool) {
        let stores_gradient = self.stores_gradients() && n >= self.request.spec.frozen;
        let own = self.request.model.layer_tensors(n);
        let dense = [&own.weight.tensor, &own.bias.tensor];
        let [weight, bias] = dense.map(|own| self.replicated(own));
        let trained = trains.then(|| {
            let [weight_state, bias_state] = dense.map(|own| self.optimizer_state(own));
            let gradient = stores_gradient.then(|| dense.map(|own| self.gradient(own)));
            TrainedTensors { weight_state, bias_state, gradient, norm: None }
        });
        let norm = own.norm.as_ref().map(|own| NormTensors {
            scales: self.replicated(&own.scales.tensor),
            running: own.running.as_ref().map(|own| self.replicated(&own.tensor)),
        });
        self.layers.push(LayerTensors { weight, bias, norm });
        let Some(trained) = trained else { return };
        let norm = own.norm.as_ref().map(|own| TrainedNorm {
            state: self.optimizer_state(&own.scales.tensor),
            gradient: self.gradient(&own.scales.tensor),
        });
        self.trained.push(TrainedTensors { norm, ..trained });
    }

    /// One of the model's tensors, (R, ...).
    fn replicated(&mut self, Tensor { name, shape, element, role }: &Tensor) -> TensorId {
        self.tensor(name.clone(), &[&[self.replicas()], shape.as_slice()].concat(), *element, *role)
    }

    /// What the optimizer keeps of one, (R, S, ...).
    fn optimizer_state(&mut self, Tensor { name, shape, element, .. }: &Tensor) -> TensorId {
        let shape = [&[self.replicas(), self.request.spec.optimizer.slots()], shape.as_slice()].concat();
        self.tensor(format!("{name}.state"), &shape, *element, Role::OptimizerState)
    }

    /// The gradient of the loss by one, (R, ...).
    fn gradient(&mut self, Tensor { name, shape, element, .. }: &Tensor) -> TensorId {
        let shape = [&[self.replicas()], shape.as_slice()].concat();
        self.tensor(format!("{name}.gradient"), &shape, *element, Role::Gradient)
    }

    /// What steps hand on to each other is stored as: outputs of hidden layers, gradients by outputs and sums.
    pub fn stored_element(&self) -> Element {
        self.request.spec.precision.into()
    }

    /// The tensors of a loss, its metrics in blocks of so many rows.
    fn loss(&mut self, pass: &Pass, block_rows: usize) -> LossRows {
        let (replicas, outputs) = (self.replicas(), self.request.model.outputs());
        let Capacity { batch, order: order_stride, .. } = pass.capacity;
        let last = self.layers.len() - 1;
        let has_norm = pass.trains() && self.norm_limit().is_some();
        let shape = [replicas, SLOTS, batch.div_ceil(block_rows) + usize::from(has_norm), 2];
        let metrics = self.tensor(pass.name("metrics"), &shape, Element::F32, Role::Metric);
        let name = pass.name(&format!("layers.{last}.gradient"));
        let gradient = self.tensor(name, &[replicas, batch, outputs], self.stored_element(), Role::Activation);
        LossRows {
            loss: self.request.spec.loss,
            batch,
            outputs,
            targets: pass.port(Port::Targets),
            target_kind: self.request.targets,
            order: pass.port(Port::Order),
            order_stride,
            gradient,
            metrics: Metrics { tensor: metrics, block_rows, has_norm },
            slots: SLOTS,
            activation: self.trained_activation(last),
            label_smoothing: self.request.spec.loss_options.label_smoothing,
            huber_delta: self.request.spec.loss_options.huber_delta,
            weights: pass
                .ports
                .get(&Port::Weights)
                .map(|tensor| LossWeights { tensor: *tensor, classes: LossWeights::classes(outputs) }),
        }
    }

    /// Adds the loss of the last layer's outputs.
    fn loss_step(&mut self, pass: &mut Pass) -> LossRows {
        let rows = self.loss(pass, LossStep::BLOCK_ROWS);
        let op = LossStep { outputs: pass.activations[self.layers.len() - 1], rows: rows.clone() };
        pass.steps.push(Step::new("loss", Op::LossStep(op)));
        rows
    }

    /// Adds the last layer and its loss in one step.
    fn dense_loss(&mut self, pass: &mut Pass) -> LossRows {
        let last = self.layers.len() - 1;
        let rows = self.loss(pass, DenseLoss::BLOCK_ROWS);
        let op = DenseLoss { layer: self.layer(pass, last), rows: rows.clone() };
        pass.steps.push(Step::new(format!("layers.{last} forward, loss"), Op::DenseLoss(op)));
        rows
    }

    pub fn train(&mut self) -> Program {
        let (capacity, layers) = (self.request.train, self.layers.len());
        let (mut pass, rows);
        if self.request.model.outputs() <= DenseLoss::MOST_OUTPUTS {
            pass = self.forward(ProgramId::Train, capacity, layers - 1);
            rows = self.dense_loss(&mut pass);
        } else {
            pass = self.forward(ProgramId::Train, capacity, layers);
            rows = self.loss_step(&mut pass);
        }
        let mut gradient = rows.gradient;
        // Nothing below the lowest trained layer needs a gradient.
        let frozen = self.request.spec.frozen;
        for n in (frozen..self.layers.len()).rev() {
            // The input gradient goes first: it needs the weights from before the update.
            let own = gradient;
            self.tail_backward(&mut pass, n, own);
            if n > frozen {
                gradient = self.input_gradient(&mut pass, n, own);
            }
            self.weight_gradient(&mut pass, n, own);
        }
        self.limits(&mut pass, rows.metrics);
        self.program(pass, Some(rows.metrics))
    }

    fn input_gradient(&mut self, pass: &mut Pass, n: usize, output_gradient: TensorId) -> TensorId {
        let dense = self.dense(n, pass.capacity.batch);
        let shape = [self.replicas(), dense.batch, dense.inputs];
        let name = pass.name(&format!("layers.{}.gradient", n - 1));
        let input_gradient = self.tensor(name, &shape, self.stored_element(), Role::Activation);
        let op = DenseInputGradient {
            dense,
            output_gradient,
            weight: self.layers[n].weight,
            input: pass.activations[n - 1],
            input_gradient,
            // What has a tail takes the gradient by its output.
            activation: match pass.tails[n - 1] {
                Some(_) => Activation::Linear,
                None => self.trained_activation(n - 1),
            },
        };
        pass.steps.push(Step::new(format!("layers.{n} input gradient"), Op::DenseInputGradient(op)));
        input_gradient
    }

    fn weight_gradient(&self, pass: &mut Pass, n: usize, output_gradient: TensorId) {
        let LayerTensors { weight, bias, .. } = self.layers[n];
        let TrainedTensors { weight_state, bias_state, gradient, .. } = self.trained[n];
        let (what, destination) = match gradient {
            Some([weight, bias]) => ("weight gradient", Destination::Gradient { weight, bias }),
            None => {
                let update = self.request.spec.update();
                ("update", Destination::Update { weight, bias, weight_state, bias_state, update })
            }
        };
        let (dense, input) = (self.dense(n, pass.capacity.batch), self.input(pass, n));
        let op = DenseWeightGradient { dense, input, output_gradient, destination };
        pass.steps.push(Step::new(format!("layers.{n} {what}"), Op::DenseWeightGradient(op)));
    }

    pub fn evaluate(&mut self) -> Program {
        // The loss is a step of its own, since the outputs are asked for.
        let mut pass = self.forward(ProgramId::Evaluate, self.request.evaluate, self.layers.len());
        let rows = self.loss_step(&mut pass);
        self.program(pass, Some(rows.metrics))
    }

    /// These forward steps, of which the last one gives what the loss means by the outputs: probabilities.
    pub fn predict(&mut self, forward: &[Step], of: &Program) -> Program {
        let last = self.layers.len() - 1;
        let own = self.request.model.layers[last].activation;
        let activation = self.request.spec.loss.predicted_activation(own);
        let (batch, outputs) = (of.batch, self.request.model.outputs());
        let shape = [self.replicas(), batch, outputs];
        let mut steps = forward.to_vec();
        // The output layer has no tail.
        let Some(Step { op: Op::DenseForward(layer), .. }) = steps.last_mut() else {
            panic!("forward steps end with {:?}, which is no dense layer", forward.last());
        };
        let mut answer = layer.output;
        if activation == Activation::Softmax || activation != layer.layer.activation {
            answer = self.tensor("predict.output".to_owned(), &shape, Element::F32, Role::Activation);
        }
        if activation == Activation::Softmax {
            let op = Softmax { batch, outputs, logits: layer.output, probabilities: answer };
            steps.push(Step::new("softmax", Op::Softmax(op)));
        } else {
            (layer.layer.activation, layer.output) = (activation, answer);
        }
        let ports = of.ports.iter().map(|(port, id)| (*port, *id)).chain([(Port::Outputs, answer)]).collect();
        Program { batch, steps, ports, ..Program::default() }
    }

    pub fn program(&self, pass: Pass, metrics: Option<Metrics>) -> Program {
        let Pass { capacity, mut ports, steps, activations, .. } = pass;
        // A last layer in one step with its loss keeps its outputs to itself.
        ports.extend(activations.get(self.layers.len() - 1).map(|outputs| (Port::Outputs, *outputs)));
        Program { batch: capacity.batch, steps, ports, metrics, extends: None }
    }
}
