//! Metadata that comes back: ahead of a response by tonic, and after it by what is around the service, because tonic's handlers
//! have no way to say anything after a response that is one message.

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_STANDARD_NO_PAD};
use hostel_sdk::{
    axum::{body::Body, extract::Request, middleware::Next, response::Response},
    http::HeaderMap,
    tonic::{
        Status,
        metadata::{BinaryMetadataValue, KeyAndValueRef, MetadataMap},
    },
};
use http_body_util::BodyExt;

/// What is to be said after a response, in its extensions.
#[derive(Clone)]
pub(crate) struct Trailing(pub(crate) HeaderMap);

pub(crate) async fn trailing(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let Some(Trailing(more)) = response.extensions_mut().remove::<Trailing>() else { return response };
    response.map(|body| {
        Body::new(body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.extend(more.clone());
            }
            frame
        }))
    })
}

/// Metadata of these names and values, of which binary ones are base64.
pub(crate) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Result<MetadataMap, Status> {
    let mut metadata = MetadataMap::new();
    for (name, value) in pairs {
        let wrong = || Status::invalid_argument(format!("`{name}` cannot be metadata"));
        if name.ends_with("-bin") {
            let bytes = BASE64_STANDARD.decode(&value).map_err(|_| wrong())?;
            let key = name.parse::<hostel_sdk::tonic::metadata::BinaryMetadataKey>().map_err(|_| wrong())?;
            metadata.append_bin(key, BinaryMetadataValue::from_bytes(&bytes));
        } else {
            let key = name.parse::<hostel_sdk::tonic::metadata::AsciiMetadataKey>().map_err(|_| wrong())?;
            metadata.append(key, value.parse().map_err(|_| wrong())?);
        }
    }
    Ok(metadata)
}

/// The names and values of metadata; binary ones in base64 without padding.
pub(crate) fn pairs(metadata: &MetadataMap) -> impl Iterator<Item = (String, String)> {
    metadata.iter().map(|pair| match pair {
        KeyAndValueRef::Ascii(key, value) => (key.to_string(), value.to_str().unwrap_or("(not text)").to_owned()),
        KeyAndValueRef::Binary(key, value) => {
            let bytes = value.to_bytes().unwrap_or_default();
            (key.to_string(), BASE64_STANDARD_NO_PAD.encode(bytes))
        }
    })
}
