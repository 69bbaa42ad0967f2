//! HTTP calls to other services and, where the manifest grants it, to the world outside.
//!
//! The usual types of the `http` crate are here too.
//!
//! ```no_run
//! use hostel_sdk::http::{self, Method, Request};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // A service, by name. The host finds it.
//! let product = http::get("http://catalog.internal/products/42").await?.into_body().text().await?;
//!
//! // An origin outside, which needs `egress = ["https://api.example.com"]` in the manifest.
//! let request = Request::builder()
//!     .method(Method::POST)
//!     .uri("https://api.example.com/charges")
//!     .header("content-type", "application/json")
//!     .body(r#"{"amount": 4200}"#.to_owned())?;
//! let response = http::send(request).await?;
//! # Ok(()) }
//! ```

pub use ::http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, uri,
};
use bytes::Bytes;

use crate::{
    Body, door,
    error::{BoxError, CallError, ErrorKind},
};

/// The top-level name under which services live.
const SERVICE_SUFFIX: &str = ".internal";

/// Sends a request. `http://NAME.internal/...` reaches the service `NAME`; any other origin is outside and needs a grant.
///
/// A status of 400 or more is a response, not an error. The request's body is sent while the response is awaited;
/// dropping the future, or the response's body, cancels the call.
///
/// # Errors
/// A [`CallError`] when there was no response.
pub async fn send<B>(request: Request<B>) -> Result<Response<Body>, CallError>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let target = target(&parts.uri)?;
    door::send(target, parts, axum::body::Body::new(body)).await
}

/// Gets a URL.
///
/// # Errors
/// A [`CallError`] when there was no response, or the URL is not one.
pub async fn get<U>(url: U) -> Result<Response<Body>, CallError>
where
    U: TryInto<Uri>,
    U::Error: Into<::http::Error>,
{
    let request = Request::get(url).body(Body::empty()).map_err(|error| invalid(error.to_string()))?;
    send(request).await
}

/// What the host is asked for: the name of a service, or an origin outside.
fn target(uri: &Uri) -> Result<String, CallError> {
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(invalid(format!("`{uri}` is not an absolute URL")));
    };
    match service_name(authority) {
        Some(name) => Ok(name.to_owned()),
        None => Ok(format!("{scheme}://{authority}")),
    }
}

fn service_name(authority: &uri::Authority) -> Option<&str> {
    authority.host().strip_suffix(SERVICE_SUFFIX).filter(|name| !name.is_empty())
}

fn invalid(message: String) -> CallError {
    CallError::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target_of(url: &'static str) -> Result<String, ErrorKind> {
        target(&Uri::from_static(url)).map_err(|error| error.kind())
    }

    #[test]
    fn names_and_origins() {
        assert_eq!(target_of("http://catalog.internal/products").as_deref(), Ok("catalog"));
        assert_eq!(target_of("http://catalog.internal:80/").as_deref(), Ok("catalog"));
        assert_eq!(target_of("https://api.example.com/v1?x=1").as_deref(), Ok("https://api.example.com"));
        assert_eq!(target_of("http://10.0.0.1:8080/").as_deref(), Ok("http://10.0.0.1:8080"));
        assert_eq!(target_of("http://.internal/").as_deref(), Ok("http://.internal"));
    }

    #[test]
    fn relative_urls_are_refused() {
        assert_eq!(target_of("/products"), Err(ErrorKind::Invalid));
        assert_eq!(target_of("catalog.internal"), Err(ErrorKind::Invalid));
    }
}
