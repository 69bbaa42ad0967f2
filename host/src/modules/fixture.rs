//! Services for tests: a real version, made of the smallest component there is, and those of other hosts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::deployed::{Deployed, Platform};
use super::description::Description;
use super::directory::Found;
use super::remote::RemoteService;
use super::source::Source;
use crate::call::ServiceName;
use crate::engine::{self, Engine};
use crate::observe::metrics::{BuildInfo, Metrics};

/// What versions are made with. Their instances run on the runtime of the test.
pub(super) fn platform() -> Platform {
    // The host reserves address space for each instance that may be.
    let settings = engine::Settings { instances_max: 10, ..engine::Settings::default() };
    let runtime = tokio::runtime::Handle::current();
    Platform {
        engine: Engine::new(&settings, None, runtime, 1, Vec::new()).unwrap(),
        metrics: Metrics::new(BuildInfo { version: "", revision: "", engine: "" }),
        services: Arc::default(),
        memory_mib_max: 4096,
        start_timeout: Duration::from_secs(60),
        turns: Arc::new(Semaphore::new(4)),
    }
}

/// Writes the smallest module, and the manifest beside it.
pub(super) fn write_module(dir: &Path, stem: &str, manifest: &str) {
    let component = wat::parse_str(include_str!("../../../tests/guests/bad/control-lean.wat")).unwrap();
    std::fs::write(dir.join(format!("{stem}.toml")), manifest).unwrap();
    std::fs::write(dir.join(format!("{stem}.wasm")), component).unwrap();
}

/// A version that can take calls, of the service with this manifest.
pub(super) async fn deployed(platform: &Platform, name: &str, manifest: &str) -> Arc<Deployed> {
    let dir = tempfile::tempdir().unwrap();
    write_module(dir.path(), name, manifest);
    let source = Source::read(&Found::at(&dir.path().join(format!("{name}.wasm")))).unwrap();
    let turn = platform.turns.clone().acquire_owned().await.unwrap();
    Arc::new(Deployed::build(source, platform, turn).await.unwrap())
}

/// A service of another host; `rest` are the keys of its description after its name.
pub(super) fn remote(name: &str, rest: &str) -> Arc<RemoteService> {
    let service = ServiceName::new(name).unwrap();
    let comma = if rest.is_empty() { "" } else { "," };
    let text = format!(r#"{{"service":"{name}"{comma}{rest}}}"#);
    Arc::new(RemoteService::new(&Description::decode(&service, text.as_bytes()).unwrap(), None))
}
