//! Shedding: a call that would be late is refused before it waits, while its caller still has time to do something
//! else.
//!
//! The estimate is what calls took lately, less their mean deviation: a call that has a fair chance is let through. It
//! is only acted upon while calls are under way, so it renews itself; a service that was slow once is never shut out.
//!
//! Source: the estimator is that of V. Jacobson, Congestion Avoidance and Control, 1988, with the deviation taken off.

use std::time::Duration;

use crate::policy::settings::ShedSettings;

/// Before so many calls nothing is estimated.
const SAMPLES_MIN: u32 = 16;

/// How long calls take at one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Estimate {
    mean: f64,
    deviation: f64,
    samples: u32,
}

impl Estimate {
    /// Takes into account a call that succeeded.
    pub fn observe(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        if self.samples == 0 {
            self.mean = took;
        }
        let off = took - self.mean;
        self.mean += off / 8.0;
        self.deviation += (off.abs() - self.deviation) / 4.0;
        self.samples = self.samples.saturating_add(1);
    }

    /// Takes into account a call that was given up after so long.
    pub fn observe_at_least(&mut self, waited: Duration) {
        if waited.as_secs_f64() > self.mean {
            self.observe(waited);
        }
    }

    /// The least that a call can be expected to take; `None` while too little is known.
    pub fn least(&self) -> Option<Duration> {
        (self.samples >= SAMPLES_MIN).then(|| Duration::from_secs_f64((self.mean - self.deviation).max(0.0)))
    }

    /// Whether a call with so much time left would be late, with so many others under way.
    pub fn too_late(&self, remaining: Duration, in_flight: u32, settings: &ShedSettings) -> bool {
        settings.enabled && in_flight >= settings.in_flight_min && self.least().is_some_and(|least| remaining < least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn of(times: impl IntoIterator<Item = u64>) -> Estimate {
        let mut estimate = Estimate::default();
        for time in times {
            estimate.observe(ms(time));
        }
        estimate
    }

    #[test]
    fn who_would_be_late_is_told_so_at_once() {
        let settings = ShedSettings::default();
        let slow = of([500; 32]);
        assert!(slow.too_late(ms(100), 8, &settings));
        assert!(!slow.too_late(ms(600), 8, &settings));
        assert!(!slow.too_late(ms(100), 7, &settings), "with little under way, somebody tries");
        assert!(!slow.too_late(ms(100), 8, &ShedSettings { enabled: false, ..settings }));
    }

    #[test]
    fn calls_that_ran_out_of_time_can_only_make_it_slower() {
        let mut estimate = of([50; 32]);
        estimate.observe_at_least(ms(10));
        assert_eq!(estimate.least(), of([50; 32]).least());
        (0..64).for_each(|_| estimate.observe_at_least(ms(1_000)));
        assert!(estimate.least().unwrap() > ms(900));
    }

    #[test]
    fn little_knowledge_sheds_nothing() {
        assert_eq!(of([500; 15]).least(), None);
        assert!(of([500; 16]).least().is_some());
    }

    #[test]
    fn a_call_that_has_a_chance_goes_through() {
        let mixed = of((0..64).map(|n| if n % 2 == 0 { 10 } else { 500 }));
        assert!(mixed.least().unwrap() < ms(100), "{:?}", mixed.least());
    }

    #[test]
    fn it_follows_a_service_that_recovers() {
        let recovered = of(std::iter::repeat_n(500, 64).chain(std::iter::repeat_n(5, 32)));
        assert!(recovered.least().unwrap() < ms(20), "{:?}", recovered.least());
    }
}
