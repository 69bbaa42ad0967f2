//! What nodes ask each other besides calls: state of the catalogue, and what services say of themselves.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use crate::call::{CallError, ErrorKind, Side};
use crate::cluster::{Exchange, ExchangeError, Handle, Node};
use crate::modules::Deployments;
use crate::peer::{Client, Control, LinkError, PeerIdentity};
use crate::router::{descriptions, link_to};

/// The kind of messages that the catalogue exchanges.
const EXCHANGE: &str = "exchange";
/// How long the other side may take to answer one.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries the catalogue's messages over links.
pub(super) struct LinkExchange(Client);

impl LinkExchange {
    pub(super) fn new(client: Client) -> Self {
        Self(client)
    }
}

impl Exchange for LinkExchange {
    fn exchange(&self, node: &Node, request: Bytes) -> BoxFuture<'static, Result<Bytes, ExchangeError>> {
        let (client, peer) = (self.0.clone(), link_to(node));
        async move {
            let unreachable = |reason: String| ExchangeError::Unreachable(reason);
            let peer = peer.ok_or_else(|| unreachable("it has a name that no certificate can carry".to_owned()))?;
            let asked = client.control(&peer, EXCHANGE, request, EXCHANGE_TIMEOUT).await;
            asked.map_err(|error| unreachable(error.chain()))
        }
        .boxed()
    }

    /// Asks over a link, which takes another key and another protocol.
    fn explain(&self, seed: SocketAddr) -> BoxFuture<'static, Option<String>> {
        let client = self.0.clone();
        async move {
            Some(match client.discover(seed).await {
                Ok(peer) => format!(
                    "the node `{}` of this cluster is there and can be linked to, so it has another gossip key (compare \
                     `hostel cluster keys list` on both), its clock is far off, or a firewall keeps UDP away",
                    peer.node
                ),
                Err(error) => with_cause(&error),
            })
        }
        .boxed()
    }
}

fn with_cause(error: &LinkError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Answers what other nodes ask.
pub(super) struct NodeControl {
    handle: Handle,
    deployments: Deployments,
}

impl NodeControl {
    pub(super) fn new(handle: Handle, deployments: Deployments) -> Self {
        Self { handle, deployments }
    }
}

impl Control for NodeControl {
    fn handle(&self, _from: &PeerIdentity, kind: &str, request: Bytes) -> BoxFuture<'static, Result<Bytes, CallError>> {
        match kind {
            EXCHANGE => {
                let handle = self.handle.clone();
                async move { handle.answer(request).await.map_err(|error| not_answered(&error)) }.boxed()
            }
            descriptions::DESCRIBE => std::future::ready(descriptions::describe(&self.deployments, &request)).boxed(),
            descriptions::CONTRACT => std::future::ready(descriptions::contract(&self.deployments, &request)).boxed(),
            // A newer host may ask for what this one does not know yet.
            _ => {
                let message = format!("this host knows no control request `{kind}`");
                std::future::ready(Err(CallError::new(ErrorKind::NotFound, Side::Caller, message))).boxed()
            }
        }
    }
}

fn not_answered(error: &ExchangeError) -> CallError {
    match error {
        ExchangeError::Malformed(_) => CallError::new(ErrorKind::Invalid, Side::Caller, error.to_string()),
        ExchangeError::Stopped | ExchangeError::Unreachable(_) => CallError::unavailable(error.to_string()),
    }
}
