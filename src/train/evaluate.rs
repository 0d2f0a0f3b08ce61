//! Evaluation: loss and accuracy, and with them the metrics that the device counts.

use ndarray::Array2;

use super::metrics::{Classification, Metrics, Regression, spreads};
use super::session::Session;
use super::targets::{mean, row_weights};
use super::trainer::Trainer;
use super::{Device, Evaluation, Scores};
use crate::data::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::ops::DifferenceSums;
use crate::plan::{Port, ProgramId};
use crate::tensor::TensorData;

impl Trainer {
    /// Mean loss, accuracy and [`Metrics`] over a dataset. The loss is the one that training minimizes, label smoothing,
    /// class weights and the dataset's weights included; all the others count every sample once.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Spec`] where data and model do not fit, and what the device reports.
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluation> {
        self.evaluate_with(data, ProgramId::Measure)
    }

    /// For each true class (rows) how often each class was predicted (columns), by the first replica.
    ///
    /// # Errors
    /// [`Error::Spec`] for a dataset without classes, or of too many, otherwise as [`Trainer::evaluate`].
    pub fn confusion(&mut self, data: &Dataset) -> Result<Array2<u64>> {
        if let Targets::Values(_) = data.targets() {
            return Err(Error::spec("dataset", "a confusion matrix needs classes as targets"));
        }
        let own = self.evaluate(data)?.replicas.swap_remove(0).metrics.classification;
        own.map(|own| own.confusion).ok_or_else(|| {
            Error::spec("dataset", format!("{} has more classes than a confusion matrix may have", data.name()))
        })
    }

    /// Mean loss and accuracy alone, as after each epoch: what [`Trainer::evaluate`] gives without its metrics, in less time
    /// and memory.
    ///
    /// # Errors
    /// As there.
    pub fn validate(&mut self, data: &Dataset) -> Result<Evaluation> {
        self.evaluate_with(data, ProgramId::Evaluate)
    }

    fn evaluate_with(&mut self, data: &Dataset, program: ProgramId) -> Result<Evaluation> {
        self.check(data, "evaluate")?;
        // Losses are summed with their weights on the device, and divided here.
        let weight = row_weights(data, &self.spec).map_or(data.len() as f64, |weights| weights.iter().sum());
        let device = self.device.clone();
        let session = self.session_for_evaluation(data.features(), Some(data))?;
        let chunk = session.evaluation_rows();
        let replicas = session.executor.plan().replicas;
        let mut sums = vec![[0.0; 2]; replicas];
        let mut gathered = Gathered::new(session, program)?;
        for first in (0..data.len()).step_by(chunk) {
            let rows = first..data.len().min(first + chunk);
            let targets = Some((data.targets(), data.weights()));
            let iterations = session.upload_evaluation(data.features(), targets, rows.clone())?;
            session.executor.submit(program, &iterations)?;
            for metrics in session.executor.metrics(true)? {
                sums[metrics.replica][0] += metrics.loss_sum;
                sums[metrics.replica][1] += metrics.right;
            }
            if program == ProgramId::Measure {
                gathered.chunk(session, rows.len())?;
            }
        }
        let metrics = gathered.finish(session, data, &device)?;
        let scores = sums.iter().zip(metrics).map(|([loss, right], metrics)| {
            let accuracy = right / data.len() as f64;
            Scores { loss: mean(*loss, weight), accuracy, metrics }
        });
        Ok(Evaluation::of(scores.collect()))
    }
}

/// What the device has counted and summed, chunk by chunk.
struct Gathered {
    measures: bool,
    /// Of each replica, in the dataset's order.
    scores: Vec<Vec<f32>>,
    /// Of each replica and output: sums of |a - y| and (a - y)².
    sums: Vec<Vec<[f64; 2]>>,
}

impl Gathered {
    /// Starts the counts at zero.
    fn new(session: &mut Session, program: ProgramId) -> Result<Self> {
        let measures = program == ProgramId::Measure;
        let replicas = session.executor.plan().replicas;
        for port in [Port::Confusion, Port::Ranks] {
            let plan = session.executor.plan();
            if let Some(id) = plan.program(program).find(port) {
                let zeros = vec![0; plan.tensor(id).len()];
                session.executor.write(id, 0, TensorData::U32(&zeros))?;
            }
        }
        Ok(Self { measures, scores: vec![Vec::new(); replicas], sums: vec![Vec::new(); replicas] })
    }

    /// Fetches what the next chunk, of `rows` rows before it, overwrites.
    fn chunk(&mut self, session: &mut Session, rows: usize) -> Result<()> {
        let plan = session.executor.plan();
        let program = plan.program(ProgramId::Measure);
        let (replicas, batch) = (plan.replicas, program.batch);
        let (scores, sums) = (program.find(Port::Scores), program.find(Port::DifferenceSums));
        if let Some(scores) = scores {
            let stride = plan.tensor(scores).len() / replicas;
            let all = session.executor.read(scores)?;
            for (own, all) in self.scores.iter_mut().zip(all.chunks(stride)) {
                own.extend(&all[..rows]);
            }
        }
        if let Some(id) = sums {
            let shape = session.executor.plan().tensor(id).shape.clone();
            let (stride, outputs) = (shape[1], shape[2]);
            let all = session.executor.read(id)?;
            // Blocks of a batch lie together; a short one, which is the last, has fewer.
            let whole = rows / batch * DifferenceSums::blocks(batch) + DifferenceSums::blocks(rows % batch);
            for (own, all) in self.sums.iter_mut().zip(all.chunks(stride * outputs * 2)) {
                own.resize(outputs, [0.0; 2]);
                for block in all.chunks(outputs * 2).take(whole) {
                    for (own, block) in own.iter_mut().zip(block.chunks(2)) {
                        own[0] += f64::from(block[0]);
                        own[1] += f64::from(block[1]);
                    }
                }
            }
        }
        Ok(())
    }

    /// Each replica's metrics.
    fn finish(self, session: &mut Session, data: &Dataset, device: &Device) -> Result<Vec<Metrics>> {
        let mut all = vec![Metrics::default(); self.sums.len()];
        if !self.measures {
            return Ok(all);
        }
        let plan = session.executor.plan();
        let find = |port| plan.program(ProgramId::Measure).find(port);
        let (scores, sums) = (find(Port::Scores), find(Port::DifferenceSums));
        if let Some((confusion, ranks)) = find(Port::Confusion).zip(find(Port::Ranks)) {
            let classes = plan.tensor(confusion).shape[1];
            let areas = match scores.is_some() {
                true => session.roc_areas(device, &self.scores, &truths(data))?,
                false => vec![None; all.len()],
            };
            let (confusion, ranks) = (session.executor.read_words(confusion)?, session.executor.read_words(ranks)?);
            let parts = confusion.chunks(classes * classes).zip(ranks.chunks(classes)).zip(areas);
            for (own, ((confusion, ranks), roc_auc)) in all.iter_mut().zip(parts) {
                let confusion = Array2::from_shape_fn((classes, classes), |(t, p)| confusion[t * classes + p].into());
                let ranks = ranks.iter().copied().map(u64::from).collect();
                own.classification = Some(Classification { confusion, ranks, roc_auc });
            }
        }
        if let (Some(_), Targets::Values(values)) = (sums, data.targets()) {
            let spreads = spreads(values);
            for (own, sums) in all.iter_mut().zip(&self.sums) {
                own.regression = Some(Regression::of(sums, &spreads, data.len()));
            }
        }
        Ok(all)
    }
}

/// Whether each sample is of class 1, of two.
fn truths(data: &Dataset) -> Vec<bool> {
    match data.targets() {
        Targets::Classes(labels) => labels.iter().map(|label| *label == 1).collect(),
        Targets::Values(values) => {
            let truth = |row: ndarray::ArrayView1<'_, f32>| match row.len() {
                1 => row[0] > 0.5,
                _ => row[1] > row[0],
            };
            values.rows().into_iter().map(truth).collect()
        }
    }
}
