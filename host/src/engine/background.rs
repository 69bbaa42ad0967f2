//! Threads for work that must not disturb those who serve: compiling.
//!
//! They run when nobody else wants to (`SCHED_IDLE` on Linux), and are interrupted as soon as somebody does; a thread that is
//! only nice keeps its core for milliseconds, and with it whatever is being served. But where all cores are busy, they would
//! never finish. So what gets next to no time is begun anew on threads that are only nice, and whoever is done first wins.
//! That a thread cannot be raised again without privileges is why it is begun anew.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, unix};
use tokio::sync::oneshot;

/// How much less than serving threads nice ones weigh with the operating system's scheduler.
const NICENESS: i32 = 10;

/// The threads. Cheap to clone.
#[derive(Clone)]
pub(super) struct Background {
    idle: Arc<ThreadPool>,
    /// The CPU time that its threads have used.
    used: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Background {
    /// As many threads as there are cores.
    pub(super) fn new() -> Result<Self, ThreadPoolBuildError> {
        let threads = Threads::default();
        let used = Arc::new({
            let threads = threads.clone();
            move || threads.cpu_time()
        });
        let started = move |_| {
            be_idle();
            threads.add_this_one();
        };
        let idle = ThreadPoolBuilder::new().thread_name(|_| "hostel-compile".into()).start_handler(started);
        Ok(Self { idle: Arc::new(idle.build()?), used })
    }

    /// Does something in the background; what that starts in parallel, too. When the threads get less than half a core in
    /// all of `patience`, it is done a second time, less in the background. `None` when it panicked.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Fn() -> R + Send + Sync + 'static,
    ) -> Option<R> {
        let work = Arc::new(work);
        let mut done = spawn(&self.idle, work.clone());
        loop {
            let before = (self.used)();
            if let Ok(done) = tokio::time::timeout(patience, &mut done).await {
                return done.ok();
            }
            if (self.used)().saturating_sub(before) < patience / 2 {
                break;
            }
        }
        let nice = ThreadPoolBuilder::new().thread_name(|_| "hostel-compile".into()).start_handler(|_| be_nice());
        let Ok(nice) = nice.build() else { return done.await.ok() };
        let sooner = spawn(&nice, work);
        tokio::select! {
            done = done => done.ok(),
            done = sooner => done.ok(),
        }
    }
}

fn spawn<R: Send + 'static>(
    pool: &ThreadPool,
    work: Arc<impl Fn() -> R + Send + Sync + 'static>,
) -> oneshot::Receiver<R> {
    let (tx, rx) = oneshot::channel();
    pool.spawn(move || {
        // A panic is noticed by whoever waits; rayon would end the process.
        if let Ok(result) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work())) {
            let _ = tx.send(result);
        }
    });
    rx
}

/// Threads, as the system numbers them.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<Vec<i32>>>);

impl Threads {
    fn add_this_one(&self) {
        let id = rustix::thread::gettid().as_raw_nonzero().get();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    /// What all of them have used so far; nothing where the system does not tell.
    fn cpu_time(&self) -> Duration {
        let threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = threads.iter().filter_map(|thread| {
            // See "schedstat" in the kernel's documentation: the first number is the time on a core, in nanoseconds.
            let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }
}

/// Where the system does not know how, compiling is only less polite.
fn be_idle() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if unix::set_thread_priority_and_policy(unix::thread_native_id(), ThreadPriority::Min, policy).is_err() {
        be_nice();
    }
}

fn be_nice() {
    // On Linux, niceness belongs to the thread.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// The scheduling policy of the calling thread, as the kernel numbers it.
    #[cfg(target_os = "linux")]
    fn policy() -> u32 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        // The 41st field; the rest begins with the third.
        fields.split_whitespace().nth(38).unwrap().parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn work_and_what_it_does_in_parallel_run_when_nobody_else_wants_to() {
        const SCHED_IDLE: u32 = 5;
        let background = Background::new().unwrap();
        let seen = background.run(Duration::from_secs(60), || rayon::join(policy, || rayon::join(policy, policy)));
        assert_eq!(seen.await, Some((SCHED_IDLE, (SCHED_IDLE, SCHED_IDLE))));
        assert_ne!(policy(), SCHED_IDLE);
    }

    #[test]
    fn cpu_time_is_told() {
        let threads = Threads::default();
        threads.add_this_one();
        let before = threads.cpu_time();
        while threads.cpu_time() < before + Duration::from_millis(1) {}
    }

    /// How often work is begun whose first attempt never ends, and which attempt did, when each look finds that its threads have
    /// used so much more CPU time. It is let go after ten looks.
    async fn attempts(patience: Duration, each: Duration) -> (usize, Option<usize>) {
        let (release, stuck) = std::sync::mpsc::channel::<()>();
        let release = Mutex::new(Some(release));
        let looks = AtomicUsize::new(0);
        let used = move || {
            let look = looks.fetch_add(1, Ordering::SeqCst);
            if look == 20 {
                release.lock().unwrap().take();
            }
            each * u32::try_from(look).unwrap()
        };
        let background = Background { used: Arc::new(used), ..Background::new().unwrap() };
        let begun = Arc::new(AtomicUsize::new(0));
        let stuck = Mutex::new(Some(stuck));
        let work = {
            let begun = begun.clone();
            move || {
                let attempt = begun.fetch_add(1, Ordering::SeqCst);
                let stuck = stuck.lock().unwrap().take();
                if let Some(stuck) = stuck {
                    let _ = stuck.recv();
                }
                attempt
            }
        };
        let ended = background.run(patience, work).await;
        (begun.load(Ordering::SeqCst), ended)
    }

    #[tokio::test]
    async fn what_gets_no_time_is_begun_anew_elsewhere() {
        assert_eq!(attempts(Duration::from_millis(4), Duration::from_millis(1)).await, (2, Some(1)));
    }

    /// Twice the work would only take longer.
    #[tokio::test]
    async fn what_merely_takes_long_is_not_begun_anew() {
        assert_eq!(attempts(Duration::from_millis(4), Duration::from_millis(2)).await, (1, Some(0)));
    }

    #[tokio::test]
    async fn a_panic_is_no_answer() {
        let background = Background::new().unwrap();
        let panics = || {
            if std::hint::black_box(true) {
                panic!("as it happens")
            }
        };
        assert_eq!(background.run(Duration::from_secs(60), panics).await, None);
    }
}
