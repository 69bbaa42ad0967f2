//! The simulated network: what gets lost, and how long the rest takes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rand10::RngExt;
use rand10::rngs::SmallRng;

/// What a link does to packets. Shares are from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    pub loss: f64,
    pub duplicated: f64,
    /// Each packet takes at least this long, and at most `delay_max`: so they overtake each other.
    pub delay_min: Duration,
    pub delay_max: Duration,
}

impl Default for Link {
    /// A local network: 0.2 to 2 ms, no loss.
    fn default() -> Self {
        let (delay_min, delay_max) = (Duration::from_micros(200), Duration::from_millis(2));
        Self { loss: 0.0, duplicated: 0.0, delay_min, delay_max }
    }
}

/// Who reaches whom, and how.
#[derive(Debug)]
pub struct Network {
    link: Link,
    rng: SmallRng,
    cut: HashSet<(usize, usize)>,
    groups: HashMap<usize, usize>,
    slow: HashMap<usize, Duration>,
}

impl Network {
    pub(super) fn new(link: Link, rng: SmallRng) -> Self {
        Self { link, rng, cut: HashSet::new(), groups: HashMap::new(), slow: HashMap::new() }
    }

    pub fn set_link(&mut self, link: Link) {
        self.link = link;
    }

    /// Nothing gets from `from` to `to` any more. The other direction is not touched.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// The nodes in `group` and those outside of it no longer reach each other.
    pub fn part(&mut self, group: &[usize]) {
        let number = self.groups.values().copied().max().unwrap_or(0) + 1;
        self.groups.extend(group.iter().map(|node| (*node, number)));
    }

    /// What goes to or from `node` takes this much longer.
    pub fn slow(&mut self, node: usize, by: Duration) {
        self.slow.insert(node, by);
    }

    /// Everybody reaches everybody again, and nobody is slow.
    pub fn heal(&mut self) {
        self.cut.clear();
        self.groups.clear();
        self.slow.clear();
    }

    /// Whether anything gets from `from` to `to`.
    #[must_use]
    pub fn passes(&self, from: usize, to: usize) -> bool {
        let group = |node| self.groups.get(&node).copied().unwrap_or(0);
        group(from) == group(to) && !self.cut.contains(&(from, to))
    }

    /// How long something takes.
    pub(super) fn delay(&mut self, from: usize, to: usize) -> Duration {
        let slow = |node| self.slow.get(&node).copied().unwrap_or_default();
        let slow = slow(from) + slow(to);
        self.rng.random_range(self.link.delay_min..=self.link.delay_max) + slow
    }

    /// When the copies of a packet arrive, if any do.
    pub(super) fn deliveries(&mut self, from: usize, to: usize) -> Vec<Duration> {
        let mut deliveries = Vec::new();
        if !self.passes(from, to) {
            return deliveries;
        }
        let copies = if self.rng.random_bool(self.link.duplicated) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.rng.random_bool(self.link.loss) {
                deliveries.push(self.delay(from, to));
            }
        }
        deliveries
    }
}
