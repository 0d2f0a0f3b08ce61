//! State: named tensors on the host. Sessions, checkpoints, model files, transfer, import and export all hold their
//! parameters, statistics and optimizer states in one.

use std::collections::BTreeMap;

use ndarray::{ArrayView, ArrayView1, ArrayView2, ArrayViewD, Dimension};

use crate::error::{Error, Result};
use crate::names::suggestion;
use crate::tensor::{Tensor, shape_text};

/// A tensor on the host. Its values fill its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl NamedTensor {
    /// Values in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are more or fewer values than the shape has elements.
    pub fn new(name: impl Into<String>, shape: &[usize], values: Vec<f32>) -> Result<Self> {
        let new = Self { name: name.into(), shape: shape.to_vec(), values };
        if shape.iter().try_fold(1, |product: usize, extent| product.checked_mul(*extent)) == Some(new.values.len()) {
            return Ok(new);
        }
        let got = format!("{} values", new.values.len());
        Err(Error::Shape { operation: "make a tensor", tensor: new.name, wanted: shape_text(shape), got })
    }

    /// Such as `layers.0.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Extents, the last one contiguous.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// In row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// In row-major order.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// That this tensor is not of the shape, or not among the tensors, that an operation needs.
    pub(crate) fn misfit(&self, operation: &'static str, wanted: Option<&[usize]>) -> Error {
        let wanted = wanted.map_or_else(|| "no such tensor".to_owned(), shape_text);
        Error::Shape { operation, tensor: self.name.clone(), wanted, got: shape_text(&self.shape) }
    }
}

/// Tensors in an order, each name once. Equal states have the same tensors, whatever their order.
///
/// The shapes of a model's tensors are those of [`Sequential::tensors`](crate::Sequential::tensors) where the state is
/// that of one replica, and have R in front of them where it is that of all replicas.
///
/// ```
/// use wgrad::{NamedTensor, State};
///
/// let weight = NamedTensor::new("layers.0.weight", &[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// let state = State::from_tensors([weight, NamedTensor::new("layers.0.bias", &[2], vec![0.5, -0.5])?])?;
/// assert_eq!(state.matrix("layers.0.weight")?[[1, 0]], 4.0);
/// assert_eq!(state.vector("layers.0.bias")?[1], -0.5);
/// let error = state.vector("layers.0.bais").unwrap_err().to_string();
/// assert_eq!(error, "read: tensor layers.0.bais of one extent is missing; did you mean `layers.0.bias`?");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct State {
    tensors: Vec<NamedTensor>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|tensor| other.get(&tensor.name) == Some(tensor))
    }
}

impl State {
    /// Of these tensors, in their order.
    ///
    /// # Errors
    /// As [`State::insert`].
    pub fn from_tensors(tensors: impl IntoIterator<Item = NamedTensor>) -> Result<Self> {
        let mut new = Self::default();
        tensors.into_iter().try_for_each(|tensor| new.insert(tensor))?;
        Ok(new)
    }

    /// Adds a tensor behind the others.
    ///
    /// # Errors
    /// [`Error::Spec`] where there is one of its name.
    pub fn insert(&mut self, tensor: NamedTensor) -> Result<()> {
        if self.get(&tensor.name).is_some() {
            return Err(Error::spec(tensor.name, "the state has two tensors of this name"));
        }
        self.tensors.push(tensor);
        Ok(())
    }

    /// Takes a tensor out.
    pub fn remove(&mut self, name: &str) -> Option<NamedTensor> {
        let at = self.tensors.iter().position(|tensor| tensor.name == name)?;
        Some(self.tensors.remove(at))
    }

    /// The tensors in their order.
    pub fn iter(&self) -> impl Iterator<Item = &NamedTensor> {
        self.tensors.iter()
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// True if it has no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// A tensor, if it is there.
    pub fn get(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// A tensor to be changed, if it is there.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut NamedTensor> {
        self.tensors.iter_mut().find(|tensor| tensor.name == name)
    }

    /// A tensor of a known shape.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], or [`Error::Shape`] where it is of another shape.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&NamedTensor> {
        let tensor = self.get(name).ok_or_else(|| self.missing("read", name, shape_text(shape)))?;
        if tensor.shape == shape { Ok(tensor) } else { Err(tensor.misfit("read", Some(shape))) }
    }

    /// A tensor of two extents, such as a weight (O, I) of one replica.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], or [`Error::Shape`] where it has more or fewer extents.
    pub fn matrix(&self, name: &str) -> Result<ArrayView2<'_, f32>> {
        self.view(name, "of two extents")
    }

    /// A tensor of one extent, such as a bias (O) of one replica.
    ///
    /// # Errors
    /// As [`State::matrix`].
    pub fn vector(&self, name: &str) -> Result<ArrayView1<'_, f32>> {
        self.view(name, "of one extent")
    }

    fn view<D: Dimension>(&self, name: &str, wanted: &str) -> Result<ArrayView<'_, f32, D>> {
        let tensor = self.get(name).ok_or_else(|| self.missing("read", name, wanted.to_owned()))?;
        let NamedTensor { name, shape, values } = tensor;
        let view = ArrayViewD::from_shape(shape.as_slice(), values).expect("a tensor's values fill its shape");
        view.into_dimensionality().map_err(|_| Error::Shape {
            operation: "read",
            tensor: name.clone(),
            wanted: format!("one {wanted}"),
            got: shape_text(shape),
        })
    }

    fn missing(&self, operation: &'static str, name: &str, wanted: String) -> Error {
        let hint = suggestion(name, self.iter().map(NamedTensor::name));
        Error::MissingTensor { operation, tensor: name.to_owned(), wanted, hint }
    }

    /// Whether it has exactly these tensors. One without elements may be left out.
    ///
    /// # Errors
    /// [`Error::Shape`] for a tensor of another shape or that is not wanted, else [`Error::MissingTensor`].
    pub fn check<'a>(&self, operation: &'static str, wanted: impl IntoIterator<Item = &'a Tensor>) -> Result<()> {
        let wanted: BTreeMap<_, _> = wanted.into_iter().map(|wanted| (wanted.name.as_str(), wanted)).collect();
        for tensor in self.iter() {
            let shape = wanted.get(tensor.name()).map(|wanted| wanted.shape.as_slice());
            if shape != Some(&tensor.shape) {
                return Err(tensor.misfit(operation, shape));
            }
        }
        let missing = wanted.values().find(|wanted| !wanted.is_empty() && self.get(&wanted.name).is_none());
        missing.map_or(Ok(()), |wanted| Err(self.missing(operation, &wanted.name, shape_text(&wanted.shape))))
    }

    /// These tensors alone.
    ///
    /// # Errors
    /// As [`State::tensor`].
    pub fn select<'a>(mut self, wanted: impl IntoIterator<Item = &'a Tensor>) -> Result<Self> {
        let take = |wanted: &Tensor| {
            self.tensor(&wanted.name, &wanted.shape)?;
            Ok(self.remove(&wanted.name).expect("it has just been found"))
        };
        let tensors = wanted.into_iter().map(take).collect::<Result<_>>()?;
        Ok(Self { tensors })
    }

    /// Exchanges tensors for others of the same names and shapes; keeps those that are not among them.
    ///
    /// # Errors
    /// [`Error::Shape`] for one that it does not have, or has in another shape; then nothing changes.
    pub fn replace(&mut self, others: Self) -> Result<()> {
        let misfit = others.iter().find_map(|other| {
            let shape = self.get(&other.name).map(|own| own.shape.as_slice());
            (shape != Some(&other.shape)).then(|| other.misfit("replace", shape))
        });
        misfit.map_or(Ok(()), Err)?;
        for other in others.tensors {
            let own = self.get_mut(&other.name).expect("it has just been found");
            *own = other;
        }
        Ok(())
    }

    /// One of R replicas: tensors (R, ...) become (...).
    ///
    /// # Errors
    /// [`Error::Shape`] for a tensor whose first extent is not above `replica`.
    pub fn replica(&self, replica: usize) -> Result<Self> {
        let part = |tensor: &NamedTensor| match tensor.shape.split_first() {
            Some((replicas, shape)) if replica < *replicas => {
                let len = tensor.values.len() / replicas;
                NamedTensor::new(&tensor.name, shape, tensor.values[replica * len..][..len].to_vec())
            }
            _ => Err(Error::Shape {
                operation: "take a replica",
                tensor: tensor.name.clone(),
                wanted: format!("a first extent above {replica}"),
                got: shape_text(&tensor.shape),
            }),
        };
        Ok(Self { tensors: self.iter().map(part).collect::<Result<_>>()? })
    }

    /// The same for each of R replicas: tensors (...) become (R, ...).
    #[must_use]
    pub fn repeated(self, replicas: usize) -> Self {
        let repeat = |NamedTensor { name, shape, values }: NamedTensor| NamedTensor {
            name,
            shape: [&[replicas], shape.as_slice()].concat(),
            // A large model fits once, but perhaps not twice.
            values: if replicas == 1 { values } else { values.repeat(replicas) },
        };
        Self { tensors: self.tensors.into_iter().map(repeat).collect() }
    }

    /// Takes over the chosen ones of R replicas from another state of the same tensors (R, ...).
    ///
    /// # Errors
    /// As [`State::tensor`] where the other does not have all of this one's tensors.
    ///
    /// # Panics
    /// If a tensor's first extent is not the number of choices.
    pub(crate) fn take(&mut self, other: &Self, chosen: &[bool]) -> Result<()> {
        for tensor in &mut self.tensors {
            let other = other.tensor(&tensor.name, &tensor.shape)?;
            assert_eq!(tensor.shape.first(), Some(&chosen.len()), "replicas of {}", tensor.name);
            let len = (tensor.values.len() / chosen.len()).max(1);
            let parts = tensor.values.chunks_mut(len).zip(other.values.chunks(len)).zip(chosen);
            parts.filter(|(_, chosen)| **chosen).for_each(|((own, other), _)| own.copy_from_slice(other));
        }
        Ok(())
    }

    /// The first number that is not finite, as text: `layers.1.bias has NaN at 3`.
    pub(crate) fn not_finite(&self) -> Option<String> {
        let place = |tensor: &NamedTensor| {
            let at = tensor.values.iter().position(|value| !value.is_finite())?;
            Some(format!("{} has {} at {at}", tensor.name, tensor.values[at]))
        };
        self.iter().find_map(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Element, Role};

    fn tensor(name: &str, shape: &[usize], first: f32) -> NamedTensor {
        let len = shape.iter().product();
        NamedTensor::new(name, shape, (0..len).map(|n| first + n as f32).collect()).unwrap()
    }

    fn state() -> State {
        State::from_tensors([tensor("a", &[3, 2], 0.0), tensor("b", &[3], 10.0)]).unwrap()
    }

    fn wanted(name: &str, shape: &[usize]) -> Tensor {
        Tensor { name: name.to_owned(), shape: shape.to_vec(), element: Element::F32, role: Role::Parameter }
    }

    #[test]
    fn names_are_there_once_and_values_fill_shapes() {
        let error = state().insert(tensor("a", &[1], 0.0)).unwrap_err().to_string();
        assert!(error.contains('a') && error.contains("two tensors"), "{error}");
        for shape in [&[2, 2][..], &[5], &[], &[usize::MAX, 2]] {
            let error = NamedTensor::new("a", shape, vec![0.0; 6]).unwrap_err().to_string();
            assert!(error.contains("6 values") && error.contains(&shape_text(shape)), "{error}");
        }
    }

    #[test]
    fn order_does_not_matter_and_every_number_does() {
        let reversed = State::from_tensors([tensor("b", &[3], 10.0), tensor("a", &[3, 2], 0.0)]).unwrap();
        assert_eq!(state(), reversed);
        let mut other = state();
        other.get_mut("b").unwrap().values_mut()[2] += 1.0;
        assert_ne!(state(), other);
        other.remove("b");
        assert_ne!(state(), other);
        assert_ne!(other, state());
    }

    #[test]
    fn a_check_names_what_is_missing_wrong_or_too_much() {
        let message = |tensors: &[Tensor]| state().check("load", tensors).unwrap_err().to_string();
        assert!(state().check("load", &[wanted("b", &[3]), wanted("a", &[3, 2]), wanted("c", &[3, 0])]).is_ok());
        let text = message(&[wanted("a", &[3, 2])]);
        assert_eq!(text, "load: b has shape (3), but no such tensor is needed");
        let text = message(&[wanted("a", &[2, 3]), wanted("b", &[3])]);
        assert_eq!(text, "load: a has shape (3, 2), but (2, 3) is needed");
        let text = message(&[wanted("a", &[3, 2]), wanted("b", &[3]), wanted("long", &[4, 1])]);
        assert_eq!(text, "load: tensor long (4, 1) is missing");
        assert!(matches!(state().tensor("c", &[1]), Err(Error::MissingTensor { .. })));
        assert!(matches!(state().tensor("a", &[6]), Err(Error::Shape { .. })));
        assert!(matches!(state().matrix("b"), Err(Error::Shape { .. })));
        assert!(matches!(state().select(&[wanted("a", &[3, 1])]), Err(Error::Shape { .. })));
        assert_eq!(state().select(&[wanted("b", &[3])]).unwrap().len(), 1);
    }

    #[test]
    fn replicas_come_out_as_they_went_in() {
        let one = state().replica(1).unwrap();
        assert_eq!(one.vector("a").unwrap().to_vec(), [2.0, 3.0]);
        assert_eq!((one.get("b").unwrap().shape(), one.get("b").unwrap().values()), (&[][..], &[11.0][..]));
        let repeated = one.clone().repeated(2);
        assert_eq!(repeated.matrix("a").unwrap().rows().into_iter().map(|row| row[1]).collect::<Vec<_>>(), [3.0, 3.0]);
        assert_eq!(repeated.replica(1).unwrap(), one);
        assert!(matches!(state().replica(3), Err(Error::Shape { .. })));
    }

    #[test]
    fn chosen_replicas_and_whole_tensors_are_exchanged() {
        let mut other = state();
        other.get_mut("a").unwrap().values_mut().fill(-1.0);
        let mut own = state();
        own.take(&other, &[true, false, true]).unwrap();
        assert_eq!(own.get("a").unwrap().values(), [-1.0, -1.0, 2.0, 3.0, -1.0, -1.0]);
        let few = State::from_tensors([tensor("a", &[3, 2], 5.0)]).unwrap();
        assert!(matches!(own.take(&few, &[true; 3]), Err(Error::MissingTensor { .. })));
        own.replace(few).unwrap();
        assert_eq!((own.get("a").unwrap().values()[0], own.len()), (5.0, 2));
        let before = own.clone();
        let wrong = State::from_tensors([tensor("a", &[3, 2], 9.0), tensor("c", &[1], 0.0)]).unwrap();
        let error = own.replace(wrong).unwrap_err().to_string();
        assert!(error.contains("c has shape (1)") && own == before, "{error}");
    }

    #[test]
    fn numbers_that_are_not_finite_are_found() {
        let mut own = state();
        assert_eq!(own.not_finite(), None);
        own.get_mut("b").unwrap().values_mut()[1] = f32::NAN;
        assert_eq!(own.not_finite().unwrap(), "b has NaN at 1");
    }
}
