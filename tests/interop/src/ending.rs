//! Calls that do not come to their end. That the server has stopped working on them no client can see: whoever runs these
//! cases has to look.

use std::pin::pin;
use std::time::Duration;

use futures_channel::{mpsc, oneshot};
use futures_util::future::{Either, pending, select};
use futures_util::{StreamExt, stream};
use tonic::{Code, Request};

use crate::check::{Outcome, Wrong, next_is_zeros, stream_failed};
use crate::streaming::asking;
use crate::{Target, Transport};

/// To give up a call is to drop it; it has no status then.
pub(crate) async fn cancel_after_begin<T: Transport>(target: &Target<T>) -> Outcome {
    let (begin, begun) = oneshot::channel();
    let requests = stream::once(async move {
        let _ = begin.send(());
        pending().await
    });
    let mut client = target.client();
    let call = pin!(client.streaming_input_call(requests));
    match select(call, begun).await {
        Either::Left((answer, _)) => Err(Wrong(format!("an answer before the first message: {answer:?}"))),
        Either::Right(_) => Ok(()),
    }
}

/// A second response is asked for, half an hour later, so that only giving up ends the call. The request ends together with it: most
/// HTTP clients go on sending what they have begun to send.
pub(crate) async fn cancel_after_first_response<T: Transport>(target: &Target<T>) -> Outcome {
    let mut request = asking(&[31_415, 31_415], 0, 27_182);
    if let Some(second) = request.response_parameters.last_mut() {
        second.interval_us = i32::MAX;
    }
    let (sender, requests) = mpsc::unbounded();
    sender.unbounded_send(request).map_err(|_| Wrong("nobody reads the request".into()))?;
    let mut answers = target.client().full_duplex_call(requests).await?.into_inner();
    next_is_zeros(&mut answers, 31_415).await?;
    drop(answers);
    drop(sender);
    Ok(())
}

pub(crate) async fn timeout_on_sleeping_server<T: Transport>(target: &Target<T>) -> Outcome {
    let request = asking(&[], 0, 27_182);
    let mut request = Request::new(stream::iter([request]).chain(stream::pending()));
    request.set_timeout(Duration::from_millis(1));
    let answer = target.client().full_duplex_call(request).await;
    stream_failed(answer, Code::DeadlineExceeded).await.map(drop)
}
