//! Small pieces of a body that are there at the same time become one.
//!
//! A frame of HTTP/2 for each message of a stream would be mostly frame, and readers end connections, with all calls on them,
//! when too many small ones wait to be read.

use std::task::Poll;

use bytes::{Bytes, BytesMut};

use crate::call::CallError;

/// Pieces from this many bytes on are not worth waiting for another.
const GATHERED_BYTES: usize = 16 * 1024;

type Piece = Option<Result<Bytes, CallError>>;

/// What gathers the pieces of one body.
#[derive(Default)]
pub(super) struct Gather {
    /// What came after pieces that had to go first.
    broken: Option<CallError>,
}

impl Gather {
    /// The pieces that are there, as one. Nothing waits for what is not: `next` is asked until it has no more, an error, or
    /// enough.
    pub(super) fn poll(&mut self, mut next: impl FnMut() -> Poll<Piece>) -> Poll<Piece> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut gathered = BytesMut::new();
        loop {
            match next() {
                Poll::Ready(Some(Ok(piece))) if gathered.is_empty() && piece.len() >= GATHERED_BYTES => {
                    return Poll::Ready(Some(Ok(piece)));
                }
                Poll::Ready(Some(Ok(piece))) => gathered.extend_from_slice(&piece),
                nothing if gathered.is_empty() => return nothing,
                nothing => {
                    if let Poll::Ready(Some(Err(error))) = nothing {
                        self.broken = Some(error);
                    }
                    return Poll::Ready(Some(Ok(gathered.freeze())));
                }
            }
            if gathered.len() >= GATHERED_BYTES {
                return Poll::Ready(Some(Ok(gathered.freeze())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::call::{ErrorKind, Side};

    fn polled(gather: &mut Gather, pieces: &mut VecDeque<Poll<Piece>>) -> String {
        match gather.poll(|| pieces.pop_front().unwrap_or(Poll::Ready(None))) {
            Poll::Pending => "pending".to_owned(),
            Poll::Ready(None) => "end".to_owned(),
            Poll::Ready(Some(Err(error))) => error.message().to_owned(),
            Poll::Ready(Some(Ok(piece))) if piece.len() > 100 => piece.len().to_string(),
            Poll::Ready(Some(Ok(piece))) => String::from_utf8(piece.to_vec()).unwrap(),
        }
    }

    #[test]
    fn what_is_there_goes_at_once_and_nothing_waits() {
        let data = |text: &str| Poll::Ready(Some(Ok(Bytes::from(text.to_owned()))));
        let error = CallError::new(ErrorKind::Cancelled, Side::Caller, "gone");
        let large = "x".repeat(GATHERED_BYTES);
        let mut pieces: VecDeque<Poll<Piece>> = [
            data("a"),
            data("b"),
            Poll::Pending,
            Poll::Pending,
            data("c"),
            data(""),
            data(&large),
            data(&large),
            data("d"),
            Poll::Ready(Some(Err(error))),
        ]
        .into();
        let mut gather = Gather::default();
        let seen: Vec<String> = (0..7).map(|_| polled(&mut gather, &mut pieces)).collect();
        let one_more = (GATHERED_BYTES + 1).to_string();
        assert_eq!(seen, ["ab", "pending", &one_more, &GATHERED_BYTES.to_string(), "d", "gone", "end"]);
    }
}
