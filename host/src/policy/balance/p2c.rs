//! The power of two choices: of two endpoints drawn at random, the one that is less loaded.
//!
//! The draw is by weight, so that with nothing to do, endpoints get calls in proportion to their weights. The first
//! drawn gives way only when the second is clearly cheaper: small differences are noise, and would otherwise send all
//! calls to one endpoint of an idle service. The calls under way count in proportion to an endpoint's share.
//!
//! Source: M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001.

use rand::Rng;

/// By how much the second must be cheaper: less than the step from one call under way to two, more than noise.
const CLEARLY: f64 = 1.25;

/// How loaded an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Recent latency in seconds, when it is known.
    pub latency: Option<f64>,
    /// Recent share of successes, above 0, at most 1.
    pub successes: f64,
    /// Calls under way.
    pub in_flight: u32,
    /// Its weight over the mean weight.
    pub share: f64,
}

impl Load {
    fn cost(&self, latency: f64) -> f64 {
        // Squared, because a failure costs its callers another attempt, and has the endpoint look idle as well.
        latency * (1.0 + f64::from(self.in_flight) / self.share) / (self.successes * self.successes)
    }
}

/// Whether the call should go to the endpoint drawn second. Latencies below `latency_min` seconds count as that. One
/// whose latency is not known is taken to be as fast as the other.
pub fn second_is_better(first: &Load, second: &Load, latency_min: f64) -> bool {
    let of = |own: Option<f64>, other: Option<f64>| own.or(other).unwrap_or(latency_min).max(latency_min);
    let first_cost = first.cost(of(first.latency, second.latency));
    let second_cost = second.cost(of(second.latency, first.latency));
    second_cost * CLEARLY < first_cost
}

/// Weights, summed up so that one can be drawn.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// At each place the sum of all weights up to and including it.
    sums: Vec<u64>,
}

impl Weights {
    /// Of these weights.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let sums = weights.into_iter().scan(0u64, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    /// A place, as often as its weight is a part of the whole; `None` when there is no weight.
    pub fn draw(&self, rng: &mut (impl Rng + ?Sized)) -> Option<usize> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let drawn = rng.random_range(0..total);
        Some(self.sums.partition_point(|sum| *sum <= drawn))
    }

    /// The sum of all.
    pub fn total(&self) -> u64 {
        self.sums.last().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    const IDLE: Load = Load { latency: Some(0.01), successes: 1.0, in_flight: 0, share: 1.0 };
    const MIN: f64 = 0.001;

    #[test]
    fn the_clearly_cheaper_one_wins() {
        let busy = Load { in_flight: 1, ..IDLE };
        let slow = Load { latency: Some(0.1), ..IDLE };
        let failing = Load { successes: 0.5, ..IDLE };
        for worse in [busy, slow, failing] {
            assert!(second_is_better(&worse, &IDLE, MIN), "{worse:?}");
            assert!(!second_is_better(&IDLE, &worse, MIN), "{worse:?}");
        }
        let noise = Load { latency: Some(0.012), ..IDLE };
        assert!(!second_is_better(&noise, &IDLE, MIN));
        let fast = Load { latency: Some(0.000_02), ..IDLE };
        let faster = Load { latency: Some(0.000_001), ..IDLE };
        assert!(!second_is_better(&fast, &faster, MIN));
    }

    #[test]
    fn a_fresh_endpoint_is_as_fast_as_the_other_and_no_faster() {
        let fresh = Load { latency: None, ..IDLE };
        assert!(!second_is_better(&IDLE, &fresh, MIN));
        assert!(!second_is_better(&fresh, &IDLE, MIN));
        assert!(second_is_better(&Load { in_flight: 3, ..fresh }, &Load { in_flight: 1, ..IDLE }, MIN));
    }

    #[test]
    fn calls_under_way_count_by_share() {
        let large = Load { in_flight: 8, share: 4.0, ..IDLE };
        let small = Load { in_flight: 2, share: 1.0, ..IDLE };
        assert!(!second_is_better(&large, &small, MIN) && !second_is_better(&small, &large, MIN));
    }

    #[test]
    fn draws_follow_the_weights() {
        let weights = Weights::new([1, 0, 3]);
        let mut rng = SmallRng::seed_from_u64(1);
        let mut drawn = [0u32; 3];
        for _ in 0..4_000 {
            drawn[weights.draw(&mut rng).unwrap()] += 1;
        }
        assert_eq!(drawn[1], 0);
        assert!((900..1_100).contains(&drawn[0]), "{drawn:?}");
        assert_eq!(Weights::new([0, 0]).draw(&mut rng), None);
        assert_eq!(Weights::default().draw(&mut rng), None);
    }
}
