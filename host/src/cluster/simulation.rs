//! A whole cluster in one thread and in virtual time: the real [`Core`]s and real packets, an event queue for a
//! network.
//!
//! Everything random comes from one seed, so a run can be repeated. Packets are lost, late, doubled and out of order as
//! configured; links can be cut in one direction or both, nodes killed, restarted, frozen and slowed down. Exchanges
//! (the peer link) take time, and fail where packets cannot pass.

mod full;
mod hostile;
mod network;
mod running;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand10::rngs::SmallRng;
use rand10::{RngExt, SeedableRng};

use self::network::Network;
use super::core::{Core, Now};
use super::exchange::ExchangeError;
use super::node::{Node, NodeError, NodeId};
use super::seal::{Keyring, SealError, Sealer, Secret};
use super::settings::Settings;

pub use self::full::{Full, full};
pub use self::hostile::{Report, hostile};
pub use self::network::Link;

/// The virtual wall clock when a simulation begins, in milliseconds since 1970.
const BEGIN_UNIX_MS: u64 = 1_800_000_000_000;
/// The port of all nodes.
const PORT: u16 = 7_946;

/// Why a node cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    #[error("the node makes no sense")]
    Node(#[from] NodeError),
    #[error("the key makes no sense")]
    Key(#[from] SealError),
}

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    pub settings: Settings,
    pub secret: Secret,
    /// Seeds, as indices of nodes.
    pub seeds: Vec<usize>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { settings: Settings::default(), secret: Secret::from_bytes([7; 32]), seeds: vec![0] }
    }
}

/// What has been sent, by all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
    pub packet_bytes_max: usize,
    pub exchanges: u64,
    pub exchange_bytes: u64,
}

enum What {
    Packet { to: usize, packet: Vec<u8> },
    Timer(usize),
    Resolve(usize),
    Request { from: usize, to: usize, bytes: Bytes },
    Reply { to: usize, with: NodeId, reply: Result<Bytes, ExchangeError> },
}

struct Happening {
    at: Duration,
    order: u64,
    what: What,
}

impl PartialEq for Happening {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Happening {}

impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Happening {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

struct Place {
    spec: Spec,
    core: Option<Core>,
    armed: Option<Duration>,
    frozen: bool,
    /// What came while it was frozen.
    inbox: Vec<What>,
    left: bool,
}

/// A simulated cluster.
pub struct Simulation {
    places: Vec<Place>,
    by_id: HashMap<NodeId, usize>,
    queue: BinaryHeap<Reverse<Happening>>,
    order: u64,
    now: Duration,
    rng: SmallRng,
    network: Network,
    traffic: Traffic,
    /// Nodes that were declared down by somebody although they ran all the time: (who, whom, when).
    wronged: Vec<(usize, usize, Duration)>,
    /// Packets to node 0, as somebody on its network sees them.
    overheard: Vec<Vec<u8>>,
    overhear_len: usize,
}

impl Simulation {
    #[must_use]
    pub fn new(seed: u64, link: Link) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        Self {
            places: Vec::new(),
            by_id: HashMap::new(),
            queue: BinaryHeap::new(),
            order: 0,
            now: Duration::ZERO,
            network: Network::new(link, rng.fork()),
            rng,
            traffic: Traffic::default(),
            wronged: Vec::new(),
            overheard: Vec::new(),
            overhear_len: 0,
        }
    }

    /// Keeps the next `count` packets that are sent to node 0.
    pub fn overhear(&mut self, count: usize) {
        self.overhear_len = count;
    }

    #[must_use]
    pub fn overheard(&self) -> &[Vec<u8>] {
        &self.overheard
    }

    /// Adds a node and starts it. Returns its index; its address follows from that.
    ///
    /// # Errors
    /// [`SimulationError`] when `spec` makes no sense.
    pub fn add(&mut self, spec: Spec) -> Result<usize, SimulationError> {
        let at = self.places.len();
        self.places.push(Place { spec, core: None, armed: None, frozen: false, inbox: Vec::new(), left: false });
        self.start(at)?;
        Ok(at)
    }

    /// Starts a new process at the address of node `at`, with a new id.
    ///
    /// # Errors
    /// [`SimulationError`] when its spec makes no sense.
    pub fn start(&mut self, at: usize) -> Result<(), SimulationError> {
        let (id, seed) = (NodeId::from_u128(self.rng.random()), self.rng.random());
        let now = self.now();
        let Some(place) = self.places.get_mut(at) else { return Ok(()) };
        let address = address(at);
        let node = Arc::new(Node::new(id, &format!("node-{at}"), address, address, "zone-a")?);
        let settings = place.spec.settings.clone();
        let keys = Keyring::new(&place.spec.secret, &[])?;
        let sealer = Sealer::new(keys, &settings.name, id, settings.clock_skew_ms, 2 * settings.members_max);
        place.core = Some(Core::new(settings, node, sealer, seed, now));
        (place.armed, place.frozen, place.left) = (None, false, false);
        place.inbox.clear();
        self.by_id.insert(id, at);
        self.serve(at);
        Ok(())
    }

    /// The process of node `at` is gone, without a word.
    pub fn kill(&mut self, at: usize) {
        if let Some(place) = self.places.get_mut(at) {
            (place.core, place.armed) = (None, None);
        }
    }

    /// The process stands still; packets for it are kept by the system, up to a bound.
    pub fn freeze(&mut self, at: usize) {
        if let Some(place) = self.places.get_mut(at) {
            place.frozen = true;
        }
    }

    /// The process goes on, finds its timers late and its packets waiting.
    pub fn thaw(&mut self, at: usize) {
        let Some(place) = self.places.get_mut(at) else { return };
        place.frozen = false;
        let inbox = std::mem::take(&mut place.inbox);
        // Late timers and waiting packets are there at once, and timers may well win.
        self.push(Duration::ZERO, What::Timer(at));
        for what in inbox {
            self.push(Duration::from_millis(1), what);
        }
    }

    /// Faults of the network.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// A node's core, unless it was killed.
    #[must_use]
    pub fn core(&self, at: usize) -> Option<&Core> {
        self.places.get(at)?.core.as_ref()
    }

    /// Has a node's core do something, and does what follows.
    pub fn with<T>(&mut self, at: usize, act: impl FnOnce(&mut Core, Now) -> T) -> Option<T> {
        let now = self.now();
        let result = act(self.places.get_mut(at)?.core.as_mut()?, now);
        self.serve(at);
        Some(result)
    }

    #[must_use]
    pub fn now(&self) -> Now {
        Now { mono: self.now, unix_ms: BEGIN_UNIX_MS + u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX / 2) }
    }

    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Who declared whom down, and when, although it ran all the time.
    #[must_use]
    pub fn wronged(&self) -> &[(usize, usize, Duration)] {
        &self.wronged
    }

    /// Whether the node has left of its own will.
    #[must_use]
    pub fn has_left(&self, at: usize) -> bool {
        self.places.get(at).is_some_and(|place| place.left)
    }

    /// Runs until `time` more has passed.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(Reverse(next)) = self.queue.peek()
            && next.at <= end
        {
            self.step();
        }
        self.now = end;
    }

    /// Runs until `holds`, looked at every 100 ms, or until `limit` more has passed. Returns how long it took.
    pub fn run_until(&mut self, limit: Duration, mut holds: impl FnMut(&Self) -> bool) -> Option<Duration> {
        let begin = self.now;
        while !holds(self) {
            if self.now - begin >= limit {
                return None;
            }
            self.run_for(Duration::from_millis(100));
        }
        Some(self.now - begin)
    }

    /// Whether each of `nodes` has exactly the others of `nodes` for members.
    #[must_use]
    pub fn agree(&self, nodes: &[usize]) -> bool {
        let ids: BTreeSet<NodeId> = nodes.iter().filter_map(|at| Some(self.core(*at)?.me().id())).collect();
        nodes.iter().all(|at| {
            self.core(*at).is_some_and(|core| {
                core.members() + 1 == nodes.len() && ids.iter().all(|id| *id == core.me().id() || core.is_member(*id))
            })
        })
    }
}

/// Where node `at` is.
fn address(at: usize) -> SocketAddr {
    let host = u32::from(Ipv4Addr::new(10, 0, 0, 0)) | (u32::try_from(at).unwrap_or(u32::MAX) & 0x00ff_ffff);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(host)), PORT)
}

fn index(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) => usize::try_from(u32::from(ip) & 0x00ff_ffff).ok(),
        IpAddr::V6(_) => None,
    }
}
