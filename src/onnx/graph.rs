//! A graph in the making: nodes, constants, and names that are each used once.

use std::collections::HashSet;

use super::proto::{
    AttributeProto, AttributeType, DataType, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};

/// The domain of operators on categories.
pub(super) const ML_DOMAIN: &str = "ai.onnx.ml";
/// What the number of rows is called.
const ROWS: &str = "N";

/// The name of a tensor in the graph.
pub(super) type Name = String;

/// A graph in the making.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    taken: HashSet<String>,
}

impl Graph {
    /// `wanted`, or, where that is taken, the next free name that begins with it.
    fn fresh(&mut self, wanted: &str) -> Name {
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// An input of N rows.
    pub fn input(&mut self, wanted: &str, element: DataType, width: usize, what: &str) -> Name {
        let name = self.fresh(wanted);
        self.inputs.push(value(&name, element, Some(width), what));
        name
    }

    /// Makes a tensor an output: of `width` columns, or of one number a row.
    pub fn output(&mut self, tensor: &str, wanted: &str, element: DataType, width: Option<usize>, what: &str) -> Name {
        let name = self.fresh(wanted);
        for node in &mut self.nodes {
            let places = node.input.iter_mut().chain(&mut node.output);
            places.filter(|place| *place == tensor).for_each(|place| place.clone_from(&name));
        }
        self.outputs.push(value(&name, element, width, what));
        name
    }

    /// A node with one output, whose name is the node's too.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> Name {
        self.add("", operator, inputs, output, attributes)
    }

    /// A node whose operator is of the domain for machine learning.
    pub fn ml_node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> Name {
        self.add(ML_DOMAIN, operator, inputs, output, attributes)
    }

    fn add(
        &mut self,
        domain: &str,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) -> Name {
        let name = self.fresh(output);
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: operator.to_owned(),
            attribute,
            domain: domain.to_owned(),
        });
        name
    }

    /// A conversion to another type.
    pub fn cast(&mut self, input: &str, element: DataType, output: &str) -> Name {
        self.node("Cast", &[input], output, vec![int("to", element as i64)])
    }

    /// A constant of 32 bits a number.
    pub fn floats<'a>(&mut self, name: &str, dims: &[usize], values: impl IntoIterator<Item = &'a f32>) -> Name {
        let bytes = values.into_iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Float, dims, bytes)
    }

    /// A constant of 64 bits a number.
    pub fn doubles(&mut self, name: &str, dims: &[usize], values: &[f64]) -> Name {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Double, dims, bytes)
    }

    /// A constant of whole numbers.
    pub fn integers(&mut self, name: &str, dims: &[usize], values: &[i64]) -> Name {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, dims, bytes)
    }

    fn constant(&mut self, name: &str, element: DataType, dims: &[usize], raw_data: Vec<u8>) -> Name {
        let name = self.fresh(name);
        let dims = dims.iter().map(|extent| *extent as i64).collect();
        self.constants.push(TensorProto { dims, data_type: element as i32, name: name.clone(), raw_data });
        name
    }

    /// Whether a node's operator is of the domain for machine learning.
    pub fn has_ml(&self) -> bool {
        self.nodes.iter().any(|node| node.domain == ML_DOMAIN)
    }

    pub fn finish(self) -> GraphProto {
        let Self { nodes, constants, inputs, outputs, .. } = self;
        GraphProto { node: nodes, name: "wgrad".to_owned(), initializer: constants, input: inputs, output: outputs }
    }
}

fn value(name: &str, element: DataType, width: Option<usize>, what: &str) -> ValueInfoProto {
    let rows = DimensionProto { dim_value: None, dim_param: Some(ROWS.to_owned()) };
    let columns = width.map(|width| DimensionProto { dim_value: Some(width as i64), dim_param: None });
    let shape = TensorShapeProto { dim: std::iter::once(rows).chain(columns).collect() };
    let tensor = TensorTypeProto { elem_type: element as i32, shape: Some(shape) };
    let r#type = Some(TypeProto { tensor_type: Some(tensor) });
    ValueInfoProto { name: name.to_owned(), r#type, doc_string: what.to_owned() }
}

/// An attribute of each type.
fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, AttributeType::Float) }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, AttributeType::Int) }
}

pub(super) fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, AttributeType::String) }
}

pub(super) fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { ints: values, ..attribute(name, AttributeType::Ints) }
}

pub(super) fn strings(name: &str, values: &[String]) -> AttributeProto {
    let values = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    AttributeProto { strings: values, ..attribute(name, AttributeType::Strings) }
}
