//! Text as it stands in paths and queries.

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// How a text is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// One segment of a path: everything.
    Segment,
    /// Several segments: all but `%2F` and `%2f`, which would look like what is between segments.
    Segments,
    /// A part of a query or of a form: everything, and `+` is a space.
    Query,
}

/// Why a text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("has a `%` that two hexadecimal digits do not follow")]
    Malformed,
    #[error("is not UTF-8 when percent-decoded")]
    NotUtf8,
}

/// Percent-decodes a text.
pub(super) fn decode(raw: &str, reading: Reading) -> Result<String, Fault> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let Some((&[high, low], after)) = rest.split_first_chunk() else { return Err(Fault::Malformed) };
                let (Some(first), Some(second)) = (hex(high), hex(low)) else { return Err(Fault::Malformed) };
                match first << 4 | second {
                    b'/' if reading == Reading::Segments => decoded.extend([b'%', high, low]),
                    byte => decoded.push(byte),
                }
                rest = after;
            }
            b'+' if reading == Reading::Query => decoded.push(b' '),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| Fault::NotUtf8)
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// Compares what a segment is when decoded with a literal, without allocating. Looks at no more of the segment than it
/// has to.
pub(super) fn compare(raw: &str, literal: &str) -> Ordering {
    // One byte more than the literal has decides, if none of them is encoded; usually none is.
    let front = raw.as_bytes().get(..=literal.len()).unwrap_or(raw.as_bytes());
    if front.contains(&b'%') {
        return percent_decode_str(raw).cmp(literal.bytes());
    }
    front.cmp(literal.as_bytes())
}

/// Whether two paths of fields are the same, or one is inside of the other.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn comparing_is_comparing_what_is_decoded(raw in "(a|b|%61|%62|%|c){0,6}", literal in "[ab%]{0,4}") {
            let decoded: Vec<u8> = percent_decode_str(&raw).collect();
            proptest::prop_assert_eq!(compare(&raw, &literal), decoded.as_slice().cmp(literal.as_bytes()));
        }
    }
}
