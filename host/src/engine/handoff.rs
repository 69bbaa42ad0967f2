//! Where and when an instance runs: on the thread that hands it a call, soon after.
//!
//! A call from service to service is over in microseconds. Were each instance a task of the runtime's, the runtime would
//! queue it for every call and every answer, and wake a second thread to take it over: on two cores a call would cost twice
//! what it does on one. So an instance that becomes ready while another runs on the same thread, its callee or its caller,
//! runs next on that thread.
//!
//! A connection that hands over a call lets other connections that are ready do so first. Then their instances run one after
//! the other: a call through two services touches about a megabyte of code and data, and what stays in the cache from one to
//! the next makes the difference of a factor of two. Where there is only one connection with something to do, that would only
//! cost time, and the instance runs at once; as it does for a service that uses little when others make it wait.
//!
//! An instance that would go on computing has had its turn, and goes to the runtime's queue, where others can take it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_task::{Builder, Runnable, ScheduleInfo, WithInfo};
use tokio::runtime::Handle;

/// How long a thread runs instances before it looks at what else there is to do, the last turn not counted. Calls back and
/// forth would otherwise keep a connection's task on the thread for as long as they go on.
const RUN_MAX: Duration = Duration::from_micros(250);

/// After so many batches of one instance each, instances run at once instead; until so many have.
const ALONE_MIN: u8 = 2;
const ALONE_MAX: u8 = 10;

thread_local! {
    static HERE: Here = const {
        Here {
            serves: Cell::new(false),
            collects: Cell::new(false),
            gives_way: Cell::new(false),
            alone: Cell::new(0),
            batch: RefCell::new(None),
            ready: RefCell::new(VecDeque::new()),
        }
    };
}

/// What a thread knows.
struct Here {
    /// Guests may run on it.
    serves: Cell<bool>,
    /// Somebody further up the stack will run what becomes ready.
    collects: Cell<bool>,
    /// What runs right now would go on computing, and is to be continued by the runtime.
    gives_way: Cell<bool>,
    /// How many batches there have been lately with one instance in them.
    alone: Cell<u8>,
    /// What this thread hands calls to.
    batch: RefCell<Option<Batch>>,
    ready: RefCell<VecDeque<Runnable>>,
}

impl Here {
    /// Whether a batch would very likely have one instance in it, and so only cost time. Asked now and then, the answer is
    /// no, to see whether that has changed.
    fn is_alone(&self) -> bool {
        let alone = self.alone.get();
        if alone < ALONE_MIN {
            return false;
        }
        self.alone.set(if alone < ALONE_MAX { alone + 1 } else { ALONE_MIN - 1 });
        alone < ALONE_MAX
    }
}

/// Tells that guests may run on the calling thread.
pub fn serve_on_this_thread() {
    HERE.with(|here| here.serves.set(true));
}

/// The instance that runs on this thread has had its turn: what it wakes itself for is not for now.
pub(super) fn give_way() {
    HERE.with(|here| here.gives_way.set(true));
}

/// Runs a task of an instance; on `runtime`, unless it is ready because of what a serving thread is doing.
pub(super) fn spawn(runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    let runtime = runtime.clone();
    let schedule = WithInfo(move |runnable, info: ScheduleInfo| place(&runtime, runnable, info));
    // Without tokio's budget: a turn is bounded by the slices that guests get.
    let task = tokio::task::coop::unconstrained(task);
    let (runnable, handle) = Builder::new().propagate_panic(true).spawn(|()| task, schedule);
    handle.detach();
    runnable.schedule();
}

fn place(runtime: &Handle, runnable: Runnable, info: ScheduleInfo) {
    let here = HERE.with(|here| here.collects.get() && !(info.woken_while_running && here.gives_way.take()));
    if here {
        HERE.with(|here| here.ready.borrow_mut().push_back(runnable));
    } else {
        runtime.spawn(async move { run(VecDeque::from([runnable])) });
    }
}

/// Runs instances, and those that become ready by that.
fn run(instances: VecDeque<Runnable>) {
    debug_assert!(HERE.with(|here| !here.collects.get()), "an instance must not run inside another");
    let collecting = Collecting::begin();
    let began = Instant::now();
    HERE.with(|here| *here.ready.borrow_mut() = instances);
    while let Some(next) = HERE.with(|here| here.ready.borrow_mut().pop_front()) {
        turn(next);
        if began.elapsed() > RUN_MAX {
            break;
        }
    }
    drop(collecting);
}

fn turn(runnable: Runnable) {
    HERE.with(|here| here.gives_way.set(false));
    runnable.run();
}

/// As long as it lives, what becomes ready on this thread is collected; what is left in the end goes to the runtime.
struct Collecting;

impl Collecting {
    fn begin() -> Self {
        HERE.with(|here| here.collects.set(true));
        Self
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        HERE.with(|here| {
            here.collects.set(false);
            for left in std::mem::take(&mut *here.ready.borrow_mut()) {
                left.schedule();
            }
        });
    }
}

/// An instance that has been handed a call and not been run yet. Dropped, it goes to the runtime.
pub(super) struct Handed(Option<Runnable>);

impl Handed {
    /// Runs the instance before anything else.
    pub(super) fn run_now(mut self) {
        if let Some(runnable) = self.0.take() {
            run(VecDeque::from([runnable]));
        }
    }

    /// Has the instance run as soon as whatever else is ready on this thread has handed over its calls too.
    pub(super) fn run(mut self) {
        let Some(runnable) = self.0.take() else { return };
        if HERE.with(Here::is_alone) {
            return run(VecDeque::from([runnable]));
        }
        HERE.with(|here| {
            let mut open = here.batch.borrow_mut();
            let left = match open.as_ref() {
                Some(batch) => batch.add(runnable),
                None => Err(runnable),
            };
            let Err(runnable) = left else { return };
            let batch = Batch::default();
            let _ = batch.add(runnable);
            tokio::spawn(batch.clone().run());
            *open = Some(batch);
        });
    }
}

/// Instances that were handed calls by one thread, one call after the other, and are run one after the other. What they
/// have in common, code above all, then stays in the processor's cache from one to the next.
#[derive(Clone, Default)]
struct Batch(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    instances: VecDeque<Runnable>,
    closed: bool,
}

impl Batch {
    /// Gives it back when the batch is on its way.
    fn add(&self, runnable: Runnable) -> Result<(), Runnable> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return Err(runnable);
        }
        state.instances.push_back(runnable);
        Ok(())
    }

    async fn run(self) {
        // Behind all tasks that are ready now.
        tokio::task::yield_now().await;
        let instances = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.closed = true;
            std::mem::take(&mut state.instances)
        };
        HERE.with(|here| here.alone.set(if instances.len() == 1 { here.alone.get().saturating_add(1) } else { 0 }));
        run(instances);
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(runnable) = self.0.take() {
            runnable.schedule();
        }
    }
}

/// Does what hands a call to an instance, which is to be run by the caller. Inside of another instance there is nothing to
/// run: whoever runs that one will see to it.
pub(super) fn hand_over<R>(submit: impl FnOnce() -> R) -> (R, Handed) {
    if HERE.with(|here| !here.serves.get() || here.collects.get()) {
        return (submit(), Handed(None));
    }
    let collecting = Collecting::begin();
    let submitted = submit();
    let handed = HERE.with(|here| here.ready.borrow_mut().pop_front());
    drop(collecting);
    (submitted, Handed(handed))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{self, ThreadId};
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    type Ping = oneshot::Sender<ThreadId>;

    /// Something that answers with the thread it runs on.
    fn answerer(runtime: &Handle) -> mpsc::UnboundedSender<Ping> {
        let (inbox, mut pings) = mpsc::unbounded_channel::<Ping>();
        spawn(runtime, async move {
            while let Some(ping) = pings.recv().await {
                let _ = ping.send(thread::current().id());
            }
        });
        inbox
    }

    async fn ask(inbox: &mpsc::UnboundedSender<Ping>) -> ThreadId {
        let (ping, pong) = oneshot::channel();
        let ((), handed) = hand_over(|| inbox.send(ping).unwrap());
        handed.run();
        pong.await.unwrap()
    }

    fn serving_runtime(threads: usize) -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads).enable_all().on_thread_start(serve_on_this_thread).build().unwrap()
    }

    #[test]
    fn what_is_handed_over_together_runs_together() {
        let runtime = serving_runtime(1);
        let (order, mut seen) = mpsc::unbounded_channel();
        let asking = runtime.spawn(async move {
            let tasks: Vec<_> = (0..10)
                .map(|number| {
                    let order = order.clone();
                    tokio::spawn(async move {
                        let inbox = answerer(&Handle::current());
                        ask(&inbox).await;
                        let (ping, pong) = oneshot::channel();
                        let ((), handed) = hand_over(|| inbox.send(ping).unwrap());
                        handed.run();
                        order.send(format!("asked {number}")).unwrap();
                        pong.await.unwrap();
                        order.send(format!("answered {number}")).unwrap();
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        runtime.block_on(asking).unwrap();
        let mut lines = Vec::new();
        while let Ok(line) = seen.try_recv() {
            lines.push(line);
        }
        let turns =
            lines.windows(2).filter(|pair| pair[0].starts_with("asked") != pair[1].starts_with("asked")).count();
        assert!(turns < 10, "asked and answered one by one: {lines:?}");
    }

    #[test]
    fn a_task_that_calls_another_is_answered_and_nothing_runs_inside_another() {
        let runtime = serving_runtime(2);
        static INSIDE: AtomicUsize = AtomicUsize::new(0);
        let callee = answerer(runtime.handle());
        let (inbox, mut pings) = mpsc::unbounded_channel::<Ping>();
        spawn(runtime.handle(), async move {
            while let Some(ping) = pings.recv().await {
                assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "run while it was running");
                let asked = ask(&callee);
                INSIDE.fetch_sub(1, Ordering::SeqCst);
                let _ = ping.send(asked.await);
            }
        });
        let asking = runtime.spawn(async move {
            for _ in 0..1000 {
                ask(&inbox).await;
            }
        });
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), asking).await }).unwrap().unwrap();
    }

    #[test]
    fn threads_that_do_not_serve_run_nothing() {
        let runtime = serving_runtime(2);
        let inbox = answerer(runtime.handle());
        let there = futures::executor::block_on(ask(&inbox));
        assert_ne!(there, thread::current().id());
    }

    #[test]
    fn what_was_handed_over_and_dropped_runs_all_the_same() {
        let runtime = serving_runtime(2);
        let inbox = answerer(runtime.handle());
        let asking = runtime.spawn(async move {
            ask(&inbox).await;
            let (ping, pong) = oneshot::channel();
            drop(hand_over(|| inbox.send(ping).unwrap()));
            pong.await.unwrap()
        });
        runtime.block_on(asking).unwrap();
    }

    #[test]
    fn a_panic_ends_the_task_and_nothing_else() {
        let runtime = serving_runtime(2);
        let dropped = Arc::new(());
        let (inbox, mut pings) = mpsc::unbounded_channel::<Ping>();
        let held = dropped.clone();
        spawn(runtime.handle(), async move {
            let _held = held;
            let _ping = pings.recv().await;
            panic!("a panic was asked for");
        });
        let other = answerer(runtime.handle());
        let asking = runtime.spawn(async move {
            let (ping, pong) = oneshot::channel();
            let ((), handed) = hand_over(|| inbox.send(ping).unwrap());
            handed.run();
            assert!(pong.await.is_err());
            ask(&other).await;
        });
        runtime.block_on(asking).unwrap();
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}
