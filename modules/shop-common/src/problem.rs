//! Errors as clients see them: problem documents ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
//!
//! `type` is `urn:shop:error:SLUG`. Slugs are a promise to clients, texts are not; causes go to the log, never into a
//! document.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::store::StoreError;

/// How long clients should wait before they try again after a failure that is expected to pass, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The path of the field, as in `items[0].quantity`.
    pub field: String,
    /// For people: what is expected of it.
    pub message: String,
}

/// One error response.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

/// Boxed, because nearly every function can return a problem and hardly any call does.
#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    slug: &'static str,
    title: &'static str,
    detail: Option<String>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem of the type `urn:shop:error:{slug}`.
    pub fn new(status: StatusCode, slug: &'static str, title: &'static str) -> Self {
        Self(Box::new(Parts {
            status,
            slug,
            title,
            detail: None,
            errors: Vec::new(),
            members: Map::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// 404 for a thing that does not exist, or not for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found").detail(format!("There is no such {what}."))
    }

    /// 401: no credential, or one that is not valid (any more).
    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Authentication required")
            .detail(detail)
            .header(WWW_AUTHENTICATE, "Bearer")
    }

    /// 403: the credential does not allow this.
    pub fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed").detail(detail)
    }

    /// 409: what the client asks for contradicts what is stored.
    pub fn conflict(slug: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, slug, title).detail(detail)
    }

    /// 422 with one entry per bad field.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request does not validate");
        problem.0.errors = errors;
        problem
    }

    /// 503: something this service needs does not answer; nothing is wrong with the request.
    pub fn unavailable(what: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable")
            .detail(format!("The {what} does not answer. Try again."))
            .retry_after_s(RETRY_AFTER_S)
    }

    /// Adds a text for people about this occurrence.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds an extension member to the document.
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Adds `Retry-After`.
    pub fn retry_after_s(self, seconds: u32) -> Self {
        self.header(RETRY_AFTER, &seconds.to_string())
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The last part of `type`.
    pub fn slug(&self) -> &'static str {
        self.0.slug
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.insert(name, value);
        }
        self
    }
}

impl Parts {
    fn document(self) -> Value {
        let mut document = self.members;
        document.insert("type".into(), format!("urn:shop:error:{}", self.slug).into());
        document.insert("title".into(), self.title.into());
        document.insert("status".into(), self.status.as_u16().into());
        if let Some(detail) = self.detail {
            document.insert("detail".into(), detail.into());
        }
        if !self.errors.is_empty() {
            let errors = serde_json::to_value(self.errors).unwrap_or_default();
            document.insert("errors".into(), errors);
        }
        Value::Object(document)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut parts = *self.0;
        let status = parts.status;
        let mut headers = std::mem::take(&mut parts.headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = parts.document().to_string().into_response();
        *response.status_mut() = status;
        response.headers_mut().extend(headers);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "storage failed");
        Self::unavailable("storage")
    }
}

/// Collects what is wrong with the fields of a request, so that a client learns of all of it at once.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldError>);

impl Checks {
    /// Notes that `field` is not `expected`, unless `ok`.
    pub fn check(&mut self, ok: bool, field: &str, expected: &str) {
        if !ok {
            self.fail(field, expected);
        }
    }

    /// Notes that `field` is not `expected`.
    pub fn fail(&mut self, field: &str, expected: &str) {
        self.0.push(FieldError { field: field.to_owned(), message: expected.to_owned() });
    }

    /// Ends the checks.
    ///
    /// # Errors
    /// A 422 that lists every field noted.
    pub fn finish(self) -> Result<(), Problem> {
        if self.0.is_empty() { Ok(()) } else { Err(Problem::invalid(self.0)) }
    }
}
