//! Which cores belong to the servers and which to the client.
//!
//! On one core they would take turns, and the scheduler's choices would be measured with them. The servers get half
//! of the cores and the client the other half, one thread on each: a client that has less than the server may not be
//! able to keep it busy.

use std::io;
use std::process::{Child, Command};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Numbers of cores. Both are empty when nothing is pinned.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Cores {
    pub(crate) server: Vec<usize>,
    pub(crate) client: Vec<usize>,
    #[serde(skip)]
    all: Vec<usize>,
}

impl Cores {
    /// Of the cores this process may use. Nothing is pinned where there is only one.
    ///
    /// # Errors
    ///
    /// When the system does not say which they are.
    pub(crate) fn split() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
        if cores.len() < 2 {
            return Ok(Self::shared());
        }
        let all = cores.clone();
        let client = cores.split_off(cores.len() / 2);
        Ok(Self { server: cores, client, all })
    }

    /// Everybody may run everywhere.
    pub(crate) fn shared() -> Self {
        Self { server: Vec::new(), client: Vec::new(), all: Vec::new() }
    }

    /// How many cores the servers have.
    pub(crate) fn server_count(&self) -> usize {
        count(&self.server)
    }

    /// How many cores the client has, and so how many threads it should use.
    pub(crate) fn client_count(&self) -> usize {
        count(&self.client)
    }

    /// For the reader of the figures.
    pub(crate) fn describe(&self) -> String {
        if !self.are_split() {
            return "client and servers share all cores".to_owned();
        }
        format!("servers on core {:?}, client on core {:?}", self.server, self.client)
    }

    /// Keeps the calling thread, and those it will start, on the client's cores.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn pin_client(&self) -> io::Result<()> {
        pin(&self.client)
    }

    /// Runs something that may use all cores, and so may the processes it starts.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) fn unpinned<T>(&self, run: impl FnOnce() -> T) -> io::Result<T> {
        pin(&self.all)?;
        let result = run();
        pin(&self.client)?;
        Ok(result)
    }

    /// Whether client and servers have cores of their own.
    pub(crate) fn are_split(&self) -> bool {
        !self.server.is_empty()
    }

    /// Starts a process that stays on the servers' cores. It learns of them as any process does, so it will have as
    /// many threads as it has cores.
    ///
    /// # Errors
    ///
    /// When it cannot be started or pinned.
    pub(crate) fn spawn_server(&self, command: &mut Command) -> io::Result<Child> {
        // A child inherits the affinity of the thread that starts it.
        pin(&self.server)?;
        let child = command.spawn();
        pin(&self.client)?;
        child
    }
}

/// Where nothing is pinned, all of them.
fn count(cores: &[usize]) -> usize {
    match cores.len() {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

fn pin(cores: &[usize]) -> io::Result<()> {
    if cores.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core);
    }
    Ok(sched_setaffinity(None, &set)?)
}
