//! Tests that measure run alone; all others share the machine.
//!
//! It works across processes, by file locks: nextest runs each test in a process of its own, cargo runs them in threads
//! of one. Whoever wants to be alone waits behind a gate that keeps newcomers out meanwhile, so it is never starved.

use std::cell::RefCell;
use std::fs::File;
use std::sync::{Arc, Weak};

use rustix::fs::{FlockOperation, flock};

use super::paths::scratch;

thread_local! {
    /// What the test on this thread holds. Tests run on current-thread runtimes, each on a thread of its own.
    static HELD: RefCell<Weak<Token>> = const { RefCell::new(Weak::new()) };
}

/// The right to use the machine, with others or alone. Given back when the last clone is dropped.
#[derive(Debug)]
pub struct Token {
    _lock: File,
}

/// The right to use the machine together with other tests; what the test holds already if it does.
pub fn together() -> Arc<Token> {
    take(FlockOperation::LockShared)
}

/// Waits until no other test runs, and keeps others waiting until it is dropped. To be called before anything is started.
pub fn alone() -> Arc<Token> {
    take(FlockOperation::LockExclusive)
}

fn take(operation: FlockOperation) -> Arc<Token> {
    if let Some(held) = HELD.with_borrow(Weak::upgrade) {
        assert!(operation == FlockOperation::LockShared, "a test that wants to be alone must say so first");
        return held;
    }
    let gate = open("gate.lock");
    flock(&gate, FlockOperation::LockExclusive).expect("lock the gate");
    let lock = open("machine.lock");
    flock(&lock, operation).expect("lock the machine");
    drop(gate);
    let token = Arc::new(Token { _lock: lock });
    HELD.set(Arc::downgrade(&token));
    token
}

fn open(name: &str) -> File {
    File::options().create(true).truncate(false).write(true).open(scratch().join(name)).expect("lock files can be made")
}
