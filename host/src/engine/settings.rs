//! The section `[engine]`: what all guests of the host share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Invalid, in_range};

/// The section `[engine]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Instances of all services together.
    pub instances_max: usize,
    /// The most memory, in MiB, that a manifest may ask for per instance.
    pub memory_mib_max: u64,
    /// The folder of compiled components, relative to the working directory. Empty, the default, means the folder
    /// `cache` in `data.dir`.
    pub cache_dir: PathBuf,
    /// Milliseconds between two looks at how long guests have been running without a pause.
    pub tick_ms: u64,
    /// Threads that serve calls; 0, the default, means one per core.
    pub threads: usize,
    /// Components compiled at once, off the serving threads.
    pub compile_threads: usize,
    /// Whether a component that is new is first compiled without optimisation, to serve soon, and then once more with it.
    pub tiered_compile: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instances_max: 1_000,
            memory_mib_max: 4_096,
            cache_dir: PathBuf::new(),
            tick_ms: 1,
            threads: 0,
            compile_threads: 1,
            tiered_compile: true,
        }
    }
}

impl Settings {
    /// Checks what types do not.
    ///
    /// # Errors
    ///
    /// [`Invalid`] about the first key that makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        in_range("instances_max", self.instances_max as u64, 1..=100_000)?;
        // 4 GiB is all that a 32-bit memory can have.
        in_range("memory_mib_max", self.memory_mib_max, 1..=4_096)?;
        in_range("tick_ms", self.tick_ms, 1..=100)?;
        in_range("threads", self.threads as u64, 0..=1_024)?;
        in_range("compile_threads", self.compile_threads as u64, 1..=64)
    }

    /// The folder of compiled components, `data_dir` being the value of `data.dir`.
    pub fn cache_dir(&self, data_dir: &Path) -> PathBuf {
        if self.cache_dir.as_os_str().is_empty() {
            return data_dir.join("cache");
        }
        self.cache_dir.clone()
    }

    /// Threads that serve calls: [`Settings::threads`], or one per core.
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }

    /// [`Settings::tick_ms`].
    pub fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_mistakes_name_their_key() {
        let default = Settings::default();
        assert_eq!(default.validate(), Ok(()));
        assert!(default.threads() >= 1);
        assert_eq!(Settings { threads: 3, ..default.clone() }.threads(), 3);
        let slow = Settings { tick_ms: 101, ..default };
        assert_eq!(slow.validate().unwrap_err().key, "tick_ms");
    }

    #[test]
    fn the_cache_is_among_the_data_unless_it_is_elsewhere() {
        let data = Path::new("data");
        assert_eq!(Settings::default().cache_dir(data), Path::new("data/cache"));
        let elsewhere = Settings { cache_dir: PathBuf::from("/var/x"), ..Settings::default() };
        assert_eq!(elsewhere.cache_dir(data), Path::new("/var/x"));
    }
}
