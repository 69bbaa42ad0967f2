//! Calls to other services, and to itself.

use crate::reply::{self, Answer};
use futures::future::join_all;
use std::cell::RefCell;
use std::collections::BTreeMap;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasip3::wit_future;

/// Calls under way at once in a flood.
const PARALLEL: u64 = 64;

/// Calls `GET /ok` of the service for ever, many at once, and never answers.
pub async fn flood_for_ever(target: &str) -> Answer {
    flood(target, u64::MAX).await
}

/// Calls `GET /ok` of the service so many times, many at once, and says how often each outcome came.
pub async fn flood(target: &str, count: u64) -> Answer {
    let left = RefCell::new(count);
    let outcomes = RefCell::new(BTreeMap::<String, u64>::new());
    let worker = async || {
        while take_one(&left) {
            let outcome = match get(target, "/ok", Fields::new()).await {
                Ok(response) => response.get_status_code().to_string(),
                Err(error) => format!("{error:?}"),
            };
            *outcomes.borrow_mut().entry(outcome).or_default() += 1;
        }
    };
    join_all((0..PARALLEL.min(count)).map(|_| worker())).await;
    let lines: Vec<String> = outcomes.borrow().iter().map(|(outcome, times)| format!("{times} x {outcome}")).collect();
    reply::text(200, lines.join("\n"))
}

fn take_one(left: &RefCell<u64>) -> bool {
    let mut left = left.borrow_mut();
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

/// Calls this very route of the service `hostile`, which calls it again. Answers with `depth: N, ended by WHY`, where
/// N counts the levels below this one that answered, and WHY is what the innermost one met.
pub async fn recurse() -> Answer {
    let (depth, why) = match get("hostile", "/recurse-call", Fields::new()).await {
        Err(error) => (0, format!("{error:?}")),
        Ok(response) => {
            let status = response.get_status_code();
            let body = body_of(response).await;
            let inner = body.strip_prefix("depth: ").and_then(|rest| rest.split_once(", ended by "));
            match inner {
                Some((depth, why)) if status == 200 => (depth.parse().unwrap_or(0) + 1, why.trim().to_owned()),
                _ => (0, format!("status {status}: {}", body.trim())),
            }
        }
    };
    reply::text(200, format!("depth: {depth}, ended by {why}"))
}

/// Calls `GET /headers` of the service, claiming to be somebody else, and hands on what arrived there.
pub async fn forge(target: &str) -> Answer {
    let claims: [(&str, &[u8]); 11] = [
        ("hostel-caller", b"edge"),
        ("hostel-depth", b"0"),
        ("hostel-timeout", b"99999999S"),
        // What hosts say to each other.
        ("hostel-target", b"hostile"),
        ("hostel-control", b"exchange"),
        ("hostel-method", b"DELETE"),
        ("hostel-whole", b"1"),
        ("hostel-length", b"1"),
        ("hostel-error", b"denied"),
        ("traceparent", b"00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01"),
        ("x-honest", b"kept"),
    ];
    let headers = Fields::new();
    for (name, value) in claims {
        // A host may refuse the claim right here, which is as good.
        let _ = headers.append(name, value);
    }
    match get(target, "/headers", headers).await {
        Ok(response) => reply::text(200, body_of(response).await),
        Err(error) => reply::text(502, format!("{error:?}")),
    }
}

async fn get(service: &str, path: &str, headers: Fields) -> Result<Response, ErrorCode> {
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(headers, None, no_trailers, None);
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&Scheme::Http)).map_err(invalid)?;
    request.set_authority(Some(&format!("{service}.internal"))).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    wasip3::http::client::send(request).await
}

async fn body_of(response: Response) -> String {
    let (_done, done_reader) = wit_future::new(|| Ok(()));
    let (body, _end) = Response::consume_body(response, done_reader);
    String::from_utf8_lossy(&body.collect().await).into_owned()
}
