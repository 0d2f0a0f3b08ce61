//! The value of `--schedule`: a name, and after a colon its options, as in `cosine:warmup=2,minimum=1e-5`.

use wgrad::Schedule;

use crate::args;

/// The names and the options that they take.
const KNOWN: [(&str, &[&str]); 6] = [
    ("constant", &[]),
    ("step", &["epochs", "factor"]),
    ("exponential", &["factor"]),
    ("cosine", &["warmup", "minimum"]),
    ("one-cycle", &["rise", "initial-divisor", "final-divisor"]),
    ("plateau", &["factor", "patience", "threshold", "cooldown", "minimum"]),
];

/// For `--help`.
pub const HELP: &str = "\
Learning rate schedule: constant, step:epochs=N[,factor=0.1], exponential:factor=F (each epoch), \
cosine[:warmup=EPOCHS,minimum=RATE], one-cycle[:rise=0.3, initial-divisor=25, final-divisor=1e4], \
plateau[:factor=0.1, patience=10, threshold=1e-4, cooldown=0, minimum=RATE] (on the validation loss, else the test loss)";

/// A schedule as it is written.
pub fn parse(text: &str) -> Result<Schedule, String> {
    let (name, options) = text.split_once(':').unwrap_or((text, ""));
    let name = name.replace('_', "-");
    let Some((_, keys)) = KNOWN.iter().find(|(own, _)| *own == name) else {
        return Err(args::unknown(&name, KNOWN.iter().map(|(own, _)| *own)));
    };
    let mut given = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').ok_or(format!("`{option}` is not an option; write key=value"))?;
        let key = key.trim().replace('_', "-");
        if keys.is_empty() {
            return Err(format!("{name} has no options, but `{option}` is given"));
        }
        if given.iter().any(|(own, _)| *own == key) {
            return Err(format!("{key} is given twice"));
        }
        if !keys.contains(&key.as_str()) {
            return Err(format!("{name} has no option `{key}`: {}", args::unknown(&key, keys.iter().copied())));
        }
        let value: f64 = value.trim().parse().map_err(|_| format!("{key}: `{value}` is no number"))?;
        given.push((key, value));
    }
    let of = |key: &str| given.iter().find(|(own, _)| own == key).map(|(_, value)| *value);
    let schedule = match name.as_str() {
        "step" => Schedule::Step {
            epochs: whole("epochs", of("epochs").ok_or("step needs epochs, as in step:epochs=10")?)?,
            factor: of("factor").unwrap_or(0.1),
        },
        "exponential" => Schedule::Exponential {
            factor: of("factor").ok_or("exponential needs a factor, as in exponential:factor=0.95")?,
        },
        "cosine" => Schedule::Cosine { warmup: of("warmup").unwrap_or(0.0), minimum: of("minimum").unwrap_or(0.0) },
        "one-cycle" => Schedule::OneCycle {
            rise: of("rise").unwrap_or(0.3),
            initial_divisor: of("initial-divisor").unwrap_or(25.0),
            final_divisor: of("final-divisor").unwrap_or(1e4),
        },
        "plateau" => Schedule::Plateau {
            factor: of("factor").unwrap_or(0.1),
            patience: whole("patience", of("patience").unwrap_or(10.0))?,
            threshold: of("threshold").unwrap_or(1e-4),
            cooldown: whole("cooldown", of("cooldown").unwrap_or(0.0))?,
            minimum: of("minimum").unwrap_or(0.0),
        },
        _ => Schedule::Constant,
    };
    schedule.validate().map_err(|error| error.to_string())?;
    Ok(schedule)
}

fn whole(key: &str, value: f64) -> Result<u32, String> {
    match value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0 {
        true => Ok(value as u32),
        false => Err(format!("{key} must be a whole number of at least 0, got {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_options() {
        assert_eq!(parse("constant"), Ok(Schedule::Constant));
        assert_eq!(parse("one-cycle"), Ok(Schedule::ONE_CYCLE));
        assert_eq!(parse("plateau"), Ok(Schedule::PLATEAU));
        assert_eq!(parse("cosine:warmup=2,minimum=1e-5"), Ok(Schedule::Cosine { warmup: 2.0, minimum: 1e-5 }));
        assert_eq!(parse("step:epochs=3"), Ok(Schedule::Step { epochs: 3, factor: 0.1 }));
    }

    #[test]
    fn mistakes_are_told_with_the_way_out() {
        let error = |text: &str| parse(text).unwrap_err();
        assert!(error("cosin").starts_with("a similar one exists: `cosine`; known are constant, "));
        assert!(error("cosine:warmpu=2").starts_with("cosine has no option `warmpu`: a similar one exists: `warmup`"));
        assert_eq!(error("constant:factor=1"), "constant has no options, but `factor=1` is given");
        assert_eq!(error("step:epochs=1,epochs=2"), "epochs is given twice");
        assert_eq!(error("step"), "step needs epochs, as in step:epochs=10");
        assert_eq!(error("step:epochs=1.5"), "epochs must be a whole number of at least 0, got 1.5");
        assert_eq!(error("exponential:factor=x"), "factor: `x` is no number");
        assert_eq!(error("plateau:factor=2"), "schedule: factor must be between 0 and 1, got 2");
    }
}
