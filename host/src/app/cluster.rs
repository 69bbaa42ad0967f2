//! This host as a node of a cluster: its credentials, its sockets, gossip and links, put together and taken apart.

mod acquaint;
mod control;
mod folder;
mod greet;
mod news;
mod renew;
mod sockets;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rand::Rng;
use tokio::runtime::Handle as RuntimeHandle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use crate::admin::ClusterView;
use crate::cluster::seal::{Keyring, SealError, Secret};
use crate::cluster::{self, Handle, Node, NodeId, driver};
use crate::modules::Deployments;
use crate::observe::seldom::Seldom;
use crate::peer::pki::{self, PkiError};
use crate::peer::{Client, Credentials, Incarnation, LinkError, LinkEvent, Observer, Peer, Server, TlsDialer};
use crate::router::{LocalServices, Remotes, descriptions, publish};
use control::{LinkExchange, NodeControl};
use folder::Folder;

/// Why a host cannot be a node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Certificates and keys.
    #[error("{0}")]
    Credentials(#[from] PkiError),
    /// The gossip's keys.
    #[error("the gossip keys cannot be used: {0}")]
    Keys(#[from] SealError),
    /// A value that only makes sense, or does not, beside others.
    #[error("{0}")]
    Config(String),
    /// An address cannot be bound.
    #[error("cannot listen on {address} (cluster): {reason}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says, and what to do.
        reason: String,
    },
    /// This node cannot be described to others.
    #[error("{0}")]
    Node(#[from] cluster::NodeError),
}

/// A running node. It takes links and looks for its cluster, and publishes nothing before it is told to.
pub(super) struct Member {
    handle: Handle,
    client: Client,
    server: Server,
    serving: JoinHandle<()>,
    credentials: Arc<Credentials>,
    address: SocketAddr,
    /// How long it may take to learn what others serve.
    join_wait: Duration,
    stop: CancellationToken,
}

/// Where things run: calls beside guests, everything else where no guest runs.
pub(super) struct Runtimes<'r> {
    pub(super) serving: &'r RuntimeHandle,
    pub(super) control: &'r RuntimeHandle,
}

impl Member {
    /// Becomes a node, if the configuration says of which cluster.
    pub(super) fn start(
        config: &Config,
        deployments: &Deployments,
        runtimes: &Runtimes<'_>,
    ) -> Result<Option<Self>, Error> {
        if config.cluster.dir.as_os_str().is_empty() {
            return Ok(None);
        }
        let folder = Folder::prepare(&config.cluster, &config.data.dir)?;
        let credentials = Credentials::load(folder.path())?;
        let identity = credentials.identity();
        let keys = keyring(&pki::gossip_keys(folder.path())?)?;
        let sockets = sockets::bind(config.cluster.listen, runtimes)?;
        let advertised = config.cluster.advertise.unwrap_or(sockets.address);
        let node = Arc::new(Node::new(
            NodeId::random()?,
            identity.node.as_str(),
            advertised,
            advertised,
            &config.cluster.zone,
        )?);
        let mut settings = config.cluster.clone();
        identity.cluster.as_str().clone_into(&mut settings.name);
        if settings.seeds_file.as_os_str().is_empty() {
            settings.seeds_file = folder.seeds_file();
        }
        // Who was told of nobody is the first one.
        let join_wait = Duration::from_millis(if acquaint::has_seeds(&settings) { settings.join_wait_ms } else { 0 });
        let told = Arc::new(OnceLock::new());
        let (seed, jitter) = (rand::rng().random(), rand::rng().random());
        let dialer = Arc::new(TlsDialer::new(credentials.clone()));
        let client = Client::new(dialer, config.peer.clone(), observer(told.clone()), jitter, runtimes.serving.clone());
        let exchange = Arc::new(LinkExchange::new(client.clone()));
        let handle = driver::start(runtimes.control, settings, node.clone(), keys, sockets.gossip, exchange, seed)
            .map_err(|invalid| Error::Config(format!("cluster: {invalid}")))?;
        // Nobody has been called yet, so the observer has missed nothing.
        let _ = told.set(handle.clone());
        let catalogue = handle.reader().clone();
        client.ask_who_is_heard(Box::new(move |peer| {
            catalogue.load().node(id_of(peer)).is_some_and(|presence| presence.is_reachable())
        }));
        let incarnation = Incarnation(node.id().as_u128().to_be_bytes());
        let services = Arc::new(LocalServices::new(deployments.clone()));
        let answers = Arc::new(NodeControl::new(handle.clone(), deployments.clone()));
        let server = Server::new(incarnation, services, answers, config.peer.clone());
        let stop = CancellationToken::new();
        let serving = {
            let (server, credentials, stop) = (server.clone(), credentials.clone(), stop.clone());
            runtimes.serving.spawn(async move { server.run(sockets.links, credentials, stop).await })
        };
        let follow =
            descriptions::follow(deployments.clone(), handle.reader().clone(), client.clone(), handle.changes());
        runtimes.control.spawn(follow);
        runtimes.control.spawn(news::log(handle.clone()));
        runtimes.control.spawn(greet::greet(&handle, client.clone()));
        runtimes.control.spawn(renew::watch(folder, credentials.clone(), handle.clone(), stop.clone()));
        tracing::info!(
            cluster = %identity.cluster, node = %identity.node, id = %node.id(), address = %advertised,
            "a node of a cluster"
        );
        let address = sockets.address;
        Ok(Some(Self { handle, client, server, serving, credentials, address, join_wait, stop }))
    }

    /// Where it takes gossip and links.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the router needs of it.
    pub(super) fn remotes(&self) -> Remotes {
        Remotes::new(self.handle.me(), self.handle.reader().clone(), self.client.clone())
    }

    /// What operators see of it.
    pub(super) fn view(&self) -> ClusterView {
        let credentials = self.credentials.clone();
        ClusterView {
            handle: self.handle.clone(),
            client: self.client.clone(),
            server: self.server.clone(),
            name: self.credentials.identity().cluster.to_string(),
            certificate_expires: Arc::new(move || credentials.not_after()),
        }
    }

    /// Waits until this node knows what the others serve, though not for long: there may be nobody.
    pub(super) async fn get_acquainted(&self, deployments: &Deployments) {
        let learning = acquaint::learn(&self.handle, deployments);
        if !self.join_wait.is_zero() && tokio::time::timeout(self.join_wait, learning).await.is_err() {
            tracing::warn!(
                join_wait_ms = self.join_wait.as_millis(),
                "the cluster has not been found, or not learnt, in time: what only others serve is not found here until it is"
            );
        }
    }

    /// Gets calls from now on: publishes what is deployed, and every change of it.
    pub(super) fn publish(&self, deployments: &Deployments) {
        tokio::spawn(publish::publish(deployments.clone(), self.handle.clone()));
    }

    /// Says that this node goes, and waits until the others know, so that they send nothing more.
    pub(super) async fn leave(&self) {
        // If it has left before, that is as good.
        let _ = self.handle.leave().await;
    }

    /// Takes no more calls from others, and lets those that are under way end, both ways.
    pub(super) async fn close(self) {
        self.stop.cancel();
        let _ = self.serving.await;
        self.client.close().await;
    }
}

/// Tells the membership at once when a node cannot be reached. That of one that falls silent too: connecting to it would take
/// as long again to fail, since the system of a process that stands still goes on taking connections.
fn observer(handle: Arc<OnceLock<Handle>>) -> Observer {
    let told = Seldom::default();
    Arc::new(move |peer: &Peer, event| {
        let (node, address) = (&peer.node, peer.address);
        match event {
            LinkEvent::ConnectFailed(error) if matches!(&*error, LinkError::Refused { .. }) => {
                if told.may_say(&address.to_string()) {
                    tracing::warn!(%node, %address, %error, "no link to a node can be made, which is told of at most once a minute");
                }
            }
            LinkEvent::ConnectFailed(error) => {
                tracing::info!(%node, %address, %error, "another node cannot be reached");
            }
            LinkEvent::Lost { silent: true, in_flight, .. } => {
                tracing::info!(%node, %address, in_flight, "another node has fallen silent");
            }
            LinkEvent::Connected => {
                told.forget(&address.to_string());
                return;
            }
            LinkEvent::Lost { .. } => return,
        }
        if let Some(handle) = handle.get() {
            handle.report_unreachable(id_of(peer));
        }
    })
}

/// What gossip knows the node by.
fn id_of(peer: &Peer) -> NodeId {
    NodeId::from_u128(u128::from_be_bytes(peer.incarnation.0))
}

/// The keys as gossip wants them: the first seals.
fn keyring(keys: &[pki::GossipKey]) -> Result<Keyring, SealError> {
    let keys: Vec<Secret> = keys.iter().map(|key| Secret::from_bytes(*key)).collect();
    let (primary, others) = keys.split_first().ok_or(SealError::Ring)?;
    Keyring::new(primary, others)
}
