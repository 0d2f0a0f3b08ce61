//! Ways out of errors that are settings: a front end says them in its own words.

use std::fmt::{Display, Formatter};

use serde::{Serialize, Serializer};

/// What to do about an error. Its text is in the library's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// A smaller network, or replicas.
    #[default]
    Narrower,
    /// A smaller network, batch, or fewer replicas.
    Smaller,
    /// The same, or the CPU, which has no limit on single buffers.
    SmallerOrCpu,
    /// A smaller batch or fewer replicas.
    SmallerBatch,
    /// Fewer samples.
    FewerSamples,
    /// Fewer samples or replicas.
    FewerSamplesOrReplicas,
    /// A narrower network, or another form of file.
    OwnFormat,
    /// Columns of many categories as numbers, or not at all.
    OrdinalOrDrop,
    /// Columns of words as categories, or not at all.
    CategoriesOrDrop,
    /// A column is not to be read.
    Drop,
    /// Rows with gaps are left out.
    MissingDrop,
    /// Rows with gaps are left out, or gaps are filled.
    MissingDropOrMean,
    /// Gaps are filled, or columns are not read.
    MissingMeanOrDrop,
    /// Gaps are filled, in training too.
    TrainWithMissingMean,
    /// Which column is the target.
    Target,
    /// Which column is the target, what it is, and whether there is a header.
    TargetTaskOrHeader,
    /// Whether there is a header, and the order of columns.
    Header,
    /// What stands between cells.
    Delimiter,
    /// The array of features.
    ArrayX,
    /// The array of answers.
    ArrayY,
    /// A smaller share, or not by classes.
    Stratify,
    /// Where built-in sets are.
    DataDirectory,
    /// A checkpoint is for training to go on from.
    Resume,
    /// The order of modules in a file.
    Order,
    /// Widths that agree with the model to start from.
    Widths,
    /// A smaller learning rate.
    SmallerRate,
    /// A smaller learning rate, or f32 in place of f16.
    SmallerRateOrF32,
    /// A driver, or the CPU.
    Driver,
    /// Another adapter, or the CPU.
    OtherAdapter,
    /// A software adapter by name, or the CPU.
    SoftwareByName,
    /// No subgroups, or another adapter.
    NoSubgroups,
    /// f32, the CPU, or another adapter.
    NoF16,
    /// A device that is opened for f16.
    OpenForF16,
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Narrower => "use narrower layers or fewer replicas",
            Self::Smaller => "use a smaller batch, narrower layers or fewer replicas",
            Self::SmallerOrCpu => "use narrower layers, a smaller batch or fewer replicas, or the CPU",
            Self::SmallerBatch => "use a smaller batch or fewer replicas",
            Self::FewerSamples => "use fewer samples, or free memory",
            Self::FewerSamplesOrReplicas => "use fewer replicas or fewer samples",
            Self::OwnFormat => "use narrower layers, or distribute the model's own file, which is safetensors",
            Self::OrdinalOrDrop => "take columns of many categories as ordinal, or drop them",
            Self::CategoriesOrDrop => "declare a column of words as categorical or ordinal, or drop it",
            Self::Drop => "drop it",
            Self::MissingDrop => "leave such rows out: Missing::Drop",
            Self::MissingDropOrMean => "leave such rows out or fill them: Missing::Drop, Missing::Mean",
            Self::MissingMeanOrDrop => "fill them (Missing::Mean), or drop columns",
            Self::TrainWithMissingMean => "rows can have gaps where the model was trained with Missing::Mean",
            Self::Target => "check which column is the target",
            Self::TargetTaskOrHeader => {
                "the target of a regression holds numbers; check target, task and whether there is a header"
            }
            Self::Header => {
                "this column was numeric in training; correct the cell, or check for a header and the order of columns"
            }
            Self::Delimiter => "check the delimiter",
            Self::ArrayX => "name the array of features",
            Self::ArrayY => "name the array of targets",
            Self::Stratify => "use a smaller fraction or do not stratify, or take them as values",
            Self::DataDirectory => "or name its directory, or set WGRAD_DATA to it",
            Self::Resume => "it is for resuming; models are model.safetensors and best.safetensors beside it",
            Self::Order => "set the order of the modules",
            Self::Widths => "widths must agree to start from it",
            Self::SmallerRate => "try a smaller learning rate",
            Self::SmallerRateOrF32 => "try a smaller learning rate, or precision f32, whose range is larger",
            Self::Driver => {
                "install a Vulkan driver (Debian and Ubuntu: `apt-get install libvulkan1 mesa-vulkan-drivers`), or use the \
                 CPU"
            }
            Self::OtherAdapter => "name another adapter, or use the CPU",
            Self::SoftwareByName => "name one, or use the CPU, which is faster than a software adapter",
            Self::NoSubgroups => "do without subgroup operations, or name another adapter",
            Self::NoF16 => "train with precision f32, or use the CPU or another adapter",
            Self::OpenForF16 => "open it with `GpuOptions { f16: true, .. }`, or use `Precision::F32`",
        })
    }
}

impl Serialize for Hint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
