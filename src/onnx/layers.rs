//! Layers, what the loss makes of the last one's sums, and the outputs as `wgrad predict` gives them.

use super::graph::{Graph, Name, float, int, string};
use super::proto::DataType;
use super::{Port, listed};
use crate::data::Target;
use crate::error::Result;
use crate::ops::{Activation, Onnx, OnnxValue};
use crate::spec::{DenseSpec, Module, Norm, PartValues, parts};
use crate::train::ModelFile;

/// Adds the layers, from their inputs (N, I) to what a prediction is, (N, O).
pub(super) fn add(graph: &mut Graph, file: &ModelFile, inputs: &str) -> Result<Name> {
    let last = file.model.layers.len() - 1;
    let specs = file.model.tensors();
    let parts = parts(&specs, &file.weights)?;
    let mut outputs: Vec<Name> = Vec::new();
    for (n, layer) in file.model.layers.iter().enumerate() {
        let input = outputs.last().map_or(inputs, |name| name.as_str());
        let label = format!("layers.{n}");
        let [dense_tensors, norm_tensors] = [Module::Dense, Module::Norm].map(|module| {
            let own = parts.iter().filter(|own| own.spec.layer == n && own.spec.module == module);
            let constant =
                |own: &PartValues<'_>| graph.floats(&own.spec.file_name(own.part), own.spec.part_shape(), own.values);
            own.map(constant).collect::<Vec<Name>>()
        });
        // z = x Wᵀ + b
        let sums = graph.node("Gemm", &names(input, &dense_tensors), &format!("{label}.sums"), vec![int("transB", 1)]);
        let sums = norm(graph, layer, sums, &norm_tensors, &label);
        let activated =
            if n == last { file.spec.loss.predicted_activation(layer.activation) } else { layer.activation };
        let mut output = activation(graph, activated, sums, &label);
        if let Some(back) = layer.residual {
            // Layer 0 has none, and 1 is the layer's own input (`Sequential::validate`).
            output = graph.node("Add", &[&output, &outputs[n - back]], &format!("{label}.residual"), Vec::new());
        }
        outputs.push(output);
    }
    Ok(outputs.pop().unwrap_or_else(|| inputs.to_owned()))
}

fn norm(graph: &mut Graph, layer: &DenseSpec, sums: Name, constants: &[Name], label: &str) -> Name {
    let Some(kind) = layer.norm else { return sums };
    let mut attributes = vec![float("epsilon", kind.epsilon())];
    let operator = match kind {
        Norm::Batch { .. } => "BatchNormalization",
        Norm::Layer { .. } => {
            attributes.push(int("axis", -1));
            "LayerNormalization"
        }
    };
    graph.node(operator, &names(&sums, constants), &format!("{label}.normed"), attributes)
}

/// An input and constants behind it.
fn names<'a>(input: &'a str, constants: &'a [Name]) -> Vec<&'a str> {
    std::iter::once(input).chain(constants.iter().map(String::as_str)).collect()
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
