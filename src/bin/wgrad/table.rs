//! Aligned columns.

use std::fmt::{Display, Formatter, Result};

/// Rows of cells; columns are as wide as their widest cell.
pub struct Table {
    /// For each column, whether its cells stand at the right, as numbers do.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading. A column whose title starts with `>` holds numbers.
    pub fn new(titles: &[&str]) -> Self {
        let right = titles.iter().map(|title| title.starts_with('>')).collect();
        Self { right, rows: vec![titles.iter().map(|title| title.trim_start_matches('>').to_owned()).collect()] }
    }

    /// Two columns without a heading: names and values.
    pub fn list() -> Self {
        Self { right: vec![false, false], rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A name and its value.
    pub fn entry(&mut self, name: &str, value: impl Display) {
        self.row([name.to_owned(), value.to_string()]);
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let cell_width = |row: &Vec<String>, column: usize| row.get(column).map_or(0, |cell| cell.chars().count());
        let width = |column| self.rows.iter().map(|row| cell_width(row, column)).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.right.len()).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).zip(&self.right).map(|((cell, width), right)| match right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            write!(f, "{}{}", if index == 0 { "" } else { "\n" }, line.trim_end())?;
        }
        Ok(())
    }
}

/// Seconds in the unit that suits them.
pub fn seconds(value: f64) -> String {
    match value {
        v if v < 1e-3 => format!("{:.1} µs", v * 1e6),
        v if v < 1.0 => format!("{:.1} ms", v * 1e3),
        v => format!("{v:.2} s"),
    }
}

/// Bytes in the unit that suits them.
pub fn bytes(value: u64) -> String {
    match value {
        v if v >= 1 << 30 => format!("{:.1} GiB", v as f64 / f64::from(1 << 30)),
        v if v >= 1 << 20 => format!("{:.0} MiB", v as f64 / f64::from(1 << 20)),
        v => format!("{:.0} KiB", v as f64 / 1024.0),
    }
}
