//! Calls that the host must refuse, and calls that are too many.

use crate::hostel::service::client;
use crate::hostel::service::types::{Body, CallError, Request, Response};
use crate::{Fields, head, kinds, text};
use futures::future::join_all;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::task::Poll;

/// Calls under way at once in a flood.
const PARALLEL: u64 = 64;

fn request(method: &str, path: &str, headers: Fields) -> Request {
    Request { head: head::request(method, path, &head::fields(&headers)), body: Body::None }
}

fn get(path: &str, headers: Fields) -> Request {
    request("GET", path, headers)
}

fn status(response: &Response) -> u16 {
    response.head.first_chunk().map_or(0, |status| u16::from_le_bytes(*status))
}

async fn call(target: &str, request: Request) -> Result<Response, CallError> {
    client::call(target.to_owned(), request).await
}

/// What became of a call, in a few words that do not name the caller's data.
fn outcome(result: &Result<Response, CallError>) -> String {
    match result {
        Ok(response) => format!("status {}", status(response)),
        Err(error) => format!("{:?}", error.kind),
    }
}

/// Collects attempts of which none may succeed.
#[derive(Default)]
struct Report {
    lines: String,
    allowed: bool,
}

impl Report {
    fn attempt(&mut self, what: &str, result: &Result<Response, CallError>) {
        let verdict = if result.is_ok() { "ALLOWED" } else { "refused" };
        self.allowed |= result.is_ok();
        self.lines += &format!("{verdict} {what:?}: {}\n", outcome(result));
    }

    fn answer(self) -> Response {
        text(if self.allowed { 500 } else { 200 }, &self.lines)
    }
}

pub async fn malformed(target: &str) -> Response {
    let mut report = Report::default();
    for method in ["", "GE T", "GET / HTTP/1.1\r\nx-injected: 1\r\n\r\nGET"] {
        report.attempt(&format!("method {method}"), &call(target, request(method, "/ok", Vec::new())).await);
    }
    for path in ["ok", "/o k", "/ok\r\nx-injected: 1", "http://elsewhere/ok"] {
        report.attempt(&format!("path {path}"), &call(target, get(path, Vec::new())).await);
    }
    for kind in kinds::MALFORMED {
        report.attempt(&format!("headers {kind}"), &call(target, get("/ok", kinds::fields(kind))).await);
    }
    for head in [Vec::new(), vec![0xff; 4], vec![0; 9], vec![0; 25]] {
        let request = Request { head: head.clone(), body: Body::None };
        report.attempt(&format!("head {head:?}"), &call(target, request).await);
    }
    report.answer()
}

pub async fn no_services() -> Response {
    let targets = [
        "",
        "no-such-service",
        "../hostile-lean",
        "hostile-lean ",
        "a/b",
        "x\r\ny",
        "127.0.0.1:9090",
        "http://127.0.0.1:9090",
        "https://example.com",
        "file:///etc/passwd",
    ];
    let mut report = Report::default();
    for target in targets {
        report.attempt(target, &call(target, get("/ok", Vec::new())).await);
    }
    report.attempt("a name of a megabyte", &call(&"x".repeat(1024 * 1024), get("/ok", Vec::new())).await);
    report.answer()
}

/// Hands on what arrived at the service.
pub async fn forge(target: &str) -> Response {
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
    let headers = claims.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    match call(target, get("/headers", headers)).await {
        Ok(response) => response,
        Err(error) => text(502, &format!("{:?}: {}", error.kind, error.message)),
    }
}

pub async fn cancel(target: &str) -> Response {
    let mut pending = pin!(call(target, get("/sleep/60000", Vec::new())));
    let first = std::future::poll_fn(|context| Poll::Ready(pending.as_mut().poll(context))).await;
    // Leaving drops the call under way, which cancels it.
    match first {
        Poll::Pending => text(200, "given up"),
        Poll::Ready(result) => text(200, &format!("too late: {}", outcome(&result))),
    }
}

pub async fn flood(target: &str, count: u64) -> Response {
    let left = Cell::new(count);
    let outcomes = RefCell::new(BTreeMap::<String, u64>::new());
    let worker = async || {
        while let Some(rest) = left.get().checked_sub(1) {
            left.set(rest);
            let outcome = outcome(&call(target, get("/ok", Vec::new())).await);
            *outcomes.borrow_mut().entry(outcome).or_default() += 1;
        }
    };
    join_all((0..PARALLEL.min(count)).map(|_| worker())).await;
    let lines: Vec<String> = outcomes.borrow().iter().map(|(outcome, times)| format!("{times} x {outcome}")).collect();
    text(200, &lines.join("\n"))
}

/// Answers with `depth: N, ended by WHY`, where N counts the levels below this one that answered, and WHY is what the
/// innermost one met.
pub async fn recurse() -> Response {
    let result = call("hostile-lean", get("/recurse-call", Vec::new())).await;
    let ended_by = outcome(&result);
    let inner = match result {
        Ok(response) if status(&response) == 200 => match response.body {
            Body::Bytes(bytes) => String::from_utf8(bytes).unwrap_or_default(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    match inner.strip_prefix("depth: ").and_then(|rest| rest.split_once(", ended by ")) {
        Some((depth, why)) => {
            let depth = depth.parse::<u64>().unwrap_or(0) + 1;
            text(200, &format!("depth: {depth}, ended by {}", why.trim()))
        }
        None => text(200, &format!("depth: 0, ended by {ended_by}")),
    }
}
