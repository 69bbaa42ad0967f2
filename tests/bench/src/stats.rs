//! Medians, and how far single rounds are from them.

use serde::Serialize;

/// What several rounds say of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` when there are no values.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let median = match values.len() % 2 {
            0 => f64::midpoint(*values.get(middle - 1)?, upper),
            _ => upper,
        };
        Some(Self { median, min, max })
    }

    /// The larger distance from the median, as a part of it.
    pub(crate) fn deviation(&self) -> f64 {
        if self.median == 0.0 {
            return 0.0;
        }
        ((self.max - self.median).max(self.median - self.min) / self.median).abs()
    }
}

/// The latencies of one measurement, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Latency {
    /// From each request's time in nanoseconds. `None` when there were none.
    pub(crate) fn of(mut nanos: Vec<u32>) -> Option<Self> {
        nanos.sort_unstable();
        let mean = nanos.iter().copied().map(f64::from).sum::<f64>() / nanos.len() as f64;
        // The smallest value that so many thousandths of all do not exceed.
        let at = |thousandths: usize| {
            let rank = (nanos.len() * thousandths).div_ceil(1000);
            nanos.get(rank.saturating_sub(1)).map(|&n| f64::from(n) / 1e3)
        };
        Some(Self { p50: at(500)?, p99: at(990)?, p999: at(999)?, mean: mean / 1e3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
        assert!((spread.deviation() - 0.6).abs() < 1e-9);
        assert_eq!(Spread::of([7.0]).unwrap().deviation(), 0.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let latency = Latency::of((1..=1000).rev().map(|n| n * 1000).collect()).unwrap();
        assert_eq!((latency.p50, latency.p99, latency.p999), (500.0, 990.0, 999.0));
        assert_eq!(latency.mean, 500.5);
        let one = Latency::of(vec![5000]).unwrap();
        assert_eq!((one.p50, one.p999), (5.0, 5.0));
        assert!(Latency::of(Vec::new()).is_none());
    }
}
