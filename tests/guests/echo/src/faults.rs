//! Faults that a test plans ahead, and that outlive the instance they are met by.
//!
//! The plan of the calls of `/fault/KEY` is the value of `KEY` in the bucket `fault`: `N HOW` does HOW to the first N of
//! them. HOW is a status, `panic`, `sleep:MS`, `half` (bytes, then a failure) or `later:SECONDS` (503 with
//! `Retry-After`). The calls there were are counted in the key `KEY.calls`.

use std::time::Duration;

use futures_util::stream;
use hostel_sdk::{
    axum::{
        body::Body,
        response::{IntoResponse, Response},
    },
    http::{StatusCode, header},
    kv,
};

/// What is to be done to this call, if anything, and its number, from 1.
pub(crate) fn next(key: &str) -> Result<(Option<String>, i64), kv::Error> {
    let bucket = kv::open("fault")?;
    let call = bucket.increment(&format!("{key}.calls"), 1)?;
    let plan = bucket.get(key)?.unwrap_or_default();
    let plan = String::from_utf8_lossy(&plan).into_owned();
    let how = plan.split_once(' ').filter(|(times, _)| times.parse().is_ok_and(|times: i64| call <= times));
    Ok((how.map(|(_, how)| how.to_owned()), call))
}

pub(crate) async fn fault(key: &str) -> Response {
    let (how, call) = match next(key) {
        Ok(next) => next,
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    let answer = format!("call {call}");
    let Some(how) = how else { return answer.into_response() };
    match how.split_once(':').unwrap_or((&how, "")) {
        ("panic", _) => panic!("as planned"),
        ("sleep", ms) => {
            hostel_sdk::sleep(Duration::from_millis(ms.parse().unwrap_or_default())).await;
            answer.into_response()
        }
        ("half", _) => {
            let pieces = stream::unfold(0, async |piece| {
                hostel_sdk::sleep(Duration::from_millis(1)).await;
                (piece < 2).then(|| (if piece == 0 { Ok("half") } else { Err("the rest is missing") }, piece + 1))
            });
            Body::from_stream(pieces).into_response()
        }
        ("later", seconds) => {
            let headers = [(header::RETRY_AFTER, seconds.to_owned())];
            (StatusCode::SERVICE_UNAVAILABLE, headers, answer).into_response()
        }
        (status, _) => {
            let status = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
            (status.unwrap_or(StatusCode::BAD_REQUEST), answer).into_response()
        }
    }
}
