//! What the operating system says of this process, under the names every Prometheus client uses.
//!
//! Source: `proc(5)`. Where there is no `/proc`, only the start time is shown.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Clock ticks a second in `/proc/self/stat`; Linux shows 100 to programs on every architecture it runs hosts on.
const TICKS_PER_S: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

impl Default for Process {
    fn default() -> Self {
        Self { started: SystemTime::now() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let gauges = [
            ("process_start_time_seconds", "Unix time at which the process started", Some(started)),
            ("process_resident_memory_bytes", "Resident memory in bytes", resident_bytes()),
            ("process_open_fds", "Open file descriptors", open_fds()),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
            }
        }
        if let Some(seconds) = cpu_seconds() {
            let help = "User and system CPU time in seconds";
            encoder
                .encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, _, u64>(&seconds, None)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// Without the one that reads the directory.
fn open_fds() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as f64)
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets and may hold anything; utime and stime are the 14th and
    // 15th.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut ticks = after_name.split_ascii_whitespace().skip(11);
    let user: f64 = ticks.next()?.parse().ok()?;
    let system: f64 = ticks.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_measured() {
        assert!(resident_bytes().unwrap() > 1e5);
        let before = open_fds().unwrap();
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        // Tests run side by side and open files too, so the count is only known to have a floor.
        assert!(before >= 3.0 && open_fds().unwrap() >= 3.0);
        drop(file);
        let before = cpu_seconds().unwrap();
        while cpu_seconds().unwrap() <= before {}
    }
}
