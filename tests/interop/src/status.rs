//! What comes beside messages: metadata, and how a call ended.

use futures_util::stream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request};

use crate::check::{
    LARGE_ANSWER, Outcome, Wrong, equal, failed, is_large, is_over, large, next_is_zeros, stream_failed,
};
use crate::pb::{EchoStatus, Empty, SimpleRequest, StreamingOutputCallRequest};
use crate::streaming::asking;
use crate::{Target, Transport};

const INITIAL: &str = "x-grpc-test-echo-initial";
const INITIAL_VALUE: &str = "test_initial_metadata_value";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const TRAILING_VALUE: &[u8] = &[0xab, 0xab, 0xab];

pub(crate) async fn custom_metadata<T: Transport>(target: &Target<T>) -> Outcome {
    // tonic puts what follows a single message to what came before it.
    let answer = target.client().unary_call(with_metadata(large())).await?;
    is_initial(answer.metadata())?;
    is_trailing(answer.metadata())?;
    is_large(answer)?;

    let requests = stream::iter([asking(&[LARGE_ANSWER], 0, 271_828)]);
    let answer = target.client().full_duplex_call(with_metadata(requests)).await?;
    is_initial(answer.metadata())?;
    equal("trailing metadata before the stream", answer.metadata().contains_key(TRAILING), false)?;
    let mut answers = answer.into_inner();
    next_is_zeros(&mut answers, LARGE_ANSWER).await?;
    is_over(&mut answers).await?;
    let trailers = answers.trailers().await?.ok_or_else(|| Wrong("the stream ended without trailers".into()))?;
    is_trailing(&trailers)
}

fn with_metadata<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert(INITIAL, MetadataValue::from_static(INITIAL_VALUE));
    metadata.insert_bin(TRAILING, MetadataValue::from_bytes(TRAILING_VALUE));
    request
}

fn is_initial(metadata: &MetadataMap) -> Outcome {
    let values: Vec<_> = metadata.get_all(INITIAL).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    equal(INITIAL, values, vec![INITIAL_VALUE])
}

fn is_trailing(metadata: &MetadataMap) -> Outcome {
    let values: Vec<_> =
        metadata.get_all_bin(TRAILING).iter().map(|value| value.to_bytes().unwrap_or_default()).collect();
    equal(TRAILING, values, vec![TRAILING_VALUE.into()])
}

pub(crate) async fn status_code_and_message<T: Transport>(target: &Target<T>) -> Outcome {
    let message = "test status message";
    let wanted = Some(EchoStatus { code: 2, message: message.into() });
    let request = SimpleRequest { response_status: wanted.clone(), ..Default::default() };
    let status = failed(target.client().unary_call(request).await, Code::Unknown)?;
    equal("the message of the unary call", status.message(), message)?;

    let request = StreamingOutputCallRequest { response_status: wanted, ..Default::default() };
    let answer = target.client().full_duplex_call(stream::iter([request])).await;
    let status = stream_failed(answer, Code::Unknown).await?;
    equal("the message of the stream", status.message(), message)
}

pub(crate) async fn special_status_message<T: Transport>(target: &Target<T>) -> Outcome {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let wanted = EchoStatus { code: 2, message: message.into() };
    let request = SimpleRequest { response_status: Some(wanted), ..Default::default() };
    let status = failed(target.client().unary_call(request).await, Code::Unknown)?;
    equal("the message", status.message(), message)
}

pub(crate) async fn unimplemented_method<T: Transport>(target: &Target<T>) -> Outcome {
    failed(target.client().unimplemented_call(Empty {}).await, Code::Unimplemented).map(drop)
}

pub(crate) async fn unimplemented_service<T: Transport>(target: &Target<T>) -> Outcome {
    failed(target.unimplemented().unimplemented_call(Empty {}).await, Code::Unimplemented).map(drop)
}
