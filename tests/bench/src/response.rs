//! Reading HTTP/1.1 responses of known or chunked length, piece by piece.
//!
//! A body may be large: it is handed on as it comes and never kept here.

use anyhow::{Context as _, bail};

/// More headers than any of the servers sends.
const HEADERS_MAX: usize = 32;

/// One response, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    at: At,
    pub(crate) status: u16,
    /// A head that did not come in one piece.
    head: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum At {
    #[default]
    Head,
    /// So much is left of a body whose length was told.
    Body(u64),
    /// In the line with a chunk's size. `None` before its first digit.
    ChunkSize(Option<u64>),
    /// So much is left of a chunk.
    Chunk(u64),
    /// So many bytes are left of the line end behind a chunk, the last one perhaps.
    ChunkEnd {
        left: usize,
        last: bool,
    },
    Done,
}

impl Reader {
    /// Takes what has come, and gives the body's part of it to `body`. True when the response is complete.
    ///
    /// # Errors
    ///
    /// When it is not a response, or not one whose end can be found; when more comes than one response; when `body`
    /// has one.
    pub(crate) fn take(
        &mut self,
        mut input: &[u8],
        mut body: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        while let Some((&byte, after)) = input.split_first() {
            match self.at {
                At::Head => match self.head(input)? {
                    Some(rest) => input = rest,
                    None => return Ok(false),
                },
                At::Body(left) | At::Chunk(left) => {
                    let (piece, rest) = input.split_at(usize::try_from(left)?.min(input.len()));
                    body(piece)?;
                    input = rest;
                    let left = left - piece.len() as u64;
                    self.at = match self.at {
                        At::Body(_) if left == 0 => At::Done,
                        At::Body(_) => At::Body(left),
                        _ if left == 0 => At::ChunkEnd { left: 2, last: false },
                        _ => At::Chunk(left),
                    };
                }
                At::ChunkSize(size) => {
                    input = after;
                    self.at = match (byte, size) {
                        (b'\r', Some(_)) => continue,
                        (b'\n', Some(0)) => At::ChunkEnd { left: 2, last: true },
                        (b'\n', Some(size)) => At::Chunk(size),
                        _ => {
                            let digit = char::from(byte).to_digit(16).context("a chunk without a size")?;
                            let size = size.unwrap_or(0).checked_mul(16).context("a chunk without an end")?;
                            At::ChunkSize(Some(size + u64::from(digit)))
                        }
                    };
                }
                At::ChunkEnd { left, last } => {
                    input = after;
                    let expected = if left == 2 { b'\r' } else { b'\n' };
                    anyhow::ensure!(byte == expected, "a chunk that does not end, or trailers");
                    self.at = match (left, last) {
                        (2, last) => At::ChunkEnd { left: 1, last },
                        (_, true) => At::Done,
                        (_, false) => At::ChunkSize(None),
                    };
                }
                At::Done => bail!("more than one response to a request"),
            }
        }
        Ok(self.at == At::Done)
    }

    /// Ready for the next response.
    pub(crate) fn reset(&mut self) {
        self.at = At::Head;
    }

    /// What comes behind the head, once all of it is there.
    fn head<'a>(&mut self, input: &'a [u8]) -> anyhow::Result<Option<&'a [u8]>> {
        let before = self.head.len();
        if before > 0 {
            self.head.extend_from_slice(input);
        }
        let known = if before > 0 { self.head.as_slice() } else { input };
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(known)? else {
            if before == 0 {
                self.head.extend_from_slice(input);
            }
            return Ok(None);
        };
        self.status = head.code.context("a response without a status")?;
        let mut at = None;
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = std::str::from_utf8(header.value)?.parse()?;
                at = Some(if length == 0 { At::Done } else { At::Body(length) });
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                at = Some(At::ChunkSize(None));
            }
        }
        self.at = at.context("a response of unknown length")?;
        self.head.clear();
        Ok(input.get(length - before..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However a response is cut in two, it must be found at its last byte and not before.
    fn check(text: &str, body: &str) {
        for cut in 0..text.len() {
            let mut reader = Reader::default();
            let mut got = Vec::new();
            let (first, second) = text.as_bytes().split_at(cut);
            let mut take = |part| {
                reader.take(part, |piece| {
                    got.extend_from_slice(piece);
                    Ok(())
                })
            };
            assert!(!take(first).unwrap(), "{cut}");
            assert!(take(second).unwrap(), "{cut}");
            assert!(take(b"H").is_err(), "{cut}");
            assert_eq!((reader.status, got.as_slice()), (200, body.as_bytes()));
        }
    }

    #[test]
    fn responses_of_known_length() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello");
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "");
    }

    #[test]
    fn chunked_responses() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{head}5\r\nhello\r\n10\r\n, wonderful worl\r\n0\r\n\r\n"), "hello, wonderful worl");
    }

    #[test]
    fn one_after_another() {
        let mut reader = Reader::default();
        for status in [200, 404] {
            let text = format!("HTTP/1.1 {status} X\r\ncontent-length: 1\r\n\r\n.");
            assert!(reader.take(text.as_bytes(), |_| Ok(())).unwrap());
            assert_eq!(reader.status, status);
            reader.reset();
        }
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "220 ready\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
        ] {
            assert!(Reader::default().take(text.as_bytes(), |_| Ok(())).is_err(), "{text:?}");
        }
    }
}
