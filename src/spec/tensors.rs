//! The tensors that a model consists of: names, shapes, roles, initial values, and what files call them.

use super::{DenseSpec, Init, Norm, Sequential};
use crate::error::Result;
use crate::state::{NamedTensor, State};
use crate::tensor::{Element, Role, Tensor};

/// What a tensor belongs to within its layer. In PyTorch each is a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// `nn.Linear`
    Dense,
    /// `nn.BatchNorm1d` or `nn.LayerNorm`
    Norm,
}

/// What model files, ONNX and PyTorch have as one tensor: a whole tensor of ours, or one row of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Its name within its module, as in PyTorch: `weight`, `running_mean`.
    pub name: &'static str,
    /// Its initial values.
    pub init: Init,
}

/// One of a model's tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Its name in plans and states, its shape in one replica, its role.
    pub tensor: Tensor,
    /// Its layer, counted from 0.
    pub layer: usize,
    /// What it belongs to within the layer.
    pub module: Module,
    /// One, or as many as its first extent: its rows.
    pub parts: Vec<Part>,
}

impl TensorSpec {
    fn new(layer: usize, module: Module, name: &str, shape: &[usize], parts: &[Part]) -> Self {
        let (name, shape) = (format!("layers.{layer}.{name}"), shape.to_vec());
        let tensor = Tensor { name, shape, element: Element::F32, role: Role::Parameter };
        Self { tensor, layer, module, parts: parts.to_vec() }
    }

    /// The shape of each part.
    pub fn part_shape(&self) -> &[usize] {
        &self.tensor.shape[usize::from(self.parts.len() > 1)..]
    }

    /// A part's name in model files: `layers.0.norm.running_mean`.
    pub fn file_name(&self, part: &Part) -> String {
        let module = match self.module {
            Module::Dense => "",
            Module::Norm => "norm.",
        };
        format!("layers.{}.{module}{}", self.layer, part.name)
    }

    /// A part's values before training.
    pub fn initial(&self, part: &Part, seed: u64) -> Vec<f32> {
        let shape = self.part_shape();
        part.init.weights(seed, self.layer, shape[0], shape[1..].iter().product())
    }
}

/// The tensors of a dense layer.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseTensors {
    /// `weight`, (O, I).
    pub weight: TensorSpec,
    /// `bias`, (O).
    pub bias: TensorSpec,
    /// Those of its norm, if it has one.
    pub norm: Option<NormTensors>,
}

/// The tensors of a norm.
#[derive(Clone, Debug, PartialEq)]
pub struct NormTensors {
    /// `norm.scales`, (2, O): scales and shifts.
    pub scales: TensorSpec,
    /// `norm.running`, (2, O), of batch norm: running means and variances.
    pub running: Option<TensorSpec>,
}

impl DenseTensors {
    fn of(spec: &DenseSpec, layer: usize, inputs: usize) -> Self {
        let part = |name, init| Part { name, init };
        let dense =
            |name, shape: &[usize], init| TensorSpec::new(layer, Module::Dense, name, shape, &[part(name, init)]);
        let pair = |name, parts: [Part; 2]| TensorSpec::new(layer, Module::Norm, name, &[2, spec.units], &parts);
        let norm = |norm| {
            let running = || {
                let parts = [part("running_mean", Init::Zeros), part("running_var", Init::Constant(1.0))];
                let mut running = pair("norm.running", parts);
                running.tensor.role = Role::Statistics;
                running
            };
            NormTensors {
                scales: pair("norm.scales", [part("weight", Init::Constant(1.0)), part("bias", Init::Zeros)]),
                running: matches!(norm, Norm::Batch { .. }).then(running),
            }
        };
        Self {
            weight: dense("weight", &[spec.units, inputs], spec.init),
            bias: dense("bias", &[spec.units], Init::Zeros),
            norm: spec.norm.map(norm),
        }
    }

    /// All of them, in the order of files.
    fn all(self) -> impl Iterator<Item = TensorSpec> {
        let norm = self.norm.into_iter().flat_map(|norm| std::iter::once(norm.scales).chain(norm.running));
        [self.weight, self.bias].into_iter().chain(norm)
    }
}

/// A part of a state's tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartValues<'a> {
    pub spec: &'a TensorSpec,
    pub part: &'a Part,
    pub values: &'a [f32],
}

impl Sequential {
    /// The tensors that the model consists of, layer by layer: of each its parameters, and the running statistics of batch
    /// norms.
    ///
    /// ```
    /// use wgrad::{Activation::*, Sequential};
    /// let tensors = Sequential::new(4).dense(3, Relu).batch_norm().dense(2, Linear).tensors();
    /// let names: Vec<_> = tensors.iter().map(|own| own.tensor.name.as_str()).collect();
    /// assert_eq!(names[..4], ["layers.0.weight", "layers.0.bias", "layers.0.norm.scales", "layers.0.norm.running"]);
    /// assert_eq!((tensors[0].tensor.shape.as_slice(), tensors[2].tensor.shape.as_slice()), (&[3, 4][..], &[2, 3][..]));
    /// ```
    pub fn tensors(&self) -> Vec<TensorSpec> {
        (0..self.layers.len()).flat_map(|n| self.layer_tensors(n).all()).collect()
    }

    /// The tensors of layer `n`.
    ///
    /// # Panics
    /// If there is no layer `n`.
    pub fn layer_tensors(&self, n: usize) -> DenseTensors {
        let inputs = if n == 0 { self.inputs } else { self.layers[n - 1].units };
        DenseTensors::of(&self.layers[n], n, inputs)
    }

    /// A state before training, a replica for each seed: the model's tensors, (R, ...).
    pub fn initial(&self, seeds: &[u64]) -> State {
        let tensor = |spec: TensorSpec| {
            let shape = [&[seeds.len()], spec.tensor.shape.as_slice()].concat();
            let mut values = Vec::with_capacity(shape.iter().product());
            for seed in seeds {
                spec.parts.iter().for_each(|part| values.append(&mut spec.initial(part, *seed)));
            }
            NamedTensor::new(&spec.tensor.name, &shape, values)
        };
        let tensors = self.tensors().into_iter().map(tensor).collect::<Result<Vec<_>>>();
        tensors.and_then(State::from_tensors).expect("a model's tensors have names and shapes of their own")
    }

    /// A state of one replica, each part of each tensor as `read` gives it.
    ///
    /// # Errors
    /// Those of `read`.
    ///
    /// # Panics
    /// If `read` gives more or fewer values than a part has.
    pub(crate) fn state<E>(&self, read: impl Fn(&TensorSpec, &Part) -> Result<Vec<f32>, E>) -> Result<State, E> {
        let mut state = State::default();
        for spec in self.tensors() {
            let mut values = Vec::with_capacity(spec.tensor.len());
            for part in &spec.parts {
                values.append(&mut read(&spec, part)?);
            }
            let tensor = NamedTensor::new(&spec.tensor.name, &spec.tensor.shape, values);
            tensor.and_then(|tensor| state.insert(tensor)).expect("parts fill tensors that have names of their own");
        }
        Ok(state)
    }

    /// Whether a state of one replica is that of this model.
    ///
    /// # Errors
    /// As [`State::check`].
    pub(crate) fn check_state(&self, state: &State) -> Result<()> {
        state.check("load weights", self.tensors().iter().map(|spec| &spec.tensor))
    }
}

/// The parts of a state's tensors, in the order of the specs.
///
/// # Errors
/// As [`State::tensor`].
pub(crate) fn parts<'a>(specs: &'a [TensorSpec], state: &'a State) -> Result<Vec<PartValues<'a>>> {
    let mut all = Vec::new();
    for spec in specs {
        let values = state.tensor(&spec.tensor.name, &spec.tensor.shape)?.values();
        let len = values.len() / spec.parts.len();
        let parts = spec.parts.iter().enumerate();
        all.extend(parts.map(|(n, part)| PartValues { spec, part, values: &values[n * len..][..len] }));
    }
    Ok(all)
}
