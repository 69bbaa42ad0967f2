//! One connection from a peer, and the calls on it.
//!
//! All of a connection runs in one task: frames in, calls, frames out. A call handed to an instance wakes this task when
//! it is answered, and the answer is sent in the same poll; a task for each call would be one more to wake on that way.
//! Handlers do not compute here, guests do that in tasks of their own.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, Stream};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::Method;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{LINK_VERSION, Service};
use crate::call::{Body, CallError, ErrorKind, Request, Response, Side};
use crate::peer::flow::{Pump, receive, send_full};
use crate::peer::io::Watched;
use crate::peer::keepalive::Keepalive;
use crate::peer::settings::STREAM_ERRORS_MAX;
use crate::peer::wire::{self, Arrived, Sent};
use crate::peer::{Connected, PeerIdentity, Settings, control};

/// How much older than a client lets its connections grow a server does.
const AGE_GRACE: f64 = 1.2;

pub(super) async fn serve(
    service: &Arc<Service>,
    connected: Connected,
    stop: CancellationToken,
) -> Result<(), h2::Error> {
    let settings = &service.settings;
    let (io, seen) = Watched::new(connected.io);
    let peer = Arc::new(connected.peer);
    let handshake = builder(settings).handshake::<_, Bytes>(io);
    let Ok(connection) = tokio::time::timeout(settings.handshake_timeout(), handshake).await else {
        return Ok(());
    };
    let mut connection = connection?;
    let mut keepalive = Keepalive::new(connection.ping_pong(), seen, settings);
    let mut calls = FuturesUnordered::new();
    let mut stopping = pin!(stop.cancelled());
    let mut aging = pin!(tokio::time::sleep(Duration::from_millis(settings.connection_age_ms).mul_f64(AGE_GRACE)));
    let mut draining = None;
    let (mut leaving, mut refusing) = (false, false);
    std::future::poll_fn(|cx| {
        if draining.is_none() && stopping.as_mut().poll(cx).is_ready() {
            connection.graceful_shutdown();
            draining = Some(Box::pin(tokio::time::sleep(settings.drain())));
        }
        while !refusing && aging.as_mut().poll(cx).is_ready() {
            if leaving {
                refusing = true;
            } else {
                leaving = true;
                connection.graceful_shutdown();
                aging.as_mut().reset(Instant::now() + settings.drain());
            }
        }
        if draining.as_mut().is_some_and(|drained| drained.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Ok(()));
        }
        loop {
            // All that came in before any of it is answered, so that answers leave together: a write costs more than a call.
            while let Poll::Ready(accepted) = connection.poll_accept(cx) {
                // At its end, what is left of its calls cannot be answered any more.
                let Some(accepted) = accepted else { return Poll::Ready(Ok(())) };
                let (request, mut respond) = accepted?;
                // A peer decides when it has heard that this connection is old, and the one that shows an expired
                // certificate on the next may not want to.
                if refusing {
                    respond.send_reset(Reason::REFUSED_STREAM);
                    continue;
                }
                service.counters.calls.fetch_add(1, Ordering::Relaxed);
                calls.push(answer(service.clone(), peer.clone(), request, respond));
            }
            let mut progressed = false;
            while let Poll::Ready(Some(())) = Pin::new(&mut calls).poll_next(cx) {
                progressed = true;
            }
            if !progressed {
                break;
            }
        }
        keepalive.poll_dead(cx).map(Ok)
    })
    .await
}

fn builder(settings: &Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(settings.window_bytes)
        .initial_connection_window_size(settings.connection_window())
        .max_header_list_size(settings.header_list_max())
        .max_concurrent_streams(settings.streams_max)
        // A host that was frozen finds all at once what was begun and given up meanwhile; peers are no attackers.
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_concurrent_reset_streams(settings.reset_streams_max())
        .max_local_error_reset_streams(Some(STREAM_ERRORS_MAX));
    builder
}

/// Streams that were reset before they were looked at; more end the connection.
const RESET_STREAMS_MAX: usize = 16_384;

/// Answers one request. A panic costs its stream only.
async fn answer(
    service: Arc<Service>,
    peer: Arc<PeerIdentity>,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let counted = service.clone();
    if AssertUnwindSafe(exchange(service, peer, request, respond)).catch_unwind().await.is_err() {
        counted.counters.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!("a handler of calls from peers panicked; the call was reset");
    }
}

async fn exchange(
    service: Arc<Service>,
    peer: Arc<PeerIdentity>,
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (mut head, stream) = request.into_parts();
    let to_head = head.method == Method::HEAD;
    let arrived = wire::arrived(&mut head);
    let shape = wire::unseal(&mut head.headers);
    // The boxes are what `Incoming` and `Control` return; the rest of this future is small.
    let calling = async {
        let body = receive(stream, shape, (), caller_gone).await?;
        match arrived? {
            Arrived::Call { target, context } => {
                let calling = service.incoming.call(&peer, &target, Request::from_parts(head, body), context);
                calling.await
            }
            Arrived::Control { kind, timeout } => controlled(&service, &peer, &kind, timeout, body).await,
        }
    };
    let answer = {
        let mut calling = pin!(calling);
        std::future::poll_fn(|cx: &mut Context<'_>| {
            // The caller gave up, or is gone: whatever works for it is dropped at once.
            if respond.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            calling.as_mut().poll(cx).map(Some)
        })
        .await
    };
    let Some(answer) = answer else { return };
    let headers_max = service.settings.headers_bytes_max;
    let sealed = answer.and_then(|response| wire::response(response, to_head, headers_max));
    // Where sending fails the stream is gone, and nobody is left to tell.
    match sealed {
        Err(error) => drop(respond.send_response(wire::error::response(&error), true)),
        Ok((head, body)) => {
            let ended = body.is_empty();
            let Ok(mut stream) = respond.send_response(head, ended) else { return };
            match body {
                Sent::Full(..) if ended => {}
                Sent::Full(data, trailers) => drop(send_full(&mut stream, data, trailers)),
                Sent::Stream(body) => drop(Pump::new(stream, body, headers_max, Side::Callee).await),
            }
        }
    }
}

/// A request whose body broke off.
fn caller_gone(error: h2::Error) -> CallError {
    CallError::cancelled().with_source(error)
}

async fn controlled(
    service: &Service,
    peer: &PeerIdentity,
    kind: &str,
    timeout: Duration,
    body: Body,
) -> Result<Response, CallError> {
    if kind == control::HELLO {
        let hello = [&[LINK_VERSION], &service.incarnation.0[..]].concat();
        return Ok(Response::new(Body::full(hello, None)));
    }
    let full = |_| CallError::unavailable("the peer answers as many control requests as it may");
    let _place = service.control_places.try_acquire().map_err(full)?;
    let answering = async {
        let request = collect(body, service.settings.control_bytes_max as usize).await?;
        service.control.handle(peer, kind, request).await
    };
    // Whoever asked stops waiting at the same time, but may not be able to say so.
    let answered = tokio::time::timeout(timeout, answering).await;
    let answer = answered.unwrap_or_else(|_| Err(CallError::timeout("the peer did not answer in time")))?;
    Ok(Response::new(Body::full(answer, None)))
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, CallError> {
    let mut stream = match body.try_into_full() {
        Ok((data, _)) => return Ok(data),
        Err(stream) => stream,
    };
    let mut read = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if read.len() + data.len() > bytes_max {
            let message = format!("a control request has at most {bytes_max} bytes");
            return Err(CallError::new(ErrorKind::BodyTooLarge, Side::Caller, message));
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}
