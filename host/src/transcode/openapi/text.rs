//! Comments as texts for people.

use super::COMMENT_BYTES_MAX;

/// How long a summary may be, in characters.
const SUMMARY_CHARS_MAX: usize = 120;

/// What a comment says: without the spaces in front of its lines, and without what is between `(--` and `--)`, which is
/// not meant for readers outside (AIP-192).
pub(super) fn clean(comment: &str) -> String {
    let mut said = String::new();
    let mut rest = comment;
    while let Some((before, after)) = rest.split_once("(--") {
        said.push_str(before);
        rest = after.split_once("--)").map_or("", |(_, after)| after);
    }
    said.push_str(rest);
    let mut text = String::with_capacity(said.len());
    for line in said.lines() {
        let line = line.trim_end();
        text.push_str(line.strip_prefix(' ').unwrap_or(line));
        text.push('\n');
    }
    let text = text.trim();
    if text.len() <= COMMENT_BYTES_MAX {
        return text.to_owned();
    }
    let end =
        text.char_indices().map(|(at, _)| at).take_while(|at| *at <= COMMENT_BYTES_MAX).last().unwrap_or_default();
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// A text's first sentence, on one line and without the full stop.
pub(super) fn summary(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let sentence = paragraph.split_once(". ").map_or(paragraph.as_str(), |(first, _)| first);
    let sentence = sentence.trim().trim_end_matches('.');
    match sentence.char_indices().nth(SUMMARY_CHARS_MAX) {
        Some((end, _)) => format!("{}…", sentence.get(..end).unwrap_or_default().trim_end()),
        None => sentence.to_owned(),
    }
}

/// What a text says beyond its summary: all of it, or nothing.
pub(super) fn beyond<'t>(text: &'t str, summary: &str) -> Option<&'t str> {
    (text.trim_end_matches('.') != summary).then_some(text)
}

/// Paragraphs, those that are not empty.
pub(super) fn paragraphs<T: AsRef<str>>(all: impl IntoIterator<Item = T>) -> Option<String> {
    let mut text = String::new();
    for paragraph in all {
        let paragraph = paragraph.as_ref();
        if !paragraph.is_empty() && !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(paragraph);
    }
    (!text.is_empty()).then_some(text)
}

/// A name with other characters than `A-Z a-z 0-9 . _ -` replaced, as names in a document have to be.
pub(super) fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}
