//! Spec to plan.

use std::collections::BTreeMap;

use super::build::Builder;
use crate::error::{Error, Result};
use crate::ops::{InputKind, TargetKind};
use crate::plan::{HyperSource, Plan, Program, ProgramId};
use crate::spec::{Sequential, TrainSpec};

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
    /// A plan that trains, evaluates and predicts.
    ///
    /// # Errors
    /// [`Error::Spec`] where the spec is not sound, or where loss and targets do not fit.
    pub fn plan(&self) -> Result<Plan> {
        self.check()?;
        let mut builder = Builder::new(self, true);
        let mut programs = BTreeMap::from([(ProgramId::Train, builder.train())]);
        programs.extend(Self::evaluating(&mut builder));
        let hyper = HyperSource::new(self.spec.replicas.clone(), self.spec.optimizer);
        Ok(builder.plan(programs, Some(hyper)))
    }

    /// A plan that evaluates and predicts, without any training state.
    ///
    /// # Errors
    /// As [`PlanRequest::plan`].
    pub fn evaluation(&self) -> Result<Plan> {
        self.check()?;
        let mut builder = Builder::new(self, false);
        let programs = Self::evaluating(&mut builder);
        Ok(builder.plan(programs.into(), None))
    }

    fn evaluating(builder: &mut Builder) -> [(ProgramId, Program); 3] {
        let evaluate = builder.evaluate();
        let predict = builder.predict(&evaluate.steps[..evaluate.steps.len() - 1], &evaluate);
        let measure = builder.measure(&evaluate);
        [(ProgramId::Evaluate, evaluate), (ProgramId::Predict, predict), (ProgramId::Measure, measure)]
    }

    /// A plan that predicts and does nothing else: parameters, statistics, and one batch of `evaluate`.
    ///
    /// # Errors
    /// As [`PlanRequest::plan`].
    pub fn inference(&self) -> Result<Plan> {
        self.check()?;
        let mut builder = Builder::new(self, false);
        let pass = builder.forward(ProgramId::Predict, self.evaluate, self.model.layers.len());
        let forward = builder.program(pass, None);
        let predict = builder.predict(&forward.steps, &forward);
        Ok(builder.plan([(ProgramId::Predict, predict)].into(), None))
    }

    fn check(&self) -> Result<()> {
        self.spec.validate(self.model)?;
        if !self.spec.loss_options.class_weights.is_empty() && !self.weighted {
            return Err(Error::spec("class weights", "the plan has no room for weights"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::optimizer::Optimizer;
    use crate::ops::{Activation, Loss, Operation, Shader};
    use crate::plan::Port;
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
                    let steps = plan.program(ProgramId::Train).steps.len();
                    assert_eq!(steps, most, "L={layers} O={outputs} {name}");
                    assert_eq!(plan.program(ProgramId::Train).find(Port::Outputs).is_some(), outputs > 64);
                    assert!(plan.to_string().contains(&format!("training step: {steps} dispatches")));
                }
            }
        }
    }

    #[test]
    fn the_loss_is_in_the_last_layers_step_where_outputs_fit() {
        let narrow = plan(2, 10, Adam::new(1e-3).into(), false);
        let backward = ["dense_input_gradient", "dense_weight_gradient", "dense_weight_gradient"];
        assert_eq!(stems(narrow.program(ProgramId::Train)), [&["dense_forward", "dense_loss"][..], &backward].concat());
        assert_eq!(stems(narrow.program(ProgramId::Evaluate)), ["dense_forward", "dense_forward", "loss_step"]);
        assert_eq!(stems(narrow.program(ProgramId::Predict)), ["dense_forward", "dense_forward", "softmax"]);
        let wide = plan(2, 65, Adam::new(1e-3).into(), false);
        assert_eq!(
            stems(wide.program(ProgramId::Train)),
            [&["dense_forward", "dense_forward", "loss_step"][..], &backward].concat()
        );
    }
}
