//! Aligned columns.

use std::fmt::{Display, Formatter, Result};

/// Rows of cells; columns are as wide as their widest cell.
pub struct Table {
    /// For each column, whether its cells stand at the right, as numbers do.
    right: Vec<bool>,
    /// Whether the first row is a heading.
    titled: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this heading. A column whose title starts with `>` holds numbers.
    pub fn new(titles: &[&str]) -> Self {
        let right = titles.iter().map(|title| title.starts_with('>')).collect();
        Self {
            right,
            titled: true,
            rows: vec![titles.iter().map(|title| title.trim_start_matches('>').to_owned()).collect()],
        }
    }

    /// Two columns without a heading: names and values.
    pub fn list() -> Self {
        Self { right: vec![false, false], titled: false, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The same in Markdown. A list has no heading, which Markdown needs: it gets an empty one.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells = cells.iter().map(|cell| cell.replace('|', "\\|"));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        let empty = vec![String::new(); self.right.len()];
        let (heading, rows) = match self.rows.split_first() {
            Some((titles, rows)) if self.titled => (titles, rows),
            _ => (&empty, &self.rows[..]),
        };
        let rule: String = self.right.iter().map(|right| if *right { "---:|" } else { "---|" }).collect();
        let rows = rows.iter().map(|row| line(row));
        [line(heading), format!("|{rule}")].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
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
        v if v >= 1 << 10 => format!("{:.0} KiB", v as f64 / 1024.0),
        v => format!("{v} B"),
    }
}
