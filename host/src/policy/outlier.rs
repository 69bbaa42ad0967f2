//! Outlier detection: an endpoint that fails several times in a row leaves the balance for a while, longer each time,
//! as long as enough others are left.
//!
//! Beside the breaker, which is about one endpoint, this looks at all of them: no more than a share may be ejected, and
//! when too few are healthy ([`Health::panics`]) ejections are ignored, because then it is more likely that something
//! they have in common has failed, and the few that are left would go down too.
//!
//! Source: Envoy's documentation, "Outlier detection" and "Panic threshold".

mod health;

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::breaker::Verdict;
use crate::policy::settings::OutlierSettings;

pub use health::Health;

/// What outlier detection remembers of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Streak {
    /// Failures in a row.
    failures: u32,
    /// Past ejections that still count, as of the end of the last.
    recent: u32,
    until: Option<Instant>,
    ejections: u64,
}

impl Streak {
    /// One without failures that goes on counting.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self { ejections: self.ejections, ..Self::default() }
    }

    /// Takes a verdict; whether the endpoint should be ejected, if others allow it.
    pub fn record(&mut self, now: Instant, verdict: Verdict, settings: &OutlierSettings) -> bool {
        // What was sent before the ejection and comes back during it says nothing about the time after it.
        if !settings.enabled || self.is_ejected(now) {
            return false;
        }
        match verdict {
            Verdict::Unknown => return false,
            Verdict::Works => self.failures = 0,
            Verdict::Fails | Verdict::Errs => self.failures = self.failures.saturating_add(1),
        }
        self.failures >= settings.failures
    }

    /// Ejects the endpoint; until when.
    pub fn eject(&mut self, now: Instant, settings: &OutlierSettings) -> Instant {
        let quiet = self.until.map_or(Duration::ZERO, |until| now.saturating_duration_since(until));
        let forgotten = quiet.as_millis() / u128::from(settings.decay_ms.max(1));
        self.recent = self.recent.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX)).saturating_add(1);
        let length = settings.ejection_ms.saturating_mul(u64::from(self.recent)).min(settings.ejection_ms_max);
        let until = now + Duration::from_millis(length);
        self.until = Some(until);
        self.failures = 0;
        self.ejections += 1;
        until
    }

    /// Takes the endpoint back before its time.
    pub fn release(&mut self, now: Instant) {
        self.until = self.until.map(|until| until.min(now));
    }

    /// Until when the endpoint is, or was, ejected.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Whether it is ejected.
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// How often it has been ejected.
    pub fn ejections(&self) -> u64 {
        self.ejections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(streak: &mut Streak, now: Instant, times: u32) -> bool {
        (0..times).map(|_| streak.record(now, Verdict::Fails, &OutlierSettings::default())).last().unwrap_or_default()
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let now = Instant::now();
        let mut streak = Streak::default();
        assert!(!fails(&mut streak, now, 4));
        assert!(!streak.record(now, Verdict::Works, &OutlierSettings::default()));
        assert!(!fails(&mut streak, now, 4));
        assert!(!streak.record(now, Verdict::Unknown, &OutlierSettings::default()));
        assert!(fails(&mut streak, now, 1));
        assert!(fails(&mut streak, now, 1), "it asks again as long as it has not been allowed");
        let off = OutlierSettings { enabled: false, ..OutlierSettings::default() };
        assert!(!streak.record(now, Verdict::Fails, &off));
    }

    #[test]
    fn each_ejection_is_longer_and_they_are_forgotten() {
        let settings = OutlierSettings::default();
        let mut now = Instant::now();
        let mut streak = Streak::default();
        for n in 1..=12 {
            let until = streak.eject(now, &settings);
            assert_eq!(until - now, secs((30 * n).min(300)), "the {n}th");
            now = until;
        }
        now += secs(60) * 11;
        assert_eq!(streak.eject(now, &settings) - now, secs(60), "eleven of twelve are forgotten");
        assert_eq!(streak.ejections(), 13);
    }

    #[test]
    fn results_during_an_ejection_count_for_nothing() {
        let now = Instant::now();
        let mut streak = Streak::default();
        let until = streak.eject(now, &OutlierSettings::default());
        assert!(!fails(&mut streak, now + secs(1), 20));
        assert!(!fails(&mut streak, until, 4));
        assert!(fails(&mut streak, until, 1));
        streak.eject(until, &OutlierSettings::default());
        streak.release(until + secs(1));
        assert!(!streak.is_ejected(until + secs(1)));
    }
}
