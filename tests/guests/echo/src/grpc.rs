//! gRPC calls of every kind.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use hostel_sdk::{CallInfo, tonic};
use prost::Message;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::pb::{EchoReply, EchoRequest, FailDetail, RichStatus, echo_server};

pub(crate) struct Echo;

type Replies = Pin<Box<dyn Stream<Item = Result<EchoReply, Status>> + Send>>;

#[tonic::async_trait]
impl echo_server::Echo for Echo {
    async fn unary(&self, request: Request<EchoRequest>) -> Result<Response<EchoReply>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        pause(request.delay_ms).await;
        planned(&request.text)?;
        Ok(Response::new(EchoReply { text: request.text, count: 1, caller }))
    }

    async fn client_stream(&self, request: Request<Streaming<EchoRequest>>) -> Result<Response<EchoReply>, Status> {
        let caller = caller(&request);
        let mut requests = request.into_inner();
        let mut texts = Vec::new();
        while let Some(request) = requests.message().await? {
            texts.push(request.text);
        }
        Ok(Response::new(EchoReply { text: texts.join(","), count: texts.len() as u32, caller }))
    }

    type ServerStreamStream = Replies;

    async fn server_stream(&self, request: Request<EchoRequest>) -> Result<Response<Replies>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let replies = stream::iter(0..request.count).then(move |count| {
            let (text, caller) = (request.text.clone(), caller.clone());
            async move {
                pause(request.delay_ms).await;
                Ok(EchoReply { text, count, caller })
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }

    type BidiStream = Replies;

    async fn bidi(&self, request: Request<Streaming<EchoRequest>>) -> Result<Response<Replies>, Status> {
        let caller = caller(&request);
        let replies = request.into_inner().enumerate().then(move |(index, request)| {
            let caller = caller.clone();
            async move {
                let request = request?;
                pause(request.delay_ms).await;
                Ok(EchoReply { text: request.text, count: index as u32, caller })
            }
        });
        Ok(Response::new(Box::pin(replies)))
    }

    async fn fail(&self, request: Request<EchoRequest>) -> Result<Response<EchoReply>, Status> {
        let text = request.into_inner().text;
        planned(&text)?;
        Err(failure(text))
    }

    type FailLateStream = Replies;

    async fn fail_late(&self, request: Request<EchoRequest>) -> Result<Response<Replies>, Status> {
        let EchoRequest { text, count, delay_ms } = request.into_inner();
        let reason = text.clone();
        let good = stream::iter(0..count).then(move |count| {
            let text = text.clone();
            async move {
                pause(delay_ms).await;
                Ok(EchoReply { text, count, caller: String::new() })
            }
        });
        Ok(Response::new(Box::pin(good.chain(stream::iter([Err(failure(reason))])))))
    }
}

/// What is planned for the key KEY, if the text is `fault:KEY`: see `faults`. Other things than panics are UNAVAILABLE.
fn planned(text: &str) -> Result<(), Status> {
    let Some(key) = text.strip_prefix("fault:") else { return Ok(()) };
    let (how, call) = crate::faults::next(key).map_err(|error| Status::internal(error.to_string()))?;
    match how.as_deref() {
        None => Ok(()),
        Some("panic") => panic!("as planned"),
        Some(_) => Err(Status::unavailable(format!("call {call}"))),
    }
}

fn caller<T>(request: &Request<T>) -> String {
    let info = request.extensions().get::<CallInfo>();
    info.and_then(CallInfo::caller).unwrap_or_default().to_owned()
}

async fn pause(ms: u32) {
    if ms > 0 {
        hostel_sdk::sleep(Duration::from_millis(ms.into())).await;
    }
}

fn failure(reason: String) -> Status {
    let message = "failed as asked, 100 % ✓";
    let detail = prost_types::Any {
        type_url: "type.googleapis.com/hostel.test.v1.FailDetail".into(),
        value: FailDetail { reason }.encode_to_vec(),
    };
    let status = RichStatus { code: Code::FailedPrecondition.into(), message: message.into(), details: vec![detail] };
    let mut status = Status::with_details(Code::FailedPrecondition, message, status.encode_to_vec().into());
    status.metadata_mut().insert("x-reason", tonic::metadata::MetadataValue::from_static("asked"));
    status
}
