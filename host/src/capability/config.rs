//! Configuration values of guests: `wasi:config/store`.
//!
//! A guest sees the values of its manifest with the operator's over them, and of those only what the manifest's
//! `config` grant names. Values stand when a version is deployed and do not change under an instance.

use std::sync::LazyLock;

use wasmtime::component::Linker;
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};

use crate::engine::{Capability, Guest, State};
use crate::modules::manifest::Manifest;

/// Lets guests read their configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfigValues;

impl ConfigValues {
    /// The capability. It needs nothing: a version's manifest holds its values.
    pub fn new() -> Self {
        Self
    }
}

impl Capability for ConfigValues {
    fn name(&self) -> &'static str {
        "config"
    }

    fn link(&self, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        wasmtime_wasi_config::add_to_linker(linker, view)
    }

    fn prepare(&self, guest: &Guest, state: &mut State) {
        // An instance without values, which is most of them, costs nothing here.
        if let Some(manifest) = guest.profile::<Manifest>().filter(|manifest| !manifest.config.is_empty()) {
            state.insert(visible(manifest).collect::<WasiConfigVariables>());
        }
    }
}

fn view(state: &mut State) -> WasiConfig<'_> {
    static NO_VALUES: LazyLock<WasiConfigVariables> = LazyLock::new(WasiConfigVariables::new);
    WasiConfig::new(state.extension::<WasiConfigVariables>().map_or(&*NO_VALUES, |(values, _)| values))
}

/// The values a guest may see. The operator may set more than the manifest grants, for another version.
fn visible(manifest: &Manifest) -> impl Iterator<Item = (&str, &str)> {
    let granted = manifest.config.iter().filter(|(key, _)| manifest.grants.config.allows(*key));
    granted.map(|(key, value)| (key.as_str(), value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(manifest: &str) -> Vec<(String, String)> {
        let manifest = Manifest::parse(manifest, "orders.toml", Some("orders")).unwrap();
        visible(&manifest).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn guests_see_what_is_granted() {
        let values = "[config]\ncurrency = 'EUR'\nkey = 'secret'\n";
        let (currency, key) = (("currency".into(), "EUR".into()), ("key".into(), "secret".into()));
        assert_eq!(seen(values), [currency.clone(), key]);
        assert_eq!(seen(&format!("[grants]\nconfig = ['currency', 'absent']\n{values}")), [currency]);
        assert_eq!(seen(&format!("[grants]\nconfig = []\n{values}")), []);
    }
}
