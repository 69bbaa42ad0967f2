//! CPU time: what the servers, the client and everybody else have used.

use std::fs;

use anyhow::Context as _;
use serde::Serialize;

use crate::server::Server;

/// CPU time in seconds, read at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Cpu {
    /// Of the servers that are measured.
    pub(crate) server: f64,
    /// Of this process.
    pub(crate) client: f64,
    /// Of everybody else on the machine.
    pub(crate) others: f64,
    /// What the hypervisor gave to other machines.
    pub(crate) stolen: f64,
}

impl Cpu {
    /// # Errors
    ///
    /// When a server is gone, or `/proc` is not as expected.
    pub(crate) fn read(server: &Server) -> anyhow::Result<Self> {
        let own = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let client = own.tv_sec as f64 + own.tv_nsec as f64 / 1e9;
        let server = server.cpu()?;
        let text = fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("/proc/stat is empty")?;
        let mut fields = line.split_whitespace().skip(1).map(str::parse::<u64>);
        let mut next = || anyhow::Ok(seconds(fields.next().context("/proc/stat is short")??));
        let [user, nice, system] = [next()?, next()?, next()?];
        let [_idle, _iowait, _irq, _softirq] = [next()?, next()?, next()?, next()?];
        Ok(Self { server, client, others: user + nice + system - server - client, stolen: next()? })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            client: self.client - before.client,
            // The clocks tick at different moments.
            others: (self.others - before.others).max(0.0),
            stolen: self.stolen - before.stolen,
        }
    }
}

/// From the ticks in which `/proc` counts.
pub(crate) fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}
