//! A WASI 0.2 service (`wasi:http/incoming-handler`) written with `wstd`, as its own documentation shows.
//!
//! It knows nothing of Hostel: it proves that an unmodified component runs, and that its outgoing requests reach
//! other services. The routes are those of every `*-hello` guest; `tests/guests/README.md` lists them.

use serde_json::{Map, Value, json};
use wstd::http::{Body, Client, Error, HeaderMap, Method, Request, Response, StatusCode};
use wstd::time::Duration;

/// The header that tells one call's data from another's.
const TAG: &str = "x-tag";

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    let path = request.uri().path().to_owned();
    let get = request.method() == Method::GET;
    match path.split('/').skip(1).collect::<Vec<_>>()[..] {
        ["hello", name] if get => text(StatusCode::OK, format!("hello {name}")),
        ["echo"] if request.method() == Method::POST => echo(request),
        ["call"] if get => call(&request).await,
        ["headers"] if get => json_response(StatusCode::OK, &headers_as_json(request.headers())),
        ["sleep", ms] if get => sleep(ms).await,
        _ => text(StatusCode::NOT_FOUND, format!("no route for {path}")),
    }
}

/// Hands the request's body back as it comes; nothing is collected.
fn echo(request: Request<Body>) -> Result<Response<Body>, Error> {
    let content_type = request.headers().get("content-type").cloned();
    let mut response = Response::new(request.into_body());
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    Ok(response)
}

/// Fetches the URL in the query and reports what came back, beside the tag this call was sent with.
async fn call(request: &Request<Body>) -> Result<Response<Body>, Error> {
    let tag = request.headers().get(TAG).cloned();
    let tag_text = tag.as_ref().map(|tag| String::from_utf8_lossy(tag.as_bytes()));
    let query = request.uri().query().unwrap_or_default();
    let Some((_, url)) = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "url") else {
        return text(StatusCode::BAD_REQUEST, "the query needs url=".to_owned());
    };

    let mut outgoing = Request::get(url.as_ref());
    if let Some(tag) = &tag {
        outgoing = outgoing.header(TAG, tag);
    }
    match fetch(outgoing.body(Body::empty())?).await {
        Ok((status, body)) => {
            json_response(StatusCode::OK, &json!({ "tag": tag_text, "status": status, "body": body }))
        }
        Err(error) => {
            json_response(StatusCode::BAD_GATEWAY, &json!({ "tag": tag_text, "error": format!("{error:?}") }))
        }
    }
}

async fn fetch(request: Request<Body>) -> Result<(u16, String), Error> {
    let mut response = Client::new().send(request).await?;
    let status = response.status().as_u16();
    let body = String::from_utf8_lossy(response.body_mut().contents().await?).into_owned();
    Ok((status, body))
}

async fn sleep(ms: &str) -> Result<Response<Body>, Error> {
    let Ok(ms) = ms.parse() else {
        return text(StatusCode::BAD_REQUEST, format!("{ms} is not a number of milliseconds"));
    };
    wstd::task::sleep(Duration::from_millis(ms)).await;
    text(StatusCode::OK, format!("slept {ms}"))
}

/// `{"name": ["value", ...]}`: a header may repeat, and the test wants to see that.
fn headers_as_json(headers: &HeaderMap) -> Value {
    let entries = headers.keys().map(|name| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into());
        (name.to_string(), Value::Array(values.collect()))
    });
    Value::Object(entries.collect::<Map<_, _>>())
}

fn text(status: StatusCode, body: String) -> Result<Response<Body>, Error> {
    Ok(Response::builder().status(status).header("content-type", "text/plain").body(body.into())?)
}

fn json_response(status: StatusCode, value: &Value) -> Result<Response<Body>, Error> {
    Ok(Response::builder().status(status).header("content-type", "application/json").body(value.to_string().into())?)
}
