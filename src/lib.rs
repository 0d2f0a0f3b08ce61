//! wgrad trains multilayer perceptrons on any Vulkan, Metal or DX12 GPU through wgpu and WGSL, and verifies
//! every kernel against a CPU reference that runs the same plan. *wgrad* is the field's word for a weight gradient.
//!
//! ```no_run
//! use wgrad::{Activation::*, Adam, Device, Loss::*, Sequential, Trainer, datasets, epochs};
//!
//! let mnist = datasets::mnist()?;
//! let model = Sequential::new(784).dense(128, Relu).dense(10, Linear);
//! let mut trainer =
//!     Trainer::new(model, SoftmaxCrossEntropy, Adam::new(1e-3)).device(Device::auto()?).batch_size(64).seed(0).build()?;
//! trainer.fit(&mnist.train, epochs(5).validate(&mnist.test), &mut ())?;
//! println!("{:.2}%", 100.0 * trainer.evaluate(&mnist.test)?.accuracy);
//! trainer.save("mnist.safetensors")?;
//! # Ok::<(), wgrad::Error>(())
//! ```
//!
//! # How it fits together
//!
//! A [`Sequential`] model and its training settings are a spec, plain data. The spec is lowered to a [`plan::Plan`] for one
//! batch size: tensors and programs of steps. An [`executor::Executor`] runs the plan: [`gpu::GpuExecutor`] with WGSL
//! kernels, [`cpu::CpuExecutor`] with Rust functions. [`Trainer`] drives an executor and reports; [`Predictor`] loads a model for
//! inference alone. [`verify`] runs both executors and compares them within derived error bounds ([`scalar::Bounded`]).
//!
//! # Symbols
//!
//! | Symbol | Meaning |
//! |---|---|
//! | R | replicas: independent models of one architecture, trained side by side in the same dispatches |
//! | B | batch rows |
//! | I, O | inputs and outputs of a dense layer |
//! | N | samples of a dataset |
//! | L | dense layers |
//! | S | state values of the optimizer per parameter |
//!
//! Shapes are written like `(R, B, O)`, the last extent contiguous.

#![warn(missing_docs)]

pub mod bench;
pub mod cpu;
pub mod data;
pub mod error;
pub mod executor;
pub mod files;
pub mod gpu;
pub mod hint;
mod host;
pub mod init;
mod lower;
pub mod names;
pub mod onnx;
pub mod ops;
pub mod plan;
mod platform;
pub mod precision;
mod predictor;
pub mod pytorch;
pub mod random;
pub mod run;
pub mod scalar;
pub mod schedule;
pub mod spec;
pub mod state;
pub mod tensor;
pub mod train;
pub mod tune;
pub mod verify;

pub use data::{Dataset, Features, Targets, TrainTest, datasets};
pub use error::{Error, Result};
pub use gpu::{Gpu, GpuOptions, GpuRequest};
pub use hint::Hint;
pub use ops::optimizer::Optimizer;
pub use ops::{Activation, Loss};
pub use predictor::{Predictor, Rows};
pub use spec::{
    Adadelta, Adagrad, Adam, AdamW, Augment, Clip, DenseSpec, GradientDescent, Init, Lion, LossOptions, Nadam, Norm,
    OptimizerSpec, Precision, Replica, Rmsprop, Schedule, Sequential, Sgd, TrainSpec,
};
pub use state::{NamedTensor, State};
pub use train::{
    Callback, CheckpointReport, Checkpoints, Classification, Deviation, Device, EarlyStopping, End, EpochReport,
    Evaluation, Event, Fit, History, Metrics, ModelFile, Monitor, Note, Progress, Rates, Reference, Regression, Run,
    RunInfo, SampleRecord, Scores, StepReport, StepsReport, Trainer, TrainerBuilder, TrainingFacts, epochs,
};

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
