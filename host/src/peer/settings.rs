//! The section `[peer]`: links between hosts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Invalid, in_range};

/// The section `[peer]`. Durations are in milliseconds, sizes in bytes. All nodes of a cluster should have the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// From the first packet to a peer until it has proven who it is and answered.
    pub connect_timeout_ms: u64,
    /// From the first byte of an incoming connection until TLS and HTTP/2 are agreed.
    pub handshake_timeout_ms: u64,
    /// Incoming connections whose handshake is in progress; with more, the oldest is given up.
    pub handshakes_max: u32,
    /// Incoming connections open at once; more wait to be accepted.
    pub connections_max: u32,
    /// Connections to one peer. A second one is opened when the first has no room for another call.
    pub connections_per_peer_max: u32,
    /// Peers with links; more are refused until others are forgotten.
    pub peers_max: u32,
    /// Calls that wait for a connection to one peer; more are refused.
    pub waiting_max: u32,
    /// Calls in flight on one connection.
    pub streams_max: u32,
    /// How much of one body may be under way, unread by its receiver. A connection takes `streams_max` times as much, so
    /// that bodies nobody reads never stop the others.
    pub window_bytes: u32,
    /// All headers of a message together, and all trailers.
    pub headers_bytes_max: u32,
    /// The largest control message, request or answer.
    pub control_bytes_max: u32,
    /// Control requests that are served at once; more are refused.
    pub control_in_flight_max: u32,
    /// How long a link may be silent until the other end is asked for a sign of life.
    pub keepalive_interval_ms: u64,
    /// How long that sign may take until the link is given up.
    pub keepalive_timeout_ms: u64,
    /// The pause after a first failure to connect; it doubles with each further one, and is drawn at random below that.
    pub backoff_base_ms: u64,
    /// The longest such pause.
    pub backoff_max_ms: u64,
    /// How long a connection is used until a new one takes its place, less up to a tenth. Certificates are checked when a
    /// connection is made, so this is also how long one may outlive its certificate: a server takes no more calls from one
    /// that is a fifth and `drain_ms` older.
    pub connection_age_ms: u64,
    /// How long calls in flight may take to end when the host shuts down.
    pub drain_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 2_000,
            handshake_timeout_ms: 5_000,
            handshakes_max: 64,
            connections_max: 4_096,
            connections_per_peer_max: 4,
            peers_max: 4_096,
            waiting_max: 1_024,
            streams_max: 256,
            window_bytes: 1 << 20,
            headers_bytes_max: 64 << 10,
            control_bytes_max: 16 << 20,
            control_in_flight_max: 32,
            keepalive_interval_ms: 1_000,
            keepalive_timeout_ms: 2_000,
            backoff_base_ms: 100,
            backoff_max_ms: 3_000,
            connection_age_ms: 3_600_000,
            drain_ms: 10_000,
        }
    }
}

/// The largest window of HTTP/2. Source: RFC 9113, section 6.9.1.
const WINDOW_MAX: u32 = (1 << 31) - 1;

impl Settings {
    /// Checks what types do not.
    ///
    /// # Errors
    ///
    /// [`Invalid`] about the first key that makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        in_range("connect_timeout_ms", self.connect_timeout_ms, 10..=60_000)?;
        in_range("handshake_timeout_ms", self.handshake_timeout_ms, 10..=60_000)?;
        in_range("handshakes_max", self.handshakes_max.into(), 1..=10_000)?;
        in_range("connections_max", self.connections_max.into(), 1..=100_000)?;
        in_range("connections_per_peer_max", self.connections_per_peer_max.into(), 1..=64)?;
        in_range("peers_max", self.peers_max.into(), 1..=100_000)?;
        in_range("waiting_max", self.waiting_max.into(), 1..=100_000)?;
        in_range("streams_max", self.streams_max.into(), 1..=10_000)?;
        // h2 closes connections that carry many small frames in small windows.
        in_range("window_bytes", self.window_bytes.into(), (1 << 20)..=(64 << 20))?;
        // Above 1 MiB, what one message may make its receiver hold is no longer small.
        in_range("headers_bytes_max", self.headers_bytes_max.into(), (8 << 10)..=(1 << 20))?;
        in_range("control_bytes_max", self.control_bytes_max.into(), (64 << 10)..=(256 << 20))?;
        in_range("control_in_flight_max", self.control_in_flight_max.into(), 1..=1_000)?;
        in_range("keepalive_interval_ms", self.keepalive_interval_ms, 50..=60_000)?;
        in_range("keepalive_timeout_ms", self.keepalive_timeout_ms, 50..=60_000)?;
        in_range("backoff_base_ms", self.backoff_base_ms, 1..=60_000)?;
        in_range("backoff_max_ms", self.backoff_max_ms, self.backoff_base_ms..=600_000)?;
        in_range("connection_age_ms", self.connection_age_ms, 1_000..=86_400_000)?;
        in_range("drain_ms", self.drain_ms, 0..=600_000)
    }

    pub(super) fn reset_streams_max(&self) -> usize {
        RESET_STREAMS_LEAST.max(self.streams_max as usize)
    }

    pub(super) fn connection_window(&self) -> u32 {
        self.window_bytes.saturating_mul(self.streams_max).min(WINDOW_MAX)
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(super) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// What HTTP/2 is told about the size of headers: the limit, and room for the link's own fields.
    pub(super) fn header_list_max(&self) -> u32 {
        self.headers_bytes_max.saturating_add(LINK_FIELDS_BYTES)
    }
}

/// Errors of single streams until a connection is given up for them, counted for as long as it lives. Each is answered, and
/// the answers to a peer that never reads pile up, at some 650 bytes. Honest ends cause some too: what they sent late for
/// calls that have been forgotten meanwhile.
pub(super) const STREAM_ERRORS_MAX: usize = 16_384;

/// Calls that this end gave up and remembers for a second at least, so that what is under way for them is no error.
const RESET_STREAMS_LEAST: usize = 1_024;

/// Room for the fields of the link, with what HPACK counts for each.
const LINK_FIELDS_BYTES: u32 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_mistakes_name_their_key() {
        let default = Settings::default();
        assert_eq!(default.validate(), Ok(()));
        let small = Settings { window_bytes: 65_535, ..default.clone() };
        assert_eq!(small.validate().unwrap_err().key, "window_bytes");
        let crossed = Settings { backoff_base_ms: 5_000, ..default.clone() };
        let error = crossed.validate().unwrap_err();
        assert_eq!(error.to_string(), "`backoff_max_ms`: must be from 5000 to 600000, and is 3000");
        let huge = Settings { window_bytes: 64 << 20, streams_max: 10_000, ..default };
        assert_eq!(huge.connection_window(), WINDOW_MAX);
        assert!(serde_json::from_str::<Settings>(r#"{"drain_ms": 1, "no_such": 2}"#).is_err());
    }
}
