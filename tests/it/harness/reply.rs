//! A whole response, and what can be said about it.

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::http::BoxError;

#[derive(Clone, Debug)]
pub struct Reply {
    /// The request, for messages.
    what: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
    pub body: Bytes,
}

/// Words that show how the host is made, and so have no business in a response.
const INTERNALS: [&str; 12] =
    ["wasm", "backtrace", "unreachable", "panick", "cranelift", ".rs", "::", "store", "epoch", "fuel", "rust", "/home"];

impl Reply {
    pub async fn read(what: &str, response: Response<Incoming>) -> Result<Self, BoxError> {
        let (head, body) = response.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Self {
            what: what.to_owned(),
            status: head.status.as_u16(),
            headers: head.headers,
            trailers,
            body: collected.to_bytes(),
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{}: {error} in {self}", self.what),
        }
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        text(&self.headers, name)
    }

    /// A trailer's value; empty when it is not there.
    pub fn trailer(&self, name: &str) -> &str {
        text(&self.trailers, name)
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {self}", self.what);
        self
    }

    /// Fails unless this is the host's own error document of this status and slug, without anything in it that only the
    /// host's makers should see.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, slug: &str) -> Value {
        let what = &self.what;
        assert_eq!(self.status, status, "{what}: {self}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{what}: {self}");
        let document: Value = self.json();
        assert_eq!(document["status"], status, "{what}: {document}");
        assert_eq!(document["type"], format!("urn:hostel:error:{slug}"), "{what}: {document}");
        assert!(document["title"].as_str().is_some_and(|t| !t.is_empty()), "{what}: {document}");
        let trace = document["trace_id"].as_str().unwrap_or_default();
        assert!(trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()), "{what}: {document}");
        if status == 503 {
            let seconds = self.header("retry-after").parse::<u64>();
            assert!(seconds.is_ok(), "{what}: no Retry-After in {self}");
        }
        self.expect_no_internals();
        document
    }

    /// Fails when the response tells how the host is made.
    #[track_caller]
    pub fn expect_no_internals(&self) {
        let text = self.text().to_lowercase();
        for word in INTERNALS {
            assert!(!text.contains(word), "{}: `{word}` is in {text}", self.what);
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap_or("(not text)"))
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = self.text().chars().take(2000).collect();
        write!(f, "{} {:?} {body:?}", self.status, self.headers)
    }
}
