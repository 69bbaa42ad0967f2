//! The task that owns an instance: it stays inside the store's event loop and is handed calls.
//!
//! A store's event loop can be held up by a guest that computes or by a host function that blocks it, and then nothing
//! inside of it is polled. So everything that must happen in time, idling out, giving up on a guest that does not let
//! go of an abandoned call, being told to stop, is done from outside, around the poll of the loop.

mod timer;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::sync::PollSemaphore;
use wasmtime::component::Accessor;
use wasmtime::{AsContextMut, Store};

use super::blueprint::{Handler, Instance};
use super::failure::{Cause, Failure};
use super::handoff;
use super::job::{Job, Ledger};
use super::pool::{Availability, Shared};
use super::serve::{End, serve};
use super::wakeups::Wakeups;
use super::{State, WorkerId};
use crate::observe::metrics::EndReason;

use timer::Timer;

/// How long a guest may go on with a call that nobody waits for before its instance is replaced.
const ABANDONED_GRACE: Duration = Duration::from_millis(250);

/// Instances with more linear memory than this are taken apart off the serving threads.
const LARGE_BYTES_MIN: usize = 8 * 1024 * 1024;

/// What the pool tells a worker.
pub(super) enum Message {
    Call(Box<Job>),
    /// Take no more calls, end when those in progress have ended; at once when the pool is killed.
    Close,
}

/// Why a worker ended, when nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retired {
    Idle,
    Reused,
    Abandoned,
    Closed,
}

impl Retired {
    pub(super) fn end_reason(self) -> EndReason {
        match self {
            Self::Idle => EndReason::Idle,
            Self::Reused => EndReason::Reuse,
            Self::Abandoned => EndReason::Abandoned,
            Self::Closed => EndReason::Retired,
        }
    }
}

/// How a worker ended.
pub(super) type Ended = Result<Retired, Failure>;

/// Runs an instance until it has no more use. `first` is a call it is started for.
pub(super) async fn run(
    shared: Arc<Shared>,
    id: WorkerId,
    mut inbox: mpsc::UnboundedReceiver<Message>,
    permit: OwnedSemaphorePermit,
) {
    let mut permit = Some(permit);
    // Declared early, so that it is dropped last: whatever happens, the pool learns that the worker is gone.
    let leave = Leave { shared: shared.clone(), id, told: false };
    let starting = std::time::Instant::now();
    let ended = match shared.blueprint().start(shared.engine()).await {
        Err(error) => Err(Failure::of(Cause::Start, &error)),
        Ok(instance) => {
            shared.started(id, starting.elapsed());
            let mut worker = Worker { shared: &shared, id, ledger: Ledger::default() };
            let (ended, store) = worker.run(instance, &mut inbox).await;
            drop(worker);
            if store.data().limiter.memory_bytes() > LARGE_BYTES_MIN {
                // Giving back that much memory takes the kernel milliseconds, which no serving thread has.
                let permit = permit.take();
                tokio::task::spawn_blocking(move || drop((store, permit)));
            }
            ended
        }
    };
    inbox.close();
    let mut unserved: Vec<Job> = Vec::new();
    while let Ok(message) = inbox.try_recv() {
        if let Message::Call(job) = message {
            unserved.push(*job);
        }
    }
    drop(permit);
    leave.tell(&ended, unserved);
}

/// Tells the pool that the worker is gone, even when the host has a bug that makes it panic.
struct Leave {
    shared: Arc<Shared>,
    id: WorkerId,
    told: bool,
}

impl Leave {
    fn tell(mut self, ended: &Ended, unserved: Vec<Job>) {
        self.told = true;
        self.shared.left(self.id, ended, unserved);
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if !self.told {
            let failure = Failure::new(Cause::Trap, "the host's worker panicked");
            self.shared.left(self.id, &Err(failure), Vec::new());
        }
    }
}

struct Worker<'a> {
    shared: &'a Arc<Shared>,
    id: WorkerId,
    ledger: Ledger,
}

/// What the inside of the event loop tells the outside.
#[derive(Clone, Copy, Default)]
struct Status {
    /// Calls taken so far.
    served: u64,
    /// Calls taken and calls ended so far.
    moved: u64,
    in_flight: usize,
    /// Whether the guest could take another call.
    accepting: bool,
    /// Since when the guest has been working on a call that nobody waits for.
    abandoned_since: Option<Instant>,
    closing: bool,
    /// What the pool believes; `None` while a message may be on its way.
    registered: Option<Availability>,
}

/// The status, shared by the two sides of one task: the lock is never contended.
#[derive(Default)]
struct StatusCell(Mutex<Status>);

impl StatusCell {
    fn get(&self) -> Status {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<R>(&self, f: impl FnOnce(&mut Status) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Worker<'_> {
    async fn run(&mut self, instance: Instance, inbox: &mut mpsc::UnboundedReceiver<Message>) -> (Ended, Store<State>) {
        let Instance { mut store, handler, stopwatch, output } = instance;
        let status = StatusCell::default();
        let result = {
            let wakeups = Arc::<Wakeups>::default();
            let inside =
                async |accessor: &Accessor<State>| self.inside(accessor, &handler, &status, &wakeups, inbox).await;
            let mut inside = pin!(store.run_concurrent(inside));
            let mut timer = Timer::default();
            let mut places = PollSemaphore::new(self.shared.heavy_places());
            let mut queued = false;
            poll_fn(|cx| {
                let share = self.shared.blueprint().share();
                let began = std::time::Instant::now();
                let mut place = None;
                if share.needs_place(began) {
                    // Fair, so that heavy instances take turns. Nobody closes the semaphore.
                    match places.poll_acquire(cx) {
                        Poll::Ready(taken) => (place, queued) = (taken, false),
                        Poll::Pending => {
                            queued = true;
                            return self.outside(cx, &status, true, &mut timer).map(Ok);
                        }
                    }
                } else if std::mem::take(&mut queued) {
                    // Out of the queue, or a place would be kept for whoever does not come.
                    places = PollSemaphore::new(self.shared.heavy_places());
                }
                stopwatch.start(began);
                let moved = status.get().moved;
                let polled = wakeups.poll(cx.waker(), |cx| inside.as_mut().poll(cx));
                let now = std::time::Instant::now();
                share.ran(now.saturating_duration_since(began), status.get().moved - moved, now);
                drop(place);
                match polled {
                    Poll::Ready(result) => Poll::Ready(result.and_then(|ended| ended)),
                    Poll::Pending => {
                        let computing = stopwatch.has_yielded();
                        if computing {
                            handoff::give_way();
                        }
                        self.outside(cx, &status, computing, &mut timer).map(Ok)
                    }
                }
            })
            .await
        };
        let ended = match result {
            Ok(retired) => Ok(retired),
            // Guests commonly panic when whoever they write to goes away. Nobody was harmed, and it is not their fault.
            Err(_) if self.is_abandoned(&status) && !store.data().meter.exhausted() => Ok(Retired::Abandoned),
            Err(error) => {
                let cause = if store.data().meter.exhausted() {
                    Cause::Cpu
                } else if store.data().limiter.refused() {
                    Cause::Memory
                } else {
                    Cause::Trap
                };
                Err(Failure::of(cause, &error))
            }
        };
        let lost = match &ended {
            Err(failure) => self.ledger.fail(failure),
            // What is still open here is being killed.
            Ok(_) => self.ledger.fail(&Failure::new(Cause::Trap, "the instance was stopped")),
        };
        self.shared.calls_lost(lost);
        for output in &output {
            output.flush();
        }
        (ended, store)
    }

    /// Whether the guest was working only on calls that nobody waits for.
    fn is_abandoned(&self, status: &StatusCell) -> bool {
        match self.ledger.waiting() {
            (0, 0) => status.get().abandoned_since.is_some(),
            (0, _) => true,
            _ => false,
        }
    }

    /// The inside of the event loop: takes calls and runs them.
    async fn inside(
        &self,
        accessor: &Accessor<State>,
        handler: &Handler,
        status: &StatusCell,
        wakeups: &Wakeups,
        inbox: &mut mpsc::UnboundedReceiver<Message>,
    ) -> wasmtime::Result<Retired> {
        let blueprint = self.shared.blueprint();
        let concurrency = blueprint.concurrency();
        let reuse_max = blueprint.limits().reuse_max.unwrap_or(u64::MAX);
        let func = handler.func();
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| {
            // The loop looks at its host functions after this, so nothing is overlooked.
            wakeups.forget();
            loop {
                match running.poll_next_unpin(cx) {
                    Poll::Ready(Some(Ok(end))) => {
                        status.update(|status| {
                            status.moved += 1;
                            if end == End::Abandoned {
                                status.abandoned_since.get_or_insert_with(Instant::now);
                            }
                        });
                        self.shared.call_ended();
                        continue;
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) | Poll::Pending => {}
                }
                match inbox.poll_recv(cx) {
                    Poll::Ready(Some(Message::Call(job))) => {
                        let first = status.update(|status| {
                            status.served += 1;
                            status.moved += 1;
                            status.registered.take().is_some()
                        });
                        if first {
                            self.shared.runs(self.id);
                        }
                        running.push(serve(accessor, handler, &self.ledger, *job));
                        continue;
                    }
                    Poll::Ready(Some(Message::Close)) => {
                        status.update(|status| {
                            status.registered = None;
                            status.closing = true;
                        });
                        // Until it is pending, the next message wakes nobody: and that may be the one that kills.
                        continue;
                    }
                    Poll::Ready(None) | Poll::Pending => {}
                }
                let mut now = status.get();
                now.in_flight = running.len();
                let quiet = running.is_empty() && accessor.poll_no_interesting_tasks(cx).is_ready();
                if quiet && now.abandoned_since.take().is_some() {
                    // The guest has let go of it after all.
                    accessor.with(|mut store| store.as_context_mut().data_mut().forget_calls());
                }
                let used_up = now.served >= reuse_max;
                if quiet && (now.closing || used_up) {
                    return Poll::Ready(Ok(if used_up { Retired::Reused } else { Retired::Closed }));
                }
                now.accepting = !now.closing
                    && !used_up
                    && now.abandoned_since.is_none()
                    && running.len() < concurrency
                    && accessor.poll_ready_for_concurrent_call(func, cx).is_ready();
                status.update(|status| *status = now);
                return Poll::Pending;
            }
        })
        .await
    }

    /// The event loop has nothing to do right now, or is held up.
    fn outside(&self, cx: &mut Context<'_>, status: &StatusCell, computing: bool, timer: &mut Timer) -> Poll<Retired> {
        if self.shared.is_killed() {
            return Poll::Ready(Retired::Closed);
        }
        let now = status.get();
        // A guest that holds up the loop, blocked in a host function or computing, hides from the inside that nobody
        // waits for any of its calls.
        if matches!(self.ledger.waiting(), (0, 1..)) {
            let since = *timer.stuck_since.get_or_insert_with(Instant::now);
            return timer.poll(cx, since + ABANDONED_GRACE).map(|()| Retired::Abandoned);
        }
        timer.stuck_since = None;
        if let Some(since) = now.abandoned_since
            && now.in_flight == 0
        {
            return timer.poll(cx, since + ABANDONED_GRACE).map(|()| Retired::Abandoned);
        }
        let blueprint = self.shared.blueprint();
        let availability = match (now.accepting, now.in_flight) {
            (false, _) => None,
            // Another call would have to wait until the guest is done computing.
            _ if computing => None,
            (true, 0) => Some(Availability::Idle),
            (true, calls) => Some(Availability::Spare(blueprint.concurrency().saturating_sub(calls))),
        };
        // How much room it has is told when it comes to have some; that it has more by now is not worth telling.
        let news = availability.map(|now| std::mem::discriminant(&now))
            != now.registered.map(|before| std::mem::discriminant(&before));
        if news {
            if availability == Some(Availability::Idle) {
                timer.restart();
            }
            // The pool may hand over a call before this returns; then the message says so.
            status.update(|status| status.registered = availability);
            if !self.shared.register(self.id, now.registered, availability) {
                status.update(|status| status.registered = None);
            }
        }
        let idle_max = blueprint.limits().idle;
        let leftover = now.served > 0 && now.in_flight == 0 && !now.accepting && !computing;
        if leftover {
            // Used up or told to close, but the guest still does something in the background.
            return timer.poll_after(cx, ABANDONED_GRACE).map(|()| Retired::Closed);
        }
        if availability == Some(Availability::Idle)
            && timer.poll_after(cx, idle_max).is_ready()
            && self.shared.register(self.id, Some(Availability::Idle), None)
        {
            return Poll::Ready(Retired::Idle);
        }
        Poll::Pending
    }
}
