//! As much of HTTP/1.1 as the client needs: one kind of request, and responses of known or chunked length.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// More headers than any of the servers sends.
const HEADERS_MAX: usize = 32;

/// The bytes of a `GET` on a connection that stays open.
pub(crate) fn request(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes()
}

/// A response at the start of what was received.
#[derive(Debug, PartialEq)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: Cow<'a, [u8]>,
    /// How many bytes it takes up, in all.
    pub(crate) length: usize,
}

/// `None` while there is more to come.
///
/// # Errors
///
/// When it is not a response, or not one whose end can be found.
pub(crate) fn parse(input: &[u8]) -> anyhow::Result<Option<Response<'_>>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(input)? else {
        return Ok(None);
    };
    let status = head.code.context("a response without a status")?;
    let mut length = None;
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = Some(std::str::from_utf8(header.value)?.parse::<usize>()?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            let rest = input.get(start..).unwrap_or_default();
            return Ok(chunked(rest)?.map(|(body, used)| Response {
                status,
                body: Cow::Owned(body),
                length: start + used,
            }));
        }
    }
    let length = start + length.context("a response of unknown length")?;
    Ok(input.get(start..length).map(|body| Response { status, body: Cow::Borrowed(body), length }))
}

/// A chunked body, and how many bytes it takes up. `None` while there is more to come.
fn chunked(input: &[u8]) -> anyhow::Result<Option<(Vec<u8>, usize)>> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        let Ok(parsed) = httparse::parse_chunk_size(rest) else {
            bail!("a chunk without a size");
        };
        let httparse::Status::Complete((line, size)) = parsed else {
            return Ok(None);
        };
        let data = at + line;
        let end = data + usize::try_from(size)?;
        let Some(ending) = input.get(end..end + 2) else {
            return Ok(None);
        };
        anyhow::ensure!(ending == b"\r\n", "a chunk that does not end, or trailers");
        if size == 0 {
            return Ok(Some((body, end + 2)));
        }
        body.extend_from_slice(input.get(data..end).unwrap_or_default());
        at = end + 2;
    }
}

/// One request on a connection of its own: the status and the body.
///
/// # Errors
///
/// When nobody answers within `timeout`, or with something else.
pub(crate) fn get(addr: SocketAddr, host: &str, path: &str, timeout: Duration) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(&request(host, path))?;
    let mut input = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(response) = parse(&input)? {
            let body = String::from_utf8_lossy(&response.body).into_owned();
            return Ok((response.status, body));
        }
        let count = stream.read(&mut buffer).with_context(|| format!("no answer to GET {path}"))?;
        anyhow::ensure!(count > 0, "the connection was closed during GET {path}");
        input.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each response must be found at its last byte and not before, and leave alone what comes after it.
    fn check(text: &str, body: &str) {
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]).unwrap(), None, "{end}");
        }
        let more = format!("{text}HTTP/1.1 ");
        let response = parse(more.as_bytes()).unwrap().unwrap();
        assert_eq!((response.status, response.length), (200, text.len()));
        assert_eq!(response.body, body.as_bytes());
    }

    #[test]
    fn responses_of_known_length() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello");
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "");
    }

    #[test]
    fn chunked_responses() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{head}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "hello world");
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"220 ready\r\n\r\n").is_err());
    }
}
