//! gRPC's reflection: a conversation, over the modules there are when each question comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use super::{Shared, leaving, ok, response, trailers};
use crate::call::{Body, CallError, Response};
use crate::transcode::adapter::framed;
use crate::transcode::compression::Encoding;
use crate::transcode::frame::{Dialect, FrameLimits};
use crate::transcode::messages::{Item, Messages};
use crate::transcode::reflection::Conversation;
use crate::transcode::status::GrpcStatus;

pub(super) fn answer(shared: &Arc<Shared>, body: Body, limits: FrameLimits) -> Response {
    let messages = Messages::new(body, Dialect::Grpc, Encoding::Identity, limits);
    let leaving = Box::pin(shared.platform.leaving.clone().cancelled_owned());
    response(Body::stream(Talk {
        shared: shared.clone(),
        conversation: Conversation::new(),
        messages,
        leaving,
        ended: None,
        over: false,
    }))
}

struct Talk {
    shared: Arc<Shared>,
    conversation: Conversation,
    messages: Messages,
    leaving: Pin<Box<tokio_util::sync::WaitForCancellationFutureOwned>>,
    ended: Option<GrpcStatus>,
    over: bool,
}

impl http_body::Body for Talk {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        if this.leaving.as_mut().poll(cx).is_ready() {
            this.ended = Some(leaving());
        }
        if this.ended.is_none() {
            match ready!(this.messages.poll_item(cx)) {
                Ok(Item::Message(question)) => {
                    match this.conversation.answer(&this.shared.platform.index(), &question) {
                        Ok(answer) => return Poll::Ready(Some(Ok(Frame::data(framed(0, &answer))))),
                        Err(error) => this.ended = Some(GrpcStatus::new(error.code(), error.to_string())),
                    }
                }
                Ok(Item::End(_)) => this.ended = Some(ok()),
                Err(failure) => this.ended = Some(failure.to_status()),
            }
        }
        this.over = true;
        Poll::Ready(this.ended.take().map(|status| Ok(Frame::trailers(trailers(&status)))))
    }
}
