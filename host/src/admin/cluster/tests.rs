use std::net::SocketAddr;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admin::{Admin, ClientError, EdgeAt, fetch_cluster};
use crate::call::{Body, CallContext, Caller, Deadline, Request, ServiceName, TraceContext};
use crate::cluster::catalogue::{Service, ServiceState as Offered};
use crate::cluster::seal::{Keyring, Secret};
use crate::cluster::transport::MemoryNetwork;
use crate::cluster::{Exchange, ExchangeError, Node, NodeId, Settings, driver};
use crate::modules::{Deployments, Status as ModulesStatus};
use crate::observe::metrics::{BuildInfo, Metrics};
use crate::peer::fake::Network;
use crate::peer::{
    Client, ClusterName, Incarnation, LinkEvent, NoControl, NodeName, Peer, PeerIdentity, Server,
    Settings as PeerSettings,
};
use crate::router::LocalServices;

const EXPIRES_UNIX_S: u64 = 1_900_000_000;

struct NoExchange;

impl Exchange for NoExchange {
    fn exchange(&self, _: &Node, _: Bytes) -> BoxFuture<'static, Result<Bytes, ExchangeError>> {
        Box::pin(async { Err(ExchangeError::Unreachable("there are no links".to_owned())) })
    }
}

/// A gossip network and a network of links.
#[derive(Clone)]
struct World {
    gossip: MemoryNetwork,
    links: Network,
}

impl World {
    fn new() -> Self {
        Self { gossip: MemoryNetwork::new(1), links: Network::new() }
    }

    fn node(&self, name: &str, seed: Option<SocketAddr>) -> ClusterView {
        let transport = self.gossip.bind_any().unwrap();
        let address = crate::cluster::transport::Transport::local_addr(&transport).unwrap();
        let id = NodeId::random().unwrap();
        let me = Arc::new(Node::new(id, name, address, address, "zone-a").unwrap());
        let settings = Settings {
            seeds: seed.iter().map(SocketAddr::to_string).collect(),
            leave_spread_ms: 200,
            ..Settings::default()
        };
        let keys = Keyring::new(&Secret::from_bytes([7; 32]), &[]).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let handle = driver::start(&runtime, settings, me, keys, transport, Arc::new(NoExchange), 1).unwrap();
        let incarnation = Incarnation(id.as_u128().to_be_bytes());
        let server = Server::new(
            incarnation,
            Arc::new(LocalServices::new(Deployments::default())),
            Arc::new(NoControl),
            PeerSettings::default(),
        );
        let identity = PeerIdentity { cluster: ClusterName::new("shop").unwrap(), node: NodeName::new(name).unwrap() };
        self.links.listen(address, identity.clone(), server.clone(), CancellationToken::new());
        let observer = Arc::new(|_: &Peer, _: LinkEvent| {});
        let dialer = Arc::new(self.links.dialer(identity));
        let client = Client::new(dialer, PeerSettings::default(), observer, 1, runtime);
        ClusterView {
            handle,
            client,
            server,
            name: "shop".to_owned(),
            certificate_expires: Arc::new(|| UNIX_EPOCH + Duration::from_secs(EXPIRES_UNIX_S)),
        }
    }
}

fn offer(service: &str, version: &str, state: Offered) -> Service {
    let service = ServiceName::new(service).unwrap();
    Service { service, version: Arc::from(version), digest: [1; 8], weight: 40, state }
}

/// Calls the node of `to`, whatever comes of it.
async fn call(from: &ClusterView, to: &ClusterView, address: SocketAddr) {
    let node = to.handle.me();
    let peer = Peer {
        incarnation: Incarnation(node.id().as_u128().to_be_bytes()),
        node: NodeName::new(node.name()).unwrap(),
        address,
    };
    let context = CallContext {
        deadline: Deadline::after(Duration::from_secs(5)),
        trace: TraceContext::new_root(),
        caller: Caller::Host,
        depth: 0,
        route: None,
    };
    let request = Request::new(Body::empty());
    assert!(from.client.call(&peer, &ServiceName::new("orders").unwrap(), request, &context).await.is_err());
}

/// Waits until `holds` of a report, at most 20 seconds.
async fn until(address: SocketAddr, what: &str, holds: impl Fn(&ClusterReport) -> bool) -> ClusterReport {
    for _ in 0..2_000 {
        let report = fetch_cluster(address).await.unwrap();
        if holds(&report) {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain: {what}: {:#?}", fetch_cluster(address).await);
}

async fn admin(cluster: Option<ClusterView>) -> (SocketAddr, Metrics, watch::Sender<Readiness>) {
    let metrics = Metrics::new(BuildInfo { version: "1", revision: "", engine: "" });
    let (readiness, seen) = watch::channel(Readiness::Ready);
    let edge = EdgeAt { address: SocketAddr::from(([127, 0, 0, 1], 1)), url: String::new() };
    let deployments = Deployments::default();
    let router = crate::router::Router::new(deployments.clone(), metrics.clone(), None);
    let admin = Admin::new(deployments, router, ModulesStatus::default(), metrics.clone(), seen, edge, cluster);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(admin.run(listener, CancellationToken::new()));
    (address, metrics, readiness)
}

async fn scrape(address: SocketAddr) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[track_caller]
fn assert_has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
}

#[tokio::test]
async fn members_links_and_services_are_reported() {
    let world = World::new();
    let one = world.node("one", None);
    let seed = one.handle.me().gossip();
    let two = world.node("two", Some(seed));
    two.handle
        .publish(vec![offer("orders", "2", Offered::Ready), offer("orders", "1", Offered::Draining)])
        .await
        .unwrap()
        .unwrap();
    let (address, metrics, _readiness) = admin(Some(one.clone())).await;
    // Its entries show as they come; its record is known when none is missing.
    let full =
        |report: &ClusterReport| report.members.iter().any(|member| member.services.len() == 2 && member.record > 0);
    let report = until(address, "two serves orders", full).await;
    assert_eq!((&*report.cluster, &*report.node.name, &*report.node.zone), ("shop", "one", "zone-a"));
    assert_eq!(report.node.id, one.handle.me().id().to_string());
    assert_eq!(report.node.certificate_expires_unix_s, EXPIRES_UNIX_S);
    let [member] = &*report.members else { panic!("{report:#?}") };
    assert_eq!((&*member.name, &*member.state, member.reachable), ("two", "alive", true));
    assert_eq!((member.gossip, member.peer), (two.handle.me().gossip(), two.handle.me().peer()));
    assert!(member.started_unix_s > 1_600_000_000, "{member:?}");
    let services: Vec<_> = member
        .services
        .iter()
        .map(|served| (&*served.service, &*served.version, &*served.state, served.weight))
        .collect();
    assert_eq!(services, [("orders", "1", "draining", Some(40)), ("orders", "2", "ready", Some(40))]);
    assert_eq!(member.link, None, "nobody called it");
    assert!(report.counters.packets_received > 0 && report.counters.bytes_sent > 0, "{report:?}");

    // A link that works, and one to an address where nobody is: both belong to the same node.
    call(&one, &two, two.handle.me().peer()).await;
    call(&one, &two, SocketAddr::from(([127, 0, 0, 1], 9))).await;
    let report = fetch_cluster(address).await.unwrap();
    let link = report.members[0].link.clone().expect("a link");
    assert_eq!((link.connections, link.in_flight, link.failures), (1, 0, 1));
    assert!(link.last_error.is_some_and(|error| error.contains("127.0.0.1:9")));
    let client = &report.client;
    assert_eq!((client.calls, client.connected, client.connect_failed, client.connections), (2, 1, 1, 1));
    let (other, _, _readiness) = admin(Some(two.clone())).await;
    let seen = fetch_cluster(other).await.unwrap();
    assert_eq!((seen.server.connections, &*seen.members[0].name), (1, "one"));

    let text = scrape(address).await;
    for line in [
        "hostel_cluster_members{state=\"alive\"} 1",
        "hostel_cluster_members{state=\"suspect\"} 0",
        "hostel_cluster_health 0",
        "hostel_cluster_endpoints 2",
        "hostel_cluster_certificate_expiry_timestamp_seconds 1900000000",
        "hostel_cluster_packets_rejected_total{reason=\"foreign\"} 0",
        "hostel_peer_connections{direction=\"out\"} 1",
        "hostel_peer_connections{direction=\"in\"} 0",
        "hostel_peer_calls_total{direction=\"out\"} 2",
        "hostel_peer_connects_total 1",
        "hostel_peer_connects_failed_total 1",
    ] {
        assert_has(&text, line);
    }
    assert!(text.lines().any(|line| line.starts_with("hostel_cluster_packets_received_total ")), "{text}");

    // It leaves, and is shown for a while as what it is.
    two.handle.leave().await.unwrap();
    let report = until(address, "two is down", |report| report.members[0].state == "down").await;
    assert_eq!(report.members[0].services, []);
    assert_has(&scrape(address).await, "hostel_cluster_members{state=\"down\"} 1");

    // Once it has left itself, it says so, and shows no members as of earlier.
    one.handle.leave().await.unwrap();
    let error = fetch_cluster(address).await.unwrap_err();
    assert!(matches!(error, ClientError::Unavailable { .. }) && error.to_string().contains("has left"), "{error}");
    let text = scrape(address).await;
    assert!(!text.contains("hostel_cluster_members{"), "{text}");
    assert!(metrics.encode().contains("hostel_cluster_packets_sent_total"));
}

#[tokio::test]
async fn a_host_without_a_cluster_says_so() {
    let (address, metrics, _readiness) = admin(None).await;
    let error = fetch_cluster(address).await.unwrap_err();
    assert!(matches!(error, ClientError::NotClustered { .. }), "{error:?}");
    assert!(error.to_string().contains("hostel up --cluster"), "{error}");
    assert!(!metrics.encode().contains("hostel_cluster"));
}

#[tokio::test]
async fn who_suspects_is_named() {
    use crate::cluster::{MemberState, MemberStatus};
    let world = World::new();
    let view = world.node("one", None);
    let me = Arc::clone(view.handle.me());
    let node = |id: u128, name: &str| {
        let address = SocketAddr::from(([10, 0, 0, 1], 7946));
        Arc::new(Node::new(NodeId::from_u128(id), name, address, address, "").unwrap())
    };
    let member = |id: u128, name: &str, suspected_by: Option<NodeId>| MemberStatus {
        node: node(id, name),
        state: suspected_by.map_or(MemberState::Alive, |_| MemberState::Suspect),
        age: Duration::from_millis(61_900),
        incarnation: 3,
        epoch: 1_700_000_000_999,
        suspected_by,
        reachable: false,
        record: 0,
    };
    let by = |id: u128| Some(NodeId::from_u128(id));
    let members =
        vec![member(1, "a", by(2)), member(2, "b", None), member(3, "c", Some(me.id())), member(4, "d", by(99))];
    let status = Status { me: Arc::clone(&me), health: 2, members, acquainted: true };
    let report = ClusterReport::new(&view, &status, &Deployments::default(), false);
    let suspected: Vec<_> = report
        .members
        .iter()
        .map(|member| member.suspected_by.as_ref().map(|by| by.name.as_deref().unwrap_or("?")))
        .collect();
    assert_eq!(suspected, [Some("b"), None, Some("one"), Some("?")]);
    assert_eq!(report.members[0].suspected_by.as_ref().unwrap().id, format!("{:032x}", 2));
    let first = &report.members[0];
    assert_eq!((&*first.state, first.age_s, first.started_unix_s), ("suspect", 61, 1_700_000_000));
    assert_eq!(report.node.health, 2);
    // What is written is read back.
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<ClusterReport>(&text).unwrap(), report);
}
