//! What a failed attempt says about another one.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use crate::call::{CallError, ErrorKind, Response};
use crate::policy::outcome::{self, Failure, Outcome};

const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// What a failed attempt says about another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    /// A guest may have acted on the call.
    pub(super) reached: bool,
    pub(super) wait: Wait,
}

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Whenever the caller likes.
    Free,
    /// Not before.
    Told(Duration),
    /// Not at all.
    Never,
}

impl Advice {
    /// `None` when the answer is one that another attempt would not change.
    pub(super) fn of(answer: &Result<Response, CallError>) -> Option<Self> {
        match answer {
            Ok(response) => Self::of_response(response),
            Err(error) => Self::of_error(error),
        }
    }

    fn of_error(error: &CallError) -> Option<Self> {
        // What an endpoint that was not reached says about coming back is about that endpoint.
        if error.is_retryable() {
            return Some(Self { reached: false, wait: Wait::Free });
        }
        let passing = matches!(
            error.kind(),
            ErrorKind::Trap
                | ErrorKind::BadResponse
                | ErrorKind::Unavailable
                | ErrorKind::Timeout
                | ErrorKind::Internal
        );
        let wait = error.retry_after().map_or(Wait::Free, Wait::Told);
        passing.then_some(Self { reached: true, wait })
    }

    fn of_response(response: &Response) -> Option<Self> {
        match Outcome::of_response(response.status(), outcome::grpc_status(response)) {
            Outcome::Failure(Failure::Unavailable | Failure::Trap | Failure::Deadline) => {}
            _ => return None,
        }
        let pushback = response.headers().get(PUSHBACK);
        let pushback = pushback.or_else(|| response.body().trailers_at_hand().and_then(|all| all.get(PUSHBACK)));
        let wait = match pushback {
            // Anything that is no number, a negative one included, asks not to retry at all.
            Some(value) => {
                let ms = value.to_str().ok().and_then(|text| text.parse::<u32>().ok());
                ms.map_or(Wait::Never, |ms| Wait::Told(Duration::from_millis(u64::from(ms))))
            }
            None => retry_after(response.headers()),
        };
        Some(Self { reached: true, wait })
    }
}

/// Seconds, or a date. A date is taken relative to the response's own, so that clocks need not agree.
fn retry_after(headers: &HeaderMap) -> Wait {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(value) = text(header::RETRY_AFTER) else { return Wait::Free };
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Wait::Told(Duration::from_secs(value.parse().unwrap_or(u32::MAX.into())));
    }
    let Ok(then) = httpdate::parse_http_date(value) else { return Wait::Free };
    let now = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Wait::Told(then.duration_since(now.unwrap_or_else(SystemTime::now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Body, Side};

    fn response(status: u16, headers: &[(&'static str, &'static str)]) -> Result<Response, CallError> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, http::HeaderValue::from_static(value));
        }
        Ok(response)
    }

    fn wait(status: u16, headers: &[(&'static str, &'static str)]) -> Wait {
        Advice::of(&response(status, headers)).unwrap().wait
    }

    #[test]
    fn only_what_may_pass_is_worth_another_attempt() {
        for status in [200, 301, 400, 404, 409, 429, 499, 500, 501, 505, 508] {
            assert_eq!(Advice::of(&response(status, &[])), None, "{status}");
        }
        for status in [502, 503, 504] {
            let advice = Advice::of(&response(status, &[])).unwrap();
            assert_eq!(advice, Advice { reached: true, wait: Wait::Free }, "{status}");
        }
        assert_eq!(Advice::of(&response(200, &[("grpc-status", "13")])), None);
        assert!(Advice::of(&response(200, &[("grpc-status", "14")])).is_some());
        for kind in [ErrorKind::Denied, ErrorKind::NotFound, ErrorKind::TooDeep, ErrorKind::Cancelled] {
            assert_eq!(Advice::of(&Err(CallError::new(kind, Side::Caller, "no"))), None);
        }
    }

    #[test]
    fn an_error_says_whether_a_guest_was_reached() {
        let unreached = Advice::of(&Err(CallError::unavailable("full"))).unwrap();
        assert_eq!(unreached, Advice { reached: false, wait: Wait::Free });
        let trap = Advice::of(&Err(CallError::new(ErrorKind::Trap, Side::Callee, "trap"))).unwrap();
        assert!(trap.reached);
        assert!(Advice::of(&Err(CallError::timeout("late"))).unwrap().reached);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |n| Wait::Told(Duration::from_secs(n));
        assert_eq!(wait(503, &[("retry-after", "2")]), seconds(2));
        assert_eq!(wait(503, &[("retry-after", "0")]), seconds(0));
        assert!(matches!(wait(503, &[("retry-after", "99999999999999999999")]), Wait::Told(_)));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(wait(503, &[("retry-after", nonsense)]), Wait::Free, "{nonsense}");
        }
        let date = ("date", "Sun, 06 Nov 1994 08:49:30 GMT");
        assert_eq!(wait(503, &[date, ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), seconds(7));
        assert_eq!(wait(503, &[date, ("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")]), seconds(0));
        assert_eq!(wait(503, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]), seconds(0));
    }

    #[test]
    fn pushback_goes_first_and_a_negative_one_forbids() {
        let unavailable = ("grpc-status", "14");
        let told = wait(200, &[unavailable, ("grpc-retry-pushback-ms", "150"), ("retry-after", "9")]);
        assert_eq!(told, Wait::Told(Duration::from_millis(150)));
        for never in ["-1", "", "x", "99999999999"] {
            assert_eq!(wait(200, &[unavailable, ("grpc-retry-pushback-ms", never)]), Wait::Never, "{never}");
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("14"));
        trailers.insert(PUSHBACK, http::HeaderValue::from_static("7"));
        let at_hand = Response::new(Body::full("", Some(trailers)));
        assert_eq!(Advice::of(&Ok(at_hand)).unwrap().wait, Wait::Told(Duration::from_millis(7)));
    }
}
