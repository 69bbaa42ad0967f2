//! A call on its way to an instance, and the list of those an instance has.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::Failure;
use super::inflight::Inflight;
use crate::call::{CallError, Request, Response};

/// What the caller gets.
pub(super) type Answer = Result<Response, CallError>;

/// A call that waits for an instance.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) call: Arc<Inflight>,
    pub(super) reply: oneshot::Sender<Answer>,
}

struct Entry {
    call: Arc<Inflight>,
    reply: Option<oneshot::Sender<Answer>>,
}

/// The calls that one instance is working on.
///
/// It lives outside the store: when the guest traps, the engine drops all its futures before it says so, and whoever
/// waits has to be told why.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Vec<Entry>>>);

impl Ledger {
    pub(super) fn open(&self, call: Arc<Inflight>, reply: oneshot::Sender<Answer>) {
        self.with(|entries| entries.push(Entry { call, reply: Some(reply) }));
    }

    /// Answers a call. Only the first answer counts; returns whether this was it.
    pub(super) fn answer(&self, call: &Arc<Inflight>, answer: Answer) -> bool {
        let reply = self.with(|entries| {
            entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.call, call)).and_then(|entry| entry.reply.take())
        });
        // A caller that is gone has cancelled the call; there is nobody left to tell.
        reply.is_some_and(|reply| {
            let _ = reply.send(answer);
            true
        })
    }

    /// The instance is done with a call.
    pub(super) fn close(&self, call: &Arc<Inflight>) {
        self.with(|entries| entries.retain(|entry| !Arc::ptr_eq(&entry.call, call)));
    }

    /// The instance failed under all its calls; returns how many that were. Has to happen before the store is dropped.
    pub(super) fn fail(&self, failure: &Failure) -> usize {
        let entries = self.with(std::mem::take);
        let count = entries.len();
        for entry in entries {
            entry.call.fail(failure.clone());
            if let Some(reply) = entry.reply {
                let _ = reply.send(Err(failure.to_call_error()));
            }
        }
        count
    }

    /// How many calls there are whose callers still wait, and how many in all.
    pub(super) fn waiting(&self) -> (usize, usize) {
        self.with(|entries| (entries.iter().filter(|entry| !entry.call.is_over()).count(), entries.len()))
    }

    fn with<R>(&self, f: impl FnOnce(&mut Vec<Entry>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
