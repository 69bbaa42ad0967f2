//! The sum of the configurations.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{self, DataSettings, Invalid, Layers, Loaded};
use crate::modules::Services;
use crate::observe::log;
use crate::{admin, cluster, edge, engine, modules, peer};

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
    /// The cluster this host is a node of, if any.
    pub cluster: cluster::Settings,
    /// Links to the cluster's other hosts.
    pub peer: peer::Settings,
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
    /// `--tls-cert`
    pub tls_cert: Option<String>,
    /// `--tls-key`
    pub tls_key: Option<String>,
    /// `--admin`
    pub admin: Option<String>,
    /// `--modules`
    pub modules: Option<String>,
    /// `--data`
    pub data: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
    /// `--only`, as often as it was given.
    pub only: Vec<String>,
    /// `--cluster`
    pub cluster: Option<String>,
    /// `--node`
    pub node: Option<String>,
    /// `--zone`
    pub zone: Option<String>,
    /// `--peer`
    pub peer: Option<String>,
    /// `--advertise`
    pub advertise: Option<String>,
    /// `--seed`, as often as it was given.
    pub seeds: Vec<String>,
}

impl Flags {
    /// A flag that says something about a cluster, if one was given.
    fn of_a_cluster(&self) -> Option<&'static str> {
        let given = [
            ("--node", self.node.is_some()),
            ("--peer", self.peer.is_some()),
            ("--advertise", self.advertise.is_some()),
            ("--zone", self.zone.is_some()),
            ("--seed", !self.seeds.is_empty()),
        ];
        given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }
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
        .flag("--tls-cert", "edge.tls_cert", flags.tls_cert.clone())
        .flag("--tls-key", "edge.tls_key", flags.tls_key.clone())
        .flag("--admin", "admin.listen", flags.admin.clone())
        .flag("--modules", "modules.dir", flags.modules.clone())
        .flag("--data", "data.dir", flags.data.clone())
        .flag("--log-format", "log.format", flags.log_format.clone())
        .flag("--only", "modules.only", list(&flags.only))
        .flag("--cluster", "cluster.dir", flags.cluster.clone())
        .flag("--node", "cluster.node", flags.node.clone())
        .flag("--zone", "cluster.zone", flags.zone.clone())
        .flag("--peer", "cluster.listen", flags.peer.clone())
        .flag("--advertise", "cluster.advertise", flags.advertise.clone())
        .flag("--seed", "cluster.seeds", list(&flags.seeds))
        .resolve()?;
    let checks: [(&str, Result<(), Invalid>); 6] = [
        ("edge", loaded.config.edge.validate()),
        ("modules", loaded.config.modules.validate()),
        ("engine", loaded.config.engine.validate()),
        ("data", loaded.config.data.validate()),
        ("cluster", loaded.config.cluster.validate()),
        ("peer", loaded.config.peer.validate()),
    ];
    for (section, found) in checks {
        loaded.check(section, found)?;
    }
    if let (true, Some(flag)) = (loaded.config.cluster.dir.as_os_str().is_empty(), flags.of_a_cluster()) {
        return Err(config::Error::Invalid(format!(
            "{flag} means nothing without --cluster DIR, or `dir` in [cluster]"
        )));
    }
    Ok(loaded)
}

/// What was given several times, as the TOML array that it would be in the file.
fn list(values: &[String]) -> Option<String> {
    let array = || toml::Value::Array(values.iter().cloned().map(toml::Value::String).collect()).to_string();
    (!values.is_empty()).then(array)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever gives them believes that the host is in a cluster.
    #[test]
    fn flags_of_a_cluster_need_one() {
        let alone = Flags { seeds: vec!["127.0.0.1:7946".to_owned()], ..Flags::default() };
        let error = load(&alone).unwrap_err().to_string();
        assert!(error.starts_with("--seed means nothing without --cluster"), "{error}");
        let dir = Some("cluster".to_owned());
        assert!(load(&Flags { cluster: dir, ..alone }).is_ok());
    }

    /// The example is where people look for what can be set.
    #[test]
    fn the_example_has_every_setting_with_its_default() {
        let text = include_str!("../../../config/hostel.toml");
        let example: toml::Table = toml::from_str(text).unwrap();
        let default = toml::Table::try_from(Config::default()).unwrap();
        for (section, values) in &default {
            let shown = example.get(section).and_then(toml::Value::as_table);
            for (key, value) in values.as_table().unwrap() {
                assert_eq!(shown.and_then(|shown| shown.get(key)), Some(value), "{section}.{key}");
            }
        }
        toml::from_str::<Config>(text).unwrap();
    }
}
