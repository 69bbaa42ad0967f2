//! HTTP clients of one host. Names are not resolved: whatever a URL says, the connection goes to the host's address, so
//! `http://echo.localhost/` works on every machine.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tonic::codegen::Service;

use super::reply::Reply;
use super::wait::{LONG, within};

pub type BoxError = Box<dyn Error + Send + Sync>;
pub type Body = BoxBody<Bytes, BoxError>;

/// A connection to one address, for any URL.
#[derive(Clone, Copy)]
pub struct Fixed(pub SocketAddr);

impl Service<Uri> for Fixed {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let address = self.0;
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// A client that keeps its connections.
#[derive(Clone)]
pub struct Client {
    pooled: Pooled<Fixed, Body>,
}

impl Client {
    /// HTTP/1.1.
    pub fn h1(address: SocketAddr) -> Self {
        Self { pooled: Pooled::builder(TokioExecutor::new()).build(Fixed(address)) }
    }

    /// HTTP/2 without TLS, by prior knowledge.
    pub fn h2(address: SocketAddr) -> Self {
        Self { pooled: Pooled::builder(TokioExecutor::new()).http2_only(true).build(Fixed(address)) }
    }

    /// The response as soon as its head is there.
    pub async fn open(&self, request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
        let what = format!("{} {}", request.method(), request.uri());
        let response = within(&what, LONG, self.pooled.request(request)).await;
        response.map_err(|error| format!("{what}: {}", chain(&error)).into())
    }

    /// The whole response.
    pub async fn try_send(&self, request: Request<Body>) -> Result<Reply, BoxError> {
        let what = format!("{} {}", request.method(), request.uri());
        let response = self.open(request).await?;
        let reply = within(&what, LONG, Reply::read(&what, response)).await;
        reply.map_err(|error| format!("{what}: the body: {}", chain(&*error)).into())
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        match self.try_send(request).await {
            Ok(reply) => reply,
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn get(&self, url: &str) -> Reply {
        self.send(get(url)).await
    }

    pub async fn post(&self, url: &str, body: impl Into<Bytes>) -> Reply {
        self.send(request("POST", url, full(body))).await
    }
}

pub fn request(method: &str, url: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(url).body(body);
    request.unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

pub fn get(url: &str) -> Request<Body> {
    request("GET", url, empty())
}

/// Adds a header to a request.
pub fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    let value = value.parse().expect("a header's value");
    request.headers_mut().append(name, value);
    request
}

pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body that is sent as it is pushed into the returned sender, one frame of room ahead.
pub fn pushed() -> (mpsc::Sender<Result<Bytes, BoxError>>, Body) {
    let (sender, mut receiver) = mpsc::channel::<Result<Bytes, BoxError>>(1);
    let frames = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let frames = futures::StreamExt::map(frames, |bytes| bytes.map(Frame::data));
    (sender, BodyExt::boxed(StreamBody::new(frames)))
}

/// The next piece of a body; none at its end. Trailers are skipped.
pub async fn next(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    while !body.is_end_stream() {
        match within("the next piece of a body", LONG, body.frame()).await? {
            Ok(frame) => {
                // The end may come in a frame of its own, without data.
                if let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
    None
}

/// A time-out in the grammar of `grpc-timeout`.
pub fn parse_timeout(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len().checked_sub(1).expect("a time-out"));
    let number: f64 = number.parse().unwrap_or_else(|_| panic!("{text} is no time-out"));
    let seconds = match unit {
        "H" => 3600.0,
        "M" => 60.0,
        "S" => 1.0,
        "m" => 1e-3,
        "u" => 1e-6,
        "n" => 1e-9,
        _ => panic!("{text} is no time-out"),
    };
    Duration::from_secs_f64(number * seconds)
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line += &format!(": {cause}");
        next = cause.source();
    }
    line
}
