//! Spec to plan.

use super::forward::Pass;
use super::{Element, LayerTensors, Metrics, Plan, Program, Role, Step, Tensor, TensorId};
use crate::error::{Error, Result};
use crate::ops::optimizer::Written;
use crate::ops::{
    Activation, DenseInputGradient, DenseLoss, DenseWeightGradient, Destination, InputKind, LossRows, LossStep,
    LossWeights, Op, Softmax, TargetKind,
};
use crate::spec::{Pace, Sequential, TrainSpec};

/// Steps whose metrics are kept on the device before the host must have read them.
const SLOTS: usize = 128;

/// What the names of the training program's tensors begin with.
const TRAIN: &str = "train";

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
    /// Whether samples or classes have weights.
    pub weighted: bool,
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
        if !self.spec.loss_options.class_weights.is_empty() && !self.weighted {
            return Err(Error::spec("class weights", "the plan has no room for weights"));
        }
        let mut builder = Builder { request: self, tensors: Vec::new(), layers: Vec::new() };
        builder.parameters();
        let train = builder.train();
        let evaluate = builder.evaluate();
        let predict = builder.predict(&evaluate);
        let (judge, judgement) = builder.judge(&evaluate);
        Ok(Plan {
            tensors: builder.tensors,
            replicas: self.spec.replicas.clone(),
            written: self.spec.replicas.iter().map(Written::of).collect(),
            optimizer: self.spec.optimizer,
            pace: Pace::default(),
            layers: builder.layers,
            targets: self.targets,
            slots: SLOTS,
            train,
            evaluate,
            predict,
            judge,
            judgement,
        })
    }
}

pub(super) struct Builder<'a> {
    pub request: &'a PlanRequest<'a>,
    pub tensors: Vec<Tensor>,
    pub layers: Vec<LayerTensors>,
}

impl Builder<'_> {
    pub fn tensor(&mut self, name: String, shape: &[usize], element: Element, role: Role) -> TensorId {
        self.tensors.push(Tensor { name, shape: shape.to_vec(), element, role });
        TensorId(self.tensors.len() - 1)
    }

    pub fn replicas(&self) -> usize {
        self.request.spec.replicas.len()
    }

    fn parameters(&mut self) {
        let slots = self.request.spec.optimizer.slots();
        let replicas = self.replicas();
        let (stores_gradients, frozen) = (self.stores_gradients(), self.request.spec.frozen);
        for (n, (outputs, inputs)) in self.request.model.shapes().enumerate() {
            let mut tensor = |what: &str, shape: &[usize], role| {
                self.tensor(format!("layers.{n}.{what}"), shape, Element::F32, role)
            };
            let weight = tensor("weight", &[replicas, outputs, inputs], Role::Parameter);
            let bias = tensor("bias", &[replicas, outputs], Role::Parameter);
            let weight_state = tensor("weight.state", &[replicas, slots, outputs, inputs], Role::OptimizerState);
            let bias_state = tensor("bias.state", &[replicas, slots, outputs], Role::OptimizerState);
            let gradient = (stores_gradients && n >= frozen).then(|| {
                let weight = tensor("weight.gradient", &[replicas, outputs, inputs], Role::Gradient);
                [weight, tensor("bias.gradient", &[replicas, outputs], Role::Gradient)]
            });
            let norm = self.norm(n);
            self.layers.push(LayerTensors { weight, bias, weight_state, bias_state, gradient, norm });
        }
    }

    /// What steps hand on to each other is stored as: outputs of hidden layers, gradients by outputs and sums.
    pub fn stored_element(&self) -> Element {
        self.request.spec.precision.into()
    }

    /// The tensors of a loss, its metrics in blocks of so many rows.
    fn loss(&mut self, prefix: &str, pass: &Pass, block_rows: usize) -> LossRows {
        let (replicas, outputs) = (self.replicas(), self.request.model.outputs());
        let Capacity { batch, order: order_stride, .. } = pass.capacity;
        let last = self.layers.len() - 1;
        let has_norm = prefix == TRAIN && self.norm_limit().is_some();
        let shape = [replicas, SLOTS, batch.div_ceil(block_rows) + usize::from(has_norm), 2];
        let metrics = self.tensor(format!("{prefix}.metrics"), &shape, Element::F32, Role::Metric);
        let name = format!("{prefix}.layers.{last}.gradient");
        let gradient = self.tensor(name, &[replicas, batch, outputs], self.stored_element(), Role::Activation);
        LossRows {
            loss: self.request.spec.loss,
            batch,
            outputs,
            targets: pass.targets,
            target_kind: self.request.targets,
            order: pass.order,
            order_stride,
            gradient,
            metrics: Metrics { tensor: metrics, block_rows, has_norm },
            slots: SLOTS,
            activation: self.trained_activation(last),
            label_smoothing: self.request.spec.loss_options.label_smoothing,
            huber_delta: self.request.spec.loss_options.huber_delta,
            weights: pass.weights.map(|tensor| LossWeights { tensor, classes: LossWeights::classes(outputs) }),
        }
    }

    /// Adds the loss of the last layer's outputs.
    fn loss_step(&mut self, prefix: &str, pass: &mut Pass) -> LossRows {
        let rows = self.loss(prefix, pass, LossStep::BLOCK_ROWS);
        let op = LossStep { outputs: pass.activations[self.layers.len() - 1], rows: rows.clone() };
        pass.steps.push(step("loss".to_owned(), Op::LossStep(op)));
        rows
    }

    /// Adds the last layer and its loss in one step.
    fn dense_loss(&mut self, prefix: &str, pass: &mut Pass) -> LossRows {
        let last = self.layers.len() - 1;
        let rows = self.loss(prefix, pass, DenseLoss::BLOCK_ROWS);
        let op = DenseLoss { layer: self.layer(pass, last), rows: rows.clone() };
        pass.steps.push(step(format!("layers.{last} forward, loss"), Op::DenseLoss(op)));
        rows
    }

    fn train(&mut self) -> Program {
        let (capacity, layers) = (self.request.train, self.layers.len());
        let (mut pass, rows);
        if self.request.model.outputs() <= DenseLoss::MOST_OUTPUTS {
            pass = self.forward(TRAIN, capacity, layers - 1, true);
            rows = self.dense_loss(TRAIN, &mut pass);
        } else {
            pass = self.forward(TRAIN, capacity, layers, true);
            rows = self.loss_step(TRAIN, &mut pass);
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
        self.program(pass, rows.metrics)
    }

    fn input_gradient(&mut self, pass: &mut Pass, n: usize, output_gradient: TensorId) -> TensorId {
        let dense = self.dense(pass, n);
        let shape = [self.replicas(), dense.batch, dense.inputs];
        let name = format!("train.layers.{}.gradient", n - 1);
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
        pass.steps.push(step(format!("layers.{n} input gradient"), Op::DenseInputGradient(op)));
        input_gradient
    }

    fn weight_gradient(&self, pass: &mut Pass, n: usize, output_gradient: TensorId) {
        let LayerTensors { weight, bias, weight_state, bias_state, gradient, .. } = self.layers[n];
        let (what, destination) = match gradient {
            Some([weight, bias]) => ("weight gradient", Destination::Gradient { weight, bias }),
            None => {
                let update = self.request.spec.update();
                ("update", Destination::Update { weight, bias, weight_state, bias_state, update })
            }
        };
        let (dense, input) = (self.dense(pass, n), self.input(pass, n));
        let op = DenseWeightGradient { dense, input, output_gradient, destination };
        pass.steps.push(step(format!("layers.{n} {what}"), Op::DenseWeightGradient(op)));
    }

    fn evaluate(&mut self) -> Program {
        // The loss is a step of its own, since the outputs are asked for.
        let mut pass = self.forward("evaluate", self.request.evaluate, self.layers.len(), false);
        let rows = self.loss_step("evaluate", &mut pass);
        self.program(pass, rows.metrics)
    }

    /// The forward steps of evaluation, but the last one gives what the loss means by the outputs: probabilities.
    fn predict(&mut self, evaluate: &Program) -> Program {
        let last = self.layers.len() - 1;
        let own = self.request.model.layers[last].activation;
        let activation = self.request.spec.loss.predicted_activation(own);
        let (batch, outputs) = (evaluate.batch, self.request.model.outputs());
        let shape = [self.replicas(), batch, outputs];
        let answer = self.tensor("predict.output".to_owned(), &shape, Element::F32, Role::Activation);
        // All but the loss; the output layer has no tail.
        let mut steps: Vec<Step> = evaluate.steps[..evaluate.steps.len() - 1].to_vec();
        if let Some(Step { op: Op::DenseForward(forward), .. }) = steps.last_mut() {
            if activation == Activation::Softmax {
                let op = Softmax { batch, outputs, logits: forward.output, probabilities: answer };
                steps.push(step("softmax".to_owned(), Op::Softmax(op)));
            } else {
                (forward.layer.activation, forward.output) = (activation, answer);
            }
        }
        Program { steps, metrics: None, outputs: Some(answer), ..evaluate.clone() }
    }

    fn program(&self, pass: Pass, metrics: Metrics) -> Program {
        let Pass { capacity, samples, targets, weights, order, steps, activations, .. } = pass;
        // A last layer in one step with its loss keeps its outputs to itself.
        let outputs = activations.get(self.layers.len() - 1).copied();
        Program { batch: capacity.batch, steps, samples, targets, weights, order, metrics: Some(metrics), outputs }
    }
}

pub(super) fn step(label: String, op: Op) -> Step {
    Step { label, op }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::optimizer::Optimizer;
    use crate::ops::{Loss, Operation, Shader};
    use crate::spec::{Adam, OptimizerSpec, Replica};

    /// A plan of `layers` layers that ends in `outputs`.
    fn plan(layers: usize, outputs: usize, optimizer: OptimizerSpec, keep_gradients: bool) -> Plan {
        let hidden = (1..layers).fold(Sequential::new(20), |model, _| model.dense(7, Activation::Relu));
        let model = hidden.dense(outputs, Activation::Linear);
        let spec =
            TrainSpec::new(Loss::SoftmaxCrossEntropy, optimizer.optimizer, 16, vec![Replica::new(0, &optimizer)]);
        let capacity = Capacity { batch: 16, samples: 32, order: 32 };
        let (samples, targets) = (InputKind::SamplesU8, TargetKind::Classes);
        let (model, spec, train, evaluate, weighted) = (&model, &spec, capacity, capacity, false);
        PlanRequest { model, spec, samples, targets, weighted, train, evaluate, keep_gradients }.plan().unwrap()
    }

    fn stems(program: &Program) -> Vec<&'static str> {
        program.steps.iter().map(|step| step.op.shader()).map(|shader: &Shader| shader.stem).collect()
    }

    #[test]
    fn a_step_of_layers_is_three_dispatches_each_less_one() {
        let presets = Optimizer::presets();
        for (layers, (name, optimizer)) in (1..=4).flat_map(|layers| presets.iter().map(move |own| (layers, own))) {
            for (outputs, most) in [(10, 3 * layers - 1), (64, 3 * layers - 1), (65, 3 * layers), (785, 3 * layers)] {
                for keep_gradients in [false, true] {
                    let plan = plan(layers, outputs, *optimizer, keep_gradients);
                    let steps = plan.train.steps.len();
                    assert_eq!(steps, most, "L={layers} O={outputs} {name}");
                    assert_eq!(plan.train.outputs.is_some(), outputs > 64);
                    assert!(plan.to_string().contains(&format!("training step: {steps} dispatches for L = {layers}")));
                }
            }
        }
    }

    #[test]
    fn the_loss_is_in_the_last_layers_step_where_outputs_fit() {
        let narrow = plan(2, 10, Adam::new(1e-3).into(), false);
        let backward = ["dense_input_gradient", "dense_weight_gradient", "dense_weight_gradient"];
        assert_eq!(stems(&narrow.train), [&["dense_forward", "dense_loss"][..], &backward].concat());
        assert_eq!(stems(&narrow.evaluate), ["dense_forward", "dense_forward", "loss_step"]);
        assert_eq!(stems(&narrow.predict), ["dense_forward", "dense_forward", "softmax"]);
        let wide = plan(2, 65, Adam::new(1e-3).into(), false);
        assert_eq!(stems(&wide.train), [&["dense_forward", "dense_forward", "loss_step"][..], &backward].concat());
    }
}
