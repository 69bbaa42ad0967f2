//! What services on other hosts say of themselves, fetched from those hosts and kept in the table of routes.
//!
//! The catalogue says who serves what; routes and policies are too large for gossip. Its entries carry a digest of them, so
//! a description is fetched once for each digest, from any host that has it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::link_to;
use crate::call::{CallError, ErrorKind, ServiceName, Side};
use crate::cluster::catalogue::{Endpoints, Reader, ServiceState};
use crate::modules::{Deployed, Deployments, Description, RemoteService};
use crate::peer::{Client, Peer};
use crate::transcode::contract::Contract;

/// The kind of control message that asks for a description; its bytes are the name of the service.
pub const DESCRIBE: &str = "describe";

/// The kind of control message that asks for descriptors; its bytes are the name of the service.
pub const CONTRACT: &str = "contract";

/// How many are fetched at a time.
const FETCHES_MAX: usize = 16;
/// How long one may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again, at another host if there is one.
const RETRY_AFTER: Duration = Duration::from_millis(500);

type Digest = [u8; 8];

/// Answers [`DESCRIBE`].
///
/// # Errors
///
/// When the service is not deployed here.
pub fn describe(deployments: &Deployments, request: &[u8]) -> Result<Bytes, CallError> {
    named(deployments, request, |deployed| Some(deployed.description().clone()))
}

/// Answers [`CONTRACT`].
///
/// # Errors
///
/// When the service is not deployed here, or has no descriptors.
pub fn contract(deployments: &Deployments, request: &[u8]) -> Result<Bytes, CallError> {
    named(deployments, request, |deployed| Some(deployed.speech().contract.as_ref()?.set().clone()))
}

fn named(
    deployments: &Deployments,
    request: &[u8],
    of: impl FnOnce(&Deployed) -> Option<Bytes>,
) -> Result<Bytes, CallError> {
    let name = std::str::from_utf8(request).ok().and_then(|name| ServiceName::new(name).ok());
    let invalid = || CallError::new(ErrorKind::Invalid, Side::Caller, "the request names no service");
    let name = name.ok_or_else(invalid)?;
    let gone = |what: &str| CallError::new(ErrorKind::NotFound, Side::Caller, format!("`{name}` {what} any more"));
    let table = deployments.table();
    let deployed = table.get(&name).ok_or_else(|| gone("is not deployed here"))?;
    of(deployed).ok_or_else(|| gone("has no descriptors"))
}

/// Keeps the table's services of other hosts in step with the catalogue, until the node runs no more.
pub async fn follow(deployments: Deployments, catalogue: Reader, client: Client, mut changes: watch::Receiver<u64>) {
    let mut follower =
        Follower { catalogue, client, known: HashMap::new(), fetching: HashSet::new(), attempts: 0, fresh: false };
    let mut fetches = JoinSet::new();
    changes.mark_changed();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            Some(fetched) = fetches.join_next() => {
                // A fetch does not panic; if one does, the next change of the catalogue brings another.
                if let Ok(fetched) = fetched {
                    follower.take(fetched);
                }
            }
        }
        let fresh = follower.look(&mut fetches);
        if fresh {
            deployments.set_remote(follower.known.values().map(|(_, service)| service.clone()).collect());
        }
    }
}

struct Fetched {
    service: ServiceName,
    digest: Digest,
    outcome: Result<RemoteService, String>,
}

struct Follower {
    catalogue: Reader,
    client: Client,
    /// What is in the table, or will be.
    known: HashMap<ServiceName, (Digest, Arc<RemoteService>)>,
    fetching: HashSet<ServiceName>,
    /// How many fetches have begun: each tries another host than the one before.
    attempts: usize,
    /// Something is known that the table has not been told.
    fresh: bool,
}

impl Follower {
    /// Begins to fetch what is missing. Returns whether the table has to be told something.
    fn look(&mut self, fetches: &mut JoinSet<Fetched>) -> bool {
        let catalogue = self.catalogue.snapshot();
        let before = self.known.len();
        self.known.retain(|service, _| catalogue.service(service.as_str()).is_some());
        self.fresh |= self.known.len() < before;
        for (service, endpoints) in catalogue.services() {
            if self.fetching.len() >= FETCHES_MAX {
                break;
            }
            let Some(digest) = spoken_for(endpoints) else { continue };
            let known = self.known.get(service).is_some_and(|(known, _)| *known == digest);
            if known || self.fetching.contains(service) {
                continue;
            }
            let hosts: Vec<Peer> = endpoints
                .list()
                .iter()
                .filter(|endpoint| endpoint.offer.digest == digest)
                .filter_map(|endpoint| link_to(endpoint.presence.node()))
                .collect();
            self.attempts = self.attempts.wrapping_add(1);
            let Some(host) = hosts.get(self.attempts % hosts.len().max(1)).cloned() else { continue };
            self.fetching.insert(service.clone());
            fetches.spawn(fetch(self.client.clone(), host, service.clone(), digest));
        }
        std::mem::take(&mut self.fresh)
    }

    fn take(&mut self, fetched: Fetched) {
        self.fetching.remove(&fetched.service);
        match fetched.outcome {
            Ok(service) => {
                self.known.insert(fetched.service, (fetched.digest, Arc::new(service)));
                self.fresh = true;
            }
            Err(error) => {
                tracing::debug!(service = %fetched.service, error, "cannot learn the routes of a service on another host");
            }
        }
    }
}

/// The digest that most of the endpoints have that are ready: while a service is upgraded host by host, its routes change
/// when half of the hosts have. Of equals the greater one, so that all hosts choose alike.
fn spoken_for(endpoints: &Endpoints) -> Option<Digest> {
    let mut counts: HashMap<Digest, (bool, usize)> = HashMap::new();
    for endpoint in endpoints.list() {
        let (ready, count) = counts.entry(endpoint.offer.digest).or_default();
        *ready |= endpoint.offer.state == ServiceState::Ready;
        *count += 1;
    }
    counts.into_iter().max_by_key(|(digest, (ready, count))| (*ready, *count, *digest)).map(|(digest, _)| digest)
}

async fn fetch(client: Client, host: Peer, service: ServiceName, digest: Digest) -> Fetched {
    let outcome = fetch_all(&client, &host, &service).await.map_err(|error| format!("{}: {error}", host.node));
    if outcome.is_err() {
        tokio::time::sleep(RETRY_AFTER).await;
    }
    Fetched { service, digest, outcome }
}

/// What a service says of itself, and what its descriptors offer. Descriptors that cannot be used here are left out: the
/// service takes calls without them.
async fn fetch_all(client: &Client, host: &Peer, service: &ServiceName) -> Result<RemoteService, String> {
    let name = Bytes::copy_from_slice(service.as_str().as_bytes());
    let asked = client.control(host, DESCRIBE, name.clone(), FETCH_TIMEOUT).await;
    let description = Description::decode(service, &asked.map_err(|error| error.chain())?);
    let description = description.map_err(|error| error.to_string())?;
    if !description.has_contract {
        return Ok(RemoteService::new(&description, None));
    }
    let set = client.control(host, CONTRACT, name, FETCH_TIMEOUT).await.map_err(|error| error.chain())?;
    let served = description.grpc.iter().map(|rpcs| rpcs.name.clone()).collect();
    let settings = description.json;
    let made = tokio::task::spawn_blocking(move || Contract::new(set, Some(served), settings)).await;
    let contract = match made {
        // What does not fit is the business of the host that has the module, which has said so.
        Ok(Ok((contract, _left_out))) => Some(Arc::new(contract)),
        Ok(Err(error)) => {
            tracing::warn!(%service, node = %host.node, %error, "the descriptors of a service on another host cannot be used");
            None
        }
        Err(error) => return Err(error.to_string()),
    };
    Ok(RemoteService::new(&description, contract))
}
