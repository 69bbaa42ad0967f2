//! The last envelope of a stream: how it ended, and the trailers.

use std::collections::BTreeMap;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost_reflect::DescriptorPool;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::Wire;
use crate::call::grpc::Code;
use crate::transcode::status::GrpcStatus;
use crate::transcode::web::FIELDS_MAX;
use crate::transcode::{frame, metadata};

/// What is written and read.
#[derive(Serialize, Deserialize)]
struct WireEnd {
    /// Absent if there is none; `null` is none either, and so is an error.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    error: Option<Wire>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Vec<String>>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Wire>, D::Error> {
    Wire::deserialize(from).map(Some)
}

/// Why a payload is no end of a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// It is not the JSON that it should be.
    #[error("the end of the stream cannot be read: {0}")]
    Json(String),
    /// A name or value that headers do not have.
    #[error("the end of the stream has metadata that is none: `{0}`")]
    Metadata(String),
    /// There are too many.
    #[error("the end of the stream has more than {FIELDS_MAX} values of metadata")]
    TooMany,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EndOfStream {
    /// [`Code::Ok`] when all went well.
    pub status: GrpcStatus,
    /// The trailing metadata.
    pub trailers: HeaderMap,
}

impl EndOfStream {
    /// The end that a gRPC response's trailers are. Trailers without a status are an error: the service has not said
    /// how the call ended.
    pub fn of_trailers(trailers: &HeaderMap) -> Self {
        let status = GrpcStatus::of_headers(trailers)
            .unwrap_or_else(|| GrpcStatus::new(Code::Unknown, "the service did not say how the call ended"));
        Self { status, trailers: trailers.clone() }
    }

    /// The payload of the envelope: `{"error": {...}, "metadata": {"name": ["value"]}}`, each only if there is one.
    pub fn to_json(&self, types: Option<&DescriptorPool>) -> Vec<u8> {
        let mut metadata: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in metadata::custom(&self.trailers) {
            // JSON has no bytes, and gRPC has none here either.
            if let Ok(value) = value.to_str() {
                metadata.entry(name.to_string()).or_default().push(value.to_owned());
            }
        }
        let error = (!self.status.is_ok()).then(|| Wire::new(&self.status, types));
        // Strings and values always serialise.
        serde_json::to_vec(&WireEnd { error, metadata }).unwrap_or_default()
    }

    /// Reads the payload of the envelope.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn from_json(payload: &[u8]) -> Result<Self, EndError> {
        let end: WireEnd = serde_json::from_slice(payload).map_err(|error| EndError::Json(error.to_string()))?;
        let status = match end.error {
            Some(error) => error.into_status(Code::Unknown),
            None => GrpcStatus::new(Code::Ok, ""),
        };
        let mut trailers = HeaderMap::new();
        for (text, values) in end.metadata {
            let wrong = || EndError::Metadata(text.chars().take(64).flat_map(char::escape_debug).collect());
            let name = HeaderName::try_from(&text).map_err(|_| wrong())?;
            for value in values {
                if trailers.len() == FIELDS_MAX {
                    return Err(EndError::TooMany);
                }
                trailers.append(&name, HeaderValue::try_from(value).map_err(|_| wrong())?);
            }
        }
        Ok(Self { status, trailers })
    }
}

/// Writes the last envelope of a response.
pub fn encode_end(end: &EndOfStream, types: Option<&DescriptorPool>, out: &mut BytesMut) {
    frame::encode(frame::END_STREAM, &end.to_json(types), out);
}
