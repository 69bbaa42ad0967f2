//! Request bodies, queries and path parameters, refused with a problem document that names the field at fault.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::{FieldError, Problem};

/// A JSON body. Records that deny unknown fields get them reported like any other bad field.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type",
            )
            .detail("Send the body as application/json."));
        }
        let body = Bytes::from_request(request, state).await.map_err(unreadable)?;
        parse(&body).map(Json)
    }
}

/// Parameters of the query string.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => {
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request does not validate")
                    .detail(rejection.body_text()))
            }
        }
    }
}

/// The one parameter of a route like `/things/{id}`.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            // Not UTF-8 once decoded: no such thing can exist.
            Err(_) => Err(Problem::not_found("resource")),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
        || (media_type.to_ascii_lowercase().starts_with("application/")
            && media_type.to_ascii_lowercase().ends_with("+json"))
}

fn unreadable(rejection: BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large")
    } else {
        malformed("The body broke off.".to_owned())
    }
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", "The request is malformed").detail(detail)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let cause = error.into_inner();
        match cause.classify() {
            Category::Data => {
                Problem::invalid(vec![FieldError { field, message: without_position(&cause.to_string()).to_owned() }])
            }
            Category::Io | Category::Syntax | Category::Eof => malformed(format!("Not JSON: {cause}.")),
        }
    })?;
    json.end().map_err(|cause| malformed(format!("Not JSON: {cause}.")))?;
    Ok(value)
}

/// serde_json ends its texts with ` at line 1 column 9`, which says nothing the field's name does not.
fn without_position(text: &str) -> &str {
    text.rsplit_once(" at line ").map_or(text, |(message, _)| message)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        #[allow(dead_code, reason = "only its type matters here")]
        quantity: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[allow(dead_code, reason = "only its type matters here")]
        lines: Vec<Line>,
    }

    fn refused(body: &str) -> (u16, String) {
        let problem = parse::<Order>(body.as_bytes()).unwrap_err();
        let status = problem.status().as_u16();
        (status, format!("{problem:?}"))
    }

    #[test]
    fn a_bad_value_is_named_by_its_path() {
        let (status, text) = refused(r#"{"lines":[{"quantity":-1}]}"#);
        assert_eq!(status, 422);
        assert!(text.contains(r#"field: "lines[0].quantity""#), "{text}");
        assert!(!text.contains("column"), "{text}");
    }

    #[test]
    fn unknown_and_missing_fields_are_named() {
        let (status, text) = refused(r#"{"lines":[],"admin":true}"#);
        assert_eq!(status, 422);
        assert!(text.contains(r#"field: "admin""#), "{text}");
        let (status, text) = refused("{}");
        assert_eq!(status, 422);
        assert!(text.contains("missing field `lines`"), "{text}");
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in ["", "{", "nope", r#"{"lines":[]} x"#] {
            assert_eq!(refused(body).0, 400, "{body}");
        }
    }
}
