//! The instances of one version, and the short queue in front of them.
//!
//! A call goes to an instance that has nothing to do; else to a new one, while there are few; else to one that has room beside
//! the calls it is waiting with; else to a new one, up to the limit; else it waits, for a bounded time in a bounded queue. The
//! most recently used instance is taken first, so that the others can idle out.
//!
//! Where calls are brief, few instances do better than many, whose memory is not in the cache: before all that, a call goes
//! to the instance that the same thread has just handed one and that has not run since, or to one that waits and has room.

mod backoff;
mod caller;
mod desk;
mod filling;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use super::blueprint::Blueprint;
use super::handoff;
use super::inflight::Inflight;
use super::job::Job;
use super::worker::{self, Ended, Message, Retired};
use super::{Cause, Core, WorkerId};
use crate::call::CallError;
use crate::observe::limiter::{Admit, LineLimiter};
use crate::observe::metrics::{EndReason, ServiceMetrics};

pub use caller::{Lease, Pool, PoolSnapshot};
use desk::{Desk, Phase};

/// Lines about failed instances that a version gets in the log.
const FAILURE_LINES_PER_S: u32 = 10;

/// What room an instance has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// It has no calls.
    Idle,
    /// It waits with the calls it has, and could take so many more.
    Spare(usize),
}

/// What the pool's callers and workers share.
pub(super) struct Shared {
    me: Weak<Shared>,
    core: Arc<Core>,
    blueprint: Blueprint,
    /// Up to this many instances are started before calls are put together on one.
    spread: usize,
    desk: Mutex<Desk>,
    killed: AtomicBool,
    metrics: Arc<ServiceMetrics>,
    /// A service that fails at every call must not drown the log.
    failure_lines: LineLimiter,
    /// Wakes whoever waits for an instance to have started, or failed to.
    starts: watch::Sender<u64>,
}

impl Shared {
    fn new(core: Arc<Core>, blueprint: Blueprint, metrics: Arc<ServiceMetrics>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            spread: core.threads * 2,
            core,
            blueprint,
            desk: Mutex::default(),
            killed: AtomicBool::new(false),
            metrics,
            failure_lines: LineLimiter::new(FAILURE_LINES_PER_S, FAILURE_LINES_PER_S, std::time::Instant::now()),
            starts: watch::Sender::new(0),
        })
    }

    pub(super) fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    pub(super) fn engine(&self) -> &wasmtime::Engine {
        &self.core.wasmtime
    }

    /// Places for instances of heavy services; see `share`.
    pub(super) fn heavy_places(&self) -> Arc<Semaphore> {
        self.core.shares.places()
    }

    pub(super) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call in. Returns whether it has to wait.
    fn submit(&self, job: Box<Job>) -> Result<bool, CallError> {
        let mut desk = self.desk();
        if desk.phase == Phase::Closed {
            return Err(CallError::unavailable("this version of the service has been replaced"));
        }
        desk.queue.push_back((job, Instant::now()));
        self.pump(&mut desk);
        let waiting = desk.queue.len();
        if waiting == 0 {
            return Ok(false);
        }
        // Calls for which there is room wait only until an instance is ready for them; the queue is what is beyond.
        // Whoever is last in it is the one that came last.
        let limits = self.blueprint.limits();
        let places = limits.calls_max.min(limits.instances_max.saturating_mul(self.blueprint.concurrency()));
        if desk.running + waiting > places + limits.queue_len_max {
            desk.queue.pop_back();
            drop(desk);
            self.metrics.queue_rejected();
            return Err(CallError::unavailable("the service is at its limit of calls in progress"));
        }
        Ok(true)
    }

    /// Takes a call out of the queue again. Returns whether it was still there.
    fn take_back(&self, call: &Arc<Inflight>) -> bool {
        let mut desk = self.desk();
        let before = desk.queue.len();
        desk.queue.retain(|(job, _)| !Arc::ptr_eq(&job.call, call));
        desk.queue.len() < before
    }

    /// Hands out as many waiting calls as there is room for.
    fn pump(&self, desk: &mut Desk) {
        let limits = self.blueprint.limits();
        while !desk.queue.is_empty() && desk.running < limits.calls_max {
            let together = self.puts_together();
            let worker = if together && let Some(id) = desk.filling.next() {
                id
            } else if together && let Some((id, room)) = desk.spare.pop() {
                desk.filling.begin(id, room.saturating_sub(1));
                id
            } else if let Some(id) = desk.idle.pop() {
                if together {
                    desk.filling.begin(id, self.blueprint.concurrency().saturating_sub(1));
                }
                id
            } else if desk.workers.len() < self.spread.min(limits.instances_max)
                && let Some(id) = self.spawn(desk)
            {
                id
            } else if let Some((id, _)) = desk.spare.pop() {
                id
            } else if desk.workers.len() < limits.instances_max
                && let Some(id) = self.spawn(desk)
            {
                id
            } else {
                break;
            };
            let Some((job, _)) = desk.queue.pop_front() else { break };
            let Some(inbox) = desk.workers.get(&worker) else {
                desk.filling.end(worker);
                desk.queue.push_front((job, Instant::now()));
                continue;
            };
            match inbox.send(Message::Call(job)) {
                Ok(()) => desk.running += 1,
                // The worker is on its way out; it was not in a list, or is not any more.
                Err(mpsc::error::SendError(Message::Call(job))) => {
                    desk.filling.end(worker);
                    desk.queue.push_front((job, Instant::now()));
                }
                Err(_) => {}
            }
        }
    }

    /// Whether calls that come together are handed to few instances.
    fn puts_together(&self) -> bool {
        self.blueprint.limits().reuse_max.is_none() && self.blueprint.share().is_brief()
    }

    fn spawn(&self, desk: &mut Desk) -> Option<WorkerId> {
        if let Some(at) = desk.backoff.until(Instant::now()) {
            if desk.backoff.arm() {
                let me = self.me.clone();
                self.core.runtime.spawn(async move {
                    tokio::time::sleep_until(at).await;
                    let Some(me) = me.upgrade() else { return };
                    let mut desk = me.desk();
                    desk.backoff.disarm();
                    me.pump(&mut desk);
                });
            }
            return None;
        }
        if let Some(permit) = self.core.instance_permit() {
            return self.spawn_with(desk, permit);
        }
        if !desk.waiting_for_permit && desk.workers.is_empty() {
            // Nobody of our own will come by, so somebody has to wait for others to give an instance back.
            desk.waiting_for_permit = true;
            let me = self.me.clone();
            let permits = self.core.instances.clone();
            tokio::spawn(async move {
                let Ok(permit) = permits.acquire_owned().await else { return };
                let Some(me) = me.upgrade() else { return };
                let mut desk = me.desk();
                desk.waiting_for_permit = false;
                if !desk.queue.is_empty()
                    && desk.phase == Phase::Open
                    && let Some(id) = me.spawn_with(&mut desk, permit)
                {
                    desk.idle.push(id);
                    me.pump(&mut desk);
                }
            });
        }
        None
    }

    fn spawn_with(&self, desk: &mut Desk, permit: OwnedSemaphorePermit) -> Option<WorkerId> {
        let me = self.me.upgrade()?;
        let id = WorkerId(desk.next_id);
        desk.next_id += 1;
        let (outbox, inbox) = mpsc::unbounded_channel();
        desk.workers.insert(id, outbox);
        handoff::spawn(&self.core.runtime, worker::run(me, id, inbox, permit));
        Some(id)
    }

    /// A worker says what room it has. Returns whether the pool agrees: it does not when it has just handed over a
    /// call, or told the worker to close.
    pub(super) fn register(&self, id: WorkerId, before: Option<Availability>, now: Option<Availability>) -> bool {
        let mut desk = self.desk();
        if before.is_some_and(|before| !desk.withdraw(id, before)) {
            return false;
        }
        if (desk.phase == Phase::Closed || id.0 < desk.outdated_before) && now.is_some() {
            if let Some(inbox) = desk.workers.get(&id) {
                let _ = inbox.send(Message::Close);
            }
            return false;
        }
        match now {
            Some(Availability::Idle) => desk.idle.push(id),
            Some(Availability::Spare(room)) => desk.spare.push((id, room)),
            None => return true,
        }
        self.pump(&mut desk);
        true
    }

    /// An instance is up.
    pub(super) fn started(&self, id: WorkerId, took: Duration) {
        self.metrics.instance_started(took);
        self.desk().last_start = Some((id, Ok(())));
        self.starts.send_modify(|count| *count += 1);
    }

    /// An instance begins to take what it was handed.
    pub(super) fn runs(&self, id: WorkerId) {
        self.desk().filling.end(id);
    }

    /// An instance is done with a call.
    pub(super) fn call_ended(&self) {
        let mut desk = self.desk();
        desk.backoff.succeeded();
        desk.running = desk.running.saturating_sub(1);
        self.pump(&mut desk);
    }

    /// A worker is gone. `unserved` are calls it had not begun.
    pub(super) fn left(&self, id: WorkerId, ended: &Ended, unserved: Vec<Job>) {
        let guest = self.blueprint.guest();
        match ended {
            Ok(why) => self.metrics.instance_ended(why.end_reason()),
            Err(failure) => {
                self.metrics.instance_ended(end_reason(failure.cause));
                let unsaid = match self.failure_lines.admit(std::time::Instant::now()) {
                    Admit::No => None,
                    Admit::Yes => Some(0),
                    Admit::YesAfterDropping(lines) => Some(lines),
                };
                if let Some(unsaid) = unsaid {
                    tracing::warn!(
                        service = %guest.service, version = %guest.version,
                        cause = failure.cause.as_str(), detail = failure.detail(), unsaid,
                        "an instance failed"
                    );
                }
            }
        }
        let mut rejected = Vec::new();
        let unused;
        {
            let mut desk = self.desk();
            desk.workers.remove(&id);
            unused = desk.workers.is_empty() && matches!(ended, Ok(Retired::Idle | Retired::Closed));
            desk.filling.end(id);
            desk.idle.retain(|other| *other != id);
            desk.spare.retain(|(other, _)| *other != id);
            if ended.is_err() {
                desk.backoff.failed(Instant::now());
            }
            if let Err(failure) = ended
                && failure.cause == Cause::Start
            {
                desk.last_start = Some((id, Err(failure.clone())));
                // Were they tried again, a module that cannot start would spin.
                desk.running = desk.running.saturating_sub(unserved.len());
                rejected = unserved.into_iter().map(|job| (job, failure.to_call_error())).collect();
            } else {
                for job in unserved.into_iter().rev() {
                    desk.running = desk.running.saturating_sub(1);
                    desk.queue.push_front((Box::new(job), Instant::now()));
                }
            }
            self.pump(&mut desk);
        }
        if unused {
            self.blueprint.release_code();
        }
        for (job, error) in rejected {
            let _ = job.reply.send(Err(error));
        }
        self.starts.send_modify(|count| *count += 1);
    }

    /// The calls that were on a failed instance count no more.
    pub(super) fn calls_lost(&self, count: usize) {
        let mut desk = self.desk();
        desk.running = desk.running.saturating_sub(count);
        self.pump(&mut desk);
    }

    /// Gives back one idle instance, for somebody who has none. Returns whether there was one.
    pub(super) fn give_back_one(&self) -> bool {
        let Ok(mut desk) = self.desk.try_lock() else { return false };
        if desk.idle.is_empty() {
            return false;
        }
        let id = desk.idle.remove(0);
        desk.workers.get(&id).is_some_and(|inbox| inbox.send(Message::Close).is_ok())
    }
}

fn end_reason(cause: Cause) -> EndReason {
    match cause {
        Cause::Trap => EndReason::Trap,
        Cause::Cpu => EndReason::Cpu,
        Cause::Memory => EndReason::Memory,
        Cause::Start => EndReason::Start,
    }
}
