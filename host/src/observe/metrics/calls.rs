//! The counters of calls: what a call touches on its way through.
//!
//! The label `code` is the HTTP status (`200`) for HTTP calls and the name of the gRPC status (`UNAVAILABLE`) for
//! gRPC calls, whose HTTP status is 200 whatever happened. HTTP statuses that few services use are counted by
//! class (`4xx`), so that every code has its place in a fixed array and a guest cannot grow it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::striped::{Padded, Striped};
use crate::call::grpc::Code;

/// HTTP statuses counted one by one. The frequent ones come first: they are searched in this order.
const HTTP: [(u16, &str); 36] = [
    (200, "200"),
    (404, "404"),
    (204, "204"),
    (201, "201"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (500, "500"),
    (503, "503"),
    (202, "202"),
    (206, "206"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (307, "307"),
    (308, "308"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (415, "415"),
    (422, "422"),
    (428, "428"),
    (429, "429"),
    (431, "431"),
    (499, "499"),
    (501, "501"),
    (502, "502"),
    (504, "504"),
    (505, "505"),
    (508, "508"),
];

/// HTTP statuses counted by class; the first is for what is no status at all.
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

const CLASS_FIRST: usize = HTTP.len();
const GRPC_FIRST: usize = CLASS_FIRST + CLASSES.len();
const SLOTS: usize = GRPC_FIRST + Code::ALL.len();

/// The gRPC status of a number. Numbers without a status are [`Code::Unknown`], as gRPC has it.
fn grpc_code(number: i32) -> Code {
    Code::from_number(number).unwrap_or(Code::Unknown)
}

/// Whether a gRPC status, given by its number, tells of a fault of the callee, rather than of the caller or of their agreement.
pub fn is_grpc_fault(number: i32) -> bool {
    matches!(grpc_code(number), Code::Unknown | Code::Internal | Code::Unavailable | Code::DataLoss)
}

/// The label `code` of a call that ended with the HTTP status `status` and, if it was a gRPC call, `grpc`.
pub fn code_text(status: u16, grpc: Option<i32>) -> &'static str {
    slot_text(slot(status, grpc))
}

fn slot(status: u16, grpc: Option<i32>) -> usize {
    match grpc {
        Some(code) => GRPC_FIRST + grpc_code(code) as usize,
        None => match HTTP.iter().position(|(known, _)| *known == status) {
            Some(place) => place,
            None if (100..600).contains(&status) => CLASS_FIRST + usize::from(status / 100),
            None => CLASS_FIRST,
        },
    }
}

fn slot_text(slot: usize) -> &'static str {
    if let Some((_, text)) = HTTP.get(slot) {
        return text;
    }
    if let Some(class) = CLASSES.get(slot - CLASS_FIRST) {
        return class;
    }
    Code::ALL.get(slot - GRPC_FIRST).copied().unwrap_or(Code::Unknown).name()
}

/// Where a call was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Locality {
    /// By an instance in this process.
    Local,
    /// By a peer.
    Remote,
    /// Nowhere: it reached no service.
    None,
}

impl Locality {
    /// The label's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::None => "none",
        }
    }
}

/// The counters of the calls of one (service, version, route, locality). Cloning gives the same counters.
#[derive(Debug, Clone)]
pub struct CallMetrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    codes: Striped<Codes>,
    /// Shared by the versions of the service.
    duration: Arc<Histogram>,
    /// Shared by the routes and versions of the service.
    in_flight: Arc<Gauge>,
}

#[derive(Debug)]
struct Codes([AtomicU64; SLOTS]);

impl Default for Codes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl CallMetrics {
    pub(super) fn new(duration: Arc<Histogram>, in_flight: Arc<Gauge>) -> Self {
        Self(Arc::new(Counters { codes: Striped::default(), duration, in_flight }))
    }

    /// Counts a call that has ended. Three relaxed atomic additions: no lock, and no allocation but at the first call
    /// of a thread.
    ///
    /// `status` is the HTTP status that was answered, `grpc` the `grpc-status` of a gRPC call, and `elapsed` the time
    /// from taking the call in to its response's end.
    pub fn record(&self, status: u16, grpc: Option<i32>, elapsed: Duration) {
        if let Some(codes) = self.0.codes.mine()
            && let Some(count) = codes.0.0.get(slot(status, grpc))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.duration.observe(elapsed);
    }

    /// Counts a call as in flight until the guard is dropped, on whichever thread.
    pub fn begin(&self) -> InFlight {
        self.0.in_flight.begin()
    }

    /// The codes counted so far, each with its count.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |slot: usize| {
            let counts = self.0.codes.all().filter_map(move |codes| codes.0.get(slot));
            counts.map(|count| count.load(Ordering::Relaxed)).sum()
        };
        let counts = (0..SLOTS).map(move |slot| (slot_text(slot), count(slot)));
        counts.filter(|(_, count)| *count > 0)
    }
}

/// How many guards it gave out are alive.
#[derive(Debug, Default)]
pub(super) struct Gauge(Striped<AtomicI64>);

impl Gauge {
    fn begin(&self) -> InFlight {
        let mine = self.0.mine().cloned();
        if let Some(count) = &mine {
            count.0.fetch_add(1, Ordering::Relaxed);
        }
        InFlight(mine)
    }

    /// The sum over the copies; each guard is taken off the copy it was added to.
    pub(super) fn get(&self) -> i64 {
        self.0.all().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// Counts one call as in flight for as long as it lives.
#[derive(Debug)]
#[must_use = "the call counts as in flight only while the guard lives"]
pub struct InFlight(Option<Arc<Padded<AtomicI64>>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_label() {
        let cases =
            [(200, "200"), (508, "508"), (418, "4xx"), (599, "5xx"), (103, "1xx"), (0, "other"), (600, "other")];
        for (status, label) in cases {
            assert_eq!(code_text(status, None), label);
        }
        for (code, label) in [(0, "OK"), (14, "UNAVAILABLE"), (16, "UNAUTHENTICATED"), (17, "UNKNOWN"), (-1, "UNKNOWN")]
        {
            assert_eq!(code_text(200, Some(code)), label);
        }
        let mut labels: Vec<_> = (0..SLOTS).map(slot_text).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), SLOTS);
        for (place, status) in Code::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, place);
        }
    }
}
