//! The pause before a retry: random from nothing up to a limit that doubles, so that those who failed together do not
//! come back together.
//!
//! Source: M. Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015: "full jitter".

use std::time::Duration;

use rand::Rng;

use crate::policy::settings::RetrySettings;

/// The pause after `made` retries.
pub(super) fn pause(made: u32, settings: &RetrySettings, rng: &mut (impl Rng + ?Sized)) -> Duration {
    let most_ms = settings.backoff_ms.saturating_mul(1 << made.min(16)).min(settings.backoff_ms_max);
    Duration::from_micros(rng.random_range(0..=most_ms.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn pauses_fill_the_whole_range_and_the_range_doubles_up_to_its_limit() {
        let settings = RetrySettings { backoff_ms: 20, backoff_ms_max: 100, ..RetrySettings::default() };
        let mut rng = SmallRng::seed_from_u64(7);
        for (made, most_ms) in [(0, 20), (1, 40), (2, 80), (3, 100), (64, 100)] {
            let most = Duration::from_millis(most_ms);
            let pauses: Vec<Duration> = (0..1_000).map(|_| pause(made, &settings, &mut rng)).collect();
            assert!(pauses.iter().all(|pause| *pause <= most));
            assert!(pauses.iter().any(|pause| *pause < most / 10), "from nothing");
            assert!(pauses.iter().any(|pause| *pause > most * 9 / 10), "up to the limit");
        }
        let none = RetrySettings { backoff_ms: 0, ..settings };
        assert_eq!(pause(1, &none, &mut rng), Duration::ZERO);
    }
}
