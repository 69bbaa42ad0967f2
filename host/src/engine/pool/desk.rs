//! The state of a pool: who has room, and who waits.

use std::collections::{HashMap, VecDeque};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::WorkerId;
use super::super::failure::Failure;
use super::super::job::Job;
use super::super::worker::Message;
use super::Availability;
use super::backoff::Backoff;
use super::filling::Filling;

/// Whether the pool still takes calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Open,
    Closed,
}

/// What is known of workers and of calls that wait for one.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) phase: Phase,
    pub(super) workers: HashMap<WorkerId, mpsc::UnboundedSender<Message>>,
    pub(super) idle: Vec<WorkerId>,
    /// With how many calls more they take.
    pub(super) spare: Vec<(WorkerId, usize)>,
    pub(super) filling: Filling,
    pub(super) queue: VecDeque<(Box<Job>, Instant)>,
    /// Calls that instances have.
    pub(super) running: usize,
    pub(super) next_id: u64,
    /// Workers before this one were made of code that has been replaced: they are not handed calls any more.
    pub(super) outdated_before: u64,
    /// A task waits until the host may have one more instance.
    pub(super) waiting_for_permit: bool,
    pub(super) backoff: Backoff,
    /// The latest instance to start, or not to, for whoever probes.
    pub(super) last_start: Option<(WorkerId, Result<(), Failure>)>,
}

impl Desk {
    /// Takes a worker out of a list. Returns whether it was there.
    pub(super) fn withdraw(&mut self, id: WorkerId, before: Availability) -> bool {
        let in_idle = self.idle.iter().position(|other| *other == id);
        let in_spare = self.spare.iter().position(|(other, _)| *other == id);
        match (before, in_idle, in_spare) {
            (Availability::Idle, Some(at), _) => drop(self.idle.remove(at)),
            (Availability::Spare(_), _, Some(at)) => drop(self.spare.remove(at)),
            _ => return false,
        }
        true
    }
}
