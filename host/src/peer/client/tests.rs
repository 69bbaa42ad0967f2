//! What becomes of calls whose peer refuses, leaves or breaks off: against a server that is a script of frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::call::{Body, Caller, Deadline, TraceContext};
use crate::peer::{ClusterName, Connected, PeerIdentity};

/// What the script does with the first call, which is stream 3.
#[derive(Clone, Copy, Debug)]
enum Then {
    Reset(u32),
    /// Says which stream was the last it looked at, and closes.
    Leave(u32),
    /// The same with an error, after it had said that it would leave.
    LeaveTwice(u32),
    Close,
    /// Closes behind the head of its response.
    Begin,
}

struct Script {
    then: Then,
    dialed: Arc<AtomicUsize>,
}

impl Dial for Script {
    fn dial(&self, _: SocketAddr, node: Option<&NodeName>) -> BoxFuture<'static, Result<Connected, LinkError>> {
        self.dialed.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let then = self.then;
        tokio::spawn(async move { drop(play(theirs, then).await) });
        let cluster = ClusterName::new("shop").unwrap();
        let peer = PeerIdentity { cluster, node: node.unwrap().clone() };
        Box::pin(std::future::ready(Ok(Connected { io: Box::new(ours), peer })))
    }

    fn generation(&self) -> u64 {
        0
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The stream of the next HEADERS frame.
async fn next_request(io: &mut DuplexStream) -> std::io::Result<u32> {
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await?;
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        io.read_exact(&mut vec![0; length]).await?;
        if head[3] == 1 {
            return Ok(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

async fn play(mut io: DuplexStream, then: Then) -> std::io::Result<()> {
    io.read_exact(&mut [0; 24]).await?;
    io.write_all(&frame(4, 0, 0, &[])).await?;
    let hello = next_request(&mut io).await?;
    let answer = [&[1][..], &[2; 16]].concat();
    io.write_all(&[frame(1, 4, hello, &[0x88]), frame(0, 1, hello, &answer)].concat()).await?;
    let call = next_request(&mut io).await?;
    let leave = |last: u32, code: u32| frame(7, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    match then {
        Then::Reset(code) => io.write_all(&frame(3, 0, call, &code.to_be_bytes())).await?,
        Then::Leave(last) => io.write_all(&leave(last, 0)).await?,
        Then::LeaveTwice(last) => io.write_all(&[leave(u32::MAX >> 1, 0), leave(last, 2)].concat()).await?,
        Then::Close => return Ok(()),
        Then::Begin => return io.write_all(&frame(1, 4, call, &[0x88])).await,
    }
    if let Then::Leave(_) | Then::LeaveTwice(_) = then {
        return Ok(());
    }
    let _ = next_request(&mut io).await?;
    Ok(())
}

fn client(then: Then) -> (Client, Peer, Arc<AtomicUsize>) {
    let dialed = Arc::new(AtomicUsize::new(0));
    let dial = Arc::new(Script { then, dialed: dialed.clone() });
    let client = Client::new(dial, Settings::default(), Arc::new(|_, _| ()), 1, tokio::runtime::Handle::current());
    let (node, address) = (NodeName::new("two").unwrap(), SocketAddr::from(([10, 0, 0, 2], 1)));
    (client, Peer { incarnation: Incarnation([2; 16]), node, address }, dialed)
}

async fn call(client: &Client, peer: &Peer) -> Result<Response, CallError> {
    let context = CallContext {
        deadline: Deadline::after(Duration::from_secs(20)),
        trace: TraceContext::new_root(),
        caller: Caller::Edge,
        depth: 0,
        route: None,
    };
    let calling = client.call(peer, &ServiceName::new("orders").unwrap(), Request::new(Body::empty()), &context);
    tokio::time::timeout(Duration::from_secs(10), calling).await.expect("an end")
}

#[tokio::test]
async fn only_what_nobody_has_seen_may_be_sent_again_just_so() {
    for (then, kind, retryable) in [
        (Then::Reset(7), ErrorKind::Unavailable, true),
        (Then::Reset(8), ErrorKind::Internal, false),
        (Then::Reset(2), ErrorKind::Internal, false),
        (Then::Reset(0), ErrorKind::Internal, false),
        (Then::Leave(1), ErrorKind::Unavailable, true),
        (Then::LeaveTwice(1), ErrorKind::Unavailable, true),
        (Then::Leave(3), ErrorKind::Unavailable, false),
        (Then::LeaveTwice(3), ErrorKind::Unavailable, false),
        (Then::Close, ErrorKind::Unavailable, false),
    ] {
        let (client, peer, _) = client(then);
        let error = call(&client, &peer).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (kind, retryable), "{then:?}: {}", error.chain());
        assert_eq!(client.snapshot().unprocessed, u64::from(retryable), "{then:?}");
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_no_clean_end() {
    use http_body_util::BodyExt;
    let (client, peer, _) = client(Then::Begin);
    let error = call(&client, &peer).await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false));
}

#[tokio::test]
async fn a_peer_that_leaves_is_connected_to_anew() {
    let (client, peer, dialed) = client(Then::Leave(1));
    for expected in 1..=3 {
        assert!(call(&client, &peer).await.unwrap_err().is_retryable());
        assert_eq!(dialed.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn peers_and_those_who_wait_are_bounded() {
    struct Never;
    impl Dial for Never {
        fn dial(&self, _: SocketAddr, _: Option<&NodeName>) -> BoxFuture<'static, Result<Connected, LinkError>> {
            Box::pin(std::future::pending())
        }
        fn generation(&self) -> u64 {
            0
        }
    }
    let settings = Settings { waiting_max: 3, peers_max: 2, ..Settings::default() };
    let client = Client::new(Arc::new(Never), settings, Arc::new(|_, _| ()), 1, tokio::runtime::Handle::current());
    let peer = |at: u8| Peer {
        incarnation: Incarnation([at; 16]),
        node: NodeName::new("two").unwrap(),
        address: SocketAddr::from(([10, 0, 0, at], 1)),
    };
    let (first, second) = (peer(1), peer(2));
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(call(&client, &first)) as BoxFuture<'_, _>).collect();
    assert!(futures::future::select_all(&mut waiting).now_or_never().is_none());
    assert!(call(&client, &peer(1)).await.unwrap_err().message().contains("too many calls wait"));
    waiting.pop();
    let mut next: BoxFuture<'_, _> = Box::pin(call(&client, &first));
    assert!((&mut next).now_or_never().is_none());
    let mut other: BoxFuture<'_, _> = Box::pin(call(&client, &second));
    assert!((&mut other).now_or_never().is_none());
    assert!(call(&client, &peer(3)).await.unwrap_err().message().contains("as many others"));
}
