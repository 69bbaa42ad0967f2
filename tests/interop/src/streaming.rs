//! Several messages, in either direction or in both.

use std::time::{Duration, Instant};

use futures_channel::mpsc;
use futures_util::stream;

use crate::check::{Outcome, Wrong, equal, is_over, next_is_zeros, zeros};
use crate::pb::{ResponseParameters, StreamingInputCallRequest, StreamingOutputCallRequest};
use crate::{Target, Transport};

const REQUESTS: [usize; 4] = [27_182, 8, 1_828, 45_904];
const ANSWERS: [usize; 4] = [31_415, 9, 2_653, 58_979];

/// Asks for payloads, each so many microseconds after the one before.
pub(crate) fn asking(answers: &[usize], interval_us: i32, request: usize) -> StreamingOutputCallRequest {
    let parameters = |size: &usize| ResponseParameters { size: *size as i32, interval_us, ..Default::default() };
    StreamingOutputCallRequest {
        response_parameters: answers.iter().map(parameters).collect(),
        payload: zeros(request),
        ..Default::default()
    }
}

fn conversation() -> impl Iterator<Item = (StreamingOutputCallRequest, usize)> {
    REQUESTS.into_iter().zip(ANSWERS).map(|(request, answer)| (asking(&[answer], 0, request), answer))
}

pub(crate) async fn client_streaming<T: Transport>(target: &Target<T>) -> Outcome {
    let requests = REQUESTS.map(|bytes| StreamingInputCallRequest { payload: zeros(bytes), ..Default::default() });
    let answer = target.client().streaming_input_call(stream::iter(requests)).await?;
    equal("the sum of all payloads", answer.into_inner().aggregated_payload_size, 74_922)
}

pub(crate) async fn server_streaming<T: Transport>(target: &Target<T>) -> Outcome {
    let request = StreamingOutputCallRequest { payload: None, ..asking(&ANSWERS, 0, 0) };
    let mut answers = target.client().streaming_output_call(request).await?.into_inner();
    for bytes in ANSWERS {
        next_is_zeros(&mut answers, bytes).await?;
    }
    is_over(&mut answers).await
}

/// Each message is sent when the one before is answered.
pub(crate) async fn ping_pong<T: Transport>(target: &Target<T>) -> Outcome {
    let (sender, requests) = mpsc::unbounded();
    let mut conversation = conversation();
    let Some((first, mut bytes)) = conversation.next() else { return Ok(()) };
    // Before the call, whose response some servers begin with their first message.
    say(&sender, first)?;
    let mut answers = target.client().full_duplex_call(requests).await?.into_inner();
    next_is_zeros(&mut answers, bytes).await?;
    for (request, next) in conversation {
        bytes = next;
        say(&sender, request)?;
        next_is_zeros(&mut answers, bytes).await?;
    }
    drop(sender);
    is_over(&mut answers).await
}

fn say(sender: &mpsc::UnboundedSender<StreamingOutputCallRequest>, message: StreamingOutputCallRequest) -> Outcome {
    sender.unbounded_send(message).map_err(|_| Wrong("nobody reads the request any more".into()))
}

/// The server takes all messages before it answers the first.
pub(crate) async fn half_duplex<T: Transport>(target: &Target<T>) -> Outcome {
    let (requests, sizes): (Vec<_>, Vec<_>) = conversation().unzip();
    let mut answers = target.client().half_duplex_call(stream::iter(requests)).await?.into_inner();
    for bytes in sizes {
        next_is_zeros(&mut answers, bytes).await?;
    }
    is_over(&mut answers).await
}

pub(crate) async fn empty_stream<T: Transport>(target: &Target<T>) -> Outcome {
    let answer = target.client().full_duplex_call(stream::empty()).await?;
    is_over(&mut answer.into_inner()).await
}

/// No case of the description, which makes it a duty of servers all the same: a pause before each message.
pub(crate) async fn intervals<T: Transport>(target: &Target<T>) -> Outcome {
    let started = Instant::now();
    let request = asking(&[1, 2, 3], 20_000, 0);
    let mut answers = target.client().streaming_output_call(request).await?.into_inner();
    for bytes in [1, 2, 3] {
        next_is_zeros(&mut answers, bytes).await?;
    }
    is_over(&mut answers).await?;
    let took = started.elapsed();
    // As the client's clock is not the server's, and may be a little faster.
    if took < Duration::from_millis(58) { Err(Wrong(format!("three pauses of 20 ms took {took:?}"))) } else { Ok(()) }
}
