//! How a single call is treated, which may differ from route to route.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{HashKey, Invalid, Settings, in_range};

pub(super) const TIMEOUT_MS_MAX: u64 = 24 * 3_600_000;
const RETRIES_MAX: u64 = 2;

/// The table `[policy.retry]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Attempts after the first, at most 2; 0 means none.
    pub retries_max: u32,
    /// Whether calls may be sent again although their outcome is unknown. Absent, the default: methods that say so
    /// (GET, HEAD, OPTIONS, TRACE, PUT, DELETE), and calls with an `Idempotency-Key`.
    pub idempotent: Option<bool>,
    /// The largest body, in bytes, that is kept to be sent again.
    pub body_bytes_max: usize,
    /// The longest pause, in milliseconds, before the first retry; the second may pause twice as long. Pauses are
    /// random, from nothing up to this ("full jitter").
    pub backoff_ms: u64,
    /// The longest pause, in milliseconds, before any retry.
    pub backoff_ms_max: u64,
    /// When a service asks to be left alone for longer than this many milliseconds, its answer is the answer.
    pub retry_after_ms_max: u64,
    /// Milliseconds that must be left before the deadline, after the pause, for a retry to be made.
    pub deadline_room_ms: u64,
    /// Retries per hundred calls, over the last ten seconds. Per service: a route cannot override it.
    pub budget_percent: u32,
    /// Retries per second that are allowed besides. Per service too.
    pub budget_floor_per_s: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            retries_max: 2,
            idempotent: None,
            body_bytes_max: 64 * 1024,
            backoff_ms: 25,
            backoff_ms_max: 250,
            retry_after_ms_max: 2_000,
            deadline_room_ms: 5,
            budget_percent: 20,
            budget_floor_per_s: 10,
        }
    }
}

impl RetrySettings {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        in_range("retry.retries_max", u64::from(self.retries_max), 0..=RETRIES_MAX)?;
        in_range("retry.body_bytes_max", self.body_bytes_max as u64, 0..=64 * 1024)?;
        in_range("retry.backoff_ms", self.backoff_ms, 0..=60_000)?;
        in_range("retry.backoff_ms_max", self.backoff_ms_max, self.backoff_ms..=60_000)?;
        in_range("retry.retry_after_ms_max", self.retry_after_ms_max, 0..=60_000)?;
        in_range("retry.deadline_room_ms", self.deadline_room_ms, 0..=60_000)?;
        in_range("retry.budget_percent", u64::from(self.budget_percent), 0..=100)?;
        in_range("retry.budget_floor_per_s", u64::from(self.budget_floor_per_s), 0..=10_000)
    }

    /// [`Self::retry_after_ms_max`].
    pub fn retry_after_max(&self) -> Duration {
        Duration::from_millis(self.retry_after_ms_max)
    }

    /// [`Self::deadline_room_ms`].
    pub fn deadline_room(&self) -> Duration {
        Duration::from_millis(self.deadline_room_ms)
    }
}

/// The table `policy` of a `[[route]]`. What is absent is as for the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteSettings {
    /// As [`Settings::timeout_ms`]; the shorter of the two counts.
    pub timeout_ms: Option<u64>,
    /// What calls through the route are hashed by, or `off`.
    pub hash: Option<HashChoice>,
    /// Retries of calls through the route.
    pub retry: RetryOverrides,
}

/// The part of [`RetrySettings`] that a route may override.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryOverrides {
    /// As [`RetrySettings::retries_max`].
    pub retries_max: Option<u32>,
    /// As [`RetrySettings::idempotent`].
    pub idempotent: Option<bool>,
    /// As [`RetrySettings::retry_after_ms_max`].
    pub retry_after_ms_max: Option<u64>,
}

impl RouteSettings {
    /// Checks what types do not.
    ///
    /// # Errors
    ///
    /// [`Invalid`] about the first key that makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        if let Some(timeout) = self.timeout_ms {
            in_range("timeout_ms", timeout, 1..=TIMEOUT_MS_MAX)?;
        }
        if let Some(retries) = self.retry.retries_max {
            in_range("retry.retries_max", u64::from(retries), 0..=RETRIES_MAX)?;
        }
        if let Some(wait) = self.retry.retry_after_ms_max {
            in_range("retry.retry_after_ms_max", wait, 0..=60_000)?;
        }
        Ok(())
    }
}

/// What a route says about hashing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HashChoice {
    /// Its calls are not hashed, although those of the service are.
    Off,
    /// Its calls are hashed by this.
    By(HashKey),
}

impl TryFrom<String> for HashChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" { Ok(Self::Off) } else { HashKey::try_from(text).map(Self::By) }
    }
}

impl From<HashChoice> for String {
    fn from(choice: HashChoice) -> Self {
        match choice {
            HashChoice::Off => "off".to_owned(),
            HashChoice::By(key) => key.into(),
        }
    }
}

/// How a call is treated: what its route says, else what its service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerCall {
    /// The longest it may take, all attempts together.
    pub timeout: Option<Duration>,
    /// How it is retried.
    pub retry: RetrySettings,
    /// What it is hashed by.
    pub hash: Option<HashKey>,
}

impl PerCall {
    pub(super) fn new(service: &Settings, route: &RouteSettings) -> Self {
        let timeout_ms = [service.timeout_ms, route.timeout_ms].into_iter().flatten().min();
        let general = &service.retry;
        Self {
            timeout: timeout_ms.map(Duration::from_millis),
            retry: RetrySettings {
                retries_max: route.retry.retries_max.unwrap_or(general.retries_max),
                idempotent: route.retry.idempotent.or(general.idempotent),
                retry_after_ms_max: route.retry.retry_after_ms_max.unwrap_or(general.retry_after_ms_max),
                ..general.clone()
            },
            hash: match &route.hash {
                None => service.balance.hash.clone(),
                Some(HashChoice::Off) => None,
                Some(HashChoice::By(key)) => Some(key.clone()),
            },
        }
    }
}

impl Default for PerCall {
    fn default() -> Self {
        Self::new(&Settings::default(), &RouteSettings::default())
    }
}
