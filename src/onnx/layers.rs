//! Layers, what the loss makes of the last one's sums, and the outputs as `wgrad predict` gives them.

use super::graph::{Graph, Name, float, int, string};
use super::proto::DataType;
use super::{Port, listed};
use crate::data::Target;
use crate::ops::{Activation, Onnx, OnnxValue};
use crate::spec::{DenseSpec, Norm};
use crate::train::{LayerWeights, ModelFile, NormWeights};

/// Adds the layers, from their inputs (N, I) to what a prediction is, (N, O).
pub(super) fn add(graph: &mut Graph, file: &ModelFile, inputs: &str) -> Name {
    let last = file.model.layers.len() - 1;
    let mut outputs: Vec<Name> = Vec::new();
    for (n, (layer, weights)) in file.model.layers.iter().zip(&file.weights).enumerate() {
        let input = outputs.last().map_or(inputs, |name| name.as_str());
        let label = format!("layers.{n}");
        let sums = dense(graph, weights, input, &label);
        let sums = norm(graph, layer, weights.norm.as_ref(), sums, &label);
        let applied = if n == last { file.spec.loss.predicted_activation(layer.activation) } else { layer.activation };
        let mut output = activation(graph, applied, sums, &label);
        if let Some(back) = layer.residual {
            // Layer 0 has none, and 1 is the layer's own input (`Sequential::validate`).
            output = graph.node("Add", &[&output, &outputs[n - back]], &format!("{label}.residual"), Vec::new());
        }
        outputs.push(output);
    }
    outputs.pop().unwrap_or_else(|| inputs.to_owned())
}

/// z = x Wᵀ + b
fn dense(graph: &mut Graph, weights: &LayerWeights, input: &str, label: &str) -> Name {
    let (outputs, inputs) = weights.weight.dim();
    let weight = graph.floats(&format!("{label}.weight"), &[outputs, inputs], &weights.weight);
    let bias = graph.floats(&format!("{label}.bias"), &[outputs], &weights.bias);
    graph.node("Gemm", &[input, &weight, &bias], &format!("{label}.sums"), vec![int("transB", 1)])
}

fn norm(graph: &mut Graph, layer: &DenseSpec, weights: Option<&NormWeights>, sums: Name, label: &str) -> Name {
    let (Some(kind), Some(weights)) = (layer.norm, weights) else { return sums };
    let tensors = weights.tensors().collect::<Vec<_>>();
    let tensors =
        tensors.into_iter().map(|(name, values)| graph.floats(&format!("{label}.{name}"), &[values.len()], values));
    let names: Vec<Name> = std::iter::once(sums).chain(tensors).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut attributes = vec![float("epsilon", kind.epsilon())];
    let operator = match kind {
        Norm::Batch { .. } => "BatchNormalization",
        Norm::Layer { .. } => {
            attributes.push(int("axis", -1));
            "LayerNormalization"
        }
    };
    graph.node(operator, &names, &format!("{label}.normed"), attributes)
}

/// An activation, as its file in `src/ops/activation/` has it.
fn activation(graph: &mut Graph, activation: Activation, z: Name, label: &str) -> Name {
    let output = format!("{label}.{activation}");
    match activation.onnx() {
        Onnx::Sums => z,
        Onnx::Operator(operator, attributes) => {
            let attribute = |(name, value): &(&str, OnnxValue)| match value {
                OnnxValue::Float(value) => float(name, *value),
                OnnxValue::Int(value) => int(name, *value),
                OnnxValue::Text(value) => string(name, value),
            };
            graph.node(operator, &[&z], &output, attributes.iter().map(attribute).collect())
        }
        Onnx::Gate(operator) => {
            let gate = graph.node(operator, &[&z], &format!("{label}.{}", operator.to_lowercase()), Vec::new());
            graph.node("Mul", &[&z, &gate], &output, Vec::new())
        }
    }
}

/// Adds the outputs: values in their own units; or what the loss takes for classes, and the class.
pub(super) fn outputs(graph: &mut Graph, file: &ModelFile, predictions: Name) -> Vec<Port> {
    let (width, loss) = (file.model.outputs(), file.spec.loss);
    let known = file.preprocessing.as_ref();
    if let Some(known) = known.filter(|known| known.is_regression()) {
        let names = listed(known.targets.iter().map(|target| target.source.name.as_str()));
        let values = restored(graph, &known.targets, &predictions);
        return vec![Port::output(graph, &values, "values", DataType::Float, Some(width), &names)];
    }
    let classes = known.map_or(&[][..], |known| &known.classes);
    let class = class(graph, loss.class_threshold(), width, &predictions);
    let name = if loss.is_probable() { "probabilities" } else { "outputs" };
    let what = match (width, classes) {
        (1, [_, second]) => format!("of class {second}"),
        (1, _) => "of class 1".to_owned(),
        _ => "of each class".to_owned(),
    };
    let named = match classes {
        [] => "counted from 0".to_owned(),
        classes => format!("counted from 0: {}", listed(classes.iter().map(String::as_str))),
    };
    let first = Port::output(graph, &predictions, name, DataType::Float, Some(width), &what);
    vec![first, Port::output(graph, &class, "class", DataType::Int64, None, &named)]
}

/// `value / scale + shift` of each target, in 64 bits and then rounded to 32.
fn restored(graph: &mut Graph, targets: &[Target], predictions: &str) -> Name {
    if targets.iter().all(|target| (target.shift, target.scale) == (0.0, 1.0)) {
        return predictions.to_owned();
    }
    let [shifts, scales] = [|target: &Target| target.shift, |target: &Target| target.scale]
        .map(|number| targets.iter().map(number).collect::<Vec<f64>>());
    let wide = graph.cast(predictions, DataType::Double, "targets.scaled");
    let scales = graph.doubles("targets.scales", &[scales.len()], &scales);
    let shifts = graph.doubles("targets.shifts", &[shifts.len()], &shifts);
    let wide = graph.node("Div", &[&wide, &scales], "targets.unscaled", Vec::new());
    let wide = graph.node("Add", &[&wide, &shifts], "targets.shifted", Vec::new());
    graph.cast(&wide, DataType::Float, "targets.values")
}

/// (N): the first largest output, or of a single one 1 where it is above the threshold.
fn class(graph: &mut Graph, threshold: f32, width: usize, predictions: &str) -> Name {
    if width > 1 {
        let attributes = vec![int("axis", 1), int("keepdims", 0), int("select_last_index", 0)];
        return graph.node("ArgMax", &[predictions], "largest", attributes);
    }
    let threshold = graph.floats("threshold", &[], &[threshold]);
    let above = graph.node("Greater", &[predictions, &threshold], "above", Vec::new());
    let class = graph.cast(&above, DataType::Int64, "above.class");
    let axis = graph.integers("class.axis", &[1], &[1]);
    graph.node("Squeeze", &[&class, &axis], "above.squeezed", Vec::new())
}
