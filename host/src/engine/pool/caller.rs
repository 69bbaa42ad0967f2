//! The caller's side of a pool.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use http_body::Body as _;
use tokio::sync::oneshot;

use super::super::blueprint::{Blueprint, Door, Entry};
use super::super::handoff::{Handed, hand_over};
use super::super::inflight::Inflight;
use super::super::job::{Answer, Job};
use super::super::worker::Message;
use super::super::{Core, Error, WorkerId};
use super::{Phase, Shared};
use crate::call::{CallContext, CallError, ErrorKind, Request, Side, WithGuard};
use crate::observe::metrics::ServiceMetrics;

mod gate;
mod limited;

use gate::Gate;
use limited::{BodyLimit, Limited};

/// The instances of one version.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    gate: Arc<Gate>,
}

impl Pool {
    pub(in super::super) fn new(core: Arc<Core>, blueprint: Blueprint, metrics: Arc<ServiceMetrics>) -> Self {
        let shared = Shared::new(core.clone(), blueprint, metrics);
        core.add_pool(&shared);
        Self { shared, gate: Arc::default() }
    }

    /// How calls get in.
    pub fn door(&self) -> Door {
        self.shared.blueprint.door()
    }

    /// Starts one instance, to see whether that works.
    ///
    /// # Errors
    ///
    /// When the instance cannot be started within `timeout`.
    pub async fn warm_up(&self, timeout: Duration) -> Result<(), Error> {
        {
            let mut desk = self.shared.desk();
            if desk.workers.is_empty() {
                let permit = self.shared.core.instance_permit().ok_or(Error::TooManyInstances)?;
                // It registers by itself when it is up.
                self.shared.spawn_with(&mut desk, permit);
            }
        }
        self.started_since(WorkerId(0), timeout).await
    }

    /// Waits until an instance is up that is not older than `first`.
    async fn started_since(&self, first: WorkerId, timeout: Duration) -> Result<(), Error> {
        let mut starts = self.shared.starts.subscribe();
        let waiting = async {
            loop {
                let last = self.shared.desk().last_start.clone();
                if let Some((_, outcome)) = last.filter(|(id, _)| id.0 >= first.0) {
                    return outcome.map_err(Error::Start);
                }
                if starts.changed().await.is_err() {
                    return Err(Error::StartTimeout(timeout));
                }
            }
        };
        tokio::time::timeout(timeout, waiting).await.map_err(|_| Error::StartTimeout(timeout))?
    }

    /// Has instances made of other code for the same module. Those there are get no more calls, once one of the new code is
    /// up. Returns false when the pool is closed.
    ///
    /// # Errors
    ///
    /// When that one does not start within `timeout`; the old code stays.
    pub(in super::super) async fn renew(&self, entry: Arc<Entry>, timeout: Duration) -> Result<bool, Error> {
        let old = self.shared.blueprint.replace(entry);
        let fresh = {
            let mut desk = self.shared.desk();
            let limits = self.shared.blueprint.limits();
            let in_use = !desk.workers.is_empty() && desk.workers.len() < limits.instances_max;
            let permit = in_use.then(|| self.shared.core.instance_permit()).flatten();
            permit.and_then(|permit| self.shared.spawn_with(&mut desk, permit))
        };
        if let Some(fresh) = fresh
            && let Err(error) = self.started_since(fresh, timeout).await
        {
            self.shared.blueprint.replace(old);
            return Err(error);
        }
        let mut desk = self.shared.desk();
        // Where there was no room for another one, whoever calls next waits for it.
        desk.outdated_before = fresh.map_or(desk.next_id, |fresh| fresh.0);
        let desk = &mut *desk;
        let outdated = |id: &WorkerId| id.0 < desk.outdated_before;
        for id in desk.idle.iter().chain(desk.spare.iter().map(|(id, _)| id)).filter(|id| outdated(id)) {
            if let Some(inbox) = desk.workers.get(id) {
                let _ = inbox.send(Message::Close);
            }
        }
        desk.idle.retain(|id| !outdated(id));
        desk.spare.retain(|(id, _)| !outdated(id));
        if desk.workers.is_empty() {
            // Loading it has brought it into memory.
            self.shared.blueprint.release_code();
        }
        Ok(desk.phase == Phase::Open)
    }

    /// Whether it takes no more calls.
    pub(in super::super) fn is_closed(&self) -> bool {
        self.shared.desk().phase == Phase::Closed
    }

    /// Enters the pool for one call. As long as the lease lives, the pool is not closed; `None` when it has been: then
    /// there is a newer version, or none.
    pub fn enter(&self) -> Option<Lease> {
        self.gate.enter().then(|| Lease { pool: self.clone() })
    }

    fn limit_body(&self, request: Request) -> Result<(Request, Option<BodyLimit>), CallError> {
        let Some(max) = self.shared.blueprint.limits().body_bytes_max else { return Ok((request, None)) };
        if request.body().size_hint().lower() > max {
            return Err(limited::body_too_large(max));
        }
        if !request.body().is_stream() {
            return Ok((request, None));
        }
        let limit = BodyLimit::new(max);
        let request = request.map(|body| body.map_stream(|body| Limited::new(body, limit.clone())));
        Ok((request, Some(limit)))
    }

    /// Waits until no call is in flight, then takes no more. Returns whether that came about; dropping the future
    /// leaves the pool open.
    pub async fn drain(&self) {
        self.gate.close_when_empty().await;
        self.stop_workers();
    }

    fn stop_workers(&self) {
        let mut desk = self.shared.desk();
        desk.phase = Phase::Closed;
        desk.idle.clear();
        desk.spare.clear();
        desk.filling.clear();
        for inbox in desk.workers.values() {
            let _ = inbox.send(Message::Close);
        }
        let waiting = std::mem::take(&mut desk.queue);
        drop(desk);
        for (job, _) in waiting {
            let _ = job.reply.send(Err(CallError::unavailable("the service is being stopped")));
        }
    }

    /// Ends all instances now, whatever they are doing.
    pub fn kill(&self) {
        self.gate.close();
        self.shared.killed.store(true, Ordering::Release);
        self.stop_workers();
    }

    /// What the pool is doing.
    pub fn snapshot(&self) -> PoolSnapshot {
        let desk = self.shared.desk();
        PoolSnapshot {
            instances: desk.workers.len(),
            idle: desk.idle.len(),
            in_flight: self.gate.entered(),
            queued: desk.queue.len(),
        }
    }
}

/// A pool at one moment.
#[derive(Clone, Copy, Debug)]
pub struct PoolSnapshot {
    /// Instances there are.
    pub instances: usize,
    /// Of these, without a call.
    pub idle: usize,
    /// Calls whose callers wait for the response or are reading it.
    pub in_flight: usize,
    /// Calls that wait for an instance.
    pub queued: usize,
}

/// A place for one call in a pool.
pub struct Lease {
    pool: Pool,
}

impl Lease {
    /// Has an instance handle a call. The call is on its way when this returns.
    ///
    /// # Errors
    ///
    /// When there is no room, or the instance fails. The deadline is the caller's business: dropping the future
    /// cancels the call.
    pub fn call(self, request: Request, context: CallContext) -> BoxFuture<'static, Answer> {
        // Boxed, because every layer above would carry it twice: before it is awaited and while it is.
        match self.send(request, context) {
            Ok(sent) => Box::pin(sent.answer()),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn send(self, request: Request, context: CallContext) -> Result<Sent, CallError> {
        let shared = self.pool.shared.clone();
        let (request, body_limit) = self.pool.limit_body(request)?;
        let call = Arc::new(Inflight::new(context));
        let guard = CallGuard { lease: self, call: call.clone() };
        let (reply, answer) = oneshot::channel();
        let (queued, handed) = hand_over(|| shared.submit(Box::new(Job { request, call, reply })));
        Ok(Sent { guard, answer, queued: queued?, handed, body_limit })
    }
}

/// A call that an instance has, or that waits for one.
struct Sent {
    guard: CallGuard,
    answer: oneshot::Receiver<Answer>,
    queued: bool,
    handed: Handed,
    body_limit: Option<BodyLimit>,
}

impl Sent {
    async fn answer(self) -> Answer {
        let Self { guard, mut answer, queued, handed, body_limit } = self;
        let share = guard.lease.pool.shared.blueprint.share();
        if share.goes_first() {
            handed.run_now()
        } else {
            handed.run()
        }
        let received = if queued {
            let shared = &guard.lease.pool.shared;
            match tokio::time::timeout(shared.blueprint.limits().queue_wait, &mut answer).await {
                Ok(received) => received,
                Err(_) if shared.take_back(&guard.call) => {
                    shared.metrics.queue_rejected();
                    return Err(CallError::unavailable("the service had no room for the call in time"));
                }
                Err(_) => answer.await,
            }
        } else {
            answer.await
        };
        let response = received
            .map_err(|_| CallError::new(ErrorKind::Internal, Side::Host, "the instance went away without a word"))?;
        // Whatever the guest made of a body that was cut off, the caller has to know why.
        if let Some(error) = body_limit.and_then(|limit| limit.exceeded()) {
            return Err(error);
        }
        let response = response?;
        if !response.body().is_stream() {
            guard.finish();
            return Ok(response);
        }
        Ok(response.map(|body| body.map_stream(|body| WithGuard::new(body, guard, CallGuard::finish))))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.gate.leave();
    }
}

/// Lives as long as the caller is interested: from the call to the end of the response's body.
struct CallGuard {
    lease: Lease,
    call: Arc<Inflight>,
}

impl CallGuard {
    /// The caller has got everything.
    fn finish(self) {
        self.call.finish();
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        if !self.call.is_finished() {
            self.lease.pool.shared.take_back(&self.call);
            self.call.abandon();
        }
    }
}
