//! Trailers as the last frame of a body.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::call::grpc;
use crate::transcode::{frame, metadata, status};

/// Most fields in trailers.
pub const FIELDS_MAX: usize = 256;

/// Why a payload is no trailers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrailersError {
    /// A line that is no field.
    #[error("line {line} of the trailers is no field: {reason}")]
    Field {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are too many.
    #[error("there are more than {FIELDS_MAX} trailers")]
    TooMany,
}

/// Writes trailers as a frame.
///
/// Of what belongs to a protocol or to the host it is only the status, so that the headers of a trailers-only response are
/// fine too. Names are lower case, as they are in [`HeaderMap`]. No space follows the colon: there are readers that would take it
/// for a part of the value.
pub fn encode_trailers(trailers: &HeaderMap, out: &mut BytesMut) {
    let mut payload = Vec::new();
    for (name, value) in trailers.iter().filter(|(name, _)| is_trailer(name)) {
        payload.extend_from_slice(name.as_str().as_bytes());
        payload.push(b':');
        payload.extend_from_slice(value.as_bytes());
        payload.extend_from_slice(b"\r\n");
    }
    frame::encode(frame::TRAILERS, &payload, out);
}

fn is_trailer(name: &HeaderName) -> bool {
    [grpc::STATUS, grpc::MESSAGE, status::DETAILS].contains(name) || !metadata::is_reserved(name.as_str())
}

/// Reads the payload of a frame of trailers. Lines may end without a carriage return, and have spaces around names and
/// values.
///
/// # Errors
///
/// When a line is no field, or there are too many.
pub fn decode_trailers(payload: &[u8]) -> Result<HeaderMap, TrailersError> {
    let mut trailers = HeaderMap::new();
    for (line, text) in (1..).zip(payload.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if trailers.len() == FIELDS_MAX {
            return Err(TrailersError::TooMany);
        }
        let wrong = |reason| TrailersError::Field { line, reason };
        let colon = text.iter().position(|byte| *byte == b':').ok_or(wrong("it has no colon"))?;
        let (name, value) = text.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let name = HeaderName::from_bytes(name.trim_ascii()).map_err(|_| wrong("its name is none"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| wrong("its value has characters it may not have"))?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::frame::{Decoder, Dialect, FrameLimits};
    use crate::transcode::fuzz;

    fn pairs(trailers: &HeaderMap) -> Vec<(&str, &[u8])> {
        trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
    }

    #[test]
    fn trailers_come_back() {
        let mut trailers = HeaderMap::new();
        for (name, value) in
            [("grpc-status", "0"), ("grpc-message", "a: b%20"), ("x-empty", ""), ("x", "1"), ("x", "2")]
        {
            trailers.append(name, HeaderValue::from_static(value));
        }
        let mut out = BytesMut::new();
        encode_trailers(&trailers, &mut out);
        let mut decoder = Decoder::new(Dialect::Web, FrameLimits::default());
        decoder.push(out.freeze());
        let frame = decoder.next().unwrap().unwrap();
        assert!(frame.is_end());
        assert_eq!(frame.payload, "grpc-status:0\r\ngrpc-message:a: b%20\r\nx-empty:\r\nx:1\r\nx:2\r\n");
        assert_eq!(decode_trailers(&frame.payload).unwrap(), trailers);
    }

    #[test]
    fn what_belongs_to_others_is_no_trailer() {
        let mut headers = HeaderMap::new();
        for name in ["content-type", "hostel-node", "connection", "grpc-encoding", "grpc-status-details-bin", "x"] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let mut out = BytesMut::new();
        encode_trailers(&headers, &mut out);
        assert_eq!(out[frame::HEAD_BYTES..], b"grpc-status-details-bin:v\r\nx:v\r\n"[..]);
    }

    #[test]
    fn what_others_write_is_read() {
        for payload in
            [&b"grpc-status:0\r\nx:y\r\n"[..], b"grpc-status: 0\r\nx: y", b"\r\nGrpc-Status : 0 \nX\t:\ty\n\n"]
        {
            let trailers = decode_trailers(payload).unwrap();
            assert_eq!(pairs(&trailers), [("grpc-status", &b"0"[..]), ("x", b"y")]);
        }
        assert!(decode_trailers(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_field_is_refused() {
        for (payload, message) in [
            (&b"a:b\nword\n"[..], "line 2 of the trailers is no field: it has no colon"),
            (b": v", "line 1 of the trailers is no field: its name is none"),
            (b"a b: v", "line 1 of the trailers is no field: its name is none"),
            (b"a: v\0", "line 1 of the trailers is no field: its value has characters it may not have"),
            (b"a: v\rb: c", "line 1 of the trailers is no field: its value has characters it may not have"),
        ] {
            assert_eq!(decode_trailers(payload).unwrap_err().to_string(), message);
        }
        assert_eq!(decode_trailers(&b"a:b\n".repeat(256)).unwrap().len(), 256);
        assert_eq!(decode_trailers(&b"a:b\n".repeat(257)), Err(TrailersError::TooMany));
    }

    #[test]
    fn any_bytes_are_answered() {
        let seeds: [&[u8]; 3] = [b"grpc-status: 0\r\ngrpc-message: all%20is well\r\n", b"a:b\nc:d\n", b"\xff:\xfe\r\n"];
        fuzz::inputs(&seeds, |input, _| {
            if let Ok(trailers) = decode_trailers(input) {
                let mut again = BytesMut::new();
                encode_trailers(&trailers, &mut again);
                let again = decode_trailers(&again[frame::HEAD_BYTES..]).unwrap();
                assert!(trailers.keys().all(|name| again.get_all(name) == trailers.get_all(name) || !is_trailer(name)));
            }
        });
    }
}
