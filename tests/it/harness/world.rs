//! One scenario, two worlds: all services on one host, or the edge, who calls, and who is called on a host each.
//!
//! A scenario is a function that gets a [`Place`] and builds its [`World`] there; [`both_ways`](crate::both_ways) makes a
//! test of it for each place. What it says of a call holds wherever the callee is, so nothing in it asks for the place
//! but what differs on purpose, and says so.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use serde_json::Value;

use super::builder::Builder;
use super::cluster::Cluster;
use super::guests::Guest;
use super::host::{DEPLOYED_WITHIN, Host};
use super::logs::Event;
use super::wait::eventually;

/// For the end of a manifest: every call is sent once, whatever became of those before it. For guests that fail on purpose,
/// again and again, which policies would keep from the tests.
pub const NO_POLICIES: &str = "
[policy.retry]
retries_max = 0
[policy.breaker]
enabled = false
[policy.outlier]
enabled = false
";

/// Where the services of a scenario are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// All on one host, which clients reach as well.
    Local,
    /// Callers on one host, callees on another, and clients come in at a third, which has no services.
    Remote,
}

/// Makes two tests of each scenario, `local::NAME` and `remote::NAME`. One that is not in the list does not compile.
#[macro_export]
macro_rules! both_ways {
    ($($scenario:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario($crate::harness::world::Place::Local).await;
            })*
        }
        mod remote {
            $(#[tokio::test]
            async fn $scenario() {
                super::$scenario($crate::harness::world::Place::Remote).await;
            })*
        }
    };
}

const EDGE: &str = "edge";
const CALLER: &str = "caller";
const CALLEE: &str = "callee";

/// A world that is not started yet.
pub struct Plan {
    place: Place,
    /// The edge's first, then those of hosts that have services.
    builders: Vec<(&'static str, Builder)>,
    homes: BTreeMap<String, &'static str>,
    change: Vec<Box<dyn Fn(Builder) -> Builder>>,
}

impl Place {
    pub fn plan(self) -> Plan {
        let builders = vec![(EDGE, Builder::default())];
        Plan { place: self, builders, homes: BTreeMap::new(), change: Vec::new() }
    }

    /// A world with these guests, each under its own name.
    pub async fn with(self, callers: &[&Guest], callees: &[&Guest]) -> World {
        let plan = callers.iter().fold(self.plan(), |plan, guest| plan.caller(guest));
        callees.iter().fold(plan, |plan, guest| plan.callee(guest)).start().await
    }
}

impl Plan {
    /// A guest that calls others, under its own name. In the remote world none of them shares a host with a callee.
    pub fn caller(self, guest: &Guest) -> Self {
        self.caller_as(guest.name, guest)
    }

    pub fn caller_as(self, name: &str, guest: &Guest) -> Self {
        self.caller_module(name, &guest.bytes())
    }

    /// A guest that is called.
    pub fn callee(self, guest: &Guest) -> Self {
        self.callee_as(guest.name, guest)
    }

    pub fn callee_as(self, name: &str, guest: &Guest) -> Self {
        self.callee_module(name, &guest.bytes())
    }

    pub fn caller_module(self, name: &str, wasm: &[u8]) -> Self {
        self.put(CALLER, name, wasm)
    }

    pub fn callee_module(self, name: &str, wasm: &[u8]) -> Self {
        self.put(CALLEE, name, wasm)
    }

    fn put(mut self, node: &'static str, name: &str, wasm: &[u8]) -> Self {
        let node = if self.place == Place::Local { EDGE } else { node };
        self.homes.insert(name.to_owned(), node);
        self.builder(node, |builder| builder.module(name, wasm))
    }

    /// The manifest of a guest that is in already.
    pub fn manifest(self, name: &str, toml: &str) -> Self {
        let node = self.homes.get(name).unwrap_or_else(|| panic!("`{name}` is nowhere"));
        let node = *node;
        self.builder(node, |builder| builder.manifest(name, toml))
    }

    /// The text of `hostel.toml` of all hosts.
    pub fn config(self, toml: &str) -> Self {
        let toml = toml.to_owned();
        self.everywhere(move |builder| builder.config(&toml))
    }

    /// For modules that take long to compile.
    pub fn ready_within(self, limit: Duration) -> Self {
        self.everywhere(move |builder| builder.ready_within(limit))
    }

    fn everywhere(mut self, change: impl Fn(Builder) -> Builder + 'static) -> Self {
        self.change.push(Box::new(change));
        self
    }

    fn builder(mut self, node: &'static str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let found = self.builders.iter().position(|(name, _)| *name == node);
        let builder = found.map_or_else(Builder::default, |at| self.builders.remove(at).1);
        let at = found.unwrap_or(self.builders.len());
        self.builders.insert(at, (node, change(builder)));
        self
    }

    /// Starts it, and waits until calls get through everywhere.
    pub async fn start(self) -> World {
        let Self { place, builders, homes, change } = self;
        let mut builders = builders.into_iter().map(|(node, builder)| {
            let builder = change.iter().fold(builder, |builder, change| change(builder));
            (node, builder)
        });
        let hosts = match place {
            Place::Local => Hosts::One(Box::new(builders.next().expect("there is an edge").1.start().await)),
            Place::Remote => Hosts::Several(Cluster::start(builders).await),
        };
        World { hosts, homes }
    }
}

/// Hosts that run. As a host it is the one that clients talk to.
pub struct World {
    hosts: Hosts,
    homes: BTreeMap<String, &'static str>,
}

enum Hosts {
    One(Box<Host>),
    Several(Cluster),
}

impl Deref for World {
    type Target = Host;

    fn deref(&self) -> &Host {
        self.host(EDGE)
    }
}

impl World {
    fn host(&self, node: &str) -> &Host {
        match &self.hosts {
            Hosts::One(host) => host,
            Hosts::Several(cluster) => cluster.host(node),
        }
    }

    pub fn all(&self) -> Vec<&Host> {
        match &self.hosts {
            Hosts::One(host) => vec![host],
            Hosts::Several(cluster) => cluster.running().map(|(_, host)| host).collect(),
        }
    }

    /// The host that has a service, or had it.
    pub fn home(&self, service: &str) -> &Host {
        let node = self.homes.get(service).unwrap_or_else(|| panic!("`{service}` is nowhere"));
        self.host(node)
    }

    /// Waits until so many calls of a service are under way, where it is. If none, then nowhere: whoever passed one on is
    /// done with it, too.
    pub async fn in_flight(&self, service: &str, calls: u32) {
        self.home(service).in_flight(service, calls).await;
        if calls == 0 {
            for host in self.all() {
                host.in_flight(service, 0).await;
            }
        }
    }

    /// Deletes a module, and waits until nobody knows of it any more.
    pub async fn remove(&self, service: &str) {
        let home = self.home(service);
        home.remove(service);
        home.service_is(service, "gone", Value::is_null).await;
        if let Hosts::Several(cluster) = &self.hosts {
            cluster.settled().await;
        }
    }

    /// Waits for a line in the log of any host.
    pub async fn logs(&self, what: &str, mut want: impl FnMut(&Event) -> bool) -> Event {
        eventually(what, DEPLOYED_WITHIN, async || {
            let hosts = self.all();
            let found = hosts.iter().find_map(|host| host.logs.matching(&mut want).into_iter().next());
            found.ok_or_else(|| "no such line".to_owned())
        })
        .await
    }
}
