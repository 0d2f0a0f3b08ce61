//! Specs drawn at random: whatever goes together trains, and comes to the same bits streamed or resident, beside other
//! replicas or alone, interrupted or not, saved or not.

use ndarray::{Array2, Axis};
use wgrad::random::{Purpose, Stream};
use wgrad::{
    Activation, Augment, Checkpoints, Clip, Dataset, Device, EarlyStopping, Features, Fit, History, Loss, ModelFile,
    Optimizer, OptimizerSpec, Precision, Replica, Schedule, Sequential, Trainer, TrainerBuilder, epochs,
};

use crate::support::bits;

/// Specs; two thousand others were tried when this was written.
const CASES: u64 = 48;
/// A fit is as long as this.
const EPOCHS: usize = 3;

struct Draw(Stream);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0.word() as usize % count
    }

    fn chance(&mut self, share: f32) -> bool {
        self.0.unit() < share
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Hidden layers, each with or without norm, residual and dropout.
    fn hidden(&mut self, inputs: usize) -> Sequential {
        let activations: Vec<_> = Activation::ALL.iter().filter(|own| **own != Activation::Softmax).copied().collect();
        let mut model = Sequential::new(inputs);
        let usual = self.of(&[1, 4, 7, 16, 40]);
        for n in 0..self.below(4) {
            let width = if self.chance(0.7) { usual } else { self.of(&[2, 5, 33]) };
            model = model.dense(width, self.of(&activations));
            model = match self.below(4) {
                0 => model.batch_norm(),
                1 => model.layer_norm(),
                _ => model,
            };
            let back = 1 + self.below(n.max(1));
            if n > 0 && self.chance(0.4) && model.layers[n - back].units == width {
                model = model.residual(back);
            }
            if self.chance(0.25) {
                model = model.dropout(self.of(&[0.1, 0.5, 0.9]));
            }
        }
        model
    }

    fn optimizer(&mut self) -> OptimizerSpec {
        let (_, preset) = self.of(&Optimizer::presets());
        let schedules = [Schedule::Constant, Schedule::COSINE, Schedule::ONE_CYCLE, Schedule::PLATEAU];
        OptimizerSpec {
            learning_rate: 0.3 * preset.learning_rate,
            weight_decay: self.of(&[0.0, 0.01]),
            l1: self.of(&[0.0, 0.0, 0.001]),
            schedule: self.of(&schedules),
            ..preset
        }
    }

    /// Rows of bytes or numbers, with classes or values that a loss can follow, each with a weight of its own or not.
    fn data(&mut self, rows: usize, model: &Sequential, loss: Loss, [bytes, values, weights]: [bool; 3]) -> Dataset {
        let pixels = Array2::from_shape_simple_fn((rows, model.inputs), || self.0.word() as u8);
        let numbers = pixels.mapv(|pixel| f32::from(pixel) / 128.0 - 1.0);
        let outputs = model.outputs();
        let data = if values {
            let mut y = Array2::from_shape_simple_fn((rows, outputs), || match loss {
                Loss::Hinge => (self.0.word() % 2) as f32,
                _ => self.0.unit(),
            });
            if takes_probabilities(loss) {
                y = &y / &y.sum_axis(Axis(1)).insert_axis(Axis(1));
            }
            if bytes { Dataset::image_regression(pixels, y) } else { Dataset::regression(numbers.view(), y.view()) }
        } else {
            let labels: Vec<u32> = (0..rows).map(|_| self.below(outputs.max(2)) as u32).collect();
            match bytes {
                true => Dataset::from_images("images", pixels, labels),
                false => Dataset::classification(numbers.view(), &labels),
            }
        };
        let own = (0..rows).map(|n| if n == 0 { 1.0 } else { 2.0 * self.0.unit() }).collect();
        if weights { data.unwrap().with_weights(own).unwrap() } else { data.unwrap() }
    }
}

fn takes_probabilities(loss: Loss) -> bool {
    [Loss::SoftmaxCrossEntropy, Loss::KullbackLeibler].contains(&loss)
}

/// A spec with data that it can be trained on.
struct Case {
    name: String,
    builder: TrainerBuilder,
    replicas: Vec<Replica>,
    train: Dataset,
    validation: Dataset,
    stopping: Option<EarlyStopping>,
    /// Steps after which a fit is interrupted.
    cut: u64,
}

impl Case {
    fn draw(seed: u64) -> Self {
        let mut draw = Draw(Stream::new(seed, Purpose::Inputs, 0));
        let loss = draw.of(Loss::ALL);
        let inputs = draw.of(&[1, 3, 8, 16, 33]);
        let hidden = draw.hidden(inputs);
        let least = if takes_probabilities(loss) { 2 } else { 1 };
        let outputs = draw.of(&[1, 2, 5, 10, 64, 70]).max(least);
        let layers = hidden.layers.len();
        let model = hidden.dense(outputs, Activation::Linear);
        let optimizer = draw.optimizer();
        let rows = draw.of(&[20, 37, 64, 100]);
        let mut batch = 1 + draw.below(rows);
        let lonely = model.has_batch_norm() && (batch == 1 || rows % batch == 1);
        if optimizer.optimizer.full_batch() || lonely {
            batch = rows;
        }
        let [bytes, values] = [draw.chance(0.5), draw.chance(0.4)];
        let kind = |weights| [bytes, values, weights];
        let weighted = [draw.chance(0.3), draw.chance(0.3)];
        let train = draw.data(rows, &model, loss, kind(weighted[0]));
        let validation = draw.data(30, &model, loss, kind(weighted[1]));
        let mut replicas: Vec<_> = (0..draw.of(&[1, 2, 3])).map(|n| Replica::new(10 * seed + n, &optimizer)).collect();
        if let Some(second) = replicas.get_mut(1) {
            second.learning_rate *= 0.5;
            second.dropout = model.layers.iter().any(|layer| layer.dropout > 0.0).then_some(0.3);
        }
        let builder = Trainer::new(model.clone(), loss, optimizer).batch_size(batch).freeze(draw.below(layers + 1));
        let builder = settings(&mut draw, builder, loss, outputs, values);
        let builder = if model.inputs == 16 && draw.chance(0.5) { builder.augment(bent()) } else { builder };
        let stopping = draw.chance(0.3).then(|| EarlyStopping::patience(2).restore_best());
        let cut = 1 + draw.below(EPOCHS * rows.div_ceil(batch)) as u64;
        let name = format!("seed {seed}: {loss} {} {model:?}", optimizer.optimizer.name());
        Self { name, builder, replicas, train, validation, stopping, cut }
    }

    fn trainer(&self, replicas: &[Replica]) -> Trainer {
        self.builder
            .clone()
            .replicas(replicas.to_vec())
            .build()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    fn fit<'a>(&'a self, trainer: &mut Trainer, change: impl FnOnce(Fit<'a>) -> Fit<'a>) -> History {
        let fit = epochs(EPOCHS).validate(&self.validation).early_stopping(self.stopping);
        let history = trainer.fit(&self.train, change(fit), &mut ());
        history.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Every replica's bits.
    fn bits(&self, trainer: &mut Trainer) -> Vec<Vec<u32>> {
        (0..trainer.spec().replicas.len()).map(|replica| bits(&trainer.weights(replica).unwrap())).collect()
    }
}

fn bent() -> Augment {
    Augment::new(4, 4).shift(1.0).rotate(20.0).scale(0.1).elastic(1.0)
}

/// What else a run may be told.
fn settings(draw: &mut Draw, mut builder: TrainerBuilder, loss: Loss, outputs: usize, values: bool) -> TrainerBuilder {
    let clip = draw.of(&[None, None, Some(Clip::Norm(0.5)), Some(Clip::Value(0.05))]);
    builder = clip.map_or(builder.clone(), |clip| builder.clip(clip)).decay_biases(draw.chance(0.7));
    if (!values || loss == Loss::SoftmaxCrossEntropy) && draw.chance(0.2) {
        builder = builder.class_weights((0..outputs.max(2)).map(|class| 0.5 + class as f32).collect());
    }
    if loss == Loss::SoftmaxCrossEntropy && draw.chance(0.3) {
        builder = builder.label_smoothing(0.1);
    }
    if draw.chance(0.15) {
        builder = builder.max_norm(0.8);
    }
    if draw.chance(0.15) {
        builder = builder.noise(0.1);
    }
    if draw.chance(0.2) { builder.precision(Precision::F16) } else { builder }
}

fn cases() -> impl Iterator<Item = Case> {
    (0..CASES).map(Case::draw)
}

#[test]
fn streamed_samples_and_neighbours_change_no_bit() {
    for case in cases() {
        let mut trainer = case.trainer(&case.replicas);
        case.fit(&mut trainer, |fit| fit);
        let whole = case.bits(&mut trainer);
        let builder = case.builder.clone().streaming_above(1).replicas(case.replicas.clone());
        let mut streamed = builder.build().unwrap();
        let run = case.fit(&mut streamed, |fit| fit).run;
        assert_eq!(run.streamed, run.steps_per_epoch > 1, "{}: a step at a time", case.name);
        assert!(case.bits(&mut streamed) == whole, "{}: streamed", case.name);
        for (r, replica) in case.replicas.iter().enumerate().filter(|_| case.replicas.len() > 1) {
            let mut alone = case.trainer(&[*replica]);
            case.fit(&mut alone, |fit| fit);
            assert!(case.bits(&mut alone)[0] == whole[r], "{}: replica {r}", case.name);
        }
    }
}

#[test]
fn interruptions_and_files_change_no_bit() {
    for case in cases() {
        let mut whole = case.trainer(&case.replicas);
        let uninterrupted = case.fit(&mut whole, |fit| fit);
        let directory = tempfile::TempDir::new().unwrap();
        let checkpoints = Checkpoints::in_directory(directory.path()).every_steps(2);
        case.fit(&mut case.trainer(&case.replicas), |fit| fit.checkpoints(&checkpoints).steps(case.cut));
        let mut resumed = case.builder.clone().replicas(case.replicas.clone()).resume(directory.path()).unwrap();
        // To look at the model in between is no harm.
        resumed.evaluate(&case.validation).unwrap();
        let history = case.fit(&mut resumed, |fit| fit.checkpoints(&checkpoints));
        assert!(case.bits(&mut resumed) == case.bits(&mut whole), "{}: cut at {}", case.name, case.cut);
        let tests = |history: &History| history.epochs.iter().map(|epoch| epoch.validation.clone()).collect::<Vec<_>>();
        assert_eq!((tests(&history), history.steps), (tests(&uninterrupted), uninterrupted.steps), "{}", case.name);
        let path = directory.path().join("model.safetensors");
        whole.save(&path).unwrap();
        let mut loaded = Trainer::from_file(ModelFile::load(&path).unwrap(), Device::cpu()).unwrap();
        let rows = || -> Features { case.validation.features().clone() };
        assert_eq!(loaded.predict(rows()).unwrap(), whole.predict(rows()).unwrap(), "{}", case.name);
    }
}
