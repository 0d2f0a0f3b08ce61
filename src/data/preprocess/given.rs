//! Models that were not trained on a table know no columns: what they need of one is given when they meet it.

use super::{Column, Encoding, Preprocessing, Source, Target};
use crate::data::Table;
use crate::hint::Hint;
use crate::{Error, Result};

impl Preprocessing {
    /// One that says no more than what the outputs of a model are: classes by number, from 0 (two of them where there is one
    /// output), or values by number, from 1.
    ///
    /// ```
    /// use wgrad::data::Preprocessing;
    /// assert_eq!(Preprocessing::numbered(3, false).classes, ["0", "1", "2"]);
    /// assert!(Preprocessing::numbered(1, true).is_regression());
    /// ```
    pub fn numbered(outputs: usize, values: bool) -> Self {
        if !values {
            return Self { classes: (0..outputs.max(2)).map(|n| n.to_string()).collect(), ..Self::default() };
        }
        let target =
            |index: usize| Target { source: Source { name: (index + 1).to_string(), index }, shift: 0.0, scale: 1.0 };
        Self { targets: (0..outputs).map(target).collect(), ..Self::default() }
    }

    /// Whether it was fitted on a table, and so finds inputs and answers in one by itself.
    pub fn knows_columns(&self) -> bool {
        // Of a table's columns one at least is a target, and arrays of features have none.
        !self.columns.is_empty() && self.width > self.columns.len()
    }

    /// The same for a table, where it was not fitted on one: the columns `targets`, by name or number, hold the answers (none:
    /// the last ones), and all others are the model's inputs, in their order; so many as it takes.
    ///
    /// ```
    /// use wgrad::data::{Preprocessing, Table, TableFormat};
    /// let table = Table::parse("pets.csv", b"age,kind,size\n3,1,20\n5,0,60\n", TableFormat::default())?;
    /// let known = Preprocessing::numbered(2, false).for_table(&table, 2, &["kind".to_owned()])?;
    /// assert_eq!(known.encode(&table, &[1])?.into_raw_vec_and_offset().0, [5.0, 60.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Spec`] for a column that is not there or named twice, and for more or fewer targets than there are outputs;
    /// [`Error::Data`] for more or fewer other columns than there are inputs.
    pub fn for_table(&self, table: &Table, inputs: usize, targets: &[String]) -> Result<Self> {
        let answers = self.answers(table, targets)?;
        let source = |index: usize| Source { name: table.names()[index].clone(), index };
        let others: Vec<usize> = (0..table.names().len()).filter(|column| !answers.contains(column)).collect();
        let wanted = if self.columns.is_empty() { inputs } else { self.columns.len() };
        if others.len() != wanted {
            let names: Vec<_> = answers.iter().map(|index| format!("`{}`", table.names()[*index])).collect();
            return Err(table
                .refuse(format!(
                    "has {} columns besides the target {}, but the model takes {wanted} inputs; give those",
                    others.len(),
                    names.join(", ")
                ))
                .hinting(Hint::Target));
        }
        let plain = |_: usize| Encoding::Number { shift: 0.0, scale: 1.0, missing: None };
        let encoding = |n: usize| self.columns.get(n).map_or_else(|| plain(n), |column| column.encoding.clone());
        let columns =
            others.iter().enumerate().map(|(n, index)| Column { source: source(*index), encoding: encoding(n) });
        let target = |(n, index): (usize, &usize)| {
            let (shift, scale) = self.targets.get(n).map_or((0.0, 1.0), |target| (target.shift, target.scale));
            Target { source: source(*index), shift, scale }
        };
        Ok(Self {
            columns: columns.collect(),
            width: table.names().len(),
            targets: answers.iter().enumerate().map(target).collect(),
            weights: None,
            split: None,
            ..self.clone()
        })
    }

    /// The columns of the answers.
    fn answers(&self, table: &Table, targets: &[String]) -> Result<Vec<usize>> {
        let wanted = if self.classes.is_empty() { self.targets.len().max(1) } else { 1 };
        if targets.is_empty() {
            let width = table.names().len();
            return Ok((width.saturating_sub(wanted)..width).collect());
        }
        if targets.len() != wanted {
            return Err(Error::spec("target", format!("the model has {wanted}, got {}", targets.len())));
        }
        let mut answers = Vec::new();
        for name in targets {
            let column = table.column(name, "target")?;
            if answers.contains(&column) {
                return Err(Error::spec("target", format!("column `{name}` is named twice")));
            }
            answers.push(column);
        }
        Ok(answers)
    }
}
