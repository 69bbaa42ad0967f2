//! Links: what a peer sends as frames, and as fields of requests and responses that HTTP/2 itself takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hostel::call::{Body, CallContext, CallError, Caller, Deadline, Request, Response, ServiceName, TraceContext};
use hostel::peer::fake::Network;
use hostel::peer::{
    Client, ClusterName, Connected, Dial, Incarnation, Incoming, LinkError, NoControl, NodeName, Peer, PeerIdentity,
    Server, Settings,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

use crate::edit::{choice, piece};

/// How long anything may take: what is wrong is refused at once, and what is incomplete is not waited for.
const SHORT: Duration = Duration::from_millis(20);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const INCARNATION: [u8; 16] = [5; 16];

const NAMES: [&str; 24] = [
    "hostel-target",
    "hostel-control",
    "hostel-caller",
    "hostel-depth",
    "hostel-timeout",
    "traceparent",
    "hostel-route",
    "hostel-whole",
    "hostel-length",
    "hostel-method",
    "content-length",
    "te",
    "hostel-error",
    "hostel-error-side",
    "hostel-error-message",
    "hostel-error-retryable",
    "hostel-error-retry-after-ms",
    "hostel-error-allowed",
    "hostel-node",
    "grpc-timeout",
    "grpc-status",
    "connection",
    "x-other",
    "hostel-other",
];

const VALUES: [&str; 20] = [
    "orders",
    "hello",
    "edge",
    "hostel",
    "0",
    "1",
    "10S",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "/orders/%7Bid%7D",
    "CONNECT",
    "GET",
    "trailers",
    "unavailable",
    "denied",
    "timeout",
    "callee",
    "host",
    "18446744073709551615",
    "4294967296",
    "",
];

fn identity(node: &str) -> PeerIdentity {
    PeerIdentity { cluster: ClusterName::new("fuzz").expect("a name"), node: NodeName::new(node).expect("a name") }
}

fn address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7946))
}

/// Whatever arrives, fields of the link do not show.
fn assert_clean(headers: &HeaderMap) {
    let shown = headers.keys().find(|name| name.as_str().starts_with("hostel-"));
    assert_eq!(shown, None, "{headers:?}");
}

/// Sends back what it gets.
struct Echo;

impl Incoming for Echo {
    fn call(
        &self,
        _: &Arc<PeerIdentity>,
        _: &ServiceName,
        request: Request,
        _: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        assert_clean(request.headers());
        Box::pin(std::future::ready(Ok(Response::new(request.into_body()))))
    }
}

/// Takes one connection, of one of four kinds.
pub fn run(mut data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let how = choice(&mut data);
        let took = match how % 4 {
            0 => tokio::time::timeout(SHORT, frames_to_server(data)).await,
            1 => tokio::time::timeout(SHORT, fields_to_server(data)).await,
            how => as_client(data, how == 3).await,
        };
        drop(took);
    });
}

async fn connect() -> Connected {
    let network = Network::new();
    let server = Server::new(Incarnation(INCARNATION), Arc::new(Echo), Arc::new(NoControl), Settings::default());
    network.listen(address(), identity("server"), server, CancellationToken::new());
    let to = NodeName::new("server").expect("a name");
    network.dialer(identity("client")).dial(address(), Some(&to)).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn frames_to_server(data: &[u8]) {
    let mut io = connect().await.io;
    let _ = io.write_all(PREFACE).await;
    let _ = io.write_all(data).await;
    let _ = io.shutdown().await;
    let mut answer = Vec::new();
    let _ = io.read_to_end(&mut answer).await;
}

async fn fields_to_server(mut data: &[u8]) {
    let Ok((mut sender, connection)) = h2::client::handshake(connect().await.io).await else { return };
    tokio::spawn(connection);
    for _ in 0..4 {
        if data.is_empty() {
            return;
        }
        let how = choice(&mut data);
        let mut request = http::Request::new(());
        *request.method_mut() = if how & 1 == 0 { Method::POST } else { Method::HEAD };
        *request.uri_mut() = "http://a/b".parse().expect("a URI");
        if how & 2 == 0 {
            honest(request.headers_mut());
        }
        fields(&mut data, request.headers_mut());
        let Ok((answer, mut body)) = sender.send_request(request, how & 4 == 0) else { return };
        if how & 4 != 0 {
            let _ = body.send_data(Bytes::copy_from_slice(piece(&mut data, usize::from(how))), how & 8 == 0);
            if how & 8 != 0 {
                let mut trailers = HeaderMap::new();
                fields(&mut data, &mut trailers);
                let _ = body.send_trailers(trailers);
            }
        }
        let Ok(answer) = answer.await else { return };
        let mut body = answer.into_body();
        while let Some(Ok(_)) = body.data().await {}
        let _ = body.trailers().await;
    }
}

/// The fields of a call that is as it should be.
fn honest(headers: &mut HeaderMap) {
    for (name, value) in [(0, 0), (2, 2), (3, 4), (4, 6), (5, 7)] {
        headers.insert(HeaderName::from_static(NAMES[name]), HeaderValue::from_static(VALUES[value]));
    }
}

/// Adds what the data says: pairs of names and values, from the lists or as they are.
fn fields(data: &mut &[u8], headers: &mut HeaderMap) {
    for _ in 0..choice(data) % 16 {
        let (name, value) = (usize::from(choice(data)), usize::from(choice(data)));
        let name = match NAMES.get(name) {
            Some(name) => HeaderName::from_static(name),
            None => match HeaderName::from_bytes(piece(data, name % 32)) {
                Ok(name) => name,
                Err(_) => continue,
            },
        };
        let value = match VALUES.get(value) {
            Some(value) => HeaderValue::from_static(value),
            None => match HeaderValue::from_bytes(piece(data, value % 32)) {
                Ok(value) => value,
                Err(_) => continue,
            },
        };
        if value.is_empty() {
            headers.remove(name);
        } else {
            headers.append(name, value);
        }
    }
}

/// Whoever is called answers as the data says.
struct Script {
    data: Vec<u8>,
    /// In HTTP/2, and as a node until it is called; or with raw bytes at once.
    speaks: bool,
}

impl Dial for Script {
    fn dial(&self, _: SocketAddr, _: Option<&NodeName>) -> BoxFuture<'static, Result<Connected, LinkError>> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (data, speaks) = (self.data.clone(), self.speaks);
        tokio::spawn(async move {
            if speaks {
                let _ = answer(theirs, &data).await;
            } else {
                raw(theirs, &data).await;
            }
        });
        Box::pin(std::future::ready(Ok(Connected { io: Box::new(ours), peer: identity("server") })))
    }

    fn generation(&self) -> u64 {
        0
    }
}

async fn raw(mut io: DuplexStream, data: &[u8]) {
    let _ = io.write_all(&PREFACE[24..]).await;
    let _ = io.write_all(data).await;
    let _ = io.shutdown().await;
    let mut rest = Vec::new();
    let _ = io.read_to_end(&mut rest).await;
}

async fn answer(io: DuplexStream, mut data: &[u8]) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(io).await?;
    let mut hello = true;
    while let Some(accepted) = connection.accept().await {
        let (_, mut respond) = accepted?;
        let mut response = http::Response::new(());
        if std::mem::take(&mut hello) {
            let mut body = respond.send_response(response, false)?;
            let mut bytes = vec![1];
            bytes.extend(INCARNATION);
            body.send_data(bytes.into(), true)?;
            continue;
        }
        let how = choice(&mut data);
        *response.status_mut() = http::StatusCode::from_u16(100 + u16::from(how) * 2).unwrap_or_default();
        fields(&mut data, response.headers_mut());
        let mut body = respond.send_response(response, how & 1 != 0)?;
        if how & 1 == 0 {
            let length = usize::from(choice(&mut data));
            body.send_data(Bytes::copy_from_slice(piece(&mut data, length)), false)?;
            let mut trailers = HeaderMap::new();
            fields(&mut data, &mut trailers);
            body.send_trailers(trailers)?;
        }
    }
    Ok(())
}

async fn as_client(data: &[u8], speaks: bool) -> Result<(), tokio::time::error::Elapsed> {
    let dial = Arc::new(Script { data: data.to_vec(), speaks });
    let runtime = tokio::runtime::Handle::current();
    let client = Client::new(dial, Settings::default(), Arc::new(|_, _| {}), 1, runtime);
    let node = NodeName::new("server").expect("a name");
    let peer = Peer { incarnation: Incarnation(INCARNATION), node, address: address() };
    let took = tokio::time::timeout(SHORT, call(&client, &peer)).await;
    // A client and its links hold each other until it is told to let go.
    client.forget(&peer);
    took
}

async fn call(client: &Client, peer: &Peer) {
    let context = CallContext {
        deadline: Deadline::after(Duration::from_secs(1)),
        trace: TraceContext::new_root(),
        caller: Caller::Edge,
        depth: 0,
        route: None,
    };
    let mut request = Request::new(Body::full("a body", None));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/a".parse().expect("a path");
    let target = ServiceName::new("orders").expect("a name");
    let Ok(response) = client.call(peer, &target, request, &context).await else { return };
    assert_clean(response.headers());
    let Err(mut body) = response.into_body().try_into_full() else { return };
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(trailers) = frame.into_trailers() {
            assert_clean(&trailers);
        }
    }
}
