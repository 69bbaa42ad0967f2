//! No door: native builds exist to compile and to test routers.

use std::{
    future::Future,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, request};
use http_body::Frame;

use crate::{
    Body,
    error::{BodyError, CallError, ErrorKind},
    log::Level,
};

/// No body ever comes in from a host.
pub(crate) enum Incoming {}

impl Incoming {
    pub(crate) fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match *self {}
    }
}

pub(crate) async fn send<B: Send>(target: String, _: request::Parts, _: B) -> Result<Response<Body>, CallError> {
    Err(CallError::new(ErrorKind::Unsupported, format!("{target} cannot be called outside a host")))
}

pub(crate) fn log(level: Level, context: &str, message: &str) {
    eprintln!("{level:?} {context}: {message}");
}

/// Runs `task` after, and beside, the call that is being served. It may go on when the response has been sent; it
/// ends at the latest with the instance.
///
/// In native builds, where nothing would run it, the task is dropped.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    drop(task);
}
