//! What an answer, or the lack of one, says about the endpoint that was called.
//!
//! Every policy reads outcomes and none reads statuses, so that they agree on what a failure is. What the caller did
//! wrong, and what this host refused before anybody was asked, is nobody's failure.

use http::StatusCode;

use crate::call::{CallError, ErrorKind, Response, grpc};
use crate::policy::balance::Locality;

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, be it that the caller was wrong: alive and well.
    Success,
    /// It answered that it is asked too often (429, RESOURCE_EXHAUSTED). Alive, but its speed says nothing.
    Throttled,
    /// It failed.
    Failure(Failure),
    /// This host refused on its own account: the local queue is full, the version drains. Says nothing about health.
    Rejected,
    /// The host found fault with the request itself. Says nothing about the endpoint.
    CallerFault,
    /// Nobody waited for the end.
    Cancelled,
}

/// How an endpoint failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The call reached no guest there: no connection, or nobody took it.
    Unreached,
    /// 503 or UNAVAILABLE.
    Unavailable,
    /// 504, DEADLINE_EXCEEDED, or nothing within the time that was given.
    Deadline,
    /// Any other 5xx, INTERNAL, UNKNOWN, DATA_LOSS, or a failure of the host that was to serve it.
    Internal,
    /// 502: the guest trapped or answered nonsense.
    Trap,
}

impl Outcome {
    /// The outcome of an attempt at an endpoint that is here or elsewhere. Only what is known when the head of the
    /// response is here counts: its status, and the gRPC status of a trailers-only response, or of trailers at hand.
    pub fn of(answer: &Result<Response, CallError>, locality: Locality) -> Self {
        match answer {
            Ok(response) => Self::of_response(response.status(), grpc_status(response)),
            Err(error) => Self::of_error(error, locality),
        }
    }

    /// The outcome of a response with this status, and with this gRPC status if that is known already.
    pub fn of_response(status: StatusCode, grpc_status: Option<i32>) -> Self {
        let failure = match status.as_u16() {
            429 => return Self::Throttled,
            // 501 is about what was asked for, 508 about the depth of the caller's calls.
            501 | 508 | ..=499 => return Self::of_grpc(grpc_status),
            502 => Failure::Trap,
            503 => Failure::Unavailable,
            504 => Failure::Deadline,
            500.. => Failure::Internal,
        };
        Self::Failure(failure)
    }

    fn of_grpc(status: Option<i32>) -> Self {
        const CANCELLED: i32 = grpc::Code::Cancelled as i32;
        const UNKNOWN: i32 = grpc::Code::Unknown as i32;
        const DEADLINE_EXCEEDED: i32 = grpc::Code::DeadlineExceeded as i32;
        const RESOURCE_EXHAUSTED: i32 = grpc::Code::ResourceExhausted as i32;
        const INTERNAL: i32 = grpc::Code::Internal as i32;
        const UNAVAILABLE: i32 = grpc::Code::Unavailable as i32;
        const DATA_LOSS: i32 = grpc::Code::DataLoss as i32;
        match status {
            Some(CANCELLED) => Self::Cancelled,
            Some(DEADLINE_EXCEEDED) => Self::Failure(Failure::Deadline),
            Some(RESOURCE_EXHAUSTED) => Self::Throttled,
            Some(UNAVAILABLE) => Self::Failure(Failure::Unavailable),
            Some(UNKNOWN | INTERNAL | DATA_LOSS) => Self::Failure(Failure::Internal),
            None | Some(_) => Self::Success,
        }
    }

    /// The outcome of an attempt that got no response.
    pub fn of_error(error: &CallError, locality: Locality) -> Self {
        // What keeps a call from its guest here is a matter of this host; elsewhere it makes the endpoint useless.
        if error.is_retryable() {
            return match locality {
                Locality::Local => Self::Rejected,
                Locality::Zone | Locality::Elsewhere => Self::Failure(Failure::Unreached),
            };
        }
        match error.kind() {
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Unavailable => Self::Failure(Failure::Unavailable),
            ErrorKind::Timeout => Self::Failure(Failure::Deadline),
            ErrorKind::Trap | ErrorKind::BadResponse => Self::Failure(Failure::Trap),
            ErrorKind::Internal => Self::Failure(Failure::Internal),
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::MethodNotAllowed
            | ErrorKind::Denied
            | ErrorKind::SlowClient
            | ErrorKind::BodyTooLarge
            | ErrorKind::HeadersTooLarge
            | ErrorKind::TooDeep => Self::CallerFault,
        }
    }

    /// Whether the endpoint failed.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failure(_))
    }
}

/// The gRPC status that is known without reading a stream.
pub(super) fn grpc_status(response: &Response) -> Option<i32> {
    grpc::status(response.headers()).or_else(|| response.body().trailers_at_hand().and_then(grpc::status))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::call::{Body, Side};

    #[test]
    fn the_callers_mistakes_are_nobodys_failure() {
        for status in [200, 302, 400, 401, 404, 408, 409, 499, 501, 508] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Outcome::of_response(status, None), Outcome::Success, "{status}");
        }
        assert_eq!(Outcome::of_response(StatusCode::TOO_MANY_REQUESTS, None), Outcome::Throttled);
        for kind in [ErrorKind::Invalid, ErrorKind::Denied, ErrorKind::TooDeep, ErrorKind::SlowClient] {
            let error = CallError::new(kind, Side::Caller, "no");
            assert_eq!(Outcome::of_error(&error, Locality::Elsewhere), Outcome::CallerFault, "{kind:?}");
        }
        assert_eq!(Outcome::of_error(&CallError::cancelled(), Locality::Zone), Outcome::Cancelled);
    }

    #[test]
    fn server_errors_are_told_apart() {
        let cases = [
            (500, Failure::Internal),
            (502, Failure::Trap),
            (503, Failure::Unavailable),
            (504, Failure::Deadline),
            (507, Failure::Internal),
            (599, Failure::Internal),
        ];
        for (status, failure) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Outcome::of_response(status, None), Outcome::Failure(failure), "{status}");
        }
        let trap = CallError::new(ErrorKind::Trap, Side::Callee, "trapped");
        assert_eq!(Outcome::of_error(&trap, Locality::Local), Outcome::Failure(Failure::Trap));
        let late = CallError::timeout("late");
        assert_eq!(Outcome::of_error(&late, Locality::Local), Outcome::Failure(Failure::Deadline));
    }

    #[test]
    fn grpc_statuses_that_are_known_count() {
        let ok = StatusCode::OK;
        for (code, outcome) in [
            (0, Outcome::Success),
            (1, Outcome::Cancelled),
            (2, Outcome::Failure(Failure::Internal)),
            (3, Outcome::Success),
            (4, Outcome::Failure(Failure::Deadline)),
            (5, Outcome::Success),
            (8, Outcome::Throttled),
            (12, Outcome::Success),
            (13, Outcome::Failure(Failure::Internal)),
            (14, Outcome::Failure(Failure::Unavailable)),
            (15, Outcome::Failure(Failure::Internal)),
            (16, Outcome::Success),
        ] {
            assert_eq!(Outcome::of_response(ok, Some(code)), outcome, "{code}");
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(grpc::STATUS, http::HeaderValue::from_static("14"));
        let unavailable = Outcome::Failure(Failure::Unavailable);
        let at_hand = Response::new(Body::full("", Some(trailers.clone())));
        assert_eq!(Outcome::of(&Ok(at_hand), Locality::Zone), unavailable);
        let mut trailers_only = Response::new(Body::empty());
        *trailers_only.headers_mut() = trailers;
        assert_eq!(Outcome::of(&Ok(trailers_only), Locality::Zone), unavailable);
    }

    #[test]
    fn a_full_queue_here_is_no_failure_and_elsewhere_it_is() {
        let full = CallError::unavailable("full");
        assert_eq!(Outcome::of_error(&full, Locality::Local), Outcome::Rejected);
        assert_eq!(Outcome::of_error(&full, Locality::Zone), Outcome::Failure(Failure::Unreached));
        let reached = CallError::new(ErrorKind::Unavailable, Side::Callee, "gave up");
        assert_eq!(Outcome::of_error(&reached, Locality::Local), Outcome::Failure(Failure::Unavailable));
    }
}
