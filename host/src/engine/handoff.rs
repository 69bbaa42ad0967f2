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

mod batch;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_task::{Builder, Runnable, ScheduleInfo, WithInfo};
use tokio::runtime::Handle;

use batch::Batch;

/// How long a thread runs instances before it looks at what else there is to do, the last turn not counted. Calls back and
/// forth would otherwise keep a connection's task on the thread for as long as they go on.
const RUN_MAX: Duration = Duration::from_micros(250);

/// After so many batches of one call each, instances run at once instead; until so many have.
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
    /// How many batches there have been lately with one call in them.
    alone: Cell<u8>,
    /// What this thread hands calls to.
    batch: RefCell<Option<Batch>>,
    ready: RefCell<VecDeque<Runnable>>,
}

impl Here {
    /// Whether a batch would very likely have one call in it, and so only cost time. Asked now and then, the answer is
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

/// A batch is on its way, with so many calls.
fn batch_ends(instances: VecDeque<Runnable>, calls: usize) {
    HERE.with(|here| here.alone.set(if calls == 1 { here.alone.get().saturating_add(1) } else { 0 }));
    run(instances);
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

/// What is to be run because a call was handed over. Dropped, it goes to the runtime.
pub(super) struct Handed {
    /// The instance, when nobody else will see to it.
    instance: Option<Runnable>,
    /// Another call of this thread's had made the instance ready before, and it has not run since.
    joined: bool,
}

impl Handed {
    /// Runs the instance before anything else.
    pub(super) fn run_now(mut self) {
        if let Some(runnable) = self.instance.take() {
            run(VecDeque::from([runnable]));
        }
    }

    /// Has the instance run as soon as whatever else is ready on this thread has handed over its calls too.
    pub(super) fn run(mut self) {
        let Some(runnable) = self.instance.take() else {
            if self.joined {
                HERE.with(|here| here.batch.borrow().iter().for_each(Batch::join));
            }
            return;
        };
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
            *open = Some(Batch::start(runnable));
        });
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        if let Some(runnable) = self.instance.take() {
            runnable.schedule();
        }
    }
}

/// Does what hands a call to an instance, which is to be run by the caller. Inside of another instance there is nothing to
/// run: whoever runs that one will see to it.
pub(super) fn hand_over<R>(submit: impl FnOnce() -> R) -> (R, Handed) {
    if HERE.with(|here| !here.serves.get() || here.collects.get()) {
        return (submit(), Handed { instance: None, joined: false });
    }
    let collecting = Collecting::begin();
    let submitted = submit();
    let instance = HERE.with(|here| here.ready.borrow_mut().pop_front());
    drop(collecting);
    let joined = instance.is_none();
    (submitted, Handed { instance, joined })
}

#[cfg(test)]
mod tests;
