//! Several hosts that are one cluster: each a process with folders, modules and ports of its own.
//!
//! The first one is the seed of the others. Each cluster has an address of its own in 127.0.0.0/8 for gossip and links,
//! which nobody else binds: a node that was stopped finds its port free when it comes back, whatever else the machine
//! does meanwhile. Edge and admin are on 127.0.0.1, at other ports after each start.
//!
//! A node can leave in an orderly way ([`Cluster::stop`]), lose its power ([`Cluster::kill`]), freeze and go on
//! ([`Cluster::freeze`], [`Cluster::thaw`]), and come back ([`Cluster::start_again`]). None of these waits for the others to
//! notice, as what happens until then is what many tests are about; [`Cluster::settled`] and [`Cluster::sees`] do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures::future::join_all;
use hostel::peer::{ClusterName, pki};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::builder::{Builder, Member};
use super::host::Host;
use super::http::{get, with};
use super::wait::eventually;

/// How soon all nodes must know of each other, and of all services, for a test not to fail.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Settings for tests in which nodes fail: what takes seconds by default takes a fraction of one. They are of no use on a
/// machine that is busy with something else for as long as that, so only tests that wait for a failure to be noticed
/// should have them.
pub const QUICK: &str = "
[cluster]
probe_ms = 300
ack_ms = 150
suspect_ms = 1000
gossip_ms = 100
heal_ms = 1000
join_retry_ms = 300
drain_spread_ms = 200
leave_spread_ms = 200
[peer]
keepalive_interval_ms = 300
keepalive_timeout_ms = 700
";

pub struct Cluster {
    /// The folder with the key of its CA, of which each host issues a certificate to itself.
    ca: TempDir,
    address: IpAddr,
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    builder: Builder,
    /// Where it takes gossip and links, at this start and all later ones.
    peer: SocketAddr,
    /// The latest start of it.
    host: Host,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Takes no step until it is told to go on; its sockets are open.
    Frozen,
    /// What is left of it is its log.
    Ended,
}

impl Cluster {
    /// Starts hosts under names, and waits until each of them knows all others and what they serve.
    pub async fn start<'n>(nodes: impl IntoIterator<Item = (&'n str, Builder)>) -> Self {
        let mut cluster = Self::empty();
        let mut nodes = nodes.into_iter();
        let (name, builder) = nodes.next().expect("a cluster has a node");
        cluster.nodes.push(cluster.join(name, builder).await);
        let others = join_all(nodes.map(|(name, builder)| cluster.join(name, builder))).await;
        cluster.nodes.extend(others);
        cluster.settled().await;
        cluster
    }

    /// A cluster without nodes.
    pub fn empty() -> Self {
        let ca = tempfile::tempdir().expect("a folder for a CA");
        let name = ClusterName::new("test").expect("a name");
        pki::init(ca.path(), &name).expect("a CA can be made");
        Self { ca, address: own_address(), nodes: Vec::new() }
    }

    /// Starts one more host. Waits until it is ready, and not until others know of it.
    pub async fn add(&mut self, name: &str, builder: Builder) {
        let node = self.join(name, builder).await;
        self.nodes.push(node);
    }

    /// Starts one more host where another one took gossip and links that has ended. Waits until it is ready.
    pub async fn add_in_place_of(&mut self, ended: &str, name: &str, builder: Builder) {
        assert_eq!(self.node(ended).state, State::Ended, "the state of `{ended}`");
        let node = self.join_at(name, builder, self.peer(ended)).await;
        self.nodes.push(node);
    }

    async fn join(&self, name: &str, builder: Builder) -> Node {
        let any = SocketAddr::new(builder.address().unwrap_or(self.address), 0);
        self.join_at(name, builder, any).await
    }

    async fn join_at(&self, name: &str, builder: Builder, listen: SocketAddr) -> Node {
        let host = builder.clone().member(self.member(name, listen)).start().await;
        let peer = host.peer.expect("a member says where others reach it");
        Node { name: name.to_owned(), builder, peer, host, state: State::Running }
    }

    fn member(&self, name: &str, listen: SocketAddr) -> Member {
        let others = self.nodes.iter().filter(|node| node.name != name);
        Member {
            ca: self.ca.path().to_owned(),
            name: name.to_owned(),
            listen,
            seeds: others.map(|node| node.peer).collect(),
        }
    }

    /// The folder of the CA and of the keys of gossip.
    pub fn ca(&self) -> &Path {
        self.ca.path()
    }

    fn node(&self, name: &str) -> &Node {
        let node = self.nodes.iter().find(|node| node.name == name);
        node.unwrap_or_else(|| panic!("no node `{name}`"))
    }

    fn node_mut(&mut self, name: &str) -> &mut Node {
        let node = self.nodes.iter_mut().find(|node| node.name == name);
        node.unwrap_or_else(|| panic!("no node `{name}`"))
    }

    /// A node, whatever its state.
    pub fn host(&self, name: &str) -> &Host {
        &self.node(name).host
    }

    /// Those that run, with their names.
    pub fn running(&self) -> impl Iterator<Item = (&str, &Host)> {
        let running = self.nodes.iter().filter(|node| node.state == State::Running);
        running.map(|node| (&*node.name, &node.host))
    }

    /// Where a node takes gossip and links; the same for all its starts.
    pub fn peer(&self, name: &str) -> SocketAddr {
        self.node(name).peer
    }

    /// Asks a node to stop, and waits until it has.
    pub async fn stop(&mut self, name: &str) -> ExitStatus {
        self.thaw(name);
        let node = self.node_mut(name);
        let status = node.host.stop().await;
        node.state = State::Ended;
        status
    }

    /// Ends a node as a power cut would.
    pub fn kill(&mut self, name: &str) {
        let node = self.node_mut(name);
        node.host.process.kill();
        node.state = State::Ended;
    }

    /// Keeps a node from taking another step, as an overloaded machine would. Whatever it is sent is kept for it.
    pub fn freeze(&mut self, name: &str) {
        let node = self.node_mut(name);
        node.host.process.signal(Signal::STOP);
        node.host.process.stands_still();
        node.state = State::Frozen;
    }

    /// Lets a node that was frozen go on.
    pub fn thaw(&mut self, name: &str) {
        let node = self.node_mut(name);
        if node.state == State::Frozen {
            node.host.process.signal(Signal::CONT);
            node.state = State::Running;
        }
    }

    /// Starts a node again that has ended: the same folders and modules, and the same address for other nodes. Waits until
    /// it is ready, and not until others know of it.
    pub async fn start_again(&mut self, name: &str) {
        let node = self.node(name);
        assert_eq!(node.state, State::Ended, "the state of `{name}`");
        let builder = node.builder.clone().member(self.member(name, node.peer));
        let host = builder.start().await;
        assert_eq!(host.peer, Some(node.peer), "`{name}` is where it was");
        let node = self.node_mut(name);
        (node.host, node.state) = (host, State::Running);
    }

    /// Waits until all nodes that run know each other, and the edge of each takes calls for what the others serve right now:
    /// services must have a route at `Host: NAME.localhost`, as they have by default.
    pub async fn settled(&self) {
        eventually("all nodes know all others", SETTLED_WITHIN, async || {
            let reports = join_all(self.running().map(|(_, host)| host.cluster())).await;
            for ((_, host), viewer) in self.running().zip(&reports) {
                for other in reports.iter().filter(|other| other["node"]["id"] != viewer["node"]["id"]) {
                    knows(viewer, &other["node"])?;
                    for [service, ..] in serves(&other["node"]) {
                        host.routes_to(service.as_str().unwrap_or_default()).await?;
                    }
                }
            }
            Ok(())
        })
        .await;
    }

    /// Waits until what a node says of another one (null if nothing) is as wanted. Of several starts of that other one, the
    /// latest counts.
    pub async fn sees(&self, viewer: &str, other: &str, what: &str, want: impl Fn(&Value) -> bool) -> Value {
        let what = format!("what `{viewer}` says of `{other}`: {what}");
        eventually(&what, SETTLED_WITHIN, async || {
            let member = self.host(viewer).member(other).await;
            if want(&member) { Ok(member) } else { Err(member.to_string()) }
        })
        .await
    }
}

/// Whether a node's report says of another one what that says of itself.
fn knows(viewer: &Value, other: &Value) -> Result<(), String> {
    let name = &viewer["node"]["name"];
    let members = viewer["members"].as_array().ok_or_else(|| format!("{name} says {viewer}"))?;
    let member = members.iter().find(|member| member["id"] == other["id"]);
    let member = member.ok_or_else(|| format!("{name} does not know {other}"))?;
    if member["state"] != "alive" || member["reachable"] != true || serves(member) != serves(other) {
        return Err(format!("{name} says {member}, which says {other}"));
    }
    Ok(())
}

/// What a node serves, without what only others say.
fn serves(node: &Value) -> Vec<[&Value; 3]> {
    let services = node["services"].as_array();
    let services =
        services.map(|all| all.iter().map(|one| [&one["service"], &one["version"], &one["state"]]).collect());
    services.unwrap_or_default()
}

impl Host {
    /// What a node says of the cluster.
    pub async fn cluster(&self) -> Value {
        self.admin_get("/api/v1/cluster").await.expect(200).json()
    }

    /// Whether the edge would take a request for a service: with a time-out that is none, it says so instead, and calls nobody.
    /// The routes of a service come after its name, as they do not travel by gossip.
    async fn routes_to(&self, service: &str) -> Result<(), String> {
        let request = get(&format!("http://{service}.localhost:{}/", self.edge.port()));
        let reply = self.http.send(with(request, "hostel-timeout", "none")).await;
        if reply.status == 400 { Ok(()) } else { Err(format!("{} for {service}: {reply}", self.edge)) }
    }

    /// What a node says of another one; null if nothing.
    pub async fn member(&self, name: &str) -> Value {
        let report = self.cluster().await;
        let members = report["members"].as_array();
        let members = members.unwrap_or_else(|| panic!("no members in {report}"));
        let named = members.iter().filter(|member| member["name"] == name);
        let latest = named.max_by_key(|member| (member["state"] != "down", member["started_unix_s"].as_u64()));
        latest.cloned().unwrap_or_default()
    }
}

/// An address of this machine that no other cluster of any test has.
fn own_address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 63), low, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}
