//! Configuration values, read when they are needed: a change applies to the next request.

use std::fmt;
use std::sync::Arc;

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where a service reads its configuration.
#[derive(Clone)]
pub struct Settings(Arc<Lookup>);

impl Settings {
    /// The configuration the host gives this module. A source that fails counts as a key that is not set: every key
    /// of the shop has a safe meaning then.
    pub fn of_host() -> Self {
        Self(Arc::new(|key| {
            hostel_sdk::config::get(key).unwrap_or_else(|error| {
                tracing::warn!(key, %error, "configuration cannot be read");
                None
            })
        }))
    }

    /// Fixed values, for tests.
    pub fn fixed<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values: Vec<(String, String)> =
            values.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self(Arc::new(move |key| {
            let found = values.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.clone())
        }))
    }

    /// The value of `key`, none when it is not set or empty.
    pub fn get(&self, key: &str) -> Option<String> {
        (self.0)(key).filter(|value| !value.is_empty())
    }

    /// The currency of all amounts (ISO 4217), from the key `currency`.
    pub fn currency(&self) -> String {
        self.get("currency").unwrap_or_else(|| "EUR".to_owned())
    }
}

impl fmt::Debug for Settings {
    // Values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}
