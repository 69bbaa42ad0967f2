//! Flags over environment over file over defaults.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::toml_error::{self, line_of_key, nearest};
use super::{Error, Invalid, Origin, load};

/// What the names of our environment variables begin with.
const PREFIX: &str = "HOSTEL_";

/// The sources of a configuration, read but not yet put together.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// Path and text.
    file: Option<(String, String)>,
    env: BTreeMap<String, String>,
    /// Environment variables that set a key of another name.
    aliases: Vec<(&'static str, &'static str)>,
    flags: Vec<Flag>,
}

#[derive(Debug, Clone)]
struct Flag {
    name: &'static str,
    key: &'static str,
    value: String,
}

impl Layers {
    /// No source: all defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the text of a configuration file.
    pub fn file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.file = Some((path.into(), text.into()));
        self
    }

    /// Takes the variables whose names begin with `HOSTEL_`, most often from `std::env::vars_os()`.
    ///
    /// The key `edge.header_timeout_ms` is set by `HOSTEL_EDGE_HEADER_TIMEOUT_MS`, to a string or to a TOML literal,
    /// whichever the key takes. Empty variables count as not set.
    ///
    /// # Errors
    ///
    /// When the value of such a variable is not UTF-8.
    pub fn env<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Result<Self, Error>
    where
        K: Into<std::ffi::OsString>,
        V: Into<std::ffi::OsString>,
    {
        for (name, value) in variables {
            let Ok(name) = name.into().into_string() else {
                continue;
            };
            if !name.starts_with(PREFIX) {
                continue;
            }
            match value.into().into_string() {
                Ok(value) if value.is_empty() => {}
                Ok(value) => drop(self.env.insert(name, value)),
                Err(_) => return Err(Error::Invalid(format!("{name}: is not UTF-8"))),
            }
        }
        Ok(self)
    }

    /// Lets the environment variable `name` set `key`, beside the name that the key has by itself, which wins.
    pub fn alias(mut self, name: &'static str, key: &'static str) -> Self {
        self.aliases.push((name, key));
        self
    }

    /// Takes the value of a command line flag, if it was given, for `key`. `name` is the flag as users write it.
    pub fn flag(mut self, name: &'static str, key: &'static str, value: Option<impl Into<String>>) -> Self {
        if let Some(value) = value {
            self.flags.push(Flag { name, key, value: value.into() });
        }
        self
    }

    /// Puts the layers together, from scratch.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] about the first thing that is wrong, in the lowest layer that has something wrong.
    pub fn resolve<T>(&self) -> Result<Loaded<T>, Error>
    where
        T: DeserializeOwned + Serialize + Default,
    {
        // Each layer is read by itself, because only its own text has line numbers.
        let mut table = match &self.file {
            Some((path, text)) => {
                load::<T>(text, path)?;
                load::<Table>(text, path)?
            }
            None => Table::new(),
        };
        let in_file = leaves(&table);
        let mut known = leaves(&to_table(&T::default())?);
        known.extend(in_file.clone());
        let (from_env, warnings) = self.env_by_key(&known);
        let from_flags = self.flags.iter().map(|flag| (flag.key, &*flag.value, Origin::Flag(flag.name.to_owned())));
        let mut origins = BTreeMap::new();
        for (key, value, origin) in from_env.into_iter().chain(from_flags) {
            table = overlay::<T>(&table, key, value)
                .map_err(|reason| Error::Invalid(format!("{origin}: `{key}`: {reason}")))?;
            origins.insert(key.to_owned(), origin);
        }
        let config: T = table.try_into().map_err(|error: toml::de::Error| invalid(error.message()))?;
        if let Some((path, text)) = &self.file {
            for key in in_file.into_keys() {
                let line = line_of_key(text, &key).unwrap_or(0);
                origins.entry(key).or_insert_with(|| Origin::File { path: path.clone(), line });
            }
        }
        let entries = leaves(&to_table(&config)?).into_iter().map(|(key, value)| {
            let origin = origins.get(&key).cloned().unwrap_or(Origin::Default);
            Entry { key, value, origin }
        });
        let entries = entries.collect();
        Ok(Loaded { config, entries, origins, warnings })
    }

    /// The variables that set a known key, and warnings about those that look as if they should.
    ///
    /// Those are no errors: Kubernetes gives every pod variables such as `HOSTEL_ADMIN_PORT` when a service of the
    /// cluster is called `hostel-admin`.
    fn env_by_key<'a>(&'a self, known: &'a BTreeMap<String, String>) -> (Vec<(&'a str, &'a str, Origin)>, Vec<String>) {
        let own = known.keys().map(|key| (variable(key), key.as_str()));
        let names: BTreeMap<String, &str> = own.collect();
        let aliases = self.aliases.iter().filter(|(_, key)| !self.env.contains_key(&variable(key)));
        let mut found: Vec<_> = aliases
            .filter_map(|(name, key)| Some((*key, self.env.get(*name)?.as_str(), Origin::Env((*name).to_owned()))))
            .collect();
        let mut warnings = Vec::new();
        for (name, value) in &self.env {
            if let Some(key) = names.get(name) {
                found.push((*key, value, Origin::Env(name.clone())));
            } else if self.looks_like_ours(name, known) {
                let meant = nearest(name, names.keys().map(String::as_str));
                let advice = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
                warnings.push(format!("{name} is set, but there is no such key{advice}"));
            }
        }
        (found, warnings)
    }

    fn looks_like_ours(&self, name: &str, known: &BTreeMap<String, String>) -> bool {
        let alias = self.aliases.iter().any(|(alias, _)| *alias == name);
        let kubernetes = name.ends_with("_SERVICE_HOST") || name.contains("_PORT");
        let section = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next()).unwrap_or_default();
        let section = format!("{}.", section.to_ascii_lowercase());
        !alias && !kubernetes && (section == "services." || known.keys().any(|key| key.starts_with(&section)))
    }
}

/// `edge.listen` is set by `HOSTEL_EDGE_LISTEN`.
fn variable(key: &str) -> String {
    let letters = key.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    PREFIX.chars().chain(letters).collect()
}

/// `table` with `key` set to `text`: as the string it is if the key takes one, else as the TOML literal it may be.
fn overlay<T: DeserializeOwned>(table: &Table, key: &str, text: &str) -> Result<Table, String> {
    let fits = |value: Value| -> Result<Table, toml::de::Error> {
        let mut table = table.clone();
        set(&mut table, key, value);
        T::deserialize(table.clone()).map(|_| table)
    };
    let error = match fits(Value::String(text.to_owned())) {
        Ok(table) => return Ok(table),
        Err(error) => error,
    };
    let error = match text.trim().parse::<Value>().map(fits) {
        Ok(Ok(table)) => return Ok(table),
        Ok(Err(error)) => error,
        Err(_) => error,
    };
    let message = toml_error::describe(error.message());
    Err(message.trim_end_matches(", found a string").to_owned())
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// Every key that is not a table, dotted, with its value as TOML.
fn leaves(table: &Table) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(leaves(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            value => drop(found.insert(key.clone(), value.to_string())),
        }
    }
    found
}

fn to_table(config: &impl Serialize) -> Result<Table, Error> {
    Table::try_from(config).map_err(|error| invalid(&error.to_string()))
}

fn invalid(message: &str) -> Error {
    Error::Invalid(format!("configuration: {message}"))
}

/// One value of a configuration, for `hostel check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Section and key: `edge.listen`.
    pub key: String,
    /// The value as TOML; `"(hidden)"` for a [`Secret`](super::Secret).
    pub value: String,
    /// Who set it.
    pub origin: Origin,
}

/// A configuration and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The values.
    pub config: T,
    entries: Vec<Entry>,
    origins: BTreeMap<String, Origin>,
    warnings: Vec<String>,
}

impl<T> Loaded<T> {
    /// All values, by key. Optional ones that are not set are left out.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Who set the value of the dotted `key`.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// What is odd but no error, one line each; to be logged once logging works.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Turns what a section's `validate()` found into an error that names the place.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `found` is an error.
    pub fn check(&self, section: &str, found: Result<(), Invalid>) -> Result<(), Error> {
        found.map_err(|Invalid { key, reason }| {
            let key = format!("{section}.{key}");
            Error::Invalid(format!("{}: `{key}`: {reason}", self.origin(&key)))
        })
    }
}
