//! The steps that judge a model beyond its loss: evaluation's, and what counts and sums its outputs.

use super::build::{Builder, step};
use super::{Element, Judgement, Program, Role, Step, TensorId};
use crate::ops::{Activation, ClassCounts, DifferenceSums, Head, LossWeights, Op, Softmax, TargetKind};

/// The most numbers that the confusion matrices of all replicas may have: 16 MiB. With more classes there are none.
const MOST_CONFUSED: usize = 1 << 22;

impl Builder<'_> {
    /// Evaluation with metrics. Classes are told from labels, from probabilities, and from a single truth; of other values
    /// as targets the differences count.
    pub(super) fn judge(&mut self, evaluate: &Program) -> (Program, Judgement) {
        let (head, outputs) = (self.request.spec.loss.head(), self.request.model.outputs());
        let Some(given) = evaluate.outputs else { return (evaluate.clone(), Judgement::default()) };
        let mut judge = evaluate.clone();
        let classes = match (self.request.targets, head) {
            (TargetKind::Classes, _) | (TargetKind::Values, Head::Softmax) => true,
            (TargetKind::Values, Head::Sigmoid | Head::Margin) => outputs == 1,
            (TargetKind::Values, Head::Values) => false,
        };
        let mut judgement = Judgement::default();
        if classes {
            judgement.counts = self.class_counts(given, &mut judge);
        } else if head == Head::Values {
            judgement.sums = Some(self.difference_sums(given, &mut judge));
        }
        (judge, judgement)
    }

    /// Adds the counts of classes; gives confusion matrix, ranks and scores.
    fn class_counts(&mut self, given: TensorId, judge: &mut Program) -> Option<[TensorId; 3]> {
        let (replicas, outputs) = (self.replicas(), self.request.model.outputs());
        let classes = LossWeights::classes(outputs);
        if replicas.saturating_mul(classes).saturating_mul(classes) > MOST_CONFUSED {
            return None;
        }
        let score_stride = if classes == 2 { self.request.evaluate.samples } else { 0 };
        let mut tensor = |name: &str, shape: &[usize], element| {
            self.tensor(format!("evaluate.{name}"), shape, element, Role::Metric)
        };
        let confusion = tensor("confusion", &[replicas, classes, classes], Element::U32);
        let ranks = tensor("ranks", &[replicas, classes], Element::U32);
        let scores = tensor("scores", &[replicas, score_stride.max(1)], Element::F32);
        let op = ClassCounts {
            batch: judge.batch,
            outputs,
            classes,
            threshold: self.request.spec.loss.output_threshold(),
            given,
            targets: judge.targets,
            target_kind: self.request.targets,
            order: judge.order,
            order_stride: self.request.evaluate.order,
            confusion,
            ranks,
            scores,
            score_stride,
        };
        judge.steps.push(step("class counts".to_owned(), Op::ClassCounts(op)));
        Some([confusion, ranks, scores])
    }

    /// Adds the sums of differences; gives them.
    fn difference_sums(&mut self, given: TensorId, judge: &mut Program) -> TensorId {
        let (replicas, model) = (self.replicas(), self.request.model);
        let (batch, outputs) = (judge.batch, model.outputs());
        let mut answer = given;
        if model.layers.last().is_some_and(|layer| layer.activation == Activation::Softmax) {
            // Evaluation leaves the logits, since the loss takes the softmax itself.
            let shape = [replicas, batch, outputs];
            answer = self.tensor("evaluate.probabilities".to_owned(), &shape, Element::F32, Role::Activation);
            let op = Softmax { batch, outputs, logits: given, probabilities: answer };
            judge.steps.push(Step { label: "softmax".to_owned(), op: Op::Softmax(op) });
        }
        let stride = self.request.evaluate.samples.div_ceil(batch) * DifferenceSums::blocks(batch);
        let sums = [replicas, stride, outputs, 2];
        let sums = self.tensor("evaluate.difference_sums".to_owned(), &sums, Element::F32, Role::Metric);
        let (targets, order, order_stride) = (judge.targets, judge.order, self.request.evaluate.order);
        let op = DifferenceSums { batch, outputs, given: answer, targets, order, order_stride, sums, stride };
        judge.steps.push(step("difference sums".to_owned(), Op::DifferenceSums(op)));
        sums
    }
}
