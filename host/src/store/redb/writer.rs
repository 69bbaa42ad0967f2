//! The one writer: a thread that turns queued batches into commits.
//!
//! A commit costs a flush of the disk, milliseconds, however much it holds. So the writer takes all that queued up
//! during the last commit, applies it in one transaction, commits once, and then answers everyone. Nobody is answered
//! earlier, not even a batch that was refused: it may have been refused for what another batch of the same, as yet
//! undecided transaction wrote.
//!
//! Writers that write again as soon as they have their answer would fall into two camps, each waiting for the commit
//! of the other. So a group that could become larger lingers a little for those who were answered last: with 64 such
//! writers that is one commit for all of them instead of two. A lone writer never waits.
//!
//! When the storage fails, redb refuses all further work on that handle. The writer then opens the database anew, and
//! learns from the sequence number it finds whether an interrupted commit took place. Opening after a failure may mean
//! reading the whole file, so the writer rests after it, for a multiple of what it took, and answers what comes
//! meanwhile with the failure it knows.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ::redb::WriteTransaction;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::file::{Opener, panic_cause};
use super::schema::{Fault, begin};
use super::shared::{Counters, Shared, Slot};
use super::view::Tables;
use crate::store::plan::plan;
use crate::store::{Cause, Error, Namespace, Op, Outcome, Quota, Usage};

/// At most this part of the time goes into opening the database again: one in `REST_FACTOR` + 1.
const REST_FACTOR: u32 = 10;
/// Longest rest, and so the longest time that writes fail after the cause has gone.
const REST_MS_MAX: u64 = 10_000;
/// How often opening is tried again while it fails.
const REOPEN_MS: u64 = 100;

/// A group lingers for those who just got their answer at most this fraction of the last commit.
const LINGER_PART: u32 = 8;

/// What the writer is sent. The channel itself has no bound; the permits in a [`Job`] are the bound.
pub(super) enum Message {
    Job(Job),
    /// A read failed: see whether the database still works.
    Check,
}

/// A batch on its way.
pub(super) struct Job {
    pub(super) namespace: Namespace,
    pub(super) batch: Vec<Op>,
    pub(super) quota: Quota,
    pub(super) reply: oneshot::Sender<Result<Outcome, Error>>,
    /// Its place in the queue, by number and by size.
    pub(super) permits: [OwnedSemaphorePermit; 2],
}

impl Job {
    fn answer(self, answer: Result<Outcome, Error>) {
        // First, so that whoever has its answer finds its place free.
        drop(self.permits);
        // Nobody listening any more is not our concern: the batch is applied.
        let _ = self.reply.send(answer);
    }
}

type Answers = Vec<Result<Outcome, Error>>;

/// Why a whole group failed.
enum Failure {
    /// Nothing was written.
    Before(Error),
    /// The commit failed; whether it took place shows when the sequence is read again.
    Commit { error: Error, sequence: u64 },
}

struct Rest {
    until: Instant,
    error: Error,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    opener: Opener,
    queue: Receiver<Message>,
    /// The permits of the queue, to see how many wait.
    places: Arc<Semaphore>,
    places_max: usize,
    group_len_max: usize,
    sequence: u64,
    /// How many batches the next group may hope for, and how long it hopes.
    expected: usize,
    linger: Duration,
    rest: Option<Rest>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        opener: Opener,
        queue: Receiver<Message>,
        places: Arc<Semaphore>,
        group_len_max: usize,
        sequence: u64,
    ) -> Self {
        Self {
            shared,
            opener,
            queue,
            places_max: places.available_permits(),
            places,
            group_len_max,
            sequence,
            expected: 0,
            linger: Duration::ZERO,
            rest: None,
        }
    }

    /// Works until every sender is gone and the queue is empty, closes the database, lets go of `held`, and says so.
    pub(super) fn run<T>(mut self, held: T, ended: &watch::Sender<bool>) {
        while let Some(message) = self.wait() {
            let (group, check) = self.gather(message);
            if check {
                self.shared.alarmed.store(false, Ordering::Relaxed);
            }
            self.revive(check);
            let len = group.len();
            let started = Instant::now();
            self.write(group);
            self.expected = len + self.queue_len();
            self.linger = started.elapsed() / LINGER_PART;
        }
        let last = self.shared.replace(Slot::Closed);
        let _ = catch_unwind(AssertUnwindSafe(|| drop(last)));
        drop(held);
        ended.send_replace(true);
    }

    /// A group that begins with `message`, and whether a check was asked for.
    fn gather(&self, message: Message) -> (Vec<Job>, bool) {
        let mut group = Vec::new();
        let mut check = false;
        let full = self.expected.min(self.group_len_max);
        let deadline = Instant::now() + self.linger;
        let mut next = Some(message);
        while let Some(message) = next {
            match message {
                Message::Job(job) => group.push(job),
                Message::Check => check = true,
            }
            if group.len() >= self.group_len_max {
                break;
            }
            next = self.queue.try_recv().ok();
            if next.is_none() && group.len() < full {
                let left = deadline.saturating_duration_since(Instant::now());
                next = self.queue.recv_timeout(left).ok();
            }
        }
        (group, check)
    }

    /// Batches that wait.
    fn queue_len(&self) -> usize {
        let free = self.places.available_permits();
        self.places_max.saturating_sub(free)
    }

    /// The next message; meanwhile tries to get a lost database back.
    fn wait(&mut self) -> Option<Message> {
        loop {
            if matches!(*self.shared.slot(), Slot::Open(_)) {
                return self.queue.recv().ok();
            }
            let now = Instant::now();
            let rest = self.rest.as_ref().map(|rest| rest.until - now.min(rest.until));
            let pause = rest.unwrap_or_default().max(Duration::from_millis(REOPEN_MS));
            match self.queue.recv_timeout(pause) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    self.reopen(None);
                }
            }
        }
    }

    /// Opens the database again if it is missing or, where `check` asks to see, has stopped working.
    fn revive(&mut self, check: bool) {
        let error = match &*self.shared.slot() {
            Slot::Open(db) if check => {
                // Panics when an earlier panic has poisoned a lock inside.
                let probe = AssertUnwindSafe(|| begin(db).and_then(|txn| Ok(txn.abort()?)));
                match catch_unwind(probe) {
                    Ok(Ok(())) => return,
                    Ok(Err(fault)) => Some(fault.at("read", &self.shared.path)),
                    Err(panic) => Some(self.panicked(&*panic)),
                }
            }
            Slot::Open(_) | Slot::Closed => return,
            Slot::Recovering(_) if self.resting().is_some() => return,
            Slot::Recovering(_) => None,
        };
        self.reopen(error);
    }

    /// Applies a group and answers every batch in it.
    fn write(&mut self, mut group: Vec<Job>) {
        let counters = Arc::clone(&self.shared);
        let counters = &counters.counters;
        let len = group.len();
        group.retain(|job| !job.reply.is_closed());
        Counters::add(&counters.abandoned, (len - group.len()) as u64);
        if group.is_empty() {
            return;
        }
        let answers = match self.resting() {
            Some(error) => Err(error),
            None => self.attempt(&group).map_err(|failure| self.settle(failure)),
        };
        match answers {
            Ok(answers) => {
                for (job, answer) in group.into_iter().zip(answers) {
                    let counter = match answer {
                        Ok(_) => &counters.applied,
                        Err(_) => &counters.refused,
                    };
                    Counters::add(counter, 1);
                    job.answer(answer);
                }
            }
            Err(error) => {
                Counters::add(&counters.failed, group.len() as u64);
                for job in group {
                    job.answer(Err(error.clone()));
                }
            }
        }
    }

    fn resting(&self) -> Option<Error> {
        let rest = self.rest.as_ref()?;
        (Instant::now() < rest.until).then(|| rest.error.clone())
    }

    /// Opens the database again, finds out what became of the group, and rests.
    fn settle(&mut self, failure: Failure) -> Error {
        let started = Instant::now();
        let (Failure::Before(error) | Failure::Commit { error, .. }) = &failure;
        let error = error.clone();
        let reopened = self.reopen(Some(error.clone()));
        self.rest(started.elapsed(), error.clone());
        match failure {
            Failure::Commit { sequence, .. } if !reopened || self.sequence >= sequence => {
                // Either it is there, but the disk has not confirmed it, or there is no way to tell.
                Error::Unsettled { path: self.shared.path.clone(), source: error.into_cause() }
            }
            Failure::Before(_) | Failure::Commit { .. } => error,
        }
    }

    fn rest(&mut self, took: Duration, error: Error) {
        let rest = (took * REST_FACTOR).min(Duration::from_millis(REST_MS_MAX));
        self.rest = Some(Rest {
            until: Instant::now() + rest,
            error: match error {
                Error::Full { .. } => error,
                error => Error::Unavailable { path: self.shared.path.clone(), source: error.into_cause() },
            },
        });
    }

    fn attempt(&mut self, group: &[Job]) -> Result<Answers, Failure> {
        let shared = Arc::clone(&self.shared);
        let before = self.sequence;
        // Should redb panic, the transaction is gone, but how far it got is not known.
        catch_unwind(AssertUnwindSafe(|| self.apply(&shared, group)))
            .unwrap_or_else(|panic| Err(Failure::Commit { error: self.panicked(&*panic), sequence: before + 1 }))
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Error {
        Error::Io { action: "write", path: self.shared.path.clone(), source: panic_cause(panic) }
    }

    fn apply(&mut self, shared: &Shared, group: &[Job]) -> Result<Answers, Failure> {
        let slot = shared.slot();
        let db = shared.database(&slot).map_err(Failure::Before)?;
        let started = Instant::now();
        let failed = |fault: Fault| fault.at("write", &shared.path);
        let txn = begin(db).map_err(|fault| Failure::Before(failed(fault)))?;
        let (answers, sequence) = fill(&txn, group, self.sequence).map_err(|fault| Failure::Before(failed(fault)))?;
        // Only refusals and checks: no reason to wait for the disk.
        if sequence == self.sequence {
            let aborted = txn.abort();
            aborted.map_err(|error| Failure::Before(failed(error.into())))?;
            return Ok(answers);
        }
        txn.commit().map_err(|error| Failure::Commit { error: failed(error.into()), sequence })?;
        self.sequence = sequence;
        shared.counters.committed(started.elapsed());
        Ok(answers)
    }

    /// Puts a fresh database in the place of the one that failed, for `error` or, with none, because it is missing.
    /// `false` when it cannot be opened; then there is a rest.
    fn reopen(&mut self, error: Option<Error>) -> bool {
        let started = Instant::now();
        let cause: Cause = match (error, &*self.shared.slot()) {
            (Some(error), _) => error.into_cause(),
            (None, Slot::Recovering(cause)) => cause.clone(),
            (None, Slot::Open(_) | Slot::Closed) => return true,
        };
        let last = self.shared.replace(Slot::Recovering(cause));
        let _ = catch_unwind(AssertUnwindSafe(|| drop(last)));
        match self.opener.open() {
            Ok(opened) => {
                self.sequence = opened.sequence;
                self.shared.replace(Slot::Open(opened.db));
                Counters::add(&self.shared.counters.reopened, 1);
                Counters::add(&self.shared.counters.corrected, opened.corrected);
                true
            }
            Err(error) => {
                let cause = error.clone().into_cause();
                self.shared.replace(Slot::Recovering(cause));
                self.rest(started.elapsed(), error);
                false
            }
        }
    }
}

/// Applies a group to a transaction, each batch on top of those before it. Returns the answers and the last number
/// taken from the sequence, which is `sequence` when there is nothing to commit.
fn fill(txn: &WriteTransaction, group: &[Job], sequence: u64) -> Result<(Answers, u64), Fault> {
    let mut tables = Tables::open(txn)?;
    let mut answers = Vec::with_capacity(group.len());
    let mut usages: HashMap<&Namespace, Usage> = HashMap::new();
    let mut last = sequence;
    for job in group {
        let used = match usages.get(&job.namespace) {
            Some(usage) => *usage,
            None => tables.usage(&job.namespace)?,
        };
        let view = tables.view(&job.namespace);
        let plan = match plan(&view, &job.batch, used, &job.quota, last) {
            Ok(plan) => plan,
            Err(Fault::Store(error)) => {
                answers.push(Err(error));
                continue;
            }
            Err(fault) => return Err(fault),
        };
        for change in &plan.changes {
            tables.put(&job.namespace, change)?;
        }
        last = plan.sequence;
        usages.insert(&job.namespace, plan.usage);
        answers.push(Ok(plan.outcome));
    }
    if last != sequence {
        tables.put_sequence(last)?;
        for (namespace, usage) in usages {
            tables.put_usage(namespace, usage)?;
        }
    }
    Ok((answers, last))
}
