//! Which calls are sent again, when, and how often.
//!
//! Three classes of attempts. One that never reached a guest may be repeated whatever its method. One that may have
//! reached a guest, and whose outcome is unknown or a failure that may pass (502, 503, 504), is repeated only when the
//! call is idempotent. Everything else is an answer. A response whose head went on to the caller is never repeated;
//! whoever asks here still holds it.
//!
//! Only the router's caller side retries: a peer never does on behalf of another, or retries would multiply.
//!
//! Source: for `Retry-After` RFC 9110, section 10.2.3; for pushback gRPC's proposal A6, "Pushback".

mod advice;
mod backoff;
mod budget;
mod replay;
mod tape;

use std::time::Duration;

use http::{HeaderMap, Method};
use rand::Rng;
use tokio::time::Instant;

use crate::call::{CallError, Deadline, Response};
use crate::policy::settings::RetrySettings;
use advice::{Advice, Wait};

pub use budget::Budget;
pub use replay::Replay;

/// Whether it is harmless to do the same twice: because the method or an `Idempotency-Key` says so, unless `declared`,
/// by a route or by the `idempotency_level` of a gRPC method, says otherwise.
///
/// Source: RFC 9110, section 9.2.2; draft-ietf-httpapi-idempotency-key-header.
pub fn is_idempotent(method: &Method, headers: &HeaderMap, declared: Option<bool>) -> bool {
    let has_key = || headers.get("idempotency-key").is_some_and(|key| !key.is_empty());
    declared.unwrap_or_else(|| method.is_idempotent() || has_key())
}

/// The retries of one call.
#[derive(Debug)]
pub struct Retries {
    made: u32,
    idempotent: bool,
}

/// Why a call is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// The answer is an answer.
    Answered,
    /// A guest may have acted, and doing it twice may do harm.
    NotIdempotent,
    /// It was sent as often as it may be.
    UsedUp,
    /// The service asks to be left alone, or for longer than anybody wants to wait.
    ToldNotTo,
    /// It reached nobody, and there is nobody else.
    NobodyElse,
    /// The deadline leaves no room.
    TooLate,
    /// Too many calls are being retried already.
    Budget,
}

impl GiveUp {
    /// The word for labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotIdempotent => "not-idempotent",
            Self::UsedUp => "used-up",
            Self::ToldNotTo => "told-not-to",
            Self::NobodyElse => "nobody-else",
            Self::TooLate => "too-late",
            Self::Budget => "budget",
        }
    }
}

impl Retries {
    /// Of a call that is idempotent or not, see [`is_idempotent`].
    pub fn new(idempotent: bool) -> Self {
        Self { made: 0, idempotent }
    }

    /// Retries made so far.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// Whether another is allowed if this one fails; when not, the request need not be kept.
    pub fn more(&self, settings: &RetrySettings) -> bool {
        self.made < settings.retries_max
    }

    /// The pause before the next attempt. `elsewhere` says that there is an endpoint that has not been tried. When it
    /// says so, the retry is taken from the budget and counts as made.
    ///
    /// # Errors
    ///
    /// Why there is none.
    #[expect(clippy::too_many_arguments, reason = "each is a fact of its own, and there is one caller")]
    pub fn after(
        &mut self,
        now: Instant,
        answer: &Result<Response, CallError>,
        deadline: Deadline,
        elsewhere: bool,
        settings: &RetrySettings,
        budget: &Budget,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Duration, GiveUp> {
        let Advice { reached, wait } = Advice::of(answer).ok_or(GiveUp::Answered)?;
        if reached && !self.idempotent {
            return Err(GiveUp::NotIdempotent);
        }
        if !self.more(settings) {
            return Err(GiveUp::UsedUp);
        }
        if !reached && !elsewhere {
            return Err(GiveUp::NobodyElse);
        }
        let pause = match wait {
            Wait::Never => return Err(GiveUp::ToldNotTo),
            Wait::Told(wait) if wait > settings.retry_after_max() => return Err(GiveUp::ToldNotTo),
            Wait::Told(wait) => wait,
            // Somebody else may well have room, and nothing is being done twice.
            Wait::Free if !reached && self.made == 0 => Duration::ZERO,
            Wait::Free => backoff::pause(self.made, settings, rng),
        };
        if deadline.instant().saturating_duration_since(now) < pause + settings.deadline_room() {
            return Err(GiveUp::TooLate);
        }
        // Last, so that nothing is taken for a retry that is not made.
        if !budget.withdraw(now, settings) {
            return Err(GiveUp::Budget);
        }
        self.made += 1;
        Ok(pause)
    }
}

#[cfg(test)]
mod tests;
