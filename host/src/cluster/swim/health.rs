//! A node's opinion of its own health, after [Lifeguard](https://arxiv.org/abs/1707.00788).
//!
//! A node that is slow, deaf or was stopped sees everybody else fail. What it then believes says more about itself: so
//! the worse it thinks of itself, the longer it waits for answers, and the later it condemns. Evidence against itself:
//! probes of *different* members fail one after the other; its timers run late; others suspect it.

use crate::cluster::node::NodeId;

/// The worst score.
const WORST: u32 = 4;

#[derive(Debug, Default)]
pub(in crate::cluster) struct Health {
    score: u32,
    failed: Option<NodeId>,
}

impl Health {
    /// 0 is well.
    pub(in crate::cluster) fn score(&self) -> u32 {
        self.score
    }

    /// By what to multiply time-outs of probes.
    pub(in crate::cluster) fn factor(&self) -> u32 {
        self.score + 1
    }

    pub(in crate::cluster) fn worsen(&mut self) {
        self.score = (self.score + 1).min(WORST);
    }

    /// A probe of `failed` got no answer at all, or, if it is `None`, a probe succeeded.
    pub(in crate::cluster) fn probed(&mut self, failed: Option<NodeId>) {
        match failed {
            None => self.score = self.score.saturating_sub(1),
            // The same one again says nothing new: with two nodes, there is nobody else to probe.
            Some(_) if self.failed.is_none() || self.failed == failed => {}
            Some(_) => self.worsen(),
        }
        self.failed = failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dead_member_is_its_own_fault_and_many_are_mine() {
        let (a, b) = (Some(NodeId::from_u128(1)), Some(NodeId::from_u128(2)));
        let mut health = Health::default();
        for failed in [a, a, None, a, None, None, a, a] {
            health.probed(failed);
            assert_eq!(health.score(), 0);
        }
        for failed in [b, a, b, a, b, a] {
            health.probed(failed);
        }
        assert_eq!(health.score(), WORST);
        assert_eq!(health.factor(), WORST + 1);
        for _ in 0..WORST {
            health.probed(None);
        }
        assert_eq!(health.score(), 0);
    }
}
