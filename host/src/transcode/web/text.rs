//! Bodies in base64, which may come and go in any pieces.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

/// Why a body is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A character that base64 does not have, or not there.
    #[error("the body is no base64: byte {byte:#04x} at {at}")]
    Character {
        /// Which.
        byte: u8,
        /// Where in the body, counted from 0.
        at: u64,
    },
    /// The bits that fill up the last byte are not zero.
    #[error("the body is no base64: what ends before {at} has bits too many")]
    Bits {
        /// Where in the body, counted from 0.
        at: u64,
    },
    /// The body ends within four characters.
    #[error("the body ends in the middle of base64")]
    CutOff,
}

/// Reads base64 that comes in pieces.
///
/// Senders encode piece by piece, so there may be padding wherever a group of four ends, and after it goes on.
#[derive(Debug, Default)]
pub struct TextDecoder {
    /// The bits of the group so far.
    bits: u32,
    /// How many of its characters have come, padding included.
    characters: u8,
    /// How many of those are padding.
    padding: u8,
    /// How many characters came before.
    at: u64,
    failed: Option<TextError>,
}

impl TextDecoder {
    /// A decoder at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends to `out` what the next piece says.
    ///
    /// # Errors
    ///
    /// When it is no base64. After an error there is nothing but the same error.
    pub fn push(&mut self, piece: &[u8], out: &mut BytesMut) -> Result<(), TextError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        out.reserve(piece.len() / 4 * 3 + 3);
        for byte in piece {
            self.character(*byte, out).inspect_err(|error| self.failed = Some(*error))?;
            self.at += 1;
        }
        Ok(())
    }

    fn character(&mut self, byte: u8, out: &mut BytesMut) -> Result<(), TextError> {
        match byte {
            b'=' if self.characters >= 2 => self.padding += 1,
            _ => {
                let value = value(byte).filter(|_| self.padding == 0);
                let value = value.ok_or(TextError::Character { byte, at: self.at })?;
                self.bits = self.bits << 6 | value;
            }
        }
        self.characters += 1;
        if self.characters == 4 {
            // Without the bits that fill up the last byte.
            let bits = self.bits >> (2 * self.padding);
            if bits << (2 * self.padding) != self.bits {
                return Err(TextError::Bits { at: self.at });
            }
            let [first, second, third, fourth] = bits.to_be_bytes();
            match self.padding {
                0 => out.extend_from_slice(&[second, third, fourth]),
                1 => out.extend_from_slice(&[third, fourth]),
                _ => out.extend_from_slice(&[fourth]),
            }
            debug_assert_eq!(first, 0, "four characters have 24 bits");
            (self.bits, self.characters, self.padding) = (0, 0, 0);
        }
        Ok(())
    }

    /// That the body may end here.
    ///
    /// # Errors
    ///
    /// When it is cut off, or whatever was wrong before.
    pub fn finish(&self) -> Result<(), TextError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.characters == 0 => Ok(()),
            None => Err(TextError::CutOff),
        }
    }
}

/// The six bits of a character.
///
/// Source: RFC 4648, section 4.
fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// A piece of a body in base64, with padding: what is sent need not wait for what comes next.
pub fn encode_text(piece: &[u8]) -> Bytes {
    STANDARD.encode(piece).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::fuzz;

    fn read(pieces: &[&[u8]]) -> Result<Vec<u8>, TextError> {
        let mut decoder = TextDecoder::new();
        let mut out = BytesMut::new();
        for piece in pieces {
            decoder.push(piece, &mut out)?;
        }
        decoder.finish().map(|()| out.to_vec())
    }

    #[test]
    fn pieces_with_padding_are_one_body() {
        for (text, expected) in [
            (&b""[..], &b""[..]),
            (b"AA==", b"\0"),
            (b"AAA=", b"\0\0"),
            (b"AAAA", b"\0\0\0"),
            (b"/+8=/+8=", b"\xff\xef\xff\xef"),
            (b"YQ==YmM=ZGVmZw==", b"abcdefg"),
        ] {
            assert_eq!(read(&[text]).unwrap(), expected);
            for at in 0..text.len() {
                assert_eq!(read(&[&text[..at], &text[at..]]).unwrap(), expected);
            }
            assert_eq!(read(&text.chunks(1).collect::<Vec<_>>()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for (text, error) in [
            (&b"AA\n=="[..], TextError::Character { byte: b'\n', at: 2 }),
            (b"AAAA AAAA", TextError::Character { byte: b' ', at: 4 }),
            (b"AA-_", TextError::Character { byte: b'-', at: 2 }),
            (b"=", TextError::Character { byte: b'=', at: 0 }),
            (b"A===", TextError::Character { byte: b'=', at: 1 }),
            (b"AA=A", TextError::Character { byte: b'A', at: 3 }),
            (b"AA===", TextError::Character { byte: b'=', at: 4 }),
            (b"AB==", TextError::Bits { at: 3 }),
            (b"AAB=", TextError::Bits { at: 3 }),
            (b"A", TextError::CutOff),
            (b"AA", TextError::CutOff),
            (b"AAA", TextError::CutOff),
            (b"AA=", TextError::CutOff),
        ] {
            assert_eq!(read(&[text]), Err(error), "{text:?}");
            assert_eq!(read(&text.chunks(1).collect::<Vec<_>>()), Err(error), "{text:?}");
        }
        let mut decoder = TextDecoder::new();
        let mut out = BytesMut::new();
        let error = decoder.push(b"!", &mut out).unwrap_err();
        assert_eq!((decoder.push(b"AAAA", &mut out), decoder.finish(), out.len()), (Err(error), Err(error), 0));
        assert_eq!(error.to_string(), "the body is no base64: byte 0x21 at 0");
    }

    #[test]
    fn any_bytes_are_answered_and_splits_do_not_matter() {
        let seeds: [&[u8]; 4] = [b"YQ==YmM=ZGVmZw==", b"AAAA", b"////++++", b"AAAAAAM="];
        fuzz::inputs(&seeds, |input, random| {
            let whole = read(&[input]);
            assert_eq!(read(&fuzz::cut(input, random)), whole);
            // Where it is one piece, it is what everybody else reads.
            if let Ok(expected) = STANDARD.decode(input) {
                assert_eq!(whole, Ok(expected));
            }
        });
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(pieces in proptest::collection::vec(proptest::collection::vec(0u8.., 0..40), 0..6)) {
            let text: Vec<u8> = pieces.iter().flat_map(|piece| encode_text(piece)).collect();
            let expected = pieces.concat();
            for at in 0..=text.len() {
                proptest::prop_assert_eq!(read(&[&text[..at], &text[at..]]), Ok(expected.clone()));
            }
        }
    }
}
