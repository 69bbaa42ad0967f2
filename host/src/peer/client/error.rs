//! Why there is no link, and what a broken one means for calls.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use h2::Reason;

use crate::call::{CallError, ErrorKind, Side};
use crate::peer::NodeName;

/// Why a link could not be made. `Display` says what to do about it where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nothing listens there, or packets do not get through.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Something listens, or nothing says otherwise, but it does not answer.
    #[error("{address} did not answer within {waited_ms} ms")]
    Slow {
        /// Where.
        address: SocketAddr,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The last connection fell silent a moment ago. The system of a process that stands still goes on taking connections, so
    /// making one would only take its time-out to fail.
    #[error("{address} has fallen silent")]
    Silent {
        /// Where.
        address: SocketAddr,
    },
    /// The other end is not who it should be, or does not take us for who we say we are.
    #[error("no link with {address}: {reason}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The other end does not speak as links do.
    #[error("{address} does not speak the protocol of links between hosts")]
    Protocol {
        /// Where.
        address: SocketAddr,
        /// What HTTP/2 says, or nothing when it was content.
        source: Option<h2::Error>,
    },
    /// Another process has taken the peer's place.
    #[error("{address} is another start of the node than expected; the one that is called is gone")]
    AnotherStart {
        /// Where.
        address: SocketAddr,
    },
    /// This host is shutting down.
    #[error("the host is shutting down")]
    Closed,
}

/// A call that was not sent because there was no link.
pub(super) fn unreachable(error: &Arc<LinkError>) -> CallError {
    CallError::unavailable("the host that serves this cannot be reached").with_source(Shown(error.clone()))
}

/// [`LinkError`] as a cause: shared among all calls that waited for the same connection.
#[derive(Debug)]
struct Shown(Arc<LinkError>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shown {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

/// Whether the other end says that nobody has seen the request.
///
/// A stream gets a GOAWAY as its error only when its number is above the last one that the peer processed; of those
/// below, h2 tells an I/O error when the connection ends. Source: RFC 9113, sections 6.8 and 8.7.
pub(super) fn is_unprocessed(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

/// Where an error that crossed a link happened, for logs: its own cause stays there.
#[derive(Debug, thiserror::Error)]
#[error("on node `{0}`")]
pub(super) struct OnNode(pub(super) NodeName);

/// A call that was sent, and got no response.
pub(super) fn no_response(error: h2::Error) -> CallError {
    if is_unprocessed(&error) {
        return CallError::unavailable("the host that serves this took no more calls").with_source(error);
    }
    broken(error, "the link to another host broke before it had answered")
}

/// A response whose body broke off.
pub(super) fn broken_body(error: h2::Error) -> CallError {
    broken(error, "the link to another host broke before the body had ended")
}

fn broken(error: h2::Error, link: &'static str) -> CallError {
    let (kind, side, message) = if error.is_reset() && error.is_remote() {
        (ErrorKind::Internal, Side::Host, "the other host gave the call up")
    } else if error.is_reset() || (error.is_library() && error.reason() == Some(Reason::PROTOCOL_ERROR)) {
        (ErrorKind::BadResponse, Side::Callee, "what came from another host is no response")
    } else {
        // Nobody knows what became of it: it may be sent again only if it may be done twice.
        (ErrorKind::Unavailable, Side::Host, link)
    };
    CallError::new(kind, side, message).with_source(error)
}
