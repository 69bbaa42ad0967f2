//! Two nodes that know each other, without clock or sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hostel::call::ServiceName;
use hostel::cluster::catalogue::{Service, ServiceState};
use hostel::cluster::seal::{Keyring, Sealer, Secret};
use hostel::cluster::{Action, Core, Node, NodeId, Now, Settings};

/// The nodes are 1 and 2; whoever is made up is another.
pub const ME: NodeId = NodeId::from_u128(1);
pub const OTHER: NodeId = NodeId::from_u128(2);
const CLUSTER: &str = "fuzz";
const BEGIN_UNIX_MS: u64 = 1_800_000_000_000;

/// Two nodes, and what they have said to each other.
pub struct Pair {
    pub nodes: [Core; 2],
    pub now: Now,
    /// Contents of packets, as they were before they were sealed.
    pub contents: Vec<Vec<u8>>,
    /// Messages of exchanges: who began, and what was asked.
    pub requests: Vec<Bytes>,
    pub answers: Vec<Bytes>,
    /// What node 1 is answered instead, when it asks.
    pub forged: Option<Bytes>,
    /// Opens what either of them has sealed.
    reader: Sealer,
}

/// Seals as the node with this id does.
pub fn sealer(id: NodeId) -> Sealer {
    let key = Secret::from_bytes([7; 32]);
    Sealer::new(Keyring::new(&key, &[]).expect("one key"), CLUSTER, id, 300_000, 64)
}

fn address(id: NodeId) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, id.as_u128() as u8], 7946))
}

fn core(id: NodeId, now: Now) -> Core {
    let settings = Settings { name: CLUSTER.to_owned(), members_max: 16, exchange_ms: 1_000, ..Settings::default() };
    let node = Node::new(id, "node", address(id), address(id), "zone").expect("a node");
    let mut core = Core::new(settings, Arc::new(node), sealer(id), id.as_u128() as u64, now);
    let service = Service {
        service: ServiceName::new("orders").expect("a name"),
        version: "1.0.0".into(),
        digest: [id.as_u128() as u8; 8],
        weight: 100,
        state: ServiceState::Ready,
    };
    core.publish(now, vec![service]).expect("it may serve");
    core
}

impl Pair {
    /// Nodes that have found each other and told each other everything.
    pub fn new() -> Self {
        let now = Now { mono: Duration::ZERO, unix_ms: BEGIN_UNIX_MS };
        let mut pair = Self {
            nodes: [core(ME, now), core(OTHER, now)],
            now,
            contents: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            forged: None,
            reader: sealer(NodeId::from_u128(99)),
        };
        pair.run(Duration::from_secs(4));
        assert_eq!([pair.nodes[0].members(), pair.nodes[1].members()], [1, 1], "they know each other");
        pair
    }

    /// Lets time pass, and does what the nodes want done.
    pub fn run(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            self.act();
            let due = self.nodes.iter().filter_map(Core::next_timer).min().filter(|due| *due <= end);
            let Some(due) = due else { break };
            self.pass(due.saturating_sub(self.now.mono));
            for node in &mut self.nodes {
                if node.next_timer().is_some_and(|due| due <= self.now.mono) {
                    node.on_timer(self.now);
                }
            }
        }
        self.pass(end.saturating_sub(self.now.mono));
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.unix_ms += time.as_millis() as u64;
    }

    /// Does what the nodes want done, until they want nothing more.
    pub fn act(&mut self) {
        for _ in 0..1_000 {
            let Some((from, action)) = (0..2).find_map(|at| Some((at, self.nodes[at].next_action()?))) else { return };
            let (now, to) = (self.now, 1 - from);
            match action {
                Action::Send { to: address_of, packet } => {
                    let mut content = Vec::new();
                    if self.reader.open(now.unix_ms, &packet, &mut content).is_ok() && self.contents.len() < 32 {
                        self.contents.push(content);
                    }
                    if address_of == self.nodes[to].me().gossip() {
                        self.nodes[to].on_packet(now, &packet);
                    }
                }
                Action::Resolve => self.nodes[from].on_seeds(now, vec![address(ME), address(OTHER)]),
                Action::Exchange(request) if request.with.id() == self.nodes[to].me().id() => {
                    let forged = if from == 0 { self.forged.take() } else { None };
                    let answer = forged.map_or_else(|| self.nodes[to].answer(now, &request.bytes), Ok);
                    if self.requests.len() < 8 {
                        self.requests.push(request.bytes);
                        self.answers.extend(answer.clone());
                    }
                    self.nodes[from].on_exchanged(now, request.with.id(), answer);
                }
                Action::Exchange(_) | Action::Notice(_) | Action::Left => {}
            }
        }
    }

    /// What must hold whatever was said: nobody has forgotten who they are, tables have their bounds, and there is an end to
    /// what a node wants done.
    pub fn check(&mut self) {
        self.run(Duration::from_secs(1));
        for (node, id) in self.nodes.iter().zip([ME, OTHER]) {
            assert_eq!(node.me().id(), id);
            assert!(node.members() <= 16, "{} members", node.members());
            assert_eq!(node.offers().len(), 1, "it serves what it serves");
            let _ = node.status(self.now);
        }
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}
