//! The access log: one event for one call that came in at an edge.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::metrics::{code_text, is_grpc_fault};
use super::trace::TraceContext;

/// Which calls are written to the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// None.
    Off,
    /// Those the host or a service failed: status 500 and above, and the gRPC statuses UNKNOWN, INTERNAL,
    /// UNAVAILABLE and DATA_LOSS. What a caller did wrong is not among them.
    #[default]
    Errors,
    /// All.
    All,
}

impl AccessLog {
    /// Whether a call that ended so is to be written. `status` is the HTTP status, `grpc` the value of `grpc-status`.
    pub fn wants(self, status: u16, grpc: Option<i32>) -> bool {
        match self {
            Self::Off => false,
            Self::Errors => status >= 500 || grpc.is_some_and(is_grpc_fault),
            Self::All => true,
        }
    }
}

/// What is written of a call. `route` is the template, never the path: paths hold ids and query strings secrets.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Route template; empty when none matched.
    pub route: &'a str,
    /// Service; empty when none was found.
    pub service: &'a str,
    /// HTTP status sent.
    pub status: u16,
    /// gRPC status sent, for gRPC calls.
    pub grpc: Option<i32>,
    /// From the request's head read to the response's last byte sent.
    pub elapsed: Duration,
    /// Bytes of the request's body that were read.
    pub bytes_in: u64,
    /// Bytes of the response's body that were sent.
    pub bytes_out: u64,
    /// The call's trace.
    pub trace: TraceContext,
    /// The address of the client, as the edge trusts it.
    pub client: Option<IpAddr>,
}

impl Access<'_> {
    /// Writes the event, at level info under the target `hostel::access`, if `policy` wants it.
    pub fn log(&self, policy: AccessLog) {
        if !policy.wants(self.status, self.grpc) {
            return;
        }
        tracing::info!(
            target: "hostel::access",
            method = self.method,
            route = self.route,
            service = self.service,
            code = code_text(self.status, self.grpc),
            ms = milliseconds(self.elapsed),
            bytes_in = self.bytes_in,
            bytes_out = self.bytes_out,
            trace_id = %self.trace.trace_id(),
            span_id = %self.trace.span_id(),
            client = self.client.map(tracing::field::display),
            "call"
        );
    }
}

/// With three digits behind the point: microseconds are all the host measures reliably.
fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_picks_its_calls() {
        assert!(AccessLog::All.wants(200, None));
        assert!(!AccessLog::Off.wants(500, Some(13)));
        let errors = AccessLog::Errors;
        assert!([500, 503, 599].iter().all(|status| errors.wants(*status, None)));
        assert!([100, 200, 404, 499].iter().all(|status| !errors.wants(*status, None)));
        let faults = [2, 13, 14, 15, 99, -1];
        assert!(faults.iter().all(|code| errors.wants(200, Some(*code))));
        let ordinary = [0, 1, 3, 4, 5, 7, 8, 12, 16];
        assert!(ordinary.iter().all(|code| !errors.wants(200, Some(*code))));
    }

    #[test]
    fn milliseconds_are_rounded_to_microseconds() {
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)), 1.235);
        assert_eq!(milliseconds(Duration::ZERO), 0.0);
    }
}
