//! The sections `[modules]` and `[services.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{Invalid, Secret, in_range};

/// The section `[modules]`: where components are found and how they are swapped. Durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder of the components, relative to the working directory.
    pub dir: PathBuf,
    /// The modules of the folder that are served, by the names of their files without `.wasm`, `_` and `-` being the
    /// same. Empty, the default: all.
    pub only: Vec<String>,
    /// How often the folder is read in case a change was not announced.
    pub poll_ms: u64,
    /// How long the folder must be quiet after a change before it is read.
    pub debounce_ms: u64,
    /// How long calls in flight may go on when their version was replaced, or the host stops.
    pub drain_ms: u64,
    /// How long a new version may take to start and answer its probe.
    pub start_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("modules"),
            only: Vec::new(),
            poll_ms: 1_000,
            debounce_ms: 20,
            drain_ms: 10_000,
            start_timeout_ms: 5_000,
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
        if self.dir.as_os_str().is_empty() {
            return Err(Invalid::new("dir", "must name a folder"));
        }
        let is_stem = |name: &String| !name.is_empty() && !name.contains('/') && !name.ends_with(".wasm");
        if !self.only.iter().all(is_stem) {
            return Err(Invalid::new("only", "must name files of the folder, each without `.wasm`"));
        }
        in_range("poll_ms", self.poll_ms, 100..=3_600_000)?;
        in_range("debounce_ms", self.debounce_ms, 0..=10_000)?;
        in_range("drain_ms", self.drain_ms, 0..=3_600_000)?;
        in_range("start_timeout_ms", self.start_timeout_ms, 1..=600_000)
    }

    /// [`Settings::poll_ms`].
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// [`Settings::debounce_ms`].
    pub fn debounce(&self) -> Duration {
        Duration::from_millis(self.debounce_ms)
    }

    /// [`Settings::drain_ms`].
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// [`Settings::start_timeout_ms`].
    pub fn start_timeout(&self) -> Duration {
        Duration::from_millis(self.start_timeout_ms)
    }
}

/// The sections `[services.NAME]`, by service name. A service that is not deployed may have one.
pub type Services = BTreeMap<String, ServiceSettings>;

/// The section `[services.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSettings {
    /// What the guest reads as its configuration, over the defaults of its manifest. Any key, and strings only; they
    /// are never shown, because any of them may be a password.
    pub config: BTreeMap<String, Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_make_sense_and_mistakes_name_their_key() {
        assert_eq!(Settings::default().validate(), Ok(()));
        let nameless = Settings { dir: PathBuf::new(), ..Settings::default() };
        assert_eq!(nameless.validate().unwrap_err().key, "dir");
        for name in ["", "orders.wasm", "modules/orders"] {
            let other = Settings { only: vec!["orders".to_owned(), name.to_owned()], ..Settings::default() };
            assert_eq!(other.validate().unwrap_err().key, "only", "{name}");
        }
        let some = Settings { only: vec!["orders".to_owned()], ..Settings::default() };
        assert_eq!(some.validate(), Ok(()));
        let eager = Settings { poll_ms: 0, ..Settings::default() };
        assert_eq!(eager.validate().unwrap_err().key, "poll_ms");
    }

    #[test]
    fn values_of_services_are_hidden() {
        let services: Services = toml::from_str("[orders.config]\ncurrency = 'EUR'").unwrap();
        assert_eq!(services["orders"].config["currency"].expose(), "EUR");
        assert!(!format!("{services:?}").contains("EUR"));
    }
}
