//! The steps that measure a model beyond its loss: evaluation's, and what counts and sums its outputs.

use super::build::Builder;
use crate::ops::{Activation, ClassCounts, DifferenceSums, Head, LossWeights, Op, Softmax, TargetKind};
use crate::plan::{Port, Program, ProgramId, Step};
use crate::tensor::{Element, Role};

/// The most numbers that the confusion matrices of all replicas may have: 16 MiB. With more classes there are none.
const MOST_CONFUSED: usize = 1 << 22;

impl Builder<'_> {
    /// Evaluation with metrics. Classes are told from labels, from probabilities, and from a single truth; of other values
    /// as targets the differences count.
    pub(super) fn measure(&mut self, evaluate: &Program) -> Program {
        let (head, outputs) = (self.request.spec.loss.head(), self.request.model.outputs());
        let mut measure = Program { extends: Some(ProgramId::Evaluate), ..evaluate.clone() };
        let classes = match (self.request.targets, head) {
            (TargetKind::Classes, _) | (TargetKind::Values, Head::Softmax) => true,
            (TargetKind::Values, Head::Sigmoid | Head::Margin) => outputs == 1,
            (TargetKind::Values, Head::Values) => false,
        };
        if classes {
            self.class_counts(&mut measure);
        } else if head == Head::Values {
            self.difference_sums(&mut measure);
        }
        measure
    }

    /// Adds the counts of classes, unless there are too many of these.
    fn class_counts(&mut self, measure: &mut Program) {
        let (replicas, outputs) = (self.replicas(), self.request.model.outputs());
        let classes = LossWeights::classes(outputs);
        if replicas.saturating_mul(classes).saturating_mul(classes) > MOST_CONFUSED {
            return;
        }
        let score_stride = if classes == 2 { self.request.evaluate.samples } else { 0 };
        let mut tensor = |name: &str, shape: &[usize], element| {
            self.tensor(format!("evaluate.{name}"), shape, element, Role::Metric)
        };
        let confusion = tensor("confusion", &[replicas, classes, classes], Element::U32);
        let ranks = tensor("ranks", &[replicas, classes], Element::U32);
        let scores = tensor("scores", &[replicas, score_stride.max(1)], Element::F32);
        let op = ClassCounts {
            batch: measure.batch,
            outputs,
            classes,
            threshold: self.request.spec.loss.output_threshold(),
            given: measure.port(Port::Outputs),
            targets: measure.port(Port::Targets),
            target_kind: self.request.targets,
            order: measure.port(Port::Order),
            order_stride: self.request.evaluate.order,
            confusion,
            ranks,
            scores,
            score_stride,
        };
        measure.steps.push(Step::new("class counts", Op::ClassCounts(op)));
        measure.ports.extend([(Port::Confusion, confusion), (Port::Ranks, ranks)]);
        if score_stride > 0 {
            measure.ports.insert(Port::Scores, scores);
        }
    }

    /// Adds the sums of differences.
    fn difference_sums(&mut self, measure: &mut Program) {
        let (replicas, model) = (self.replicas(), self.request.model);
        let (batch, outputs) = (measure.batch, model.outputs());
        let mut given = measure.port(Port::Outputs);
        if model.layers.last().is_some_and(|layer| layer.activation == Activation::Softmax) {
            // Evaluation leaves the logits, since the loss takes the softmax itself.
            let shape = [replicas, batch, outputs];
            let logits = given;
            given = self.tensor("evaluate.probabilities".to_owned(), &shape, Element::F32, Role::Activation);
            let op = Softmax { batch, outputs, logits, probabilities: given };
            measure.steps.push(Step::new("softmax", Op::Softmax(op)));
        }
        let stride = self.request.evaluate.samples.div_ceil(batch) * DifferenceSums::blocks(batch);
        let sums = [replicas, stride, outputs, 2];
        let sums = self.tensor("evaluate.difference_sums".to_owned(), &sums, Element::F32, Role::Metric);
        let (targets, order) = (measure.port(Port::Targets), measure.port(Port::Order));
        let order_stride = self.request.evaluate.order;
        let op = DifferenceSums { batch, outputs, given, targets, order, order_stride, sums, stride };
        measure.steps.push(Step::new("difference sums", Op::DifferenceSums(op)));
        measure.ports.insert(Port::DifferenceSums, sums);
    }
}
