//! What cases compare with.

use tonic::{Code, Response, Status, Streaming};

use crate::pb::{Payload, SimpleRequest, SimpleResponse, StreamingOutputCallResponse};

/// Why a case does not pass.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

/// A call that should have succeeded.
impl From<Status> for Wrong {
    fn from(status: Status) -> Self {
        Self(format!("the call ended with {}", show(&status)))
    }
}

pub(crate) type Outcome = Result<(), Wrong>;

pub(crate) fn equal<V: PartialEq + std::fmt::Debug>(what: &str, is: V, wanted: V) -> Outcome {
    if is == wanted { Ok(()) } else { Err(Wrong(format!("{what}: {is:?} and not {wanted:?}"))) }
}

pub(crate) fn zeros(bytes: usize) -> Option<Payload> {
    Some(Payload { body: vec![0; bytes], ..Default::default() })
}

/// The request of most unary cases.
pub(crate) fn large() -> SimpleRequest {
    SimpleRequest { response_size: LARGE_ANSWER as i32, payload: zeros(LARGE_REQUEST), ..Default::default() }
}

const LARGE_REQUEST: usize = 271_828;
pub(crate) const LARGE_ANSWER: usize = 314_159;

/// A payload of so many bytes, all of them zero.
pub(crate) fn is_zeros(payload: Option<Payload>, bytes: usize) -> Outcome {
    let payload = payload.ok_or_else(|| Wrong("the response has no payload".into()))?;
    equal("the payload's type", payload.r#type, 0)?;
    equal("the payload's size", payload.body.len(), bytes)?;
    equal("bytes of the payload that are not zero", payload.body.iter().filter(|byte| **byte != 0).count(), 0)
}

pub(crate) fn is_large(response: Response<SimpleResponse>) -> Outcome {
    is_zeros(response.into_inner().payload, LARGE_ANSWER)
}

/// The next message of a stream.
pub(crate) async fn next_is_zeros(answers: &mut Streaming<StreamingOutputCallResponse>, bytes: usize) -> Outcome {
    match answers.message().await? {
        Some(answer) => is_zeros(answer.payload, bytes),
        None => Err(Wrong(format!("the stream ended before the payload of {bytes} bytes"))),
    }
}

/// The end of a stream, and a good one.
pub(crate) async fn is_over(answers: &mut Streaming<StreamingOutputCallResponse>) -> Outcome {
    match answers.message().await? {
        Some(_) => Err(Wrong("more messages came than were asked for".into())),
        None => Ok(()),
    }
}

/// How a call ended that should have failed.
pub(crate) fn failed<M>(answer: Result<M, Status>, code: Code) -> Result<Status, Wrong> {
    match answer {
        Err(status) if status.code() == code => Ok(status),
        Err(status) => Err(Wrong(format!("{} and not {code:?}", show(&status)))),
        Ok(_) => Err(Wrong(format!("the call succeeded and did not end with {code:?}"))),
    }
}

/// The same of a call with a stream, which may fail at once or later.
pub(crate) async fn stream_failed(
    answer: Result<Response<Streaming<StreamingOutputCallResponse>>, Status>,
    code: Code,
) -> Result<Status, Wrong> {
    match answer {
        Ok(response) => failed(response.into_inner().message().await, code),
        Err(status) => failed::<()>(Err(status), code),
    }
}

fn show(status: &Status) -> String {
    format!("{:?} {:?}", status.code(), status.message())
}
