//! The section `[admin]`: where operators ask.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The section `[admin]`. Its types leave nothing to validate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Address and port of health, metrics and status; port 0 takes a free one. Who reaches it
    /// sees what runs.
    #[serde(deserialize_with = "crate::config::address::deserialize")]
    pub listen: SocketAddr,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9090)) }
    }
}
