//! Random names and secrets, from the host's entropy.

use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// A new id: `usr_` and 128 random bits in hex.
///
/// # Errors
/// When the host has no entropy to give.
pub fn random(prefix: &str) -> Result<String, Problem> {
    Ok(format!("{prefix}_{}", hex(&bytes::<16>()?)))
}

/// A new secret: a prefix that tells scanners what it is, and 256 random bits in hex.
///
/// # Errors
/// When the host has no entropy to give.
pub fn secret(prefix: &str) -> Result<String, Problem> {
    Ok(format!("{prefix}_{}", hex(&bytes::<32>()?)))
}

/// The same id for the same parts: `ord_` and 128 bits of their digest in hex.
pub fn derived(prefix: &str, parts: &[&str]) -> String {
    let digest = digest(parts);
    format!("{prefix}_{}", digest.get(..32).unwrap_or_default())
}

/// SHA-256 of the parts, in hex. Each part is preceded by its length, so that no two lists of parts look alike.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// Whether `text` could be an id of the shop: 1 to 64 letters, digits, `-` and `_`. Anything else is no key of ours.
pub fn is_sound(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(word)
}

fn bytes<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no entropy");
        Problem::unavailable("random number generator")
    })?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_secrets_are_long() {
        assert_ne!(random("x").unwrap(), random("x").unwrap());
        assert_eq!(secret("x").unwrap().len(), 2 + 64);
    }

    #[test]
    fn derived_ids_depend_on_where_parts_end() {
        assert_eq!(derived("o", &["ab", "c"]), derived("o", &["ab", "c"]));
        assert_ne!(derived("o", &["ab", "c"]), derived("o", &["a", "bc"]));
        assert_eq!(derived("o", &["ab"]).len(), 2 + 32);
    }
}
