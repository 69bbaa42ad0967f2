//! One connection.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rand::Rng as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Limits};
use super::counters::Reason;
use super::request::handle;
use super::tls::Tls;
use super::transport::{Transport, Watched};
use super::{Edge, Settings};

/// Windows of 1 MiB for a stream and 4 MiB for a connection: smaller ones make fast senders wait for acknowledgements,
/// and bring h2's guard against floods of small frames down on honest gRPC streams.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// What of a response is taken from its service before the client has room for it. With many streams that are not read it
/// adds up.
const H2_SEND_BUFFER: usize = 64 * 1024;
/// Errors of single streams that a client may cause until its connection is closed: what it sends for streams that the
/// host has reset and forgotten is one, and so are requests that make no sense.
const H2_STREAM_ERRORS_MAX: usize = 1_024;
/// No connection lives so long without being asked to end.
const NEVER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What those hear who do not speak TLS where TLS is spoken.
const PLAIN_TEXT: &str = concat!(
    "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 126\r\nconnection: close\r\n\r\n",
    r#"{"type":"urn:hostel:error:invalid","title":"The request is malformed","status":400,"detail":"this port speaks TLS; "#,
    r#"use https"}"#
);

/// Serves a connection until it is closed. After `stop` it takes no more requests.
pub(super) async fn serve(
    edge: Edge,
    stream: TcpStream,
    client: SocketAddr,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) {
    let _open = edge.0.counters.open();
    let transport = match tls {
        None => Transport::Plain(stream),
        Some(tls) => {
            let agreed = tokio::select! {
                agreed = Box::pin(agree(&edge, &tls, stream, client)) => agreed,
                () = stop.cancelled() => None,
            };
            let Some(transport) = agreed else { return };
            transport
        }
    };
    let limits = Limits::new(&edge.0.settings, rand::rng().random());
    let activity = Activity::new();
    let builder = builder(&edge.0.settings, transport.alpn());
    let (transport, given_back) = Watched::new(transport, activity.clone());
    if converse(&edge, builder, transport, client, &activity, &limits, &stop).await.is_finished()
        && let Ok(transport) = given_back.await
    {
        Box::pin(transport.linger()).await;
    }
}

/// Goes through a TLS handshake, which has as much time as a request's head.
async fn agree(edge: &Edge, tls: &Tls, stream: TcpStream, client: SocketAddr) -> Option<Transport> {
    let shaking = async {
        let mut first = [0];
        // TLS begins with the type of a record, which is no letter; methods of HTTP do with one.
        if stream.peek(&mut first).await? > 0 && first.iter().all(u8::is_ascii_uppercase) {
            let mut stream = stream;
            stream.write_all(PLAIN_TEXT.as_bytes()).await?;
            Transport::Plain(stream).linger().await;
            return Err(io::Error::other("the client does not speak TLS"));
        }
        tls.accept(stream).await
    };
    let agreed = tokio::time::timeout(edge.0.settings.header_timeout(), shaking).await;
    match agreed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(stream) => Some(Transport::Tls(Box::new(stream))),
        Err(error) => {
            edge.0.counters.handshake_failed();
            tracing::debug!(%client, %error, "no TLS handshake");
            None
        }
    }
}

fn builder(settings: &Settings, alpn: Option<&[u8]>) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Activity` measures this more exactly; hyper's own clock also runs between requests.
        .header_read_timeout(None)
        .max_headers(settings.headers_max.into())
        .max_buf_size(settings.headers_bytes_max as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .max_concurrent_streams(settings.h2_streams_max)
        .max_header_list_size(settings.headers_bytes_max)
        // What a client may have in flight, it may give up at once.
        .max_pending_accept_reset_streams(settings.h2_streams_max as usize)
        .max_local_error_reset_streams(H2_STREAM_ERRORS_MAX)
        // This only asks. `Activity` hears the answers: hyper waits for the one to its question, which may be far behind,
        // and ends a connection by a last word that a client which reads nothing never takes.
        .keep_alive_interval(settings.keepalive_interval())
        .keep_alive_timeout(NEVER);
    match alpn {
        Some(b"h2") => builder.http2_only(),
        Some(b"http/1.1") => builder.http1_only(),
        // Told apart by their first bytes.
        _ => builder,
    }
}

/// How a conversation ended.
enum Ended {
    /// By both sides, or by a fault of the client that it is told.
    Finished,
    /// By the host, in the middle.
    Cut,
}

impl Ended {
    fn is_finished(&self) -> bool {
        matches!(self, Self::Finished)
    }
}

async fn converse(
    edge: &Edge,
    builder: Builder<TokioExecutor>,
    transport: Watched,
    client: SocketAddr,
    activity: &Activity,
    limits: &Limits,
    stop: &CancellationToken,
) -> Ended {
    let service = service_fn({
        let (edge, activity) = (edge.clone(), activity.clone());
        move |request: hyper::Request<Incoming>| {
            let (edge, activity) = (edge.clone(), activity.clone());
            let (version, in_flight, unanswered) = (request.version(), activity.begin(), activity.unanswered());
            async move {
                let mut response = handle(&edge, client, request, in_flight).await;
                unanswered.answered();
                if version < Version::HTTP_2 && activity.is_leaving() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        }
    });
    let counters = &edge.0.counters;
    let mut connection = pin!(builder.serve_connection(TokioIo::new(transport), service));
    let mut stopping = false;
    loop {
        let reason = tokio::select! {
            // First, so that what has arrived is heard even when this host was frozen.
            biased;
            outcome = connection.as_mut() => {
                let Err(error) = outcome else { return Ended::Finished };
                if activity.is_flooded() {
                    counters.closed(Reason::Flood);
                }
                tracing::debug!(%client, ?error, "a connection ended with an error");
                return Ended::Finished;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
                continue;
            }
            reason = activity.overdue(limits) => reason,
        };
        counters.closed(reason);
        tracing::debug!(%client, reason = reason.as_str(), "a connection is closed");
        match reason {
            Reason::Age | Reason::Idle => {
                if activity.leave(reason) {
                    connection.as_mut().graceful_shutdown();
                }
            }
            Reason::Grace | Reason::Dead | Reason::Flood | Reason::Head => return Ended::Cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PLAIN_TEXT;

    #[test]
    fn what_plain_text_is_told_is_whole() {
        let (head, body) = PLAIN_TEXT.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
