//! A new endpoint gets its share bit by bit: its caches are cold and its code may not be compiled yet.

use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use crate::policy::settings::BalanceSettings;

/// Whether an endpoint that has been there since `since` takes the call it was drawn for. One that is new refuses some,
/// so that its share grows linearly to the whole.
pub fn accepts(since: Instant, now: Instant, settings: &BalanceSettings, rng: &mut (impl Rng + ?Sized)) -> bool {
    let part = part(since, now, settings);
    part >= 1.0 || rng.random::<f64>() < part
}

fn part(since: Instant, now: Instant, settings: &BalanceSettings) -> f64 {
    let age = now.saturating_duration_since(since);
    let whole = Duration::from_millis(settings.slow_start_ms);
    if age >= whole {
        return 1.0;
    }
    (age.as_secs_f64() / whole.as_secs_f64()).max(f64::from(settings.slow_start_percent) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_to_the_whole() {
        let settings = BalanceSettings { slow_start_ms: 10_000, slow_start_percent: 10, ..BalanceSettings::default() };
        let since = Instant::now();
        for (ms, expected) in [(0, 0.1), (500, 0.1), (2_500, 0.25), (9_000, 0.9), (10_000, 1.0), (99_000, 1.0)] {
            let part = part(since, since + Duration::from_millis(ms), &settings);
            assert!((part - expected).abs() < 1e-9, "{ms}: {part}");
        }
        let off = BalanceSettings { slow_start_ms: 0, ..settings };
        assert!(part(since, since, &off) >= 1.0);
    }
}
