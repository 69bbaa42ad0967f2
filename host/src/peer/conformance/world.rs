//! Two nodes, `one` calling and `two` serving.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::call::{Body, CallContext, CallError, Caller, Deadline, Request, Response, ServiceName, TraceContext};
use crate::peer::fake::Network;
use crate::peer::pki::{self, Issuing};
use crate::peer::{
    Client, ClusterName, Control, Credentials, Dial, Incarnation, Incoming, LinkEvent, NodeName, Peer, PeerIdentity,
    Server, Settings, TlsDialer,
};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Tls,
    Memory,
}

pub(super) const TWO: Incarnation = Incarnation([2; 16]);

type Handle =
    dyn Fn(ServiceName, Request, CallContext) -> BoxFuture<'static, Result<Response, CallError>> + Send + Sync;

/// A service that is a closure.
pub(super) struct Handler(Box<Handle>);

impl Incoming for Handler {
    fn call(
        &self,
        _: &Arc<PeerIdentity>,
        target: &ServiceName,
        request: Request,
        context: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        (self.0)(target.clone(), request, context)
    }
}

pub(super) fn handler<F>(answer: impl Fn(ServiceName, Request, CallContext) -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Result<Response, CallError>> + Send + 'static,
{
    Handler(Box::new(move |target, request, context| answer(target, request, context).boxed()))
}

/// Answers each call with the body it came with.
pub(super) fn echo() -> Handler {
    handler(|_, request, _| async move { Ok(Response::new(request.into_body())) })
}

/// Answers with who asked, and what.
pub(super) struct Echo;

impl Control for Echo {
    fn handle(&self, from: &PeerIdentity, kind: &str, request: Bytes) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let mut answer = format!("{} {kind} ", from.node).into_bytes();
        answer.extend_from_slice(&request);
        std::future::ready(Ok(answer.into())).boxed()
    }
}

pub(super) struct World {
    pub(super) client: Client,
    pub(super) peer: Peer,
    pub(super) server: Server,
    pub(super) events: mpsc::UnboundedReceiver<LinkEvent>,
    pub(super) stop: CancellationToken,
    pub(super) network: Option<Network>,
    pub(super) serving: Option<JoinHandle<()>>,
    _dir: Option<tempfile::TempDir>,
}

pub(super) fn identity(node: &str) -> PeerIdentity {
    PeerIdentity { cluster: ClusterName::new("shop").unwrap(), node: NodeName::new(node).unwrap() }
}

/// Credentials of `one` and `two`, of the same cluster.
pub(super) fn credentials() -> (tempfile::TempDir, Arc<Credentials>, Arc<Credentials>) {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    pki::init(&ca, &ClusterName::new("shop").unwrap()).unwrap();
    let node = |name: &str| {
        let valid = Duration::from_secs(3600);
        let token = pki::issue(&ca, Issuing { node: NodeName::new(name).unwrap(), valid, seeds: Vec::new() }).unwrap();
        pki::join(&dir.path().join(name), &token).unwrap();
        Credentials::load(&dir.path().join(name)).unwrap()
    };
    let (one, two) = (node("one"), node("two"));
    (dir, one, two)
}

impl World {
    pub(super) async fn new(kind: Kind, call: impl Incoming) -> Self {
        Self::with(kind, call, Settings::default()).await
    }

    pub(super) async fn with(kind: Kind, call: impl Incoming, settings: Settings) -> Self {
        Self::between(kind, call, settings.clone(), settings).await
    }

    pub(super) async fn between(kind: Kind, call: impl Incoming, ours: Settings, theirs: Settings) -> Self {
        let server = Server::new(TWO, Arc::new(call), Arc::new(Echo), theirs);
        let stop = CancellationToken::new();
        let (sender, events) = mpsc::unbounded_channel();
        let observer = Arc::new(move |_: &Peer, event| drop(sender.send(event)));
        let (dial, address, network, serving, dir): (Arc<dyn Dial>, SocketAddr, _, _, _) = match kind {
            Kind::Tls => {
                let (dir, one, two) = credentials();
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let (server, stop) = (server.clone(), stop.clone());
                let serving = tokio::spawn(async move { server.run(listener, two, stop).await });
                (Arc::new(TlsDialer::new(one)), address, None, Some(serving), Some(dir))
            }
            Kind::Memory => {
                let network = Network::new();
                let address = SocketAddr::from(([10, 0, 0, 2], 7946));
                network.listen(address, identity("two"), server.clone(), stop.clone());
                (Arc::new(network.dialer(identity("one"))), address, Some(network), None, None)
            }
        };
        let client = Client::new(dial, ours, observer, 1, tokio::runtime::Handle::current());
        let peer = Peer { incarnation: TWO, node: NodeName::new("two").unwrap(), address };
        Self { client, peer, server, events, stop, network, serving, _dir: dir }
    }

    pub(super) async fn call(&self, request: Request) -> Result<Response, CallError> {
        self.client.call(&self.peer, &orders(), request, &context()).await
    }
}

pub(super) fn orders() -> ServiceName {
    ServiceName::new("orders").unwrap()
}

pub(super) fn context() -> CallContext {
    CallContext {
        deadline: Deadline::after(Duration::from_secs(20)),
        trace: TraceContext::new_root(),
        caller: Caller::Service(ServiceName::new("catalog").unwrap()),
        depth: 3,
        route: Some("/orders/{id}".into()),
    }
}

pub(super) fn get(path: &str) -> Request {
    http::Request::get(path).body(Body::empty()).unwrap()
}

pub(super) fn post(body: Body) -> Request {
    http::Request::post("/").body(body).unwrap()
}

/// A body that is what is sent into the channel.
pub(super) fn streamed() -> (mpsc::Sender<Result<Frame<Bytes>, CallError>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|frame| (frame, receiver))
    });
    (sender, Body::stream(http_body_util::StreamBody::new(stream.boxed())))
}

/// An endless body that counts what it has produced, and says when it is dropped.
pub(super) fn endless(
    piece: usize,
    produced: Arc<std::sync::atomic::AtomicUsize>,
    dropped: tokio::sync::oneshot::Sender<()>,
) -> Body {
    let data = Bytes::from(vec![7; piece]);
    let stream = futures::stream::unfold(dropped, move |dropped| {
        produced.fetch_add(piece, std::sync::atomic::Ordering::SeqCst);
        let data = data.clone();
        async move { Some((Ok(Frame::data(data)), dropped)) }
    });
    Body::stream(http_body_util::StreamBody::new(Box::pin(stream)))
}

pub(super) async fn bytes(body: Body) -> Result<Bytes, CallError> {
    Ok(body.collect().await?.to_bytes())
}

pub(super) fn data(text: &'static str) -> Result<Frame<Bytes>, CallError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

/// Waits until something is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.unwrap_or_else(|_| panic!("never: {what}"))
}
