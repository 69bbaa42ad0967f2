//! Messages that are compressed, and messages of the same call that are not.

use tonic::Code;

use crate::check::{LARGE_ANSWER, Outcome, equal, failed, is_zeros, large, zeros};
use crate::pb::{
    BoolValue, ResponseParameters, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
};
use crate::wire::call;
use crate::{Target, Transport};

fn wish(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

/// A call whose message is not what it says it is; then one that is compressed, and one that is not.
pub(crate) async fn client_compressed_unary<T: Transport>(target: &Target<T>) -> Outcome {
    let request = |expected| SimpleRequest { expect_compressed: wish(expected), ..large() };
    let probe = call::<_, SimpleResponse>(target, "UnaryCall", &[(false, request(true))]).await?;
    failed(probe, Code::InvalidArgument)?;
    for compressed in [true, false] {
        let answers = call(target, "UnaryCall", &[(compressed, request(compressed))]).await??;
        equal("the number of answers", answers.len(), 1)?;
        for (_, SimpleResponse { payload, .. }) in answers {
            is_zeros(payload, LARGE_ANSWER)?;
        }
    }
    Ok(())
}

pub(crate) async fn server_compressed_unary<T: Transport>(target: &Target<T>) -> Outcome {
    for compressed in [true, false] {
        let request = SimpleRequest { response_compressed: wish(compressed), ..large() };
        let answers = call(target, "UnaryCall", &[(false, request)]).await??;
        equal("the number of answers", answers.len(), 1)?;
        for (is, SimpleResponse { payload, .. }) in answers {
            equal("whether the answer is compressed", is, compressed)?;
            is_zeros(payload, LARGE_ANSWER)?;
        }
    }
    Ok(())
}

pub(crate) async fn client_compressed_streaming<T: Transport>(target: &Target<T>) -> Outcome {
    let request =
        |expected, bytes| StreamingInputCallRequest { payload: zeros(bytes), expect_compressed: wish(expected) };
    let probe = [(false, request(true, 27_182))];
    let probe = call::<_, StreamingInputCallResponse>(target, "StreamingInputCall", &probe).await?;
    failed(probe, Code::InvalidArgument)?;
    let requests = [(true, request(true, 27_182)), (false, request(false, 45_904))];
    let answers = call(target, "StreamingInputCall", &requests).await??;
    let sums: Vec<i32> = answers
        .into_iter()
        .map(|(_, answer): (_, StreamingInputCallResponse)| answer.aggregated_payload_size)
        .collect();
    equal("the sum of all payloads", sums, vec![73_086])
}

pub(crate) async fn server_compressed_streaming<T: Transport>(target: &Target<T>) -> Outcome {
    const WANTED: [(bool, usize); 2] = [(true, 31_415), (false, 92_653)];
    let parameters = |(compressed, size): (bool, usize)| ResponseParameters {
        size: size as i32,
        compressed: wish(compressed),
        ..Default::default()
    };
    let request =
        StreamingOutputCallRequest { response_parameters: WANTED.map(parameters).into(), ..Default::default() };
    let answers = call(target, "StreamingOutputCall", &[(false, request)]).await??;
    equal("the number of answers", answers.len(), WANTED.len())?;
    for ((is, StreamingOutputCallResponse { payload }), (compressed, bytes)) in answers.into_iter().zip(WANTED) {
        equal("whether the answer is compressed", is, compressed)?;
        is_zeros(payload, bytes)?;
    }
    Ok(())
}
