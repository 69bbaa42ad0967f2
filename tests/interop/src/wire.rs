//! gRPC by hand, as far as one call with all its messages at once needs it: clients that are generated neither say nor choose
//! which messages are compressed.
//!
//! Source: "gRPC over HTTP2", Length-Prefixed-Message.

use std::future::poll_fn;
use std::io::{Read, Write};

use bytes::{Buf, BufMut, Bytes};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use prost::Message;
use tonic::body::Body;
use tonic::codegen::http::{Request, Uri};
use tonic::{Code, Status};

use crate::check::Wrong;
use crate::{Target, Transport};

/// What the response's messages were, and whether each was compressed; or the status instead of them.
type Answers<M> = Result<Vec<(bool, M)>, Status>;

/// Sends messages to a method of the service, compressed or not, and reads all answers.
pub(crate) async fn call<T: Transport, M: Message + Default>(
    target: &Target<T>,
    method: &str,
    messages: &[(bool, impl Message)],
) -> Result<Answers<M>, Wrong> {
    let mut body = Vec::new();
    for (compressed, message) in messages {
        let message = message.encode_to_vec();
        let content = if *compressed { gzip(&message)? } else { message };
        body.put_u8((*compressed).into());
        body.put_u32(u32::try_from(content.len()).map_err(wrong)?);
        body.extend(content);
    }
    let origin = target.origin.clone().into_parts();
    let uri = Uri::builder()
        .scheme(origin.scheme.ok_or_else(|| Wrong("an origin has a scheme".into()))?)
        .authority(origin.authority.ok_or_else(|| Wrong("an origin has an authority".into()))?)
        .path_and_query(format!("/grpc.testing.TestService/{method}"));
    let request = Request::post(uri.build().map_err(wrong)?)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", "gzip")
        .header("grpc-accept-encoding", "gzip");
    let request = request.body(Body::new(Full::new(Bytes::from(body)))).map_err(wrong)?;

    let mut transport = target.transport.clone();
    poll_fn(|context| transport.poll_ready(context)).await.map_err(broken)?;
    let response = transport.call(request).await.map_err(broken)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(broken)?;
    let status = body.trailers().and_then(Status::from_header_map).or_else(|| Status::from_header_map(&head.headers));
    match status {
        None => return Err(Wrong(format!("a response without `grpc-status`, {}", head.status))),
        Some(status) if status.code() != Code::Ok => return Ok(Err(status)),
        Some(_) => {}
    }
    let encoding = head.headers.get("grpc-encoding").map(|value| value.as_bytes());
    let mut body = body.to_bytes();
    let mut answers = Vec::new();
    while body.has_remaining() {
        let flags = body.try_get_u8().map_err(wrong)?;
        let length = body.try_get_u32().map_err(wrong)? as usize;
        if body.remaining() < length {
            return Err(Wrong(format!("a message of {length} bytes, of which {} are there", body.remaining())));
        }
        let content = body.split_to(length);
        let message = match (flags, encoding) {
            (0, _) => M::decode(content),
            (1, Some(b"gzip")) => M::decode(&*gunzip(&content)?),
            _ => return Err(Wrong(format!("a message with the flags {flags} and the encoding {encoding:?}"))),
        };
        answers.push((flags == 1, message.map_err(wrong)?));
    }
    Ok(Ok(answers))
}

fn gzip(content: &[u8]) -> Result<Vec<u8>, Wrong> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).map_err(wrong)?;
    encoder.finish().map_err(wrong)
}

fn gunzip(content: &[u8]) -> Result<Vec<u8>, Wrong> {
    let mut whole = Vec::new();
    GzDecoder::new(content).read_to_end(&mut whole).map_err(wrong)?;
    Ok(whole)
}

fn wrong(error: impl std::error::Error) -> Wrong {
    Wrong(error.to_string())
}

fn broken(error: impl Into<tonic::codegen::StdError>) -> Wrong {
    Wrong(format!("the call broke off: {}", error.into()))
}
