//! A plan as text, for `--print-plan`.

use std::fmt::{Display, Formatter, Result};

use super::{Plan, Program, ProgramId};
use crate::ops::{ALIGNED, Activation, Op, Operation, Param};
use crate::tensor::{Element, Role, Tensor, shape_text};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let replicas = self.replicas;
        let parameters: usize = self.tensors.iter().filter(|t| t.role == Role::Parameter).map(Tensor::len).sum();
        let batch = self.programs.values().map(|program| program.batch).next().unwrap_or(0);
        writeln!(f, "plan: {replicas} replica(s) R, batch {batch} B, {parameters} parameters")?;
        writeln!(f, "\ntensors ({} bytes in all)", self.bytes())?;
        for tensor in &self.tensors {
            writeln!(f, "  {tensor}")?;
        }
        self.programs.iter().try_for_each(|(id, program)| self.write_program(f, id.title(), program))
    }
}

impl Plan {
    fn write_program(&self, f: &mut Formatter<'_>, title: &str, program: &Program) -> Result {
        writeln!(f, "\n{title}: {} dispatches", program.steps.len())?;
        for (index, step) in program.steps.iter().enumerate() {
            let arguments = step.op.arguments().into_iter();
            let names: Vec<String> =
                arguments.filter_map(|(binding, id)| Some(format!("{binding}={}", self.tensor(id?).name))).collect();
            let settings = settings(&step.op);
            let settings = if settings.is_empty() { String::new() } else { format!(" [{}]", settings.join(" ")) };
            writeln!(f, "  {index}  {:<24} {}{settings}", step.label, step.operation())?;
            write_wrapped(f, &names)?;
        }
        Ok(())
    }
}

/// What makes this step another than the next of its kind: activation, kind of input, optimizer and its numbers. How lines
/// are read is the kernel's own affair.
fn settings(op: &Op) -> Vec<String> {
    let named = op.params().into_iter().filter_map(|(_, value)| match value {
        Param::Named(name) if name != Activation::Linear.name() => Some(name.to_owned()),
        _ => None,
    });
    let constants = op.constants().into_iter().filter(|(name, _)| *name != ALIGNED);
    named.chain(constants.map(|(_, value)| value.to_string())).collect()
}

/// Words on indented lines that fit a terminal.
fn write_wrapped(f: &mut Formatter<'_>, words: &[String]) -> Result {
    const WIDTH: usize = 80;
    let mut line = "    ".to_owned();
    for (index, word) in words.iter().enumerate() {
        if index > 0 && line.len() + 1 + word.len() > WIDTH {
            writeln!(f, "{line}")?;
            line = "    ".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(f, "{line}")
}

impl ProgramId {
    fn title(self) -> &'static str {
        match self {
            Self::Train => "training step",
            Self::Evaluate => "evaluation of a batch",
            Self::Predict => "prediction of a batch",
            Self::Measure => "evaluation of a batch with metrics",
            Self::Rank => "ranking",
            Self::Steps => "steps",
        }
    }
}

impl Display for Tensor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let element = match self.element {
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::U32 => "u32",
            Element::U8 => "u8",
        };
        let (role, shape) = (self.role, shape_text(&self.shape));
        write!(f, "{:<26} {element:<4} {shape:<17} {role:<15} {:>9} B", self.name, self.bytes())
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.pad(match self {
            Self::Parameter => "parameter",
            Self::Gradient => "gradient",
            Self::OptimizerState => "optimizer state",
            Self::Statistics => "statistics",
            Self::Activation => "activation",
            Self::Input => "input",
            Self::Target => "target",
            Self::Order => "order",
            Self::Metric => "metric",
        })
    }
}

impl Display for crate::ops::Constant {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            // Shaders get f32, whose shortest text is what was meant: 0.999 and not 0.9990000128746033.
            Self::Number(value) if *value != 0.0 && value.abs() < 1e-4 => write!(f, "{:e}", *value as f32),
            Self::Number(value) => write!(f, "{}", *value as f32),
            Self::Named(name) => f.write_str(&name.to_lowercase()),
        }
    }
}
