//! Errors as Connect writes them, in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::StatusCode;
use prost_reflect::DescriptorPool;
use prost_types::Any;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::grpc::Code;
use crate::transcode::status::{BASE64, DETAILS_MAX, GrpcStatus, TYPE_URL_PREFIX, code_of_http, rendered, type_name};

/// An error: what is written and read.
#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    details: Vec<WireDetail>,
}

#[derive(Serialize, Deserialize)]
struct WireDetail {
    r#type: String,
    value: String,
    /// For those who look at it; nobody reads it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    debug: Option<Value>,
}

impl Wire {
    /// An error; a status that is none, [`Code::Ok`], is unknown as one.
    pub(super) fn new(status: &GrpcStatus, types: Option<&DescriptorPool>) -> Self {
        let code = match status.code() {
            Code::Ok => Code::Unknown,
            code => code,
        };
        let detail = |any: &Any| WireDetail {
            r#type: type_name(any).to_owned(),
            value: STANDARD_NO_PAD.encode(&any.value),
            debug: rendered(any, types).map(|(_, value)| value),
        };
        Self {
            code: code.connect_name().to_owned(),
            message: status.message.clone(),
            details: status.details.iter().map(detail).collect(),
        }
    }

    /// The status; that of `otherwise` when there is no such code, and without details that are none.
    pub(super) fn into_status(self, otherwise: Code) -> GrpcStatus {
        let any = |detail: WireDetail| {
            let value = BASE64.decode(detail.value).ok()?;
            // Should somebody write a whole URL, its end is the name.
            let name = detail.r#type.rsplit('/').next().unwrap_or_default();
            Some(Any { type_url: format!("{TYPE_URL_PREFIX}{name}"), value })
        };
        let code = Code::from_connect_name(&self.code).unwrap_or(otherwise);
        let details = self.details.into_iter().filter_map(any).take(DETAILS_MAX).collect();
        GrpcStatus { details, ..GrpcStatus::new(code, self.message) }
    }
}

/// The body of a unary response that is an error: `{"code": "not_found", "message": "...", "details": [...]}`. Its content
/// type is `application/json`, whatever the codec, and its HTTP status that of the code.
///
/// Details have a member `debug` where `types`, or what is known of `google.rpc`, can read them.
pub fn error_json(status: &GrpcStatus, types: Option<&DescriptorPool>) -> Vec<u8> {
    // Strings and values always serialise.
    serde_json::to_vec(&Wire::new(status, types)).unwrap_or_default()
}

/// The error that a unary response with an HTTP status other than 200 is. One that says nothing in Connect's way is what
/// its HTTP status means.
pub fn read_error(http: StatusCode, body: &[u8]) -> GrpcStatus {
    match serde_json::from_slice::<Wire>(body) {
        Ok(wire) => wire.into_status(code_of_http(http)),
        Err(_) => GrpcStatus::from_http(http),
    }
}
