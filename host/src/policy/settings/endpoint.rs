//! What counts per endpoint, and so for the whole service.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HashKey, Invalid, in_range};

const HOUR_MS: u64 = 3_600_000;

/// The table `[policy.breaker]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// Whether there is one.
    pub enabled: bool,
    /// Failures in a row that open it.
    pub failures: u32,
    /// Whether answers count that say that the service failed: traps, INTERNAL, 500 and others but 503 and 504. What always
    /// counts is no answer, and an answer that nobody can take the call.
    pub errors: bool,
    /// Milliseconds it stays open before a probe.
    pub open_ms: u64,
    /// Milliseconds after which a probe that has not reported back is taken for lost.
    pub probe_lost_ms: u64,
    /// The least milliseconds a call must have been given for its running out of time to count as a failure.
    pub deadline_ms_min: u64,
    /// Failures among the calls of the window, in percent, that open it; 0, the default, means never.
    pub error_percent: u32,
    /// Milliseconds the window covers.
    pub window_ms: u64,
    /// Calls that must be in the window before it is judged.
    pub window_calls_min: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 5,
            errors: false,
            open_ms: 30_000,
            probe_lost_ms: 10_000,
            deadline_ms_min: 1_000,
            error_percent: 0,
            window_ms: 10_000,
            window_calls_min: 20,
        }
    }
}

impl BreakerSettings {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        in_range("breaker.failures", u64::from(self.failures), 1..=10_000)?;
        in_range("breaker.open_ms", self.open_ms, 1..=HOUR_MS)?;
        in_range("breaker.probe_lost_ms", self.probe_lost_ms, 1..=HOUR_MS)?;
        in_range("breaker.deadline_ms_min", self.deadline_ms_min, 0..=HOUR_MS)?;
        in_range("breaker.error_percent", u64::from(self.error_percent), 0..=100)?;
        in_range("breaker.window_ms", self.window_ms, 100..=HOUR_MS)?;
        in_range("breaker.window_calls_min", self.window_calls_min, 1..=1_000_000)
    }

    /// [`Self::open_ms`].
    pub fn open(&self) -> Duration {
        Duration::from_millis(self.open_ms)
    }

    /// [`Self::probe_lost_ms`].
    pub fn probe_lost(&self) -> Duration {
        Duration::from_millis(self.probe_lost_ms)
    }

    /// [`Self::deadline_ms_min`].
    pub fn deadline_min(&self) -> Duration {
        Duration::from_millis(self.deadline_ms_min)
    }

    /// [`Self::window_ms`].
    pub fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }
}

/// The table `[policy.outlier]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutlierSettings {
    /// Whether endpoints are ejected.
    pub enabled: bool,
    /// Failures in a row that eject an endpoint.
    pub failures: u32,
    /// Milliseconds of the first ejection; the nth takes n times as long.
    pub ejection_ms: u64,
    /// The most milliseconds an ejection takes.
    pub ejection_ms_max: u64,
    /// Milliseconds without ejection after which one past ejection is forgotten.
    pub decay_ms: u64,
    /// Of all endpoints, how many percent may be ejected at once, rounded down.
    pub ejected_percent_max: u32,
    /// Milliseconds for which an endpoint on another node is avoided, as long as there are others, after a single call did
    /// not reach a guest there: a node that is gone must not cost each call an attempt.
    pub unreached_ms: u64,
    /// Whether the last endpoint that is not ejected may be, as far as the percentage allows it.
    pub eject_last: bool,
    /// When fewer percent of the endpoints than this are healthy, ejections are ignored; 0 means never.
    pub panic_percent: u32,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            failures: 5,
            ejection_ms: 30_000,
            ejection_ms_max: 300_000,
            decay_ms: 60_000,
            ejected_percent_max: 50,
            unreached_ms: 1_000,
            eject_last: false,
            panic_percent: 50,
        }
    }
}

impl OutlierSettings {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        in_range("outlier.failures", u64::from(self.failures), 1..=10_000)?;
        in_range("outlier.ejection_ms", self.ejection_ms, 1..=HOUR_MS)?;
        in_range("outlier.ejection_ms_max", self.ejection_ms_max, self.ejection_ms..=24 * HOUR_MS)?;
        in_range("outlier.decay_ms", self.decay_ms, 1..=24 * HOUR_MS)?;
        in_range("outlier.ejected_percent_max", u64::from(self.ejected_percent_max), 0..=100)?;
        in_range("outlier.unreached_ms", self.unreached_ms, 0..=60_000)?;
        in_range("outlier.panic_percent", u64::from(self.panic_percent), 0..=100)
    }

    /// [`Self::unreached_ms`].
    pub fn unreached(&self) -> Duration {
        Duration::from_millis(self.unreached_ms)
    }

    /// How many of `members` endpoints may be ejected at once.
    pub fn ejected_max(&self, members: usize) -> usize {
        let share = members.saturating_mul(self.ejected_percent_max as usize) / 100;
        if self.eject_last { share } else { share.min(members.saturating_sub(1)) }
    }
}

/// The table `[policy.limits]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Calls under way from this node to the service.
    pub calls_max: u32,
    /// Calls under way from this node to one endpoint.
    pub endpoint_calls_max: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { calls_max: 16_384, endpoint_calls_max: 4_096 }
    }
}

impl LimitSettings {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        in_range("limits.calls_max", u64::from(self.calls_max), 1..=1_000_000)?;
        in_range("limits.endpoint_calls_max", u64::from(self.endpoint_calls_max), 1..=1_000_000)
    }
}

/// The table `[policy.shed]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShedSettings {
    /// Whether calls that would be late are refused at once.
    pub enabled: bool,
    /// With fewer calls than this under way at an endpoint nothing is shed: there is no queue to speak of, and somebody
    /// has to find out when it has become faster.
    pub in_flight_min: u32,
}

impl Default for ShedSettings {
    fn default() -> Self {
        Self { enabled: true, in_flight_min: 8 }
    }
}

impl ShedSettings {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        in_range("shed.in_flight_min", u64::from(self.in_flight_min), 1..=1_000_000)
    }
}

/// The table `[policy.balance]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BalanceSettings {
    /// What calls are hashed by, to go to the same endpoint: `header:NAME`, `cookie:NAME` or `source-address`. Absent,
    /// the default: they are not, and go where they are served soonest.
    pub hash: Option<HashKey>,
    /// How much of its fair share of the calls under way an endpoint may have before hashed calls move on, in percent.
    pub load_bound_percent: u32,
    /// Milliseconds in which what is known of an endpoint's latency loses all but 37 % of its weight.
    pub decay_ms: u64,
    /// Latencies below this many microseconds count as this: such differences are noise.
    pub latency_us_min: u64,
    /// Milliseconds in which a new endpoint gets up to its share; 0 means at once.
    pub slow_start_ms: u64,
    /// With how many percent of its share it begins.
    pub slow_start_percent: u32,
}

impl Default for BalanceSettings {
    fn default() -> Self {
        Self {
            hash: None,
            load_bound_percent: 125,
            decay_ms: 5_000,
            latency_us_min: 1_000,
            slow_start_ms: 10_000,
            slow_start_percent: 10,
        }
    }
}

impl BalanceSettings {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        in_range("balance.load_bound_percent", u64::from(self.load_bound_percent), 101..=10_000)?;
        in_range("balance.decay_ms", self.decay_ms, 1..=HOUR_MS)?;
        in_range("balance.latency_us_min", self.latency_us_min, 1..=10_000_000)?;
        in_range("balance.slow_start_ms", self.slow_start_ms, 0..=HOUR_MS)?;
        in_range("balance.slow_start_percent", u64::from(self.slow_start_percent), 1..=100)
    }

    /// [`Self::decay_ms`].
    pub fn decay(&self) -> Duration {
        Duration::from_millis(self.decay_ms)
    }

    /// [`Self::latency_us_min`].
    pub fn latency_min(&self) -> Duration {
        Duration::from_micros(self.latency_us_min)
    }
}

/// The table `[policy.locality]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalitySettings {
    /// Whether the endpoint on this node is preferred to all others.
    pub local_first: bool,
    /// Whether endpoints of this node's zone are preferred to those of others.
    pub zone_first: bool,
    /// Milliseconds for which calls go elsewhere after the local endpoint had no room for one.
    pub saturated_ms: u64,
}

impl Default for LocalitySettings {
    fn default() -> Self {
        Self { local_first: true, zone_first: true, saturated_ms: 50 }
    }
}

impl LocalitySettings {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        in_range("locality.saturated_ms", self.saturated_ms, 0..=60_000)
    }

    /// [`Self::saturated_ms`].
    pub fn saturated(&self) -> Duration {
        Duration::from_millis(self.saturated_ms)
    }
}
