//! A trainer's parameters, out and in.

use super::Trainer;
use crate::error::{Error, Result};
use crate::spec::TensorSpec;
use crate::state::State;
use crate::tensor::Role;

impl Trainer {
    /// The parameters and running statistics of one replica, those of [`Sequential::tensors`](crate::Sequential::tensors).
    ///
    /// # Errors
    /// [`Error::Spec`] for a replica that there is not, and what the device reports.
    pub fn weights(&mut self, replica: usize) -> Result<State> {
        let had = self.spec.replicas.len();
        if replica >= had {
            return Err(Error::spec("replica", format!("there is no replica {replica}, only 0 to {}", had - 1)));
        }
        let own = match &mut self.session {
            Some(session) => session.executor.read_state(Role::is_model)?.replica(replica),
            None => self.carried.replica(replica),
        };
        own?.select(self.model.tensors().iter().map(|spec| &spec.tensor))
    }

    /// Gives every replica these parameters and statistics: all that [`Trainer::weights`] gives.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::MissingTensor`] for the tensor that is not as the model has it.
    pub fn set_weights(&mut self, weights: &State) -> Result<()> {
        self.model.check_state(weights)?;
        self.replace(weights)
    }

    /// Gives the first layers of every replica these tensors, as many layers as there are of; the others keep their own.
    /// This puts a new head on top of pretrained layers: give all of a model's layers but the last.
    ///
    /// ```
    /// use wgrad::datasets::{self, MakeMoons, make_moons};
    /// use wgrad::{Activation::*, Adam, Loss::*, ModelFile, Sequential, Trainer, epochs};
    ///
    /// let body = |inputs| Sequential::new(inputs).dense(8, Tanh).dense(8, Relu);
    /// let train = |model| Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.01)).batch_size(4);
    /// let mut first = train(body(2).dense(2, Linear)).build()?;
    /// first.fit(&make_moons(&MakeMoons::default())?, epochs(2), &mut ())?;
    /// let learned: ModelFile = first.to_file(0)?; // or ModelFile::load(path)
    ///
    /// // A new head of three classes on layers that stay as they are.
    /// let mut second = train(body(2).dense(3, Linear)).freeze(2).build()?;
    /// second.set_first_layers(&learned.first_layers(2)?)?;
    /// second.fit(&datasets::xor()?, epochs(2), &mut ())?;
    /// assert_eq!(second.to_file(0)?.first_layers(2)?, learned.first_layers(2)?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::MissingTensor`] for the tensor that is not as the model has it.
    pub fn set_first_layers(&mut self, layers: &State) -> Result<()> {
        let specs = self.model.tensors();
        let given = |spec: &&TensorSpec| layers.get(&spec.tensor.name).is_some();
        let last = specs.iter().filter(given).map(|spec| spec.layer).max();
        let wanted = specs.iter().filter(|spec| last.is_some_and(|last| spec.layer <= last));
        layers.check("load weights", wanted.map(|spec| &spec.tensor))?;
        self.replace(layers)
    }

    /// Gives every replica these tensors of one; the others stay as they are.
    fn replace(&mut self, tensors: &State) -> Result<()> {
        let all = tensors.clone().repeated(self.spec.replicas.len());
        match &mut self.session {
            Some(session) => session.executor.write_state(&all),
            None => self.carried.replace(all),
        }
    }
}
