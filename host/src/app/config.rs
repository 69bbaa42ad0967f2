//! The sum of the configurations.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{self, DataSettings, Invalid, Layers, Loaded};
use crate::modules::Services;
use crate::observe::log;
use crate::{admin, edge, engine, modules};

/// All sections of `hostel.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where calls come in.
    pub edge: edge::Settings,
    /// Where operators ask.
    pub admin: admin::Settings,
    /// What is deployed.
    pub modules: modules::Settings,
    /// What all guests share.
    pub engine: engine::Settings,
    /// What is kept.
    pub data: DataSettings,
    /// What is logged.
    pub log: log::Settings,
    /// What operators give single services.
    pub services: Services,
}

/// What the command line says; `None` where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--admin`
    pub admin: Option<String>,
    /// `--modules`
    pub modules: Option<String>,
    /// `--data`
    pub data: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
}

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "hostel.toml";

/// Reads the configuration: flags over environment over file over defaults.
///
/// # Errors
///
/// For the first thing that is wrong; a file named by `--config` must exist.
pub fn load(flags: &Flags) -> Result<Loaded<Config>, config::Error> {
    let mut layers = Layers::new();
    let path = flags.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match config::read(&path)? {
        Some(text) => layers = layers.file(path.display().to_string(), text),
        None if flags.config.is_some() => {
            return Err(config::Error::Invalid(format!("{}: there is no such file", path.display())));
        }
        None => {}
    }
    let loaded: Loaded<Config> = layers
        .alias("HOSTEL_LOG", "log.filter")
        .env(std::env::vars_os())?
        .flag("--listen", "edge.listen", flags.listen.clone())
        .flag("--admin", "admin.listen", flags.admin.clone())
        .flag("--modules", "modules.dir", flags.modules.clone())
        .flag("--data", "data.dir", flags.data.clone())
        .flag("--log-format", "log.format", flags.log_format.clone())
        .resolve()?;
    let checks: [(&str, Result<(), Invalid>); 4] = [
        ("edge", loaded.config.edge.validate()),
        ("modules", loaded.config.modules.validate()),
        ("engine", loaded.config.engine.validate()),
        ("data", loaded.config.data.validate()),
    ];
    for (section, found) in checks {
        loaded.check(section, found)?;
    }
    Ok(loaded)
}
