//! How a line looks.

use std::fmt::{self, Write};

use tracing::Level;

use super::fields::{Fields, Value};
use super::time::Timestamp;

/// The width that most targets fit in.
const TARGET_WIDTH: usize = 10;

/// The names of a JSON line's own members; a field of such a name gets an underscore behind it.
const MEMBERS: [&str; 4] = ["ts", "level", "target", "msg"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Json,
    Pretty { colours: bool },
}

impl Style {
    /// One event as one line, its end included.
    pub(super) fn line(self, time: Timestamp, level: Level, target: &str, fields: &Fields) -> String {
        let mut line = String::with_capacity(256);
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Json => json(&mut line, time, level, target, fields),
            Self::Pretty { colours } => pretty(&mut line, colours, time, level, target, fields),
        };
        line.push('\n');
        line
    }

    /// The line that stands for lines that were dropped.
    pub(super) fn dropped(self, lines: u64) -> String {
        let mut fields = Fields {
            message: "log lines dropped: they came faster than they could be written".to_owned(),
            ..Fields::default()
        };
        fields.set("lines", Value::Plain(lines.to_string()));
        self.line(Timestamp::now(), Level::WARN, "hostel::log", &fields)
    }
}

fn json(line: &mut String, time: Timestamp, level: Level, target: &str, fields: &Fields) -> fmt::Result {
    write!(line, "{{\"ts\":\"{time}\",\"level\":\"{}\",\"target\":", word(level))?;
    json_text(line, target)?;
    line.push_str(",\"msg\":");
    json_text(line, &fields.message)?;
    for (name, value) in &fields.named {
        line.push_str(",\"");
        json_escape(line, name)?;
        line.push_str(if MEMBERS.contains(name) { "_\":" } else { "\":" });
        match value {
            Value::Plain(text) => line.push_str(text),
            Value::Text(text) => json_text(line, text)?,
        }
    }
    line.push('}');
    Ok(())
}

fn json_text(line: &mut String, text: &str) -> fmt::Result {
    line.push('"');
    json_escape(line, text)?;
    line.push('"');
    Ok(())
}

/// RFC 8259, section 7; and DEL with the C1 controls, which some terminals obey.
fn json_escape(line: &mut String, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            '\r' => line.push_str("\\r"),
            c if c.is_control() => write!(line, "\\u{:04x}", u32::from(c))?,
            c => line.push(c),
        }
    }
    Ok(())
}

fn pretty(
    line: &mut String,
    colours: bool,
    time: Timestamp,
    level: Level,
    target: &str,
    fields: &Fields,
) -> fmt::Result {
    let (dim, bright, reset) = match (colours, level) {
        (false, _) => ("", "", ""),
        (true, Level::ERROR) => ("\x1b[2m", "\x1b[1;31m", "\x1b[0m"),
        (true, Level::WARN) => ("\x1b[2m", "\x1b[1;33m", "\x1b[0m"),
        (true, Level::INFO) => ("\x1b[2m", "\x1b[32m", "\x1b[0m"),
        (true, _) => ("\x1b[2m", "\x1b[36m", "\x1b[0m"),
    };
    let target = target.strip_prefix("hostel::").unwrap_or(target);
    write!(line, "{dim}{time:#}{reset} {bright}{:<5}{reset} ", word(level))?;
    write!(line, "{dim}{target:<TARGET_WIDTH$}{reset} ")?;
    readable(line, &fields.message)?;
    for (name, value) in &fields.named {
        write!(line, "  {dim}{name}={reset}")?;
        match value {
            Value::Text(text) if needs_quotes(text) => write!(line, "{text:?}")?,
            Value::Text(text) | Value::Plain(text) => line.push_str(text),
        }
    }
    Ok(())
}

/// Further lines of a message are indented, and control characters made visible: a guest's text must neither pass
/// for the host's nor steer the terminal.
fn readable(line: &mut String, text: &str) -> fmt::Result {
    for c in text.trim_end().chars() {
        match c {
            '\n' => line.push_str("\n    | "),
            '\t' => line.push('\t'),
            c if c.is_control() => write!(line, "{}", c.escape_default())?,
            c => line.push(c),
        }
    }
    Ok(())
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '"' || c == '=')
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
