//! Writes checkpoints beside the training: the loop hands them over, a thread of their own puts them on disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::ModelFile;
use super::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::platform::{Instant, Thread, now, spawn};

/// The two files that take turns: while one is replaced, the other is whole on disk.
const GENERATIONS: [&str; 2] = ["checkpoint.0.safetensors", "checkpoint.1.safetensors"];
/// The best epoch's model.
const BEST: &str = "best.safetensors";
/// Epochs shorter than this share a checkpoint.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);
/// Seconds within an epoch after which there is a checkpoint: what a crash costs at most. One takes the loop the time to
/// read the parameters and the optimizer's state; then a thread of its own writes them, beside training on the same cores.
/// What that cost a run, measured by runs with more checkpoints and with fewer (MNIST, batch 128, Adam, two cores):
/// 784-128-10, 1.2 MB, 0.7 ms, 0.9 % of an epoch of 78 ms; 784-2048-2048-10, 70 MB, 116 to 127 ms, 1.7 % of an epoch of
/// 7.3 s. At these intervals that is under 0.3 % and under 2 % of the time.
const DEFAULT_SECONDS: f64 = 10.0;

/// Where and how often a fit writes checkpoints: `checkpoint.0.safetensors` and `checkpoint.1.safetensors` in turn, at
/// each epoch's end (where epochs are shorter than a quarter of a second, after that time), and within long epochs; and
/// `best.safetensors`, the model of the best epoch, where there is a validation set.
///
/// [`Trainer::resume`](super::Trainer::resume) continues from them.
///
/// ```
/// use wgrad::{Activation::*, Adam, Checkpoints, Device, Loss::*, Sequential, Trainer, datasets, epochs};
///
/// let (directory, xor) = (tempfile::tempdir().unwrap(), datasets::xor()?);
/// let checkpoints = Checkpoints::in_directory(directory.path()).every_steps(100);
/// let model = Sequential::new(2).dense(8, Tanh).dense(2, Linear);
/// let mut trainer = Trainer::new(model, SoftmaxCrossEntropy, Adam::new(0.05)).batch_size(4).build()?;
/// trainer.fit(&xor, epochs(5).checkpoints(&checkpoints), &mut ())?;
///
/// // Later, after a crash, or to train for longer: the same bits as without the interruption.
/// let mut trainer = Trainer::resume(directory.path(), Device::cpu())?;
/// assert_eq!(trainer.resumes_after(), Some((5, 5)));
/// let history = trainer.fit(&xor, epochs(8).checkpoints(&checkpoints), &mut ())?;
/// assert_eq!(history.epochs.len(), 8);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoints {
    directory: PathBuf,
    steps: Option<u64>,
    /// JSON has null for an infinite time.
    #[serde(deserialize_with = "or_never")]
    seconds: f64,
}

fn or_never<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::INFINITY))
}

impl Checkpoints {
    /// Into this directory, which must be there, every 10 seconds and at each epoch's end.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), steps: None, seconds: DEFAULT_SECONDS }
    }

    /// After every so many steps too.
    #[must_use]
    pub fn every_steps(mut self, steps: u64) -> Self {
        self.steps = Some(steps.max(1));
        self
    }

    /// After so many seconds within an epoch.
    #[must_use]
    pub fn every_seconds(mut self, seconds: f64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The same in another directory.
    #[must_use]
    pub(crate) fn moved_to(self, directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..self }
    }

    /// Whether a file has the name of a checkpoint of a directory.
    pub(crate) fn is_name(path: &Path) -> bool {
        GENERATIONS.iter().any(|name| path.file_name().is_some_and(|own| own == *name))
    }

    /// Where the best epoch's model is.
    pub fn best(&self) -> PathBuf {
        self.directory.join(BEST)
    }

    /// Whether there is a checkpoint, good or not.
    pub fn are_there(&self) -> bool {
        GENERATIONS.iter().any(|name| self.directory.join(name).exists())
    }

    /// Removes what a former run left, so that nothing of it is ever taken for this one's.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn clear(&self) -> Result<()> {
        let files = GENERATIONS.iter().chain([&BEST]).map(|name| self.directory.join(name));
        files.into_iter().try_for_each(|path| match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, "remove", error)),
            _ => Ok(()),
        })
    }
}

/// The latest good checkpoint of a directory, or the one that `path` is, its path, and why the other one was passed over.
pub(super) fn latest(path: &Path) -> Result<(Checkpoint, PathBuf, Option<String>)> {
    if path.is_file() {
        return Ok((Checkpoint::load(path)?, path.to_path_buf(), None));
    }
    let there = GENERATIONS.iter().map(|name| path.join(name)).filter(|path| path.exists());
    let (mut good, mut damaged) = (Vec::new(), Vec::new());
    for file in there {
        match Checkpoint::load(&file) {
            Ok(checkpoint) => good.push((checkpoint, file)),
            Err(error) => damaged.push(error),
        }
    }
    let note = damaged.first().map(|error| format!("passed over: {error}"));
    match good.into_iter().max_by_key(|(checkpoint, _)| (checkpoint.header.epochs, checkpoint.steps())) {
        Some((checkpoint, file)) => Ok((checkpoint, file, note)),
        None => Err(damaged.into_iter().next().unwrap_or_else(|| {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            Error::io(&path.join(GENERATIONS[0]), "read a checkpoint to resume from", source)
        })),
    }
}

/// What waits to be written. Only the latest of each is of interest.
#[derive(Default)]
struct Waiting {
    checkpoint: Option<Box<Checkpoint>>,
    best: Option<Box<ModelFile>>,
    closed: bool,
    error: Option<Error>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_briefly<'a>(&self, guard: MutexGuard<'a, Waiting>) -> MutexGuard<'a, Waiting> {
        self.changed.wait_timeout(guard, FIRST_TAKEN).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The thread that writes, and when it gets the next checkpoint.
pub(super) struct Saver {
    settings: Checkpoints,
    shared: Arc<Shared>,
    thread: Option<Thread>,
    last: Instant,
    last_steps: u64,
    /// Checkpoints handed over.
    offered: u64,
}

/// How long the loop waits at a time for the first checkpoint to be taken; it looks whether the thread is there in between.
const FIRST_TAKEN: Duration = Duration::from_millis(100);

impl Saver {
    /// Starts the thread. The checkpoint at `newest`, if any, is the last to be replaced.
    pub fn start(settings: &Checkpoints, newest: Option<&Path>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let files = GENERATIONS.map(|name| settings.directory.join(name));
        let next = usize::from(newest == Some(&files[0]));
        let (own, best) = (shared.clone(), settings.best());
        let thread = spawn("checkpoints", move || write_all(&own, &files, next, &best));
        let thread = thread.map_err(|e| Error::io(&settings.directory, "start a thread that writes to", e))?;
        Ok(Self { settings: settings.clone(), shared, thread: Some(thread), last: now(), last_steps: 0, offered: 0 })
    }

    /// Steps that may be queued before the next checkpoint by their number.
    pub fn steps_left(&self, steps: u64) -> usize {
        let every = self.settings.steps.unwrap_or(u64::MAX);
        usize::try_from(every - (steps - self.last_steps).min(every - 1)).unwrap_or(usize::MAX)
    }

    /// Whether it is time for one after so many steps, at an epoch's end or within.
    pub fn is_due(&self, steps: u64, epoch_end: bool) -> bool {
        let by_steps = self.settings.steps.is_some_and(|every| steps - self.last_steps >= every);
        let seconds = Duration::try_from_secs_f64(self.settings.seconds.max(0.0)).unwrap_or(Duration::MAX);
        let interval = if epoch_end { SHORTEST_INTERVAL.min(seconds) } else { seconds };
        by_steps || self.last.elapsed() >= interval
    }

    /// Hands a checkpoint over, after so many steps of the fit; one that still waits is replaced by it. But the first never
    /// is: with it on disk there are two generations from the second on, however slow the disk or the thread is.
    pub fn offer(&mut self, checkpoint: Checkpoint, steps: u64) -> Result<()> {
        (self.last, self.last_steps) = (now(), steps);
        self.offered += 1;
        let mut waiting = self.shared.lock();
        while self.offered == 2 && waiting.checkpoint.is_some() && !self.has_ended() {
            waiting = self.shared.wait_briefly(waiting);
        }
        if let Some(error) = waiting.error.take() {
            return Err(error);
        }
        waiting.checkpoint = Some(Box::new(checkpoint));
        self.shared.changed.notify_all();
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(Thread::is_finished)
    }

    /// Hands the best epoch's model over.
    pub fn offer_best(&mut self, model: ModelFile) {
        self.shared.lock().best = Some(Box::new(model));
        self.shared.changed.notify_all();
    }

    /// Waits until all is on disk.
    pub fn finish(mut self) -> Result<()> {
        self.close();
        self.shared.lock().error.take().map_or(Ok(()), Err)
    }

    fn close(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It cannot panic; if it did, the error would be that the last checkpoint is an older one.
            thread.join().ok();
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_all(shared: &Shared, files: &[PathBuf; 2], mut next: usize, best: &Path) {
    let mut waiting = shared.lock();
    loop {
        let (checkpoint, model) = (waiting.checkpoint.take(), waiting.best.take());
        if checkpoint.is_none() && model.is_none() {
            if waiting.closed {
                return;
            }
            waiting = shared.wait(waiting);
            continue;
        }
        drop(waiting);
        shared.changed.notify_all();
        let saved = model.map_or(Ok(()), |model| model.save(best));
        let saved = saved.and_then(|()| checkpoint.map_or(Ok(false), |file| file.save(&files[next]).map(|()| true)));
        waiting = shared.lock();
        match saved {
            Ok(written) => next = if written { 1 - next } else { next },
            Err(error) => waiting.error = Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Activation, Loss};
    use crate::spec::{Adam, Sequential};
    use crate::state::State;
    use crate::train::checkpoint::Header;
    use crate::{OptimizerSpec, TrainSpec};

    /// After so many steps, without tensors.
    fn after(steps: u32) -> Checkpoint {
        let optimizer = OptimizerSpec::from(Adam::new(0.1));
        let replicas = vec![crate::Replica::new(0, &optimizer)];
        let spec = TrainSpec::new(Loss::SoftmaxCrossEntropy, optimizer.optimizer, 1, replicas);
        let model = Sequential::new(1).dense(2, Activation::Linear);
        let (device, trained_on, preprocessing) = (Default::default(), None, None);
        let trained_samples = None;
        let header = Header {
            model,
            spec,
            device,
            trained_on,
            trained_samples,
            preprocessing,
            bytes: false,
            epochs: 0,
            steps,
            fit: None,
            run: None,
        };
        Checkpoint { header, state: State::default(), best: State::default() }
    }

    /// Handed over as fast as they come, before the thread has even begun: nothing else decides how many are written.
    #[test]
    fn however_slow_the_thread_is_two_generations_are_left() {
        for count in [2, 3, 20] {
            let directory = tempfile::TempDir::new().unwrap();
            let settings = Checkpoints::in_directory(directory.path());
            let mut saver = Saver::start(&settings, None).unwrap();
            (0..count).for_each(|n| saver.offer(after(n), u64::from(n)).unwrap());
            saver.finish().unwrap();
            let steps = GENERATIONS.map(|name| Checkpoint::load(&directory.path().join(name)).unwrap().steps());
            let last = u64::from(count - 1);
            assert!(steps.contains(&last) && steps[0] != steps[1], "{steps:?} of {count}");
            assert_eq!(latest(directory.path()).unwrap().0.steps(), last);
        }
    }
}
