//! When requests are sent.

use std::time::{Duration, Instant};

/// What decides about the next request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// A closed loop: each connection sends the next one when the last was answered.
    Full,
    /// An open loop: so many per second come whether or not those before were answered, at random moments as from
    /// many clients that know nothing of each other.
    PerSecond(f64),
}

/// The moments at which the requests of one thread come: a Poisson process.
pub(crate) struct Schedule {
    next: Instant,
    mean: Duration,
    random: Random,
}

impl Schedule {
    /// `None` for a closed loop. The threads share the rate.
    pub(crate) fn of(pace: Pace, threads: usize, thread: usize) -> Option<Self> {
        match pace {
            Pace::Full => None,
            Pace::PerSecond(rate) => {
                let mean = Duration::from_secs_f64(threads as f64 / rate.max(0.001));
                Some(Self { next: Instant::now(), mean, random: Random::new(thread) })
            }
        }
    }

    /// The moment of the next request, when that has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Instant> {
        let next = self.next;
        if next > now {
            return None;
        }
        self.next += self.mean.mul_f64(-self.random.part().ln());
        Some(next)
    }

    /// How long until the next request.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.next.saturating_duration_since(now)
    }
}

/// Random enough for a load, and the same in each run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Xorshift, with a multiplication for its low bits.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Above 0, up to 1.
    fn part(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_come_as_were_asked_for() {
        let mut schedule = Schedule::of(Pace::PerSecond(10_000.0), 2, 0).unwrap();
        let end = schedule.next + Duration::from_secs(10);
        let count = std::iter::from_fn(|| schedule.due(end)).count();
        assert!((49_000..51_000).contains(&count), "{count}");
        assert!(schedule.wait(end) > Duration::ZERO);
    }

    #[test]
    fn all_are_chosen_alike() {
        let mut random = Random::new(3);
        let mut counts = [0; 7];
        for _ in 0..7000 {
            counts[random.below(7)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
