use super::Param;

/// The extents of a dense layer's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dense {
    /// B, rows a batch has at most.
    pub batch: usize,
    /// I, inputs.
    pub inputs: usize,
    /// O, outputs.
    pub outputs: usize,
}

impl Dense {
    /// The fields of `Params` that all dense shaders share.
    pub fn params(&self) -> Vec<(&'static str, Param)> {
        vec![
            ("batch", Param::Unsigned(self.batch)),
            ("inputs", Param::Unsigned(self.inputs)),
            ("outputs", Param::Unsigned(self.outputs)),
        ]
    }

    /// Multiply-adds of one product over the whole batch, counted as two.
    pub fn flops(&self) -> u64 {
        2 * self.batch as u64 * self.inputs as u64 * self.outputs as u64
    }
}
