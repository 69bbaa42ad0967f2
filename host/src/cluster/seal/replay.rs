//! Which packets have been seen: per sender a window of counters, as in IPsec (RFC 4303, section 3.4.3).

use std::collections::HashMap;

use crate::cluster::node::NodeId;

/// Counters that a window covers. Reordering within a second stays far below it at gossip's rates.
const WIDTH: u64 = u128::BITS as u64;

/// What to do with an authentic packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    New,
    Seen,
    Clock,
    Full,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    /// The highest counter seen; bit `i` of `seen` is for `highest - i`.
    highest: u64,
    seen: u128,
    /// The latest time in its packets, in seconds since 1970.
    latest_s: u32,
}

/// The windows of all senders.
#[derive(Debug)]
pub struct Replay {
    windows: HashMap<NodeId, Window>,
    skew_s: u64,
    senders_max: usize,
    pruned_s: u32,
}

impl Replay {
    /// `skew_s` is by how many seconds clocks may differ.
    #[must_use]
    pub fn new(skew_s: u64, senders_max: usize) -> Self {
        Self { windows: HashMap::new(), skew_s, senders_max, pruned_s: 0 }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Notes the packet that `sender` counted as `counter` and sent at `sent_s`, both authentic. Times are in seconds
    /// since 1970.
    pub fn admit(&mut self, now_s: u32, sender: NodeId, counter: u64, sent_s: u32) -> Verdict {
        if u64::from(now_s.abs_diff(sent_s)) > self.skew_s {
            return Verdict::Clock;
        }
        if let Some(window) = self.windows.get_mut(&sender) {
            if !window.admit(counter) {
                return Verdict::Seen;
            }
            window.latest_s = window.latest_s.max(sent_s);
            return Verdict::New;
        }
        if self.windows.len() >= self.senders_max {
            self.prune(now_s);
            if self.windows.len() >= self.senders_max {
                return Verdict::Full;
            }
        }
        self.windows.insert(sender, Window { highest: counter, seen: 1, latest_s: sent_s });
        Verdict::New
    }

    /// Forgets senders all of whose packets are refused for their age anyway. At most once a second: it looks at all.
    fn prune(&mut self, now_s: u32) {
        if now_s == self.pruned_s {
            return;
        }
        self.pruned_s = now_s;
        let skew_s = self.skew_s;
        self.windows.retain(|_, window| u64::from(now_s.saturating_sub(window.latest_s)) <= skew_s);
    }
}

impl Window {
    fn admit(&mut self, counter: u64) -> bool {
        if counter > self.highest {
            let ahead = counter - self.highest;
            let shifted = u32::try_from(ahead).ok().and_then(|ahead| self.seen.checked_shl(ahead));
            self.seen = shifted.unwrap_or(0) | 1;
            self.highest = counter;
            return true;
        }
        let behind = self.highest - counter;
        if behind >= WIDTH {
            // It may have been seen.
            return false;
        }
        let bit = 1_u128 << behind;
        if self.seen & bit != 0 {
            return false;
        }
        self.seen |= bit;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const A: NodeId = NodeId::from_u128(1);

    proptest! {
        #[test]
        fn nothing_is_admitted_twice_and_what_is_recent_is_admitted_once(
            counters in prop::collection::vec(0..400_u64, 1..300),
        ) {
            let mut replay = Replay::new(60, 10);
            let (mut seen, mut highest) = (HashSet::new(), 0);
            for counter in counters {
                let new = replay.admit(1_000, A, counter, 1_000) == Verdict::New;
                if counter + WIDTH > highest || seen.is_empty() {
                    prop_assert_eq!(new, !seen.contains(&counter));
                } else {
                    prop_assert!(!new);
                }
                seen.insert(counter);
                highest = highest.max(counter);
            }
        }
    }

    #[test]
    fn a_window_is_forgotten_only_when_time_refuses_its_packets() {
        let mut replay = Replay::new(60, 2);
        assert_eq!(replay.admit(1_000, A, 7, 1_000), Verdict::New);
        assert_eq!(replay.admit(1_000, NodeId::from_u128(2), 1, 1_050), Verdict::New);
        assert_eq!(replay.admit(1_060, NodeId::from_u128(3), 1, 1_060), Verdict::Full);
        assert_eq!(replay.admit(1_060, A, 7, 1_000), Verdict::Seen);
        assert_eq!(replay.admit(1_061, NodeId::from_u128(3), 1, 1_061), Verdict::New);
        assert_eq!(replay.len(), 2);
        assert_eq!(replay.admit(1_061, A, 7, 1_000), Verdict::Clock);
        assert_eq!(replay.admit(1_000, A, 8, 1_061), Verdict::Clock);
    }

    #[test]
    fn jumps_of_any_width_are_taken() {
        let mut replay = Replay::new(60, 2);
        for counter in [0, 1, 128, 256 + 128, u64::MAX] {
            assert_eq!(replay.admit(1, A, counter, 1), Verdict::New, "{counter}");
            assert_eq!(replay.admit(1, A, counter, 1), Verdict::Seen, "{counter}");
        }
    }
}
