use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{Builder, Database, TableDefinition};

use super::file::Opener;
use super::{Config, Error, OpenDatabase, RedbStore, Store};
use crate::store::conformance::{apply, bucket, space, usage};
use crate::store::{Op, Quota, State};

mod crash;
mod disk;
mod faults;
mod measure;
mod open;
mod queue;

fn config(dir: &Path) -> Config {
    Config { dir: dir.to_path_buf(), ..Config::default() }
}

/// A store on a simulated disk.
fn open_on(disk: &disk::Disk, config: &Config) -> Result<RedbStore, Error> {
    let disk = disk.clone();
    let open: OpenDatabase = Box::new(move |builder: &Builder| builder.create_with_backend(disk.clone()));
    let opener = Opener { path: PathBuf::from("simulated"), cache_bytes_max: config.cache_bytes_max, open };
    RedbStore::start(config, opener, ())
}

async fn set(store: &RedbStore, key: &str, value: impl Into<bytes::Bytes>) -> Result<(), Error> {
    let batch = vec![Op::set(&bucket(), key, value)];
    apply(store, batch).await.map(|_| ())
}

fn holds(store: &RedbStore, key: &str) -> bool {
    store.exists(&space("n"), "b", key).unwrap()
}

/// Waits until `done`, for 20 seconds at most.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done().await {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
