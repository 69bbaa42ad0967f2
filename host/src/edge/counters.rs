//! What happens to connections, counted.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::observe::metrics::Metrics;

/// Why the host closes a connection, or asks a client to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It has grown old.
    Age,
    /// Requests went on for longer than an old connection may have them.
    Grace,
    /// The client gives no sign of life.
    Dead,
    /// The client sends what costs and asks for nothing.
    Flood,
    /// A request's head did not come in time.
    Head,
    /// There was no request for long.
    Idle,
}

impl Reason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Grace => "grace",
            Self::Dead => "dead",
            Self::Flood => "flood",
            Self::Head => "head",
            Self::Idle => "idle",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    open: Gauge,
    closed: Family<[(&'static str, &'static str); 1], Counter>,
    handshakes_failed: Counter,
}

impl Counters {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let counters = Self::default();
        metrics.register("hostel_edge_connections", "Connections from clients that are open", counters.open.clone());
        metrics.register(
            "hostel_edge_connections_closed",
            "Connections from clients that the host ended or asked to end, by why",
            counters.closed.clone(),
        );
        metrics.register(
            "hostel_edge_handshakes_failed",
            "TLS handshakes of clients that failed or took too long",
            counters.handshakes_failed.clone(),
        );
        counters
    }

    /// A connection that is open until the result is dropped.
    pub(super) fn open(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    pub(super) fn closed(&self, reason: Reason) {
        self.closed.get_or_create(&[("reason", reason.as_str())]).inc();
    }

    pub(super) fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }
}

pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
