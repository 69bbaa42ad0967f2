//! Ordinary responses, for the routes whose misdeed is elsewhere.

use wasip3::http::types::{ErrorCode, Fields, Response, Trailers};
use wasip3::wit_bindgen::{FutureReader, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

/// What `handle` returns.
pub type Answer = Result<Response, ErrorCode>;

/// How a body ends: its trailers, or what broke it.
pub type End = Result<Option<Trailers>, ErrorCode>;

pub fn text(status: u16, body: String) -> Answer {
    let mut body = body.into_bytes();
    body.push(b'\n');
    stream(status, fields(&[("content-type", b"text/plain")])?, async move |mut to| {
        to.write_all(body).await;
        Ok(None)
    })
}

/// A response whose body is written by `produce` after it has been returned; `produce` says how the body ends.
pub fn stream<F>(status: u16, headers: Fields, produce: F) -> Answer
where
    F: AsyncFnOnce(StreamWriter<u8>) -> End + 'static,
{
    let (to, body) = wit_stream::new();
    let (end, end_reader) = wit_future::new(|| Ok(None));
    let response = response(status, headers, Some(body), end_reader)?;
    spawn_local(async move {
        let outcome = produce(to).await;
        // The reader may have gone; nobody is left to tell.
        let _ = end.write(outcome).await;
    });
    Ok(response)
}

pub fn response(
    status: u16,
    headers: Fields,
    body: Option<wasip3::wit_bindgen::StreamReader<u8>>,
    end: FutureReader<End>,
) -> Answer {
    let (response, _sent) = Response::new(headers, body, end);
    response
        .set_status_code(status)
        .map_err(|()| ErrorCode::InternalError(Some(format!("the host refused the status {status}"))))?;
    Ok(response)
}

pub fn fields(entries: &[(&str, &[u8])]) -> Result<Fields, ErrorCode> {
    let fields = Fields::new();
    for (name, value) in entries {
        fields.append(name, value).map_err(|error| {
            ErrorCode::InternalError(Some(format!("the host refused the header {name}: {error:?}")))
        })?;
    }
    Ok(fields)
}
