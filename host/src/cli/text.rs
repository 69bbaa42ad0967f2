//! Output for people: aligned and short.

/// A size with a unit, to a tenth: `512 B`, `1.5 KiB`, `12.0 MiB`.
pub(super) fn size(bytes: usize) -> String {
    const UNIT: usize = 1024;
    let (unit, name) = match bytes {
        0..UNIT => return format!("{bytes} B"),
        _ if bytes < UNIT * UNIT => (UNIT, "KiB"),
        _ if bytes < UNIT * UNIT * UNIT => (UNIT * UNIT, "MiB"),
        _ => (UNIT * UNIT * UNIT, "GiB"),
    };
    let tenths = (bytes / unit) * 10 + (bytes % unit) * 10 / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// The two largest units: `3 s`, `5 min 2 s`, `2 h 1 min`, `4 d 2 h`.
pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Prints to standard output. A reader that went away has seen enough.
pub(super) fn say(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Rows with each column as wide as its widest cell, two spaces apart, nothing after the last cell.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Text from a file, harmless on a terminal and on one line.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (12 * 1024 * 1024, "12.0 MiB"),
            (3 << 30, "3.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn durations_have_two_units() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7260), "2 h 1 min");
        assert_eq!(duration(90_000), "1 d 1 h");
    }

    #[test]
    fn tables() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let text = table(&[row("é", "1"), row("long", ""), row("x", "22")]);
        assert_eq!(text, "é     1\nlong\nx     22\n");
        assert_eq!(table::<2>(&[]), "");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
