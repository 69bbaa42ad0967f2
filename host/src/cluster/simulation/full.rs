//! What a node is told, and asked, that joins a large cluster: to measure how long it takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{BEGIN_UNIX_MS, PORT, SimulationError, Spec};
use crate::cluster::catalogue::{Service, Table};
use crate::cluster::core::{Core, Now};
use crate::cluster::exchange::{Batch, Message, Summary};
use crate::cluster::node::{Node, NodeId};
use crate::cluster::seal::{Keyring, Sealer};
use crate::cluster::swim::Identity;

/// About how many bytes a message has.
const PUSH_BYTES: usize = 256 << 10;

/// A node that knows nobody, and messages for [`Core::answer`].
pub struct Full {
    pub core: Core,
    pub now: Now,
    /// All members and their services, in messages of about the size that answers have.
    pub pushes: Vec<Bytes>,
    /// The question of somebody who knows nothing.
    pub request: Bytes,
}

/// The messages of a cluster of `nodes` nodes that serve `services` each.
///
/// # Errors
/// [`SimulationError`] when a node cannot be made.
pub fn full(nodes: u32, services: &[Service]) -> Result<Full, SimulationError> {
    let Spec { mut settings, secret, .. } = Spec::default();
    settings.entries_max = settings.entries_max.max(nodes as usize * services.len());
    let now = Now { mono: Duration::ZERO, unix_ms: BEGIN_UNIX_MS };
    let node = |at: u32| {
        let address = SocketAddr::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + at).into(), PORT);
        Node::new(NodeId::from_u128(u128::from(at) + 1), &format!("node-{at}"), address, address, "zone-a")
            .map(Arc::new)
    };
    let newcomer = Identity::new(node(nodes + 1)?, now.unix_ms);
    let (mut pushes, mut batch, mut bytes) = (Vec::new(), Batch::default(), 0);
    for at in 0..nodes {
        let node = node(at)?;
        let mut table = Table::new(Arc::clone(&node), &settings);
        let Ok(Some(delta)) = table.publish(Duration::ZERO, services.to_vec()) else { continue };
        // More than a member takes, and its record.
        let size = 200 + delta.encode().len();
        if bytes + size > PUSH_BYTES {
            let batch = std::mem::take(&mut batch);
            pushes.push(Message::Push { sender: newcomer.clone(), batch }.encode());
            bytes = 0;
        }
        bytes += size;
        batch.members.push((Identity::new(node, now.unix_ms), 0));
        batch.records.push(delta);
    }
    pushes.push(Message::Push { sender: newcomer.clone(), batch }.encode());
    let summary = Summary { sender: newcomer, down: None, only: false, items: Vec::new() };
    let me = node(nodes)?;
    let keys = Keyring::new(&secret, &[])?;
    let sealer = Sealer::new(keys, &settings.name, me.id(), settings.clock_skew_ms, 2 * settings.members_max);
    let core = Core::new(settings, me, sealer, 1, now);
    Ok(Full { core, now, pushes, request: Message::Summary(summary).encode() })
}
