//! Instances that have been handed a call and have not run since.
//!
//! A thread that hands over several calls before it runs anything puts them on one instance, as many as that takes: they are
//! served one after the other by code that is in the cache, instead of by an instance each.

use std::thread::{self, ThreadId};

use super::super::WorkerId;

/// The instances that threads are handing calls to.
#[derive(Default)]
pub(super) struct Filling(Vec<One>);

struct One {
    id: WorkerId,
    thread: ThreadId,
    /// How many more calls it takes.
    room: usize,
}

impl Filling {
    /// This thread hands a call to an instance that has nothing to do, and could hand it so many more.
    pub(super) fn begin(&mut self, id: WorkerId, room: usize) {
        if room > 0 {
            self.0.push(One { id, thread: thread::current().id(), room });
        }
    }

    /// The instance that gets the next call of this thread.
    pub(super) fn next(&mut self) -> Option<WorkerId> {
        let here = thread::current().id();
        let one = self.0.iter_mut().find(|one| one.thread == here && one.room > 0)?;
        one.room -= 1;
        Some(one.id)
    }

    /// The instance runs, or is gone.
    pub(super) fn end(&mut self, id: WorkerId) {
        self.0.retain(|one| one.id != id);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_filled_by_one_thread_until_it_runs_or_is_full() {
        let mut filling = Filling::default();
        filling.begin(WorkerId(1), 2);
        filling.begin(WorkerId(2), 0);
        let elsewhere = thread::scope(|scope| scope.spawn(|| filling.next()).join().unwrap());
        assert_eq!(elsewhere, None);
        assert_eq!([filling.next(), filling.next(), filling.next()], [Some(WorkerId(1)), Some(WorkerId(1)), None]);
        filling.begin(WorkerId(3), 2);
        filling.end(WorkerId(3));
        assert_eq!(filling.next(), None);
    }
}
