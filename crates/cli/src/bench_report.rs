//! The report of `wgrad bench`: as text, and as Markdown that says all that a quoted figure needs.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use wgrad::bench::{KernelRow, Peak, TrainingRow};
use wgrad::executor::Clock;

use crate::bench::Report;
use crate::table::{Table, bytes, seconds};
use crate::train::device_entries;

/// Where and when, with what.
#[derive(Serialize)]
pub struct Machine {
    wgrad: &'static str,
    /// UTC, `2026-11-22`.
    date: String,
    /// Hardware threads that the process may use.
    cores: usize,
    /// The processor's name, where the system tells.
    processor: Option<String>,
    os: String,
    command: String,
}

impl Machine {
    pub fn here() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let arguments = std::env::args().skip(1);
        Self {
            wgrad: env!("CARGO_PKG_VERSION"),
            date: date(since.as_secs() / (24 * 60 * 60)),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(),
            os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            command: std::iter::once("wgrad".to_owned()).chain(arguments).collect::<Vec<_>>().join(" "),
        }
    }

    fn entries(&self, list: &mut Table) {
        let processor = self.processor.as_deref().map_or_else(String::new, |name| format!(", {name}"));
        list.entry("machine", format!("{} cores{processor}, {}", self.cores, self.os));
        list.entry("wgrad", self.wgrad);
        list.entry("date", &self.date);
        list.entry("command", &self.command);
    }
}

/// The processor's name, from Linux.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The civil date of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> String {
    let shifted = days + 719_468; // days since 0000-03-01, where leap days end a year
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // from March
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

/// A section: what it shows, and its table.
type Section = (String, Table);

fn sections(report: &Report) -> Vec<Section> {
    let samples = report.training.first().map_or(0, |row| row.samples);
    let (alone, many): (Vec<_>, Vec<_>) = report.training.iter().partition(|row| row.replicas == 1);
    let mut sections = Vec::new();
    if !alone.is_empty() {
        sections.push((format!("training, {samples} samples an epoch"), training_table(&alone)));
    }
    if !many.is_empty() {
        let title = "replicas: models trained side by side in the same dispatches";
        sections.push((title.to_owned(), replica_table(&many)));
    }
    sections.push(("memory".to_owned(), memory_table(&report.training)));
    sections.push(("peaks, the best of the runs".to_owned(), peak_table(&report.peak)));
    let title = "kernels of a training step, each by itself, as a share of the roofline of the peaks";
    sections.push((title.to_owned(), kernel_table(&report.kernels)));
    sections
}

fn list(report: &Report) -> Table {
    let mut list = Table::list();
    device_entries(&mut list, &report.info);
    report.machine.entries(&mut list);
    list
}

pub fn text(report: &Report) -> String {
    let sections = sections(report).into_iter().map(|(title, table)| format!("\n{title}\n{table}"));
    std::iter::once(list(report).to_string()).chain(sections).collect::<Vec<_>>().join("\n")
}

pub fn markdown(report: &Report) -> String {
    let sections =
        sections(report).into_iter().map(|(title, table)| format!("\n{}:\n\n{}", capital(&title), table.markdown()));
    std::iter::once(list(report).markdown()).chain(sections).collect::<Vec<_>>().join("\n")
}

fn capital(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn training_table(rows: &[&TrainingRow]) -> Table {
    let titles =
        ["network", ">steps/s", ">samples/s", ">dispatches/step", ">host/dispatch", ">first step", ">steps timed"];
    let mut table = Table::new(&titles);
    for row in rows {
        table.row([
            row.network.clone(),
            rate(row.steps_per_second),
            rate(row.samples_per_second),
            row.dispatches_per_step.to_string(),
            host(row),
            seconds(row.time_to_first_step),
            row.steps.to_string(),
        ]);
    }
    table
}

fn replica_table(rows: &[&TrainingRow]) -> Table {
    let titles =
        ["network", ">replicas", ">steps/s", ">model steps/s", ">of one alone", ">host/dispatch", ">steps timed"];
    let mut table = Table::new(&titles);
    for row in rows {
        table.row([
            row.network.clone(),
            row.replicas.to_string(),
            rate(row.steps_per_second),
            rate(row.model_steps_per_second),
            row.speedup.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x")),
            host(row),
            row.steps.to_string(),
        ]);
    }
    table
}

fn memory_table(rows: &[TrainingRow]) -> Table {
    let mut table = Table::new(&["network", ">replicas", ">plan", ">device", ">host peak"]);
    let known = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), bytes);
    for row in rows {
        let sizes = [bytes(row.plan_bytes), known(row.device_bytes), known(row.peak_host_bytes)];
        table.row([row.network.clone(), row.replicas.to_string()].into_iter().chain(sizes));
    }
    table
}

fn peak_table(peak: &Peak) -> Table {
    let mut table = Table::new(&["peak", ">rate", ">runs", "clock"]);
    let copy = format!("{:.1} GB/s", peak.bytes_per_second / 1e9);
    let multiply_add = format!("{:.1} GFLOP/s", peak.flops_per_second / 1e9);
    for (what, rate, runs) in
        [("copy, read and written", copy, peak.runs[0]), ("multiply-add, f32", multiply_add, peak.runs[1])]
    {
        table.row([what.to_owned(), rate, runs.to_string(), clock(peak.clock).to_owned()]);
    }
    table
}

fn kernel_table(rows: &[KernelRow]) -> Table {
    let titles = ["network", "step", "variant", ">GFLOP/s", ">GB/s", ">time", ">roofline", "bound", ">runs", "clock"];
    let mut table = Table::new(&titles);
    for row in rows {
        table.row([
            row.network.clone(),
            row.step.clone(),
            row.variant.as_deref().unwrap_or("-").to_owned(),
            format!("{:.2}", row.gflops),
            format!("{:.2}", row.bytes as f64 / row.seconds / 1e9),
            seconds(row.seconds),
            format!("{:.0} %", 100.0 * row.roofline),
            row.bound.to_owned(),
            row.runs.to_string(),
            clock(row.clock).to_owned(),
        ]);
    }
    table
}

fn rate(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

fn host(row: &TrainingRow) -> String {
    row.host.map_or_else(|| "-".to_owned(), |host| format!("{:.2} µs", host.seconds_per_dispatch * 1e6))
}

fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Device => "device",
        Clock::Host => "host",
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_of_leap_years_and_century_ends() {
        let wanted = [(0, "1970-01-01"), (11_016, "2000-02-29"), (11_017, "2000-03-01"), (20_779, "2026-11-22")];
        for (days, civil) in wanted {
            assert_eq!(date(days), civil);
        }
        assert_eq!((date(19_722), date(19_723)), ("2023-12-31".to_owned(), "2024-01-01".to_owned()));
    }
}
