//! The section `[cluster]`, as far as membership and catalogue are concerned.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::node::{NodeError, check_address, check_name, check_zone};
use super::seal;
use crate::config::{Invalid, in_range};

/// How nodes find, watch and tell each other. The defaults suit a local network of up to some thousand nodes.
///
/// Nodes of one cluster should agree about everything that ends in `_ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The cluster's name. Packets of clusters with other names are not understood, even if the keys are the same. It
    /// is not configured, but that of the credentials.
    #[serde(skip)]
    pub name: String,
    /// The folder of this node's credentials. Empty means that the host is in no cluster.
    pub dir: PathBuf,
    /// What this node is called. Empty means as its certificate says.
    pub node: String,
    /// Where this node is, so that callers can prefer what is near. Empty means not said.
    pub zone: String,
    /// Where this node takes gossip (UDP) and links from other nodes (TCP).
    #[serde(deserialize_with = "crate::config::address::deserialize")]
    pub listen: SocketAddr,
    /// What others are told to send to, if it is not `listen`. Written as an empty string when it is absent.
    #[serde(with = "address_or_empty")]
    pub advertise: Option<SocketAddr>,
    /// Nodes to ask first, each `ADDRESS:PORT` or `DNS-NAME:PORT`; a name stands for all its addresses.
    pub seeds: Vec<String>,
    /// A file with more of them, one a line, read anew at each attempt. Empty means none.
    pub seeds_file: PathBuf,
    /// Milliseconds between two probes that a node sends.
    pub probe_ms: u64,
    /// Milliseconds until other nodes are asked to probe as well.
    pub ack_ms: u64,
    /// How many others are asked then.
    pub indirect_probes: usize,
    /// Milliseconds that a suspect has to object, with up to ten nodes; it grows with the logarithm of their number.
    pub suspect_ms: u64,
    /// Milliseconds between two rounds of gossip, as long as there is news.
    pub gossip_ms: u64,
    /// To how many nodes a round goes.
    pub gossip_fanout: usize,
    /// Milliseconds until a node that is down is forgotten, and no longer looked for.
    pub down_retain_ms: u64,
    /// Milliseconds between two looks, on average, for nodes that are down and seeds that are not members.
    pub heal_ms: u64,
    /// Milliseconds, on average, between two attempts to join while nobody is known.
    pub join_retry_ms: u64,
    /// Milliseconds that a node which has seeds may take to learn what others serve before it takes requests.
    pub join_wait_ms: u64,
    /// Milliseconds, on average, between two exchanges of full state with some other node.
    pub exchange_ms: u64,
    /// Milliseconds for which withdrawn entries, and what nodes served that are down, are remembered.
    pub tombstone_ms: u64,
    /// Milliseconds a leaving node waits between announcing that it drains and leaving.
    pub drain_spread_ms: u64,
    /// Milliseconds for which a leaving node tells others that it has left.
    pub leave_spread_ms: u64,
    /// Most nodes known at a time.
    pub members_max: usize,
    /// Most entries (service and version) that one node may publish.
    pub services_per_node_max: usize,
    /// Most bytes that the entries of one node may take on the wire.
    pub node_bytes_max: usize,
    /// Most entries of all nodes together.
    pub entries_max: usize,
    /// Milliseconds by which the clocks of two nodes may differ.
    pub clock_skew_ms: u64,
    /// Largest packet, in bytes.
    pub packet_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "hostel".to_owned(),
            dir: PathBuf::new(),
            node: String::new(),
            zone: String::new(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7946)),
            advertise: None,
            seeds: Vec::new(),
            seeds_file: PathBuf::new(),
            probe_ms: 1_000,
            ack_ms: 400,
            indirect_probes: 3,
            suspect_ms: 3_000,
            gossip_ms: 200,
            gossip_fanout: 3,
            down_retain_ms: 3_600_000,
            heal_ms: 5_000,
            join_retry_ms: 1_000,
            join_wait_ms: 3_000,
            exchange_ms: 30_000,
            tombstone_ms: 600_000,
            drain_spread_ms: 1_000,
            leave_spread_ms: 1_000,
            members_max: 12_000,
            services_per_node_max: 1_024,
            node_bytes_max: 256 << 10,
            entries_max: 500_000,
            clock_skew_ms: 300_000,
            packet_bytes_max: seal::PACKET_BYTES_MAX,
        }
    }
}

/// TOML knows no null, so no address is an empty string.
mod address_or_empty {
    use std::net::SocketAddr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(address: &Option<SocketAddr>, to: S) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => to.collect_str(address),
            None => to.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        crate::config::address::parse(&text)
            .map(Some)
            .map_err(|_| D::Error::custom(format!("{text:?} is no address such as 10.0.0.1:7946")))
    }
}

impl Settings {
    /// Checks what types do not.
    ///
    /// # Errors
    ///
    /// [`Invalid`] about the first key that makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        in_range("name", self.name.len() as u64, 1..=64)
            .map_err(|_| Invalid { key: "name", reason: "must have from 1 to 64 bytes".to_owned() })?;
        let wrong = |key, error: NodeError| Invalid { key, reason: format!("cannot be used: {error}") };
        if !self.node.is_empty() {
            check_name(&self.node).map_err(|error| wrong("node", error))?;
        }
        check_zone(&self.zone).map_err(|error| wrong("zone", error))?;
        match self.advertise {
            Some(address) => check_address("advertised", address).map_err(|error| wrong("advertise", error))?,
            None if self.listen.ip().is_unspecified() => {
                let reason = format!("is needed: others cannot send to {}, where this node listens", self.listen);
                return Err(Invalid { key: "advertise", reason });
            }
            None => {}
        }
        in_range("seeds", self.seeds.len() as u64, 0..=64).map_err(|_| Invalid {
            key: "seeds",
            reason: "must be at most 64; a DNS name stands for many".to_owned(),
        })?;
        in_range("probe_ms", self.probe_ms, 200..=10_000)?;
        // A probe has to leave time for the indirect ones, which take two more hops each way.
        in_range("ack_ms", self.ack_ms, 50..=self.probe_ms / 2)?;
        in_range("indirect_probes", self.indirect_probes as u64, 1..=10)?;
        in_range("suspect_ms", self.suspect_ms, self.probe_ms..=120_000)?;
        in_range("gossip_ms", self.gossip_ms, 50..=5_000)?;
        in_range("gossip_fanout", self.gossip_fanout as u64, 1..=10)?;
        in_range("down_retain_ms", self.down_retain_ms, 60_000..=604_800_000)?;
        in_range("heal_ms", self.heal_ms, 1_000..=600_000)?;
        in_range("join_retry_ms", self.join_retry_ms, 100..=60_000)?;
        in_range("join_wait_ms", self.join_wait_ms, 0..=60_000)?;
        in_range("exchange_ms", self.exchange_ms, 1_000..=600_000)?;
        in_range("tombstone_ms", self.tombstone_ms, 60_000..=86_400_000)?;
        in_range("drain_spread_ms", self.drain_spread_ms, 0..=60_000)?;
        in_range("leave_spread_ms", self.leave_spread_ms, 0..=60_000)?;
        in_range("members_max", self.members_max as u64, 2..=100_000)?;
        in_range("services_per_node_max", self.services_per_node_max as u64, 1..=10_000)?;
        in_range("node_bytes_max", self.node_bytes_max as u64, 1_024..=(1 << 20))?;
        in_range("entries_max", self.entries_max as u64, 1..=10_000_000)?;
        in_range("clock_skew_ms", self.clock_skew_ms, 1_000..=3_600_000)?;
        // IPv6 guarantees 1,280 bytes; an identity and an update with the longest names have to fit several times.
        in_range("packet_bytes_max", self.packet_bytes_max as u64, 1_000..=seal::PACKET_BYTES_MAX as u64)
    }

    /// How long a suspect has to object when `members` nodes are in the cluster.
    pub(super) fn suspect_after(&self, members: usize) -> Duration {
        let factor = (members.max(1) as f64).log10().max(1.0);
        Duration::from_millis((self.suspect_ms as f64 * factor) as u64)
    }

    /// How often a piece of news is passed on by each node that learns of it. With a factor of 4, which foca and
    /// memberlist use, one of 47,500 reports of a death was missed among 1,000 nodes with 5 % loss; that is one too
    /// many to have them all noticed in time.
    pub(super) fn transmissions(&self, members: usize) -> u8 {
        let count = (6.0 * (members.max(1) as f64 + 1.0).log10()).ceil();
        (count as u8).max(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_mistakes_name_their_key() {
        let default = Settings::default();
        assert_eq!(default.validate(), Ok(()));
        let wrong = Settings { ack_ms: 501, ..default.clone() };
        assert_eq!(wrong.validate().unwrap_err().to_string(), "`ack_ms`: must be from 50 to 500, and is 501");
        assert_eq!(Settings { packet_bytes_max: 1_401, ..default }.validate().unwrap_err().key, "packet_bytes_max");
        let unknown = toml::from_str::<Settings>("probes_ms = 3").unwrap_err();
        assert!(unknown.to_string().contains("probes_ms"), "{unknown}");
    }

    #[test]
    fn what_names_and_places_a_node_follows_the_rules_of_nodes() {
        let reason = |change: fn(&mut Settings)| {
            let mut settings = Settings::default();
            change(&mut settings);
            settings.validate().map_err(|error| error.to_string())
        };
        let wrong = |change| reason(change).unwrap_err();
        assert_eq!(reason(|s| s.node = "a.b_c-9".to_owned()), Ok(()));
        assert!(wrong(|s| s.node = "a b".to_owned()).starts_with("`node`: cannot be used: a node name consists of"));
        assert!(wrong(|s| s.zone = "z".repeat(33)).starts_with("`zone`: cannot be used: a zone has from 0 to 32"));
        assert!(wrong(|s| s.advertise = "10.0.0.1:0".parse().ok()).starts_with("`advertise`: cannot be used"));
        let wildcard = |s: &mut Settings| s.listen = "0.0.0.0:7946".parse().unwrap();
        assert!(wrong(wildcard).starts_with("`advertise`: is needed"), "{}", wrong(wildcard));
        assert_eq!(reason(|s| (s.listen, s.advertise) = ("[::]:0".parse().unwrap(), "[::1]:9".parse().ok())), Ok(()));
    }

    #[test]
    fn all_keys_are_written_and_read_back_but_the_clusters_name_is_none() {
        let mut settings = Settings::default();
        for advertise in [None, "10.0.0.1:7946".parse().ok()] {
            settings.advertise = advertise;
            let text = toml::to_string(&settings).unwrap();
            assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings, "{text}");
            assert!(text.contains("\nadvertise = \"") && !text.contains("name ="), "{text}");
        }
        assert_eq!(toml::from_str::<Settings>("").unwrap().name, "hostel");
        assert!(toml::from_str::<Settings>("name = 'shop'").is_err());
        let error = toml::from_str::<Settings>("advertise = 'here'").unwrap_err();
        assert!(error.to_string().contains("such as 10.0.0.1:7946"), "{error}");
    }

    #[test]
    fn time_to_object_and_repetitions_grow_slowly() {
        let settings = Settings::default();
        assert_eq!(settings.suspect_after(2), Duration::from_secs(3));
        assert_eq!(settings.suspect_after(10), Duration::from_secs(3));
        assert_eq!(settings.suspect_after(1_000), Duration::from_secs(9));
        assert_eq!(settings.transmissions(3), 8);
        assert_eq!(settings.transmissions(1_000), 19);
    }
}
