//! Keeps what serves in step with the directory of modules.
//!
//! One task looks at the directory, builds what changed aside, and puts the results into the table one after another.
//! Nobody else changes what runs here. A module that fails is tried again when its files change; one that failed only
//! because of another module, when that changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch as signal;
use tokio::task::{Id, JoinSet};

use super::deployed::{Deployed, Platform};
use super::directory::{Found, orphans, scan, select};
use super::settings::Settings;
use super::source::{Error, Source};
use super::status::{ModuleState, ModuleStatus, Status};
use super::table::Deployments;
use super::watch::Watch;
use crate::observe::metrics::SwapResult;

/// A file that ends too early is taken for one that is still being written when it changed this recently.
const WRITING_MAX: Duration = Duration::from_secs(1);

/// What a build came to: `None` when the content is what is being served, or has failed, already.
type Built = (String, Found, Result<Option<Deployed>, Error>);

/// The loader's state.
pub struct Loader {
    dir: PathBuf,
    only: Vec<String>,
    poll: Duration,
    debounce: Duration,
    drain: Duration,
    platform: Platform,
    deployments: Deployments,
    status: Status,
    /// What is known of each file, by stem.
    files: HashMap<String, File>,
    builds: JoinSet<Built>,
    /// Whose build each task is, for those that panic.
    builders: HashMap<Id, String>,
    /// What is to get optimised code. It has to wait for what has no code yet.
    baseline: Vec<Arc<Deployed>>,
    dir_failed: bool,
    /// Manifests without modules that the log has told of.
    orphans: BTreeSet<String>,
    /// Names in `only` without modules that the log has told of.
    unknown: BTreeSet<String>,
    loaded: signal::Sender<bool>,
}

#[derive(Default)]
struct File {
    /// The files as they were when they were last looked into.
    seen: Option<Found>,
    building: bool,
    serving: Option<Arc<Deployed>>,
    /// Content that failed, and whether another module's change can help it.
    failed: Option<Failed>,
}

struct Failed {
    /// The content that failed.
    found: Found,
    error: String,
    may_pass: bool,
}

impl Loader {
    /// A loader that has loaded nothing yet.
    pub fn new(settings: &Settings, platform: Platform, deployments: Deployments, status: Status) -> Self {
        Self {
            dir: settings.dir.clone(),
            only: settings.only.clone(),
            poll: settings.poll(),
            debounce: settings.debounce(),
            drain: settings.drain(),
            platform,
            deployments,
            status,
            files: HashMap::new(),
            builds: JoinSet::new(),
            builders: HashMap::new(),
            baseline: Vec::new(),
            dir_failed: false,
            orphans: BTreeSet::new(),
            unknown: BTreeSet::new(),
            loaded: signal::Sender::new(false),
        }
    }

    /// Becomes true when everything that was in the directory at the start serves or has failed.
    pub fn loaded(&self) -> signal::Receiver<bool> {
        self.loaded.subscribe()
    }

    /// Keeps the table in step until the future is dropped.
    pub async fn run(mut self) {
        let mut watch = Watch::new(&self.dir, self.poll, self.debounce);
        self.look();
        loop {
            if self.builds.is_empty() {
                self.loaded.send_replace(true);
                for deployed in std::mem::take(&mut self.baseline) {
                    self.optimise(deployed);
                }
            }
            tokio::select! {
                Some(built) = self.builds.join_next_with_id() => match built {
                    Ok((id, built)) => {
                        self.builders.remove(&id);
                        self.take(built);
                    }
                    Err(error) => {
                        let stem = self.builders.remove(&error.id()).unwrap_or_default();
                        tracing::error!(file = stem, %error, "the host failed while it loaded a module; change the file to try again");
                        if let Some(file) = self.files.get_mut(&stem) {
                            file.building = false;
                        }
                    }
                },
                () = watch.changed() => self.look(),
            }
            self.platform.metrics.set_modules(&self.status.counts());
        }
    }

    /// Looks at the directory and starts what there is to do.
    fn look(&mut self) {
        let mut found = match scan(&self.dir) {
            Ok(found) => found,
            Err(error) => {
                // What serves goes on: a directory that cannot be read is not an empty one.
                if !self.dir_failed {
                    tracing::error!(dir = %self.dir.display(), %error, "cannot read the directory of modules; what serves goes on");
                }
                self.dir_failed = true;
                return;
            }
        };
        self.dir_failed = false;
        self.tell_orphans(&found);
        self.select(&mut found);
        self.add(&found);
        self.remove_missing(&found);
    }

    /// A manifest that belongs to no module does nothing, which its author should know.
    fn tell_orphans(&mut self, found: &BTreeMap<String, Found>) {
        let orphans = orphans(&self.dir, found);
        for orphan in orphans.difference(&self.orphans) {
            tracing::warn!(file = orphan, "a manifest without a module: there is no .wasm file of this name");
        }
        self.orphans = orphans;
    }

    /// Leaves what is to be served. A name of no module does nothing, which the operator should know.
    fn select(&mut self, found: &mut BTreeMap<String, Found>) {
        let there = found.keys().cloned().collect::<Vec<_>>().join(", ");
        let unknown = select(found, &self.only);
        for name in unknown.difference(&self.unknown) {
            tracing::warn!(
                name,
                dir = %self.dir.display(), there,
                "`only` in [modules] names no module: there is no .wasm file of this name"
            );
        }
        self.unknown = unknown;
    }

    fn add(&mut self, found: &BTreeMap<String, Found>) {
        for (stem, found) in found {
            let file = self.files.entry(stem.clone()).or_default();
            if file.building || file.seen.as_ref() == Some(found) {
                continue;
            }
            file.seen = Some(found.clone());
            self.start_build(stem);
        }
    }

    fn start_build(&mut self, stem: &str) {
        let Some(file) = self.files.get_mut(stem) else { return };
        let Some(found) = file.seen.clone() else { return };
        file.building = true;
        if file.serving.is_none() && file.failed.is_none() {
            let loading = ModuleStatus { file: found.file_name(), state: ModuleState::Loading, serving: None };
            self.status.set(stem, loading);
        }
        let serving = file.serving.clone();
        let platform = self.platform.clone();
        let whose = stem.to_owned();
        let task = self.builds.spawn(async move {
            let built = build(found.clone(), serving, platform).await;
            (whose, found, built)
        });
        self.builders.insert(task.id(), stem.to_owned());
    }

    /// A build is done: puts it into the table, or notes why not.
    fn take(&mut self, (stem, found, built): Built) {
        let Some(file) = self.files.get_mut(&stem) else {
            // The file was deleted meanwhile.
            if let Ok(Some(deployed)) = built {
                deployed.pool().kill();
            }
            return;
        };
        file.building = false;
        let outcome = match built {
            Ok(None) => {
                // Back to what is serving: whatever failed before is gone from the file.
                if file.failed.take().is_some() {
                    tracing::info!(file = found.file_name(), "the file is again what is being served");
                }
                Ok(())
            }
            Ok(Some(deployed)) => self.put(&stem, deployed),
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            self.fail(&stem, &found, &error);
        }
        self.publish(&stem, &found);
    }

    fn put(&mut self, stem: &str, deployed: Deployed) -> Result<(), Error> {
        let Some(file) = self.files.get_mut(stem) else { return Ok(()) };
        let deployed = Arc::new(deployed);
        if let Err(error) = self.deployments.put(&deployed, file.serving.as_ref()) {
            deployed.pool().kill();
            return Err(error);
        }
        deployed.metrics().swap(SwapResult::Ok);
        let old = file.serving.replace(deployed.clone());
        file.failed = None;
        tracing::info!(
            service = %deployed.service(), version = %deployed.version(), file = deployed.file(),
            replaces = old.as_ref().map(|old| old.version().as_ref()), door = deployed.pool().door().as_str(),
            code = deployed.code(),
            "a module serves"
        );
        if deployed.is_baseline() {
            self.baseline.push(deployed.clone());
        }
        if let Some(old) = old {
            self.retire(old, Some(&deployed));
        }
        self.retry_those_in_the_way();
        Ok(())
    }

    /// What serves with baseline code gets optimised code as soon as that is compiled.
    fn optimise(&self, deployed: Arc<Deployed>) {
        let platform = self.platform.clone();
        tokio::spawn(async move {
            let (service, version) = (deployed.service(), deployed.version());
            match deployed.optimise(&platform).await {
                // Not when its version has been replaced meanwhile.
                Ok(()) if !deployed.is_baseline() => {
                    tracing::info!(%service, %version, code = deployed.code(), "a module runs other code");
                }
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(%service, %version, %error, "a module goes on with baseline code");
                }
            }
        });
    }

    fn fail(&mut self, stem: &str, found: &Found, error: &Error) {
        let Some(file) = self.files.get_mut(stem) else { return };
        if matches!(error, Error::Changing { .. }) || error.looks_unfinished() && found.is_fresh(WRITING_MAX) {
            // Being written: the write's end is an event, and the poll comes anyway.
            file.seen = None;
            return;
        }
        let text = error.to_string();
        // Another attempt at the same content is no news; other content that fails in the same way is.
        let news = file.failed.as_ref().is_none_or(|failed| failed.error != text || failed.found != *found);
        file.failed = Some(Failed { found: found.clone(), error: text.clone(), may_pass: error.may_pass() });
        if !news {
            return;
        }
        let serving = file.serving.as_ref();
        if let Some(serving) = serving {
            serving.metrics().swap(SwapResult::Failed);
        }
        tracing::error!(
            file = found.file_name(),
            error = text,
            still_serving = serving.map(|serving| serving.version().as_ref()),
            "a module cannot serve"
        );
    }

    fn publish(&self, stem: &str, found: &Found) {
        let Some(file) = self.files.get(stem) else { return };
        let state = match &file.failed {
            Some(failed) => ModuleState::Failed { error: failed.error.clone(), at: SystemTime::now() },
            None if file.serving.is_some() => ModuleState::Serving,
            None => ModuleState::Loading,
        };
        let status = ModuleStatus { file: found.file_name(), state, serving: file.serving.clone() };
        self.status.set(stem, status);
    }

    fn remove_missing(&mut self, found: &BTreeMap<String, Found>) {
        let gone: Vec<String> = self.files.keys().filter(|stem| !found.contains_key(*stem)).cloned().collect();
        for stem in &gone {
            let Some(file) = self.files.remove(stem) else { continue };
            self.status.remove(stem);
            let Some(old) = file.serving else { continue };
            self.deployments.remove(old.service());
            old.metrics().swap(SwapResult::Removed);
            tracing::info!(service = %old.service(), version = %old.version(), file = old.file(), "a module is removed");
            self.retire(old, None);
        }
        if !gone.is_empty() {
            self.retry_those_in_the_way();
        }
    }

    /// Modules that failed because of another one get another chance when the table has changed.
    fn retry_those_in_the_way(&mut self) {
        let waiting = |file: &File| !file.building && file.failed.as_ref().is_some_and(|failed| failed.may_pass);
        let stems: Vec<String> =
            self.files.iter().filter(|(_, file)| waiting(file)).map(|(stem, _)| stem.clone()).collect();
        for stem in stems {
            self.start_build(&stem);
        }
    }

    /// Lets a version's calls end and gives back what it holds.
    fn retire(&self, old: Arc<Deployed>, successor: Option<&Arc<Deployed>>) {
        let drain = self.drain;
        let metrics = self.platform.metrics.clone();
        let same_service = successor.is_some_and(|successor| successor.service() == old.service());
        let same_version = same_service && successor.is_some_and(|successor| successor.version() == old.version());
        tokio::spawn(async move {
            let cut_off = old.retire(drain).await;
            if cut_off > 0 {
                tracing::warn!(
                    service = %old.service(), version = %old.version(), calls = cut_off, drain_ms = drain.as_millis(),
                    "calls were cut off: they did not end within `drain_ms`"
                );
            }
            if !same_service {
                metrics.retire_service(old.service().as_str());
            } else if !same_version {
                metrics.retire_version(old.service().as_str(), old.version());
            }
        });
    }
}

async fn build(found: Found, serving: Option<Arc<Deployed>>, platform: Platform) -> Result<Option<Deployed>, Error> {
    let (file, within) = (found.file_name(), platform.start_timeout);
    let turn = platform.turns.clone().acquire_owned().await;
    let turn = turn.map_err(|error| Error::Read { file: file.clone(), source: std::io::Error::other(error) })?;
    let reading = tokio::task::spawn_blocking(move || Source::read(&found));
    let source = match tokio::time::timeout(within, reading).await {
        Err(_) => return Err(Error::Slow { file, within }),
        Ok(Ok(source)) => source?,
        Ok(Err(error)) => {
            return Err(Error::Read { file: String::new(), source: std::io::Error::other(error) });
        }
    };
    if serving.is_some_and(|serving| serving.identity() == source.identity) {
        return Ok(None);
    }
    Deployed::build(source, &platform, turn).await.map(Some)
}

#[cfg(test)]
mod tests;
