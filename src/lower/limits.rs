//! The steps at the end of a training step that limits ask for: clipping by global norm, with the updates that must wait
//! for it, and the max-norm constraint.

use super::build::{Builder, LayerTensors, TrainedTensors};
use super::forward::Pass;
use crate::ops::{ClipNorm, Dense, GradientNorm, MaxNorm, Op, StoredGradient, UpdateStep, Updated, UpdatedTensors};
use crate::plan::Step;
use crate::spec::Clip;
use crate::tensor::{Element, Metrics, Role};

impl Builder<'_> {
    /// Whether weight gradients are stored, for something else to see them before the update, or for checks.
    pub(super) fn stores_gradients(&self) -> bool {
        self.request.keep_gradients || self.norm_limit().is_some()
    }

    /// The limit of the gradients' global norm, if there is an update to limit.
    pub(super) fn norm_limit(&self) -> Option<f32> {
        match self.request.spec.clip {
            Some(Clip::Norm(limit)) if !self.request.keep_gradients => Some(limit),
            _ => None,
        }
    }

    /// Adds what follows the gradients of all layers.
    pub(super) fn limits(&mut self, pass: &mut Pass, metrics: Metrics) {
        if let Some(limit) = self.norm_limit() {
            self.clip_norm(pass, metrics, limit);
        }
        let Some(limit) = self.request.spec.max_norm.filter(|_| !self.request.keep_gradients) else { return };
        for (n, (outputs, inputs)) in self.request.model.shapes().enumerate().skip(self.request.spec.frozen) {
            let op = MaxNorm { weight: self.layers[n].weight, inputs, outputs, limit };
            pass.steps.push(Step::new(format!("layers.{n} max norm"), Op::MaxNorm(op)));
        }
    }

    /// The tensors that are updated together, by name, of plans that store gradients.
    fn updated(&self) -> Vec<(String, UpdatedTensors)> {
        let all = || self.layers.iter().zip(&self.trained).enumerate().skip(self.request.spec.frozen);
        let layers = all().map(|(n, (layer, trained))| {
            let LayerTensors { weight, bias, .. } = *layer;
            let TrainedTensors { weight_state, bias_state, gradient, .. } = *trained;
            let [weight_gradient, bias_gradient] = gradient.expect("a plan that clips by norm stores gradients");
            let Dense { outputs, inputs, .. } = self.dense(n, 0);
            let first = Updated {
                value: weight,
                gradient: weight_gradient,
                state: weight_state,
                len: outputs * inputs,
                is_weight: true,
            };
            let bias =
                Updated { value: bias, gradient: bias_gradient, state: bias_state, len: outputs, is_weight: false };
            (format!("layers.{n}"), UpdatedTensors { first, second: Some(bias) })
        });
        let norms = all().filter_map(|(n, (layer, trained))| {
            let (norm, trained) = layer.norm.zip(trained.norm)?;
            Some((format!("layers.{n} norm"), self.norm_updated(n, norm, trained)))
        });
        layers.chain(norms).collect()
    }

    fn clip_norm(&mut self, pass: &mut Pass, metrics: Metrics, limit: f32) {
        let (updated, replicas) = (self.updated(), self.replicas());
        let own = |tensors: &UpdatedTensors| GradientNorm::blocks_of(tensors.each().map(|tensor| tensor.len).sum());
        let blocks: usize = updated.iter().map(|(_, tensors)| own(tensors)).sum();
        let squares = self.tensor(pass.name("squares"), &[replicas, blocks], Element::F32, Role::Activation);
        let scale = self.tensor(pass.name("scale"), &[replicas], Element::F32, Role::Activation);
        let mut offset = 0;
        for (name, tensors) in &updated {
            let gradient = |tensor: Updated| StoredGradient { tensor: tensor.gradient, len: tensor.len };
            let (first, second) = (gradient(tensors.first), tensors.second.map(gradient));
            let op = GradientNorm { first, second, squares, offset, blocks };
            pass.steps.push(Step::new(format!("{name} gradient norm"), Op::GradientNorm(op)));
            offset += own(tensors);
        }
        let shape = self.shape(metrics.tensor);
        let (slots, metric_blocks) = (shape[1], shape[2]);
        let op = ClipNorm { squares, blocks, scale, metrics: metrics.tensor, slots, metric_blocks, limit };
        pass.steps.push(Step::new("clip norm", Op::ClipNorm(op)));
        for (name, tensors) in updated {
            let op = UpdateStep { tensors, scale: Some(scale), update: self.request.spec.update() };
            pass.steps.push(Step::new(format!("{name} update"), Op::UpdateStep(op)));
        }
    }
}
