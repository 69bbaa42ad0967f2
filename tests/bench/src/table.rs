//! The report for people.

use std::fmt::Write as _;

use crate::bench::DISTURBANCE_MAX;
use crate::machine::Machine;
use crate::report::{Figure, Group, LoadRow, Report};
use crate::stats::Spread;
use crate::work::{Side, Work};

/// The whole report. `how` says what was run, `left_out` what was not.
pub(crate) fn text(machine: &Machine, how: &str, left_out: &[String], report: &Report) -> String {
    let mut text = String::new();
    let components = |components: &[(String, u64)]| {
        let sizes = components.iter().map(|(name, bytes)| format!("{name} {:.2} MB", *bytes as f64 / 1e6));
        sizes.collect::<Vec<_>>().join(", ")
    };
    let mut head = vec![
        (
            "machine",
            format!("{}, {} cores, {} GiB, {}", machine.cpu, machine.cores, machine.memory_gib, machine.kernel),
        ),
        ("host", format!("{}; benchmark and guests at {}", machine.hostel, machine.revision)),
    ];
    head.extend(machine.wasmtime.clone().map(|wasmtime| ("compared", format!("{wasmtime}, its `serve`"))));
    head.extend([
        ("made with", format!("{}; {}", machine.rustc, machine.crates.join(", "))),
        ("lean", components(&machine.lean)),
        ("standard", components(&machine.standard)),
        ("run", how.to_owned()),
        (
            "quiet",
            format!("others used at most {:.1} % of the machine during a measurement", report.disturbance_max * 100.0),
        ),
    ]);
    head.extend(left_out.iter().map(|what| ("left out", what.clone())));
    for (key, value) in head {
        let _ = writeln!(text, "{key:<11}{value}");
    }
    if report.disturbance_max > DISTURBANCE_MAX {
        let _ = writeln!(text, "WARNING: the machine was not quiet; run it again");
    }
    let mut rows = report.loads.as_slice();
    while let Some(first) = rows.first() {
        let same = |row: &LoadRow| row.connections == first.connections && title(row) == title(first);
        let end = rows.iter().position(|row| !same(row)).unwrap_or(rows.len());
        let (group, rest) = rows.split_at(end);
        let _ = write!(text, "\n{}, {}\n{}", title(first), plural(first.connections), loads(group));
        rows = rest;
    }
    let mut figures = report.figures.as_slice();
    while let Some(first) = figures.first() {
        let end = figures.iter().position(|figure| figure.group != first.group);
        let (group, rest) = figures.split_at(end.unwrap_or(figures.len()));
        let _ = write!(text, "\n{}\n{}", first.group, figure_table(group));
        figures = rest;
    }
    for group in &report.groups {
        let _ = write!(text, "\n{}\n{}", group.table.title, group_table(group));
    }
    text
}

pub(crate) fn plural(connections: usize) -> String {
    match connections {
        1 => "1 connection".to_owned(),
        connections => format!("{connections} connections"),
    }
}

fn title(row: &LoadRow) -> &'static str {
    match row.work {
        Work::Hello | Work::Fresh | Work::FreshP2 => "GET to one service",
        Work::Via => "GET to A, which makes a unary gRPC call to B",
    }
}

/// What serves in this row.
pub(crate) fn name(side: Side, work: Work) -> &'static str {
    match (side, work) {
        (Side::Native, Work::Hello | Work::Fresh | Work::FreshP2) => "native axum",
        (Side::Native, Work::Via) => "native axum and tonic, two processes",
        (Side::Lean, Work::Hello) => "module, lean door",
        (Side::Lean, Work::Via) => "two modules, lean door",
        (Side::Lean | Side::Standard, Work::Fresh) => "module, lean door, fresh instance each",
        (Side::Standard, Work::Hello) => "module, standard door",
        (Side::Standard, Work::Via) => "two modules, standard door",
        (Side::Lean | Side::Standard, Work::FreshP2) => "WASI 0.2 module, fresh instance each",
        (Side::Wasmtime, Work::FreshP2 | Work::Fresh) => "WASI 0.2 in wasmtime serve, fresh instance each",
        (Side::Wasmtime, Work::Hello | Work::Via) => "standard door in wasmtime serve",
    }
}

fn loads(rows: &[LoadRow]) -> String {
    let head = [
        "",
        "requests/s",
        "",
        "of native",
        "",
        "CPU µs",
        "of native",
        "p50 µs",
        "of native",
        "p99 µs",
        "p99.9 µs",
        "server busy",
        "client busy",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for row in rows {
        lines.push(vec![
            name(row.side, row.work).to_owned(),
            thousands(row.requests_per_s.median),
            deviation(&row.requests_per_s),
            ratio(row.requests_ratio.as_ref()),
            range(row.requests_ratio.as_ref()),
            number(row.cpu_us_per_request.median),
            ratio(row.cpu_ratio.as_ref()),
            number(row.p50_us.median),
            ratio(row.p50_ratio.as_ref()),
            number(row.p99_us.median),
            number(row.p999_us.median),
            percent(row.server_busy.median),
            percent(row.client_busy.median),
        ]);
    }
    table(&lines)
}

fn figure_table(figures: &[Figure]) -> String {
    let mut lines = Vec::new();
    let compared = figures.iter().any(|figure| figure.ratio.is_some());
    let head = ["", "median", "", "", if compared { "of native" } else { "" }, ""];
    lines.push(head.map(str::to_owned).to_vec());
    for figure in figures {
        lines.push(vec![
            figure.name.clone(),
            number(figure.value.median),
            figure.unit.to_owned(),
            deviation(&figure.value),
            figure.ratio.as_ref().map_or_else(String::new, |spread| ratio(Some(spread))),
            figure.ratio.as_ref().map_or_else(String::new, |spread| range(Some(spread))),
        ]);
    }
    table(&lines)
}

fn group_table(group: &Group) -> String {
    let mut head = vec![String::new()];
    // Where nothing can be compared, as without the native side, there is no column for it.
    let columns: Vec<bool> = (0..group.table.columns.len())
        .map(|column| group.rows.iter().any(|row| row.cells.get(column).is_some_and(|cell| cell.ratio.is_some())))
        .collect();
    for (column, compared) in group.table.columns.iter().zip(&columns) {
        head.extend([column.name.to_owned(), String::new()]);
        if *compared {
            head.extend([format!("of {}", group.table.of), String::new()]);
        }
    }
    let mut lines = vec![head];
    for row in &group.rows {
        let mut line = vec![row.name.clone()];
        for (cell, compared) in row.cells.iter().zip(&columns) {
            line.extend([number(cell.value.median), deviation(&cell.value)]);
            if *compared {
                let spread = cell.ratio.as_ref();
                line.extend([spread.map_or_else(String::new, |spread| ratio(Some(spread))), range(spread)]);
            }
        }
        lines.push(line);
    }
    table(&lines)
}

/// Columns as wide as they need to be, the first one to the left, the others to the right.
fn table(lines: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, (width, cell)) in widths.iter().zip(line).enumerate() {
            let _ = match (column, width) {
                (0, _) => write!(row, "  {cell:<width$}"),
                (_, 0) => Ok(()),
                _ => write!(row, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

/// With three significant digits or a little more.
fn number(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 100.0 => format!("{value:.1}"),
        _ => thousands(value),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left % 3 == 0 && !text.ends_with('-') {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn deviation(spread: &Spread) -> String {
    match spread.min < spread.max {
        true => format!("±{:.0} %", (spread.deviation() * 100.0).ceil()),
        false => String::new(),
    }
}

fn ratio(spread: Option<&Spread>) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| format!("{:.2}", spread.median))
}

fn range(spread: Option<&Spread>) -> String {
    match spread {
        Some(spread) if spread.min < spread.max => format!("({:.2}-{:.2})", spread.min, spread.max),
        _ => String::new(),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_need_to_be() {
        assert_eq!(number(6.789), "6.79");
        assert_eq!(number(-67.89), "-67.9");
        assert_eq!(number(678.9), "679");
        assert_eq!(number(-123_456.7), "-123 457");
        assert_eq!(thousands(1_234_567.0), "1 234 567");
    }

    #[test]
    fn columns_line_up() {
        let line = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = table(&[line(["", "µs", ""]), line(["a longer name", "1000", ""])]);
        assert_eq!(text, "                   µs\n  a longer name  1000\n");
    }
}
