//! A join token: one line of text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{GossipKey, PkiError, parse_identity};
use crate::peer::PeerIdentity;

/// What all tokens begin with: what they are, and the version of what follows.
const PREFIX: &str = "hostel-token-1.";
/// The longest token, in bytes.
const BYTES_MAX: usize = 64 << 10;

/// Addresses of nodes to begin with: `HOST:PORT` each.
pub type Seeds = Vec<String>;

/// What a new node needs. [`fmt::Display`] writes the secret itself; [`fmt::Debug`] does not.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Who has it is this node.
    pub identity: PeerIdentity,
    /// Where to find others.
    pub seeds: Seeds,
    pub(super) node_pem: String,
    pub(super) ca_pem: String,
    pub(super) gossip_keys: Vec<GossipKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    node: String,
    node_pem: String,
    ca_pem: String,
    gossip_keys: Vec<String>,
    seeds: Seeds,
}

impl Token {
    /// Reads a token, with or without white space around it.
    ///
    /// # Errors
    ///
    /// [`PkiError::Token`] when the text is none; never with anything of the text.
    pub fn parse(text: &str) -> Result<Self, PkiError> {
        let text = text.trim();
        if text.len() > BYTES_MAX {
            return Err(PkiError::Token("it is too long"));
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(PkiError::Token("it does not begin with `hostel-token-1.`"))?;
        let damaged = PkiError::Token("it is damaged; was it copied as a whole?");
        let Ok(decoded) = URL_SAFE_NO_PAD.decode(encoded) else { return Err(damaged) };
        let Ok(text) = serde_json::from_slice::<Text>(&decoded) else { return Err(damaged) };
        let identity = parse_identity(&text.node);
        let keys: Option<Vec<_>> = text.gossip_keys.iter().map(|key| decode_key(key)).collect();
        match (identity, keys) {
            (Some(identity), Some(gossip_keys)) if !gossip_keys.is_empty() => {
                Ok(Self { identity, seeds: text.seeds, node_pem: text.node_pem, ca_pem: text.ca_pem, gossip_keys })
            }
            _ => Err(damaged),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text {
            node: super::node_uri(&self.identity),
            node_pem: self.node_pem.clone(),
            ca_pem: self.ca_pem.clone(),
            gossip_keys: self.gossip_keys.iter().map(encode_key).collect(),
            seeds: self.seeds.clone(),
        };
        let json = serde_json::to_vec(&text).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("identity", &self.identity).field("seeds", &self.seeds).finish_non_exhaustive()
    }
}

pub(super) fn encode_key(key: &GossipKey) -> String {
    base64::engine::general_purpose::STANDARD.encode(key)
}

pub(super) fn decode_key(text: &str) -> Option<GossipKey> {
    base64::engine::general_purpose::STANDARD.decode(text).ok()?.try_into().ok()
}
