mod rotation;

use super::*;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use futures::future::BoxFuture;

use crate::call::ServiceName;
use crate::cluster::catalogue::ServiceState;
use crate::cluster::seal::Secret;
use crate::cluster::transport::{MemoryNetwork, UdpTransport};

/// Peer links of a test: whoever is registered can be reached.
#[derive(Clone, Default)]
struct Links(Arc<Mutex<HashMap<NodeId, Handle>>>);

impl Exchange for Links {
    fn exchange(&self, node: &Node, request: Bytes) -> BoxFuture<'static, Result<Bytes, ExchangeError>> {
        let handle = self.0.lock().unwrap().get(&node.id()).cloned();
        Box::pin(async move {
            match handle {
                Some(handle) => handle.answer(request).await,
                None => Err(ExchangeError::Unreachable("nobody".to_owned())),
            }
        })
    }
}

impl Links {
    fn start(&self, name: &str, transport: impl Transport, seeds: &[SocketAddr], key: u8) -> Handle {
        let address = transport.local_addr().unwrap();
        let me = Arc::new(Node::new(NodeId::random().unwrap(), name, address, address, "a").unwrap());
        let settings = Settings {
            seeds: seeds.iter().map(SocketAddr::to_string).collect(),
            drain_spread_ms: 300,
            leave_spread_ms: 400,
            join_retry_ms: 100,
            ..Settings::default()
        };
        let keys = Keyring::new(&Secret::from_bytes([key; 32]), &[]).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let handle = start(&runtime, settings, Arc::clone(&me), keys, transport, Arc::new(self.clone()), 1).unwrap();
        self.0.lock().unwrap().insert(me.id(), handle.clone());
        handle
    }
}

fn offer(name: &str) -> Service {
    let service = ServiceName::new(name).unwrap();
    Service { service, version: Arc::from("v1"), digest: [1; 8], weight: 100, state: ServiceState::Ready }
}

/// Waits until `holds`, at most 100 seconds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain: {what}");
}

fn endpoints(handle: &Handle, service: &str) -> Vec<(ServiceState, bool)> {
    let snapshot = handle.reader().snapshot();
    let list = snapshot.service(service).map(|found| found.list().to_vec()).unwrap_or_default();
    list.iter().map(|endpoint| (endpoint.offer.state, endpoint.presence.is_reachable())).collect()
}

async fn a_life(a: Handle, b: Handle) {
    a.publish(vec![offer("orders")]).await.unwrap().unwrap();
    until("b sees orders", || endpoints(&b, "orders") == [(ServiceState::Ready, true)]).await;
    assert_eq!(a.publish(Vec::new()).await.unwrap(), Err(PublishError::Empty));

    let status = b.status().await.unwrap();
    assert_eq!(status.members.len(), 1);
    assert_eq!(status.members[0].node.name(), "a");

    let before = b.reader().reachability();
    b.report_unreachable(a.me().id());
    assert_eq!(b.reader().reachability(), before + 1);
    b.report_unreachable(a.me().id());
    assert_eq!(b.reader().reachability(), before + 1, "that is no news");
    assert_eq!(endpoints(&b, "orders"), [(ServiceState::Ready, false)], "a failed connection is news at once");
    until("a gives a sign of life", || endpoints(&b, "orders") == [(ServiceState::Ready, true)]).await;

    assert_eq!(b.reader().reachability(), before + 2);

    let mut changes = b.changes();
    assert!(changes.has_changed().unwrap(), "a new receiver is behind");
    assert_eq!(*changes.borrow_and_update(), b.reader().load().revision());
    let mut second = offer("orders");
    second.version = Arc::from("v2");
    a.publish(vec![offer("orders"), second]).await.unwrap().unwrap();
    while endpoints(&b, "orders").len() < 2 {
        // Not until a time has passed: whoever waits for a change is woken by it.
        tokio::time::timeout(Duration::from_secs(20), changes.changed()).await.unwrap().unwrap();
    }
    a.publish(vec![offer("orders")]).await.unwrap().unwrap();
    until("the second version is gone", || endpoints(&b, "orders").len() == 1).await;

    let mut notices = b.notices();
    let (left, ()) = tokio::join!(a.leave(), async {
        until("a drains before it leaves", || endpoints(&b, "orders") == [(ServiceState::Draining, true)]).await;
        until("a is gone", || endpoints(&b, "orders").is_empty()).await;
    });
    left.unwrap();
    assert!(matches!(notices.recv().await.unwrap(), Notice::MemberDown(node) if node.name() == "a"));
    assert_eq!(a.status().await.unwrap_err(), Stopped);
    let mut changes = a.changes();
    while changes.changed().await.is_ok() {}
}

#[tokio::test]
async fn two_nodes_over_udp() {
    let links = Links::default();
    let any = "127.0.0.1:0".parse().unwrap();
    let (at_a, at_b) = (UdpTransport::bind(any).unwrap(), UdpTransport::bind(any).unwrap());
    let seed = at_a.local_addr().unwrap();
    let (a, b) = (links.start("a", at_a, &[], 1), links.start("b", at_b, &[seed], 1));
    a_life(a, b).await;
}

#[tokio::test(start_paused = true)]
async fn two_nodes_over_the_network_in_memory_and_a_third_without_the_key() {
    let (links, network) = (Links::default(), MemoryNetwork::new(1));
    let (at_a, at_b) = (network.bind_any().unwrap(), network.bind_any().unwrap());
    let seed = at_a.local_addr().unwrap();
    // Long before there is anybody to join.
    let b = links.start("b", at_b, &[seed], 1);
    let stranger = links.start("stranger", network.bind_any().unwrap(), &[seed], 2);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let a = links.start("a", at_a, &[], 1);
    a_life(a, b.clone()).await;
    assert!(stranger.status().await.unwrap().members.is_empty());
    assert!(b.reader().snapshot().is_empty());
}
