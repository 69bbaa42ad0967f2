//! The methods.

use std::{
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{Stream, StreamExt, stream};
use hostel_sdk::tonic;
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataValue};

use crate::compression;
use crate::pb::{
    EchoStatus, Empty, Payload, PayloadType, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse, test_service_server,
};

/// No payload is larger: a test that asks for more has a mistake in it.
const PAYLOAD_BYTES_MAX: i32 = 16 * 1024 * 1024;

pub(crate) struct TestService;

type Output = Result<StreamingOutputCallResponse, Status>;
type Outputs = Pin<Box<dyn Stream<Item = Output> + Send>>;

/// `UnimplementedCall` is left to what is generated.
#[tonic::async_trait]
impl test_service_server::TestService for TestService {
    async fn empty_call(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        Ok(Response::new(Empty {}))
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        compression::came(&request).check(request.get_ref().expect_compressed)?;
        let request = request.into_inner();
        wanted(request.response_status)?;
        let payload = zeros(request.response_type, request.response_size)?;
        // Nobody is authenticated here: who calls, and under which scope, stays empty.
        let mut response = SimpleResponse { payload: Some(payload), ..Default::default() };
        if request.fill_server_id {
            response.server_id = "interop".into();
        }
        Ok(compression::wished([request.response_compressed], response))
    }

    async fn cacheable_unary_call(&self, _: Request<SimpleRequest>) -> Result<Response<SimpleResponse>, Status> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let payload = Payload { body: now.as_nanos().to_string().into(), ..Default::default() };
        let mut response = Response::new(SimpleResponse { payload: Some(payload), ..Default::default() });
        response.metadata_mut().insert("cache-control", MetadataValue::from_static("max-age=60, public"));
        Ok(response)
    }

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Result<Response<Outputs>, Status> {
        let request = request.into_inner();
        let wishes: Vec<_> = request.response_parameters.iter().map(|wanted| wanted.compressed).collect();
        Ok(compression::wished(wishes, outputs(request)))
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Result<Response<StreamingInputCallResponse>, Status> {
        let came = compression::came(&request);
        let mut requests = request.into_inner();
        let mut sum = 0_i32;
        while let Some(request) = requests.message().await? {
            came.check(request.expect_compressed)?;
            let size = request.payload.map_or(0, |payload| payload.body.len());
            sum = sum.saturating_add(i32::try_from(size).unwrap_or(i32::MAX));
        }
        Ok(Response::new(StreamingInputCallResponse { aggregated_payload_size: sum }))
    }

    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Outputs>, Status> {
        let answers = request.into_inner().map(|request| match request {
            Ok(request) => outputs(request),
            Err(status) => Box::pin(stream::iter([Err(status)])),
        });
        Ok(Response::new(Box::pin(answers.flatten())))
    }

    async fn half_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Result<Response<Outputs>, Status> {
        let mut messages = request.into_inner();
        let mut requests = Vec::new();
        while let Some(request) = messages.message().await? {
            requests.push(request);
        }
        Ok(Response::new(Box::pin(stream::iter(requests).flat_map(outputs))))
    }
}

/// What one message asks for. tonic ends the call at the first status, so whatever would come after one does not.
fn outputs(request: StreamingOutputCallRequest) -> Outputs {
    if let Err(status) = wanted(request.response_status) {
        return Box::pin(stream::iter([Err(status)]));
    }
    let kind = request.response_type;
    Box::pin(stream::iter(request.response_parameters).then(move |wanted| async move {
        if let Ok(interval @ 1..) = u64::try_from(wanted.interval_us) {
            hostel_sdk::sleep(Duration::from_micros(interval)).await;
        }
        let payload = Some(zeros(kind, wanted.size)?);
        Ok(StreamingOutputCallResponse { payload })
    }))
}

/// The status that a client wants to see. Without one, or with OK, the call goes on.
fn wanted(status: Option<EchoStatus>) -> Result<(), Status> {
    match status.map(|status| (Code::from_i32(status.code), status.message)) {
        None | Some((Code::Ok, _)) => Ok(()),
        Some((code, message)) => Err(Status::new(code, message)),
    }
}

fn zeros(kind: i32, size: i32) -> Result<Payload, Status> {
    if PayloadType::try_from(kind).is_err() {
        return Err(Status::invalid_argument(format!("no payload is of the type {kind}")));
    }
    match usize::try_from(size) {
        Ok(bytes) if size <= PAYLOAD_BYTES_MAX => Ok(Payload { r#type: kind, body: vec![0; bytes] }),
        _ => Err(Status::invalid_argument(format!("no payload has {size} bytes"))),
    }
}
