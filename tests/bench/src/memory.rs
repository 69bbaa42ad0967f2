//! Resident memory.

use std::fs;
use std::iter::Sum;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

/// How often memory is looked at while something goes on.
const EVERY: Duration = Duration::from_millis(4);

/// In MiB, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Memory {
    /// All pages: the program's, those of files it has mapped, and its own.
    pub(crate) resident: f64,
    /// Those it has written to.
    pub(crate) own: f64,
}

impl Memory {
    /// Counted page by page, which takes a moment.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(crate) fn exact(pid: u32) -> anyhow::Result<Self> {
        Self::read(pid, "smaps_rollup", ["Rss:", "Anonymous:"])
    }

    /// As the kernel keeps it in mind: some 100 KiB may be missing for each core.
    ///
    /// # Errors
    ///
    /// When the process is gone.
    pub(crate) fn quick(pid: u32) -> anyhow::Result<Self> {
        Self::read(pid, "status", ["VmRSS:", "RssAnon:"])
    }

    fn read(pid: u32, file: &str, names: [&str; 2]) -> anyhow::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).context("a server is gone")?;
        let [resident, own] = names.map(|name| mib(&text, name));
        Ok(Self { resident: resident?, own: own? })
    }

    fn max(self, other: Self) -> Self {
        Self { resident: self.resident.max(other.resident), own: self.own.max(other.own) }
    }
}

/// The value of a line such as `VmRSS:  2048 kB`.
fn mib(text: &str, name: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib / 1024.0).with_context(|| format!("/proc/PID has no {name}"))
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self { resident: sum.resident + one.resident, own: sum.own + one.own })
    }
}

/// Runs something, and tells the most memory that was seen meanwhile.
///
/// # Errors
///
/// When it has one, or memory cannot be read.
pub(crate) fn peak<T>(
    read: impl Fn() -> anyhow::Result<Memory> + Sync,
    run: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(Memory, T)> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = read()?;
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(EVERY);
                peak = peak.max(read()?);
            }
            anyhow::Ok(peak)
        });
        let result = run();
        ended.store(true, Ordering::Relaxed);
        let peak = sampler.join().map_err(|_| anyhow::anyhow!("the sampler of memory panicked"))??;
        Ok((peak, result?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_text_is_understood() {
        let text = "Name:\tx\nVmRSS:\t    2048 kB\n";
        assert_eq!(mib(text, "VmRSS:").unwrap(), 2.0);
        assert!(mib(text, "Rss:").is_err());
    }

    #[test]
    fn the_kernel_tells_both() {
        let own = std::process::id();
        assert!(Memory::exact(own).unwrap().resident > 0.0);
        assert!(Memory::quick(own).unwrap().own > 0.0);
    }
}
