//! One connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Edge;
use super::activity::{Activity, Overdue, Watched};
use super::request::handle;

/// Windows of 1 MiB for a stream and 4 MiB for a connection: smaller ones make fast senders wait for acknowledgements,
/// and bring h2's guard against floods of small frames down on honest gRPC streams.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
const H2_CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const H2_KEEPALIVE: Duration = Duration::from_secs(20);

/// Serves a connection until it is closed. After `stop` it takes no more requests.
pub(super) async fn serve(edge: Edge, stream: TcpStream, client: SocketAddr, stop: CancellationToken) {
    let activity = Activity::new();
    let service = service_fn({
        let (edge, activity) = (edge.clone(), activity.clone());
        move |request: hyper::Request<Incoming>| {
            let (edge, in_flight) = (edge.clone(), activity.begin());
            async move { Ok::<_, Infallible>(handle(&edge, client, request, in_flight).await) }
        }
    });
    let settings = &edge.0.settings;
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
        .max_concurrent_streams(settings.h2_streams_max)
        .max_header_list_size(settings.headers_bytes_max)
        .keep_alive_interval(H2_KEEPALIVE);
    let transport = TokioIo::new(Watched::new(stream, activity.clone()));
    let mut connection = pin!(builder.serve_connection(transport, service));
    let mut stopping = false;
    loop {
        tokio::select! {
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%client, %error, "a connection ended with an error");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            overdue = activity.overdue(settings.header_timeout(), settings.idle_timeout()), if !stopping => match overdue {
                Overdue::Head => {
                    tracing::debug!(%client, "a connection is closed: its request head did not come in time");
                    return;
                }
                Overdue::Idle => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            },
        }
    }
}
