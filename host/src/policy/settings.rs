//! The settings of all policies: `[policy]` of a module's manifest, and the part of it that a `[[route]]` may override.
//!
//! What is counted per endpoint (breaker, outlier detection, limits, balancing) is the same for all routes of a
//! service, because the endpoint is; how a single call is treated (its time, its retries, the key it is hashed by) may
//! differ from route to route. Units are last in the names of the keys.

mod call;
mod endpoint;

use serde::{Deserialize, Serialize};

use crate::config::in_range;

/// A value that makes no sense; its key is relative to `[policy]`, with the tables it is in.
pub use crate::config::Invalid;
pub use crate::policy::balance::hash_key::HashKey;
pub use call::{HashChoice, PerCall, RetryOverrides, RetrySettings, RouteSettings};
pub use endpoint::{BalanceSettings, BreakerSettings, LimitSettings, LocalitySettings, OutlierSettings, ShedSettings};

/// The table `[policy]` of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Milliseconds that a call to the service may take, all its attempts together. Absent: what caller and limits
    /// allow.
    pub timeout_ms: Option<u64>,
    /// Which calls are sent again, and how often.
    pub retry: RetrySettings,
    /// When an endpoint that fails is left alone.
    pub breaker: BreakerSettings,
    /// When an endpoint that fails more than others leaves the balance.
    pub outlier: OutlierSettings,
    /// How many calls may be under way.
    pub limits: LimitSettings,
    /// When a call is refused because it would be late.
    pub shed: ShedSettings,
    /// How the endpoint of a call is chosen.
    pub balance: BalanceSettings,
    /// What nearness counts.
    pub locality: LocalitySettings,
}

impl Settings {
    /// Checks what types do not.
    ///
    /// # Errors
    ///
    /// [`Invalid`] about the first key that makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        if let Some(timeout) = self.timeout_ms {
            in_range("timeout_ms", timeout, 1..=call::TIMEOUT_MS_MAX)?;
        }
        self.retry.validate()?;
        self.breaker.validate()?;
        self.outlier.validate()?;
        self.limits.validate()?;
        self.shed.validate()?;
        self.balance.validate()?;
        self.locality.validate()
    }

    /// How a call through a route is treated. To be kept with the route: it is not meant to be computed for each call.
    #[must_use]
    pub fn per_call(&self, route: &RouteSettings) -> PerCall {
        PerCall::new(self, route)
    }
}

#[cfg(test)]
mod tests;
