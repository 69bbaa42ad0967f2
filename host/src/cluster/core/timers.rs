//! What is to be done when.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::cluster::node::NodeId;
use crate::cluster::swim::Identity;

#[derive(Clone, Debug)]
pub(super) enum Task {
    /// foca's own, and how often it has been put off.
    Swim(foca::Timer<Identity>, u32),
    /// Look for members: those that are down, seeds that are none, anybody if nobody is known.
    Seek,
    /// Exchange state with somebody.
    Exchange,
    /// Look whether an exchange is urgent.
    Check,
    /// Drop what is old.
    Expire,
    /// Ask a node that is said to be unreachable, since the time given, for a sign of life.
    Nudge(NodeId, Duration),
    /// Tell others once more that this node leaves.
    Farewell(u32),
    /// The announcement that this node drains has had its time: leave.
    Leave,
}

#[derive(Debug)]
struct Due {
    at: Duration,
    order: u64,
    task: Task,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Tasks in the order in which they are due; those due at once, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    order: u64,
}

impl Timers {
    pub(super) fn push(&mut self, at: Duration, task: Task) {
        self.order += 1;
        self.heap.push(Reverse(Due { at, order: self.order, task }));
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    pub(super) fn pop(&mut self, now: Duration) -> Option<Task> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due.task)
    }

    /// Puts everything off by `by`.
    pub(super) fn shift(&mut self, by: Duration) {
        let shifted =
            std::mem::take(&mut self.heap).into_iter().map(|Reverse(due)| Reverse(Due { at: due.at + by, ..due }));
        self.heap = shifted.collect();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}
