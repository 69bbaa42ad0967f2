//! Errors of TOML files for people: one line that names the file, the line, the key and its section.
//!
//! `toml` knows where in the text a mistake is, serde knows what is wrong, and neither knows the section;
//! this file joins the three. It never repeats a string value that did not fit, because it may be a secret.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Renders `error`, met while reading `text`, as `origin:line: what is wrong where`, in one line.
///
/// `origin` is what the reader calls the text, most often the file's path. The line is left out when the error
/// has no place, as one of a whole document has not.
///
/// ```text
/// hostel.toml:7: unknown key `lisen` in [edge]; did you mean `listen`?
/// hostel.toml:9: `edge.headers_max`: expected a whole number up to 65535, found a string
/// orders.toml:3: missing key `path` in [[route]]
/// ```
pub(crate) fn render(error: &toml::de::Error, text: &str, origin: &str) -> String {
    let span = error.span();
    let path = span.as_ref().and_then(|span| path_at(text, span));
    let mut what = explain(error.message(), path.as_ref());
    if error.message() == "duplicate key"
        && let Some(key) = span.clone().and_then(|span| text.get(span))
    {
        what = format!("duplicate key `{}`", plain(key));
    }
    match span {
        Some(span) if !text.is_empty() => format!("{origin}:{}: {what}", line_at(text, span.start)),
        _ => format!("{origin}: {what}"),
    }
}

/// A whole number in `text` that is too small or too large for its type, which is how serde refuses it: where it stands, what
/// it is, and one that its type can hold and no range does. With that in its place, whoever knows the range of the key says
/// it. `None` when `error` is about something else.
pub(crate) fn beyond_type(error: &toml::de::Error, text: &str) -> Option<(Range<usize>, i64, &'static str)> {
    let rest = error.message().strip_prefix("invalid value: integer `")?;
    let (found, expected) = rest.split_once("`, expected ")?;
    let span = error.span()?;
    let other = match expected {
        "u8" => "255",
        "u16" => "65535",
        "u32" => "4294967295",
        "u64" | "usize" => "9223372036854775807",
        _ => return None,
    };
    // What serde quotes is in decimal; the text may be in another base.
    let found: i64 = found.parse().ok()?;
    text.get(span.clone())?;
    Some((span, found, other))
}

/// What serde's `message` says, in our words but without a place; for values that came from no text.
pub(crate) fn describe(message: &str) -> String {
    explain(message, None)
}

/// The number, counted from 1, of the line that holds the byte `offset` of `text`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// The line on which the dotted `key` is set in `text`, or `None` when it is not set or `text` is not TOML.
pub(crate) fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut names = key.split('.').peekable();
    while let Some(name) = names.next() {
        let (found, value) = table.iter().find(|(candidate, _)| candidate.get_ref() == name)?;
        if names.peek().is_none() {
            return Some(line_at(text, found.span().start));
        }
        table = value.get_ref().as_table()?;
    }
    None
}

/// The candidate that `word` was most likely meant to be, if any is near enough to be worth a question.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let longest = word.chars().count();
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(far, candidate)| {
            let unit_forgotten = longest >= 3 && candidate.starts_with(word);
            unit_forgotten || *far <= longest.max(candidate.chars().count()).div_ceil(3).min(4)
        })
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

/// Edits that turn `a` into `b`: insert, delete, replace, and swap of two neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_char = None;
    for (i, from) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replace = at(&last, j) + usize::from(from != *to);
            let mut best = replace.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && previous_char == Some(*to) && b.get(j - 1) == Some(&from);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
        previous_char = Some(from);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

/// Where in the document something is: `route[1].path`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The steps to the innermost key or value of `text` that covers `span`; `None` when `text` does not parse.
fn path_at(text: &str, span: &Range<usize>) -> Option<Vec<Step>> {
    let root = DeTable::parse(text).ok()?;
    let mut path = Vec::new();
    in_table(root.get_ref(), span, &mut path).then_some(path)
}

fn in_table(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<Step>) -> bool {
    for (key, value) in table {
        path.push(Step::Key(key.get_ref().to_string()));
        if covers(&key.span(), span) || in_value(value, span, path) {
            return true;
        }
        path.pop();
    }
    false
}

/// Tables and arrays of tables are searched whether or not they cover the span: theirs is that of the header alone.
fn in_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut Vec<Step>) -> bool {
    let inside = match value.get_ref() {
        DeValue::Table(table) => in_table(table, span, path),
        DeValue::Array(array) => array.iter().enumerate().any(|(index, element)| {
            path.push(Step::Index(index));
            let inside = in_value(element, span, path);
            if !inside {
                path.pop();
            }
            inside
        }),
        _ => false,
    };
    inside || covers(&value.span(), span)
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Turns serde's message, which it gives only as text, into ours. What is not recognised passes as it is.
fn explain(message: &str, path: Option<&Vec<Step>>) -> String {
    let path = path.map(Vec::as_slice).unwrap_or_default();
    let parent = path.get(..path.len().saturating_sub(1)).unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let nothing = rest.strip_suffix("`, there are no fields").map(|key| (key, ""));
        let (key, known) = nothing.or(rest.rsplit_once("`, expected ")).unwrap_or((rest, ""));
        return format!("unknown key `{}` {}{}", plain(key), section(parent), advice(key, known, "known keys"));
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        return format!("missing key `{}` {}", plain(rest.trim_end_matches('`')), section(path));
    }
    let what = if let Some(rest) = message.strip_prefix("unknown variant `") {
        let (word, known) = rest.rsplit_once("`, expected").unwrap_or((rest, ""));
        format!("unknown value `{}`{}", plain(word), advice(word, known, "known values"))
    } else if let Some(rest) = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: ")) {
        let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "another type"));
        format!("expected {}, found {}", expectation(expected), finding(found))
    } else {
        plain(message)
    };
    if path.is_empty() { what } else { format!("`{}`: {what}", place(path)) }
}

/// `; did you mean ...?` if something is near, else what there is to choose from. `known` is serde's list, in
/// backticks.
fn advice(word: &str, known: &str, noun: &str) -> String {
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => "; nothing is known there".to_owned(),
        None => format!("; {noun}: {}", known.join(", ")),
    }
}

/// What serde expected, in words of the file rather than of Rust.
fn expectation(expected: &str) -> String {
    match expected {
        "u8" => format!("a whole number up to {}", u8::MAX),
        "u16" => format!("a whole number up to {}", u16::MAX),
        "u32" => format!("a whole number up to {}", u32::MAX),
        "u64" | "usize" | "i64" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "an array".to_owned(),
        "a map" => "a table".to_owned(),
        "path string" => "a string".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => plain(other),
    }
}

/// What serde found: numbers and booleans with their value, strings without.
fn finding(found: &str) -> String {
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "an array".to_owned(),
        _ if found.starts_with("string") => "a string".to_owned(),
        _ => plain(found),
    }
}

/// The table at `path` as its header is written: `in [edge.tls]`, `in [[route]]`, `at the top level`.
fn section(path: &[Step]) -> String {
    match path.last() {
        None => "at the top level".to_owned(),
        Some(Step::Index(_)) => format!("in [[{}]]", dotted(path)),
        Some(Step::Key(_)) => format!("in [{}]", dotted(path)),
    }
}

/// The table's name as in a header, which does not count: `route.policy`.
fn dotted(path: &[Step]) -> String {
    let keys: Vec<Step> = path.iter().filter(|step| matches!(step, Step::Key(_))).cloned().collect();
    place(&keys)
}

/// Where a value is: `route[1].policy.hash`.
fn place(path: &[Step]) -> String {
    let bare = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let mut place = String::new();
    for step in path {
        match step {
            Step::Index(index) => place.push_str(&format!("[{index}]")),
            Step::Key(key) => {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(&if bare(key) { key.clone() } else { format!("{key:?}") });
            }
        }
    }
    place
}

/// Keeps a message to one line whatever the file holds.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
