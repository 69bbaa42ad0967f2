//! `/openapi.json`, `/openapi/NAME.json`, and `/openapi`, the page that shows them.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method};

use super::Shared;
use crate::call::{Body, CallError, ErrorKind, Response, ServiceName, Side};
use crate::modules::{Offer, Table};
use crate::transcode::failure::Failure;
use crate::transcode::openapi::{self, Options, Part};

/// The document of all services, and the table it is of.
pub(super) type Written = (Arc<Table>, Bytes);

const PAGE: &str = "/openapi";
const ALL: &str = "/openapi.json";

/// The service of `/openapi/NAME.json`.
fn named(path: &str) -> Option<ServiceName> {
    ServiceName::new(path.strip_prefix("/openapi/")?.strip_suffix(".json")?).ok()
}

pub(super) fn takes(path: &str) -> bool {
    path == PAGE || path == ALL || named(path).is_some()
}

pub(super) async fn answer(shared: &Arc<Shared>, method: &Method, path: &str) -> Result<Response, Failure> {
    if ![Method::GET, Method::HEAD].contains(method) {
        let error = CallError::new(ErrorKind::MethodNotAllowed, Side::Caller, format!("not by {method}"));
        return Err(error.with_allowed("GET, HEAD".to_owned()).into());
    }
    if path == PAGE {
        let page = openapi::page("openapi.json");
        let mut response = response("text/html; charset=utf-8", page.html.into());
        if let Ok(policy) = HeaderValue::from_str(&page.content_security_policy) {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        return Ok(response);
    }
    let table = shared.deployments.table_full();
    if path == ALL {
        let kept = shared.platform.document.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = match kept {
            Some((of, text)) if Arc::ptr_eq(&of, &table) => text,
            _ => {
                let text = written(table.clone(), None).await?;
                let fresh = Some((table, text.clone()));
                *shared.platform.document.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
                text
            }
        };
        return Ok(response("application/json", text));
    }
    let service = named(path).filter(|service| described(&table).any(|offer| offer.service == *service));
    let service = service.ok_or_else(|| {
        let message = "no service of this name has descriptors; those that have are in /openapi.json";
        Failure::Call(CallError::new(ErrorKind::NotFound, Side::Caller, message))
    })?;
    Ok(response("application/json", written(table, Some(service)).await?))
}

/// The services whose paths are known: those at the root.
fn described(table: &Table) -> impl Iterator<Item = Offer> {
    table.contracts().into_iter().filter(|offer| offer.at_root)
}

fn part(offer: &Offer) -> Option<Part<'_>> {
    let (service, schema) = (offer.service.as_str(), offer.contract.schema()?);
    Some(Part { service, schema, json: offer.contract.settings().options(), prefix: "" })
}

/// The document as text. It takes longer than a serving thread has.
async fn written(table: Arc<Table>, only: Option<ServiceName>) -> Result<Bytes, Failure> {
    let writing = tokio::task::spawn_blocking(move || {
        let chosen = described(&table).filter(|offer| only.as_ref().is_none_or(|only| *only == offer.service));
        let chosen: Vec<Offer> = chosen.collect();
        let parts: Vec<Part<'_>> = chosen.iter().filter_map(part).collect();
        let title = only.as_ref().map_or("Hostel", ServiceName::as_str).to_owned();
        let document = openapi::document(&parts, &Options { title, ..Options::default() });
        // A value always serialises.
        Bytes::from(serde_json::to_vec(&document).unwrap_or_default())
    });
    writing.await.map_err(|error| {
        let message = "the document could not be written";
        Failure::Call(CallError::new(ErrorKind::Internal, Side::Host, message).with_source(error))
    })
}

fn response(content: &'static str, text: Bytes) -> Response {
    let mut response = Response::new(Body::full(text, None));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.remove(ALLOW);
    response
}
