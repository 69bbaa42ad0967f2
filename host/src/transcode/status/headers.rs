//! A status in headers and trailers.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use prost::Message;
use prost_types::Any;

use super::{DETAILS_MAX, GrpcStatus};
use crate::call::grpc::{self, Code};

/// The header or trailer with the whole status as an encoded `google.rpc.Status`, in base64.
pub const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// How many bytes the message and the details have in headers together. Readers take 8 to 16 KiB of headers, and those
/// that get more drop the whole response.
const HEADER_BYTES_MAX: usize = 8 * 1024;
/// How many of them the message may have, encoded.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// How many characters of the message go along with the details, where some readers look for it.
const DETAILS_MESSAGE_MAX: usize = 1024;
/// The most that is read of details, in base64.
const DETAILS_BYTES_MAX: usize = 64 * 1024;

/// What a message may not contain as it is: all but printable ASCII, and the percent sign.
///
/// Source: gRPC over HTTP/2, "Percent-Encoded".
const MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Base64 with padding or without.
pub(in crate::transcode) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Encoded {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

impl GrpcStatus {
    /// The status that trailers, or the headers of a trailers-only response, have; none if they have none.
    ///
    /// One that cannot be read is [`Code::Unknown`]. What cannot be read of a message is kept as it is, and details
    /// that cannot be read are left out: whatever is wrong with them, the code still tells.
    pub fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(grpc::STATUS)?;
        let encoded = headers.get(DETAILS).and_then(decode_details).unwrap_or_default();
        let message = headers.get(grpc::MESSAGE).map(|value| decode_message(value.as_bytes()));
        Some(match grpc::status(headers) {
            Some(number) => Self { number, message: message.unwrap_or(encoded.message), details: encoded.details },
            None => {
                let shown: String = String::from_utf8_lossy(value.as_bytes()).chars().take(32).collect();
                Self::new(Code::Unknown, format!("the status `{}` is no number", shown.escape_debug()))
            }
        })
    }

    /// Sets the status among `headers`, instead of one they had.
    ///
    /// Together message and details take 8 KiB at most: a longer message is cut, and details that have no room are left
    /// out.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(grpc::STATUS, HeaderValue::from(self.number));
        headers.remove(grpc::MESSAGE);
        headers.remove(DETAILS);
        let message = encode_message(&self.message);
        // Both encodings leave nothing but printable ASCII.
        if !message.is_empty()
            && let Ok(value) = HeaderValue::from_str(&message)
        {
            headers.insert(grpc::MESSAGE, value);
        }
        let room = HEADER_BYTES_MAX.saturating_sub(message.len());
        if let Some(Ok(value)) = self.encode_details(room).map(HeaderValue::try_from) {
            headers.insert(DETAILS, value);
        }
    }

    /// The details in base64, when there are any and they have room.
    fn encode_details(&self, room: usize) -> Option<String> {
        if self.details.is_empty() {
            return None;
        }
        let size: usize = self.details.iter().map(|detail| detail.type_url.len() + detail.value.len()).sum();
        if size > room {
            return None;
        }
        let details = self.details.iter().take(DETAILS_MAX).cloned().collect();
        let message = self.message.chars().take(DETAILS_MESSAGE_MAX).collect();
        let encoded = Encoded { code: self.number, message, details }.encode_to_vec();
        let text = STANDARD_NO_PAD.encode(encoded);
        (text.len() <= room).then_some(text)
    }
}

/// The message as it is sent, cut where there would be too much of it.
fn encode_message(message: &str) -> String {
    let mut out = String::new();
    // A character at a time, so that none is cut in two. There are no more characters of use than bytes of room.
    for (at, character) in message.char_indices().take(MESSAGE_BYTES_MAX) {
        let piece = message.get(at..at + character.len_utf8()).unwrap_or_default();
        let piece: Cow<'_, str> = utf8_percent_encode(piece, MESSAGE).into();
        if out.len() + piece.len() > MESSAGE_BYTES_MAX {
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// A message as it was meant. What is no percent-encoding stays as it is, as gRPC asks for.
fn decode_message(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&percent_decode(bytes).collect::<Vec<u8>>()).into_owned()
}

fn decode_details(value: &HeaderValue) -> Option<Encoded> {
    let text = value.as_bytes();
    if text.len() > DETAILS_BYTES_MAX {
        return None;
    }
    let mut encoded = Encoded::decode(&*BASE64.decode(text).ok()?).ok()?;
    encoded.details.truncate(DETAILS_MAX);
    Some(encoded)
}
