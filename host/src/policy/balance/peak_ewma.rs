//! How slow an endpoint is: an average of its latencies that follows peaks at once and forgets them slowly.
//!
//! Three things that a plain average gets wrong. An endpoint that fails at once looks fast: a failure counts as no
//! faster than what is known already, and the share of failures makes an endpoint look slower. One that nobody has
//! measured looks idle: it has no latency, and whoever compares takes that of the other. One that is not asked because
//! it was slow once is never found to have recovered: what is known fades with time.
//!
//! Source: the peak-EWMA balancer of Finagle.

use std::time::Duration;

use tokio::time::Instant;

/// After so many decay times without a call nothing is known any more.
const STALE_DECAYS: f64 = 6.0;
/// One attempt's part in the share of successes.
const SUCCESS_WEIGHT: f64 = 1.0 / 8.0;
/// An endpoint never looks worse than this, so that it can come back.
const SUCCESS_MIN: f64 = 0.05;

/// What a finished attempt says about speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It took so long.
    Took(Duration),
    /// It failed after so long.
    Failed(Duration),
    /// It was given up, or refused, after so long: that is the least an answer would have taken.
    AtLeast(Duration),
}

/// The latency of one endpoint.
#[derive(Clone, Debug)]
pub struct PeakEwma {
    /// Seconds, at the instant beside it; `None` until it is measured.
    latency: Option<(f64, Instant)>,
    /// Share of successes, and when it was last changed.
    successes: f64,
    successes_at: Option<Instant>,
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self { latency: None, successes: 1.0, successes_at: None }
    }
}

impl PeakEwma {
    /// Takes a finished attempt into account; `decay` is the time in which old knowledge loses all but 1/e.
    pub fn observe(&mut self, now: Instant, sample: Sample, decay: Duration) {
        let known = self.latency;
        match sample {
            Sample::Took(took) => {
                self.succeeded(now, 1.0, decay);
                self.latency = Some((merged(known, took.as_secs_f64(), now, decay), now));
            }
            Sample::Failed(took) => {
                self.succeeded(now, 0.0, decay);
                if let Some((latency, _)) = known {
                    self.latency = Some((merged(known, took.as_secs_f64().max(latency), now, decay), now));
                }
            }
            Sample::AtLeast(took) => {
                if let Some((latency, _)) = known.filter(|(latency, _)| took.as_secs_f64() > *latency) {
                    self.latency = Some((took.as_secs_f64().max(latency), now));
                }
            }
        }
    }

    /// The latency as far as it is still known, in seconds.
    pub fn latency(&self, now: Instant, decay: Duration) -> Option<f64> {
        let (latency, at) = self.latency?;
        let age = age(at, now, decay);
        (age < STALE_DECAYS).then(|| latency * (-age).exp())
    }

    /// The share of successes among recent attempts, above 0; fades towards 1 as long as there are none.
    pub fn successes(&self, now: Instant, decay: Duration) -> f64 {
        // Nearly always there is no failure to forget, and then no exponential to compute.
        let Some(at) = self.successes_at.filter(|_| self.successes < 1.0) else { return self.successes };
        (1.0 - (1.0 - self.successes) * (-age(at, now, decay)).exp()).max(SUCCESS_MIN)
    }

    fn succeeded(&mut self, now: Instant, success: f64, decay: Duration) {
        let known = self.successes(now, decay);
        if known >= 1.0 && success >= 1.0 {
            return;
        }
        let next = known + (success - known) * SUCCESS_WEIGHT;
        // Close enough to spare the computation from here on.
        self.successes = if next > 0.999 { 1.0 } else { next };
        self.successes_at = Some(now);
    }
}

/// Decay times that have passed.
fn age(at: Instant, now: Instant, decay: Duration) -> f64 {
    now.saturating_duration_since(at).as_secs_f64() / decay.as_secs_f64().max(1e-3)
}

fn merged(known: Option<(f64, Instant)>, took: f64, now: Instant, decay: Duration) -> f64 {
    match known {
        Some((latency, at)) if took < latency => {
            let kept = (-age(at, now, decay)).exp();
            latency * kept + took * (1.0 - kept)
        }
        // The first, or a peak.
        _ => took,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECAY: Duration = Duration::from_secs(5);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < expected / 100.0, "{value}, not {expected}");
    }

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let now = Instant::now();
        let mut ewma = PeakEwma::default();
        assert_eq!(ewma.latency(now, DECAY), None);
        ewma.observe(now, Sample::Took(ms(10)), DECAY);
        ewma.observe(now, Sample::Took(ms(100)), DECAY);
        close(ewma.latency(now, DECAY).unwrap(), 0.1);
        let later = now + DECAY;
        close(ewma.latency(later, DECAY).unwrap(), 0.1 / std::f64::consts::E);
        ewma.observe(later, Sample::Took(ms(10)), DECAY);
        close(ewma.latency(later, DECAY).unwrap(), 0.010 + 0.090 / std::f64::consts::E);
    }

    #[test]
    fn what_is_old_is_not_known() {
        let now = Instant::now();
        let mut ewma = PeakEwma::default();
        ewma.observe(now, Sample::Took(ms(10)), DECAY);
        assert!(ewma.latency(now + DECAY * 5, DECAY).is_some());
        assert_eq!(ewma.latency(now + DECAY * 6, DECAY), None);
    }

    #[test]
    fn failing_fast_makes_nothing_faster() {
        let now = Instant::now();
        let mut ewma = PeakEwma::default();
        ewma.observe(now, Sample::Took(ms(10)), DECAY);
        for n in 1..=100 {
            ewma.observe(now + ms(n * 100), Sample::Failed(ms(0)), DECAY);
        }
        let then = now + ms(10_000);
        close(ewma.latency(then, DECAY).unwrap(), 0.010);
        assert!(ewma.successes(then, DECAY) <= 0.2);
        let mut unmeasured = PeakEwma::default();
        unmeasured.observe(now, Sample::Failed(ms(0)), DECAY);
        assert_eq!(unmeasured.latency(now, DECAY), None);
        assert!(unmeasured.successes(now, DECAY) < 0.9);
    }

    #[test]
    fn a_bad_share_of_successes_is_forgotten() {
        let now = Instant::now();
        let mut ewma = PeakEwma::default();
        for _ in 0..50 {
            ewma.observe(now, Sample::Failed(ms(1)), DECAY);
        }
        close(ewma.successes(now, DECAY), SUCCESS_MIN);
        assert!(ewma.successes(now + DECAY * 4, DECAY) > 0.95);
        for _ in 0..60 {
            ewma.observe(now, Sample::Took(ms(1)), DECAY);
        }
        assert!(ewma.successes(now, DECAY) >= 1.0);
    }

    #[test]
    fn a_call_given_up_can_only_make_it_slower() {
        let now = Instant::now();
        let mut ewma = PeakEwma::default();
        ewma.observe(now, Sample::Took(ms(10)), DECAY);
        ewma.observe(now, Sample::AtLeast(ms(1)), DECAY);
        close(ewma.latency(now, DECAY).unwrap(), 0.010);
        ewma.observe(now, Sample::AtLeast(ms(500)), DECAY);
        close(ewma.latency(now, DECAY).unwrap(), 0.5);
    }
}
