//! A plan as text, for `--print-plan`.

use std::fmt::{Display, Formatter, Result};

use super::{Element, Plan, Program, Role, Tensor, TensorId};
use crate::ops::{ALIGNED, Activation, Op, Operation, Param};

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let replicas = self.replicas.len();
        let parameters: usize = self.tensors.iter().filter(|t| t.role == Role::Parameter).map(Tensor::len).sum();
        writeln!(f, "plan: {replicas} replica(s) R, batch {} B, {parameters} parameters", self.train.batch)?;
        writeln!(f, "\ntensors ({} bytes in all)", self.bytes())?;
        for tensor in &self.tensors {
            writeln!(f, "  {tensor}")?;
        }
        self.write_program(f, "training step", &self.train)?;
        self.write_program(f, "evaluation of a batch", &self.evaluate)?;
        self.write_program(f, "prediction of a batch", &self.predict)?;
        self.write_program(f, "evaluation of a batch with metrics", &self.judge)
    }
}

impl Plan {
    fn write_program(&self, f: &mut Formatter<'_>, title: &str, program: &Program) -> Result {
        let (steps, layers) = (program.steps.len(), self.layers.len());
        writeln!(f, "\n{title}: {steps} dispatches for L = {layers} dense layers")?;
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

    /// The shape of a tensor as text.
    pub(crate) fn shape_text(&self, id: TensorId) -> String {
        shape_text(&self.tensor(id).shape)
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

fn shape_text(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("({})", extents.join(", "))
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
