//! What hosts say to each other besides calls: state of the catalogue, blobs by digest.
//!
//! One request of bytes, one answer of bytes, with a kind. The design names a tonic service for it. What tonic would add
//! here is a schema, and streaming: the state exchanged is encoded by its owner, who needs the same bytes sealed in UDP
//! packets and on disk, and blobs are bounded and verified as a whole. So this is a plain exchange over the links that are
//! there anyway, with their identity, limits, errors and keepalive. It cannot be mixed up with calls: a request on a link
//! either names a service or a kind of control, in fields that no guest can set, and is refused when it does neither or both.

use bytes::Bytes;
use futures::future::BoxFuture;

use super::PeerIdentity;
use crate::call::{CallError, ErrorKind, Side};

/// The longest name of a kind, in bytes; lower-case letters, digits and dashes.
pub(super) const KIND_BYTES_MAX: usize = 32;

/// The kind that links use themselves, to learn who answers.
pub(super) const HELLO: &str = "hello";

/// Takes control requests from peers.
pub trait Control: Send + Sync + 'static {
    /// Answers `request`, which `from` sends and is allowed to send as any member of the cluster is.
    ///
    /// Dropping the future gives up: the peer went away.
    ///
    /// # Errors
    ///
    /// Any [`CallError`]; it reaches the other end as it is.
    fn handle(&self, from: &PeerIdentity, kind: &str, request: Bytes) -> BoxFuture<'static, Result<Bytes, CallError>>;
}

/// Takes none.
pub struct NoControl;

impl Control for NoControl {
    fn handle(&self, _: &PeerIdentity, kind: &str, _: Bytes) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let message = format!("this host knows no control request `{kind}`");
        Box::pin(std::future::ready(Err(CallError::new(ErrorKind::NotFound, Side::Caller, message))))
    }
}

pub(super) fn is_kind(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=KIND_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}
