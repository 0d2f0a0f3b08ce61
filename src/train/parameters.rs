//! A trainer's parameters, out and in.

use super::{LayerWeights, Trainer};
use crate::error::{Error, Result};

impl Trainer {
    /// The parameters of one replica, layer by layer.
    ///
    /// # Errors
    /// [`Error::Spec`] for a replica that there is not, and what the device reports.
    pub fn weights(&mut self, replica: usize) -> Result<Vec<LayerWeights>> {
        if self.carried.is_some() {
            self.any_session()?;
        }
        if let Some(session) = &mut self.session {
            self.weights = session.read_weights(&self.model)?;
        }
        let had = self.weights.len();
        let missing = || Error::spec("replica", format!("there is no replica {replica}, only 0 to {}", had - 1));
        self.weights.get(replica).cloned().ok_or_else(missing)
    }

    /// Gives every replica these parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] that names the layer whose shape is not the model's.
    pub fn set_weights(&mut self, weights: &[LayerWeights]) -> Result<()> {
        LayerWeights::check(weights, &self.model)?;
        self.weights = vec![weights.to_vec(); self.spec.replicas.len()];
        if self.carried.is_some() {
            self.any_session()?;
        }
        match &mut self.session {
            Some(session) => session.write_weights(&self.weights),
            None => Ok(()),
        }
    }

    /// Gives the first layers of every replica these parameters, as many as there are; the others keep their own. So a
    /// new head goes on top of layers that learned something else: give all of a model's layers but the last.
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
    /// second.set_first_layers(&learned.weights[..2])?;
    /// second.fit(&datasets::xor()?, epochs(2), &mut ())?;
    /// assert_eq!(second.weights(0)?[..2], learned.weights[..2]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] that names the layer whose shape is not the model's, or where there are too many.
    pub fn set_first_layers(&mut self, layers: &[LayerWeights]) -> Result<()> {
        let mut all = Vec::new();
        for replica in 0..self.spec.replicas.len() {
            let mut own = self.weights(replica)?;
            let kept = own.split_off(layers.len().min(own.len()));
            let together = [layers, &kept].concat();
            LayerWeights::check(&together, &self.model)?;
            all.push(together);
        }
        self.weights = all;
        match &mut self.session {
            Some(session) => session.write_weights(&self.weights),
            None => Ok(()),
        }
    }
}
