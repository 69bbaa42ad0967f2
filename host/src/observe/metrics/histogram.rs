//! A histogram of durations that is written without a lock; the one of prometheus-client takes one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

use super::striped::Striped;

/// Upper bounds, in nanoseconds: 100 µs to 10 s.
const BOUNDS_NS: [u64; 14] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

#[derive(Debug, Default)]
pub(super) struct Histogram(Striped<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Counts of the bounds at the same place, and at last of what is above them.
    buckets: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, elapsed: Duration) {
        let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.iter().position(|bound| ns <= *bound).unwrap_or(BOUNDS_NS.len());
        if let Some(counts) = self.0.mine()
            && let Some(count) = counts.0.buckets.get(bucket)
        {
            count.fetch_add(1, Ordering::Relaxed);
            counts.0.sum_ns.fetch_add(ns, Ordering::Relaxed);
        }
    }

    /// The sum may be some observations ahead of or behind the counts; the counts agree with each other.
    pub(super) fn encode(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = BOUNDS_NS.iter().map(|ns| seconds(*ns)).chain([f64::INFINITY]);
        let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
        let mut sum_ns = 0;
        for counts in self.0.all() {
            for ((_, total), count) in buckets.iter_mut().zip(&counts.buckets) {
                *total += count.load(Ordering::Relaxed);
            }
            sum_ns += counts.sum_ns.load(Ordering::Relaxed);
        }
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(seconds(sum_ns), count, &buckets, None)
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
