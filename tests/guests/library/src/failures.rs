//! Errors, as they are asked for.

use hostel_sdk::tonic::{Code, Status, metadata::MetadataValue};
use prost::Message;
use prost_types::Any;

use crate::pb::{google::rpc, library::v1::Failure};

/// The status that somebody wants to see.
pub(crate) fn status(failure: Failure) -> Status {
    let Failure { code, message, mut details, bad_request, shelf_full } = failure;
    details.extend(bad_request.map(|detail| any("google.rpc.BadRequest", &detail)));
    details.extend(shelf_full.map(|detail| any("library.v1.ShelfFull", &detail)));
    let mut status = if details.is_empty() {
        Status::new(Code::from_i32(code), message)
    } else {
        let rich = rpc::Status { code, message: message.clone(), details };
        Status::with_details(Code::from_i32(code), message, rich.encode_to_vec().into())
    };
    status.metadata_mut().insert("x-reason", MetadataValue::from_static("asked"));
    status
}

fn any(name: &str, detail: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/{name}"), value: detail.encode_to_vec() }
}
