//! The library's errors in the command's words: its hints name flags.

use wgrad::{Error, Hint};

/// An error's text. The CPU is a way out only of commands that take it.
pub fn of(error: &Error, takes_cpu: bool) -> String {
    error.told(|hint| hint_of(hint, takes_cpu))
}

/// The way to get an adapter.
pub fn driver() -> String {
    hint_of(Hint::Driver, true)
}

fn hint_of(hint: Hint, takes_cpu: bool) -> String {
    let cpu = if takes_cpu { ", or use `--device cpu`" } else { "" };
    match hint {
        Hint::SmallerOrCpu => format!("use narrower layers, a smaller batch or fewer replicas{cpu}"),
        Hint::Driver => format!(
            "install a Vulkan driver (Debian and Ubuntu: `apt-get install libvulkan1 mesa-vulkan-drivers`){cpu}"
        ),
        Hint::OtherAdapter => format!("name another with `--adapter`{cpu}"),
        Hint::SoftwareByName if takes_cpu => {
            "name one with `--adapter`, or use `--device cpu`, which is faster than a software adapter".to_owned()
        }
        Hint::SoftwareByName => "name one with `--adapter`".to_owned(),
        other => flags(other).map_or_else(|| other.to_string(), str::to_owned),
    }
}

/// Those whose flags are always the same; none where there is no flag.
fn flags(hint: Hint) -> Option<&'static str> {
    Some(match hint {
        Hint::FewerSamples => "use fewer samples (--limit), or free memory",
        Hint::FewerSamplesOrReplicas => "use fewer replicas or fewer samples (--limit)",
        Hint::OrdinalOrDrop => "take columns of many categories as --ordinal, or leave them out with --drop",
        Hint::CategoriesOrDrop => {
            "declare a column of words with --categorical or --ordinal, or leave it out with --drop"
        }
        Hint::Drop => "leave it out with --drop",
        Hint::MissingDrop => "leave such rows out with --missing drop",
        Hint::MissingDropOrMean => "leave such rows out with --missing drop, or fill them with --missing mean",
        Hint::MissingMeanOrDrop => "use --missing mean, or --drop columns",
        Hint::TrainWithMissingMean => "rows can have gaps where the model was trained with --missing mean",
        Hint::Target => "check --target",
        Hint::TargetTaskOrHeader => "the target of a regression holds numbers; check --target, --task and --header",
        Hint::Header => {
            "this column was numeric in training; correct the cell, or check --header and the order of columns"
        }
        Hint::Delimiter => "set the delimiter with --delimiter",
        Hint::ArrayX => "name one with --x",
        Hint::ArrayY => "name one with --y",
        Hint::Stratify => "use a smaller fraction or --no-stratify, or --task regression where they are values",
        Hint::DataDirectory => "or name its directory with --data-dir or WGRAD_DATA",
        Hint::Resume => {
            "`wgrad train --resume` continues from it; models are model.safetensors and best.safetensors beside it"
        }
        Hint::Order => "set it with --order",
        Hint::Widths => "widths must agree for --from: see --hidden",
        Hint::SmallerRateOrF32 => "try a smaller learning rate, or `--precision f32`, whose range is larger",
        Hint::NoSubgroups => "leave out `--kernels subgroup`, or name another with `--adapter`",
        Hint::NoF16 => "train with `--precision f32`, or use `--device cpu` or another `--adapter`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_told_in_flags_and_the_rest_stays() {
        let error = Error::spec("split", "no sample is left").hinting(Hint::Stratify);
        assert_eq!(error.to_string(), format!("split: no sample is left; {}", Hint::Stratify));
        let told = of(&error, true);
        assert!(told.starts_with("split: no sample is left; ") && told.contains("--no-stratify"), "{told}");
        let error = Error::adapter("none", Hint::Driver);
        assert!(of(&error, true).ends_with("`--device cpu`") && !of(&error, false).contains("--device"));
    }
}
