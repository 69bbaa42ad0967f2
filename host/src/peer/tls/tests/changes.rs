//! Certificates and CAs that are replaced while hosts run.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::call::{Body, Caller, Deadline, ErrorKind, TraceContext};

/// Answers a little later, so that calls are always under way.
struct Later;

impl Incoming for Later {
    fn call(
        &self,
        _: &Arc<PeerIdentity>,
        _: &ServiceName,
        request: Request,
        _: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Response::new(request.into_body()))
        })
    }
}

/// A node: its folder, what it serves, and how it calls.
struct Node {
    dir: PathBuf,
    credentials: Arc<Credentials>,
    peer: Peer,
    server: Server,
    client: Client,
}

impl Node {
    async fn start(ca: &Path, dir: &Path, name: &str, incarnation: u8) -> Self {
        let credentials = joined(ca, dir, name);
        let incarnation = Incarnation([incarnation; 16]);
        let server = Server::new(incarnation, Arc::new(Later), Arc::new(NoControl), Settings::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Peer { incarnation, node: NodeName::new(name).unwrap(), address: listener.local_addr().unwrap() };
        let (running, own) = (server.clone(), credentials.clone());
        tokio::spawn(async move { running.run(listener, own, CancellationToken::new()).await });
        let client = client(credentials.clone());
        Self { dir: dir.join(name), credentials, peer, server, client }
    }

    async fn call(&self, other: &Peer) -> Result<(), CallError> {
        let context = CallContext {
            deadline: Deadline::after(Duration::from_secs(20)),
            trace: TraceContext::new_root(),
            caller: Caller::Edge,
            depth: 0,
            route: None,
        };
        let request = http::Request::post("/").body(Body::full("x", None)).unwrap();
        let answer = self.client.call(other, &ServiceName::new("orders").unwrap(), request, &context).await?;
        let (data, _) = answer.into_body().try_into_full().unwrap_or_else(|_| panic!("not at hand"));
        assert_eq!(data, "x");
        Ok(())
    }

    fn connected(&self) -> u64 {
        self.client.snapshot().connected
    }

    /// What an operator does: puts files there, and says so.
    fn change(&self, change: impl FnOnce(&Path)) {
        change(&self.dir);
        self.credentials.reload().unwrap();
    }
}

/// Calls both ways without a pause, until told to stop; how many there were. None may fail.
async fn calling(
    (one, two): (&Arc<Node>, &Arc<Node>),
    stop: &Arc<AtomicBool>,
    forgetful: bool,
) -> Vec<tokio::task::JoinHandle<usize>> {
    let pairs = [(one, two), (two, one)].into_iter().cycle().take(16);
    let calling = |(from, to): (&Arc<Node>, &Arc<Node>)| {
        let (from, to, stop) = (from.clone(), to.peer.clone(), stop.clone());
        tokio::spawn(async move {
            let mut calls = 0;
            while !stop.load(Ordering::Relaxed) {
                match from.call(&to).await {
                    Ok(()) => calls += 1,
                    // Its links were let go of just now; nobody has seen the call.
                    Err(error) if forgetful && error.is_retryable() => tokio::task::yield_now().await,
                    Err(error) => panic!("call {calls}: {}", error.chain()),
                }
            }
            calls
        })
    };
    let calling = pairs.map(calling).collect();
    until("both have connected", || one.connected() == 1 && two.connected() == 1).await;
    calling
}

async fn calls(calling: Vec<tokio::task::JoinHandle<usize>>) -> usize {
    let mut calls = 0;
    for calling in calling {
        calls += calling.await.unwrap();
    }
    calls
}

fn roots(dir: &Path, cas: &[&Path]) {
    let pem: String = cas.iter().map(|ca| std::fs::read_to_string(ca.join("ca.pem")).unwrap()).collect();
    std::fs::write(dir.join("ca.pem"), pem).unwrap();
}

fn renew(ca: &Path, dir: &Path) {
    let node = NodeName::new(dir.file_name().unwrap().to_str().unwrap()).unwrap();
    let issuing = Issuing { node, valid: Duration::from_secs(3600), seeds: Vec::new() };
    join(dir, &issue(ca, issuing).unwrap()).unwrap();
}

#[tokio::test]
async fn no_call_is_lost_while_certificates_are_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    init(&ca, &ClusterName::new("shop").unwrap()).unwrap();
    let one = Arc::new(Node::start(&ca, dir.path(), "one", 1).await);
    let two = Arc::new(Node::start(&ca, dir.path(), "two", 2).await);
    let stop = Arc::new(AtomicBool::new(false));
    let calling = calling((&one, &two), &stop, false).await;
    for _ in 0..10 {
        for node in [&one, &two] {
            let before = node.connected();
            node.change(|dir| renew(&ca, dir));
            until("a new connection", || node.connected() > before).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(calls(calling).await > 100);
    assert_eq!(one.client.snapshot().connect_failed + two.client.snapshot().connect_failed, 0);
    until("old connections are closed", || one.server.snapshot().connections == 1).await;
}

/// What an operator does to a node's folder.
type Step<'s> = &'s dyn Fn(&Path);

#[tokio::test]
async fn a_ca_is_replaced_while_nodes_talk() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    for ca in [&old, &new] {
        init(ca, &ClusterName::new("shop").unwrap()).unwrap();
    }
    let one = Arc::new(Node::start(&old, dir.path(), "one", 1).await);
    let two = Arc::new(Node::start(&old, dir.path(), "two", 2).await);
    let stop = Arc::new(AtomicBool::new(false));
    let calling = calling((&one, &two), &stop, true).await;
    // Tokens of the new CA carry both certificates until no node has one by the old.
    let only_new = std::fs::read(new.join("ca.pem")).unwrap();
    roots(&new, &[&new, &old]);
    let steps: [(&str, Step<'_>); 3] = [
        ("both are trusted", &|dir| roots(dir, &[&old, &new])),
        ("certificates by the new one", &|dir| renew(&new, dir)),
        ("only the new one is trusted", &|dir| std::fs::write(dir.join("ca.pem"), &only_new).unwrap()),
    ];
    for (step, change) in steps {
        for node in [&one, &two] {
            node.change(change);
            // Whoever dials now, dials anew, and shows what it has by now.
            for (node, other) in [(&one, &two), (&two, &one)] {
                let before = node.connected();
                node.client.forget(&other.peer);
                until(step, || node.connected() > before).await;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(calls(calling).await > 100);
    // Who slept through it all is out.
    let late = client(joined(&old, dir.path(), "late"));
    let error = late.discover(one.peer.address).await.unwrap_err();
    assert!(error.to_string().contains("not signed by this cluster's CA"), "{error}");
    // So is what another node of the same name has.
    let fresh = client(joined(&new, dir.path(), "fresh"));
    fresh.discover(one.peer.address).await.unwrap();
}

#[tokio::test]
async fn a_node_under_the_address_of_another_gets_no_calls() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    init(&ca, &ClusterName::new("shop").unwrap()).unwrap();
    let one = Node::start(&ca, dir.path(), "one", 1).await;
    let two = Node::start(&ca, dir.path(), "two", 2).await;
    let error = one.call(&Peer { node: NodeName::new("three").unwrap(), ..two.peer.clone() }).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    assert!(error.chain().contains("another node than the one expected"), "{}", error.chain());
    // Under its own name too, when it is another start than the one that is known.
    one.client.forget(&two.peer);
    let error = one.call(&Peer { incarnation: Incarnation([3; 16]), ..two.peer.clone() }).await.unwrap_err();
    assert!(error.is_retryable() && error.chain().contains("another start"), "{}", error.chain());
    assert_eq!(two.server.snapshot().calls, 1, "only the question who is there");
    one.call(&two.peer).await.unwrap();
}
