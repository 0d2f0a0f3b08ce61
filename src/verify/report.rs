use serde::Serialize;

use super::compare::Comparison;

/// Misses that a row describes; more of them would say little more.
const DETAILS: usize = 3;

/// One line of verification's table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The kernel family, or what else was run.
    pub kernel: String,
    /// Which variant of the kernel.
    pub variant: String,
    /// What the cases have in common.
    pub what: String,
    /// Cases that ran.
    pub cases: usize,
    /// Numbers that were compared.
    pub compared: usize,
    /// Numbers that missed.
    pub misses: usize,
    /// In JSON, the verdict; in Rust, [`Row::passed`].
    passed: bool,
    /// The largest error as a fraction of its bound; infinite for a NaN, which is null in JSON.
    pub worst: f64,
    /// The first misses: case, tensor, index.
    pub details: Vec<String>,
}

impl Row {
    pub(super) fn new(kernel: &str, variant: &str, what: String) -> Self {
        let (kernel, variant) = (kernel.to_owned(), variant.to_owned());
        Self { kernel, variant, what, cases: 0, compared: 0, misses: 0, passed: false, worst: 0.0, details: Vec::new() }
    }

    /// Counts a case.
    pub(super) fn case(&mut self) {
        self.cases += 1;
    }

    /// Adds a comparison, under a name.
    pub(super) fn note(&mut self, comparison: &Comparison, name: &str) {
        self.compared += comparison.compared;
        self.misses += comparison.misses;
        self.passed = self.misses == 0 && self.compared > 0;
        self.worst = self.worst.max(comparison.worst);
        let Some(first) = comparison.first_miss else { return };
        if self.details.len() < DETAILS {
            let Comparison { compared, misses, worst, worst_at, .. } = comparison;
            self.details.push(format!(
                "{name}: {misses} of {compared} out of bounds, first at {first}, worst {worst:.3} of the bound at {worst_at}"
            ));
        }
    }

    /// True without a miss, and with something compared.
    pub fn passed(&self) -> bool {
        self.passed
    }
}

/// What verification came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Rows that were run.
    pub rows: usize,
    /// Cases in them.
    pub cases: usize,
    /// Numbers compared.
    pub compared: usize,
    /// Rows with a miss.
    pub failed: usize,
}

impl Summary {
    pub(super) fn add(&mut self, row: &Row) {
        self.rows += 1;
        self.cases += row.cases;
        self.compared += row.compared;
        self.failed += usize::from(!row.passed());
    }

    /// True if something was run and nothing missed.
    pub fn passed(&self) -> bool {
        self.failed == 0 && self.rows > 0
    }
}
