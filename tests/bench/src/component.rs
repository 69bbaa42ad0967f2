//! Copies of a component that differ from it, and from each other, in a custom section.
//!
//! What runs is the same; the digest is not, so a host compiles, caches and loads each copy for itself.

/// Where modules may carry their manifest.
const MANIFEST: &str = "hostel:manifest";

/// A copy with a section that says `mark`.
pub(crate) fn marked(component: &[u8], mark: &str) -> Vec<u8> {
    with_section(component, "bench:copy", mark.as_bytes())
}

/// A copy with a manifest in it.
pub(crate) fn with_manifest(component: &[u8], manifest: &str) -> Vec<u8> {
    with_section(component, MANIFEST, manifest.as_bytes())
}

fn with_section(component: &[u8], name: &str, content: &[u8]) -> Vec<u8> {
    let name_length = leb128(name.len());
    let mut copy = component.to_vec();
    // Custom sections are number 0, and may stand at the end.
    copy.push(0);
    copy.extend(leb128(name_length.len() + name.len() + content.len()));
    copy.extend(name_length);
    copy.extend_from_slice(name.as_bytes());
    copy.extend_from_slice(content);
    copy
}

/// The number as WebAssembly writes it.
fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_as_long_as_they_say() {
        assert_eq!(leb128(5), [5]);
        assert_eq!(leb128(300), [0xac, 2]);
        assert_eq!(with_section(b"\0asm", "ab", b"cde"), b"\0asm\0\x06\x02abcde");
    }
}
