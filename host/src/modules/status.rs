//! What became of each module file, for operators.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::deployed::Deployed;

/// What a module file is doing.
#[derive(Clone)]
pub enum ModuleState {
    /// It is being compiled or probed; nothing of it serves yet.
    Loading,
    /// It serves.
    Serving,
    /// It does not serve, and why. An older version may.
    Failed {
        /// One line.
        error: String,
        /// When it was tried.
        at: SystemTime,
    },
}

/// One module file.
#[derive(Clone)]
pub struct ModuleStatus {
    /// The file's name.
    pub file: String,
    /// What it is doing.
    pub state: ModuleState,
    /// The version that serves: the file's own, or an older one when the file has failed.
    pub serving: Option<Arc<Deployed>>,
}

/// The status of all module files. Clones share it.
#[derive(Clone, Default)]
pub struct Status(Arc<Mutex<BTreeMap<String, ModuleStatus>>>);

impl Status {
    /// All module files, by name.
    pub fn snapshot(&self) -> Vec<ModuleStatus> {
        self.with(|files| files.values().cloned().collect())
    }

    pub(super) fn set(&self, stem: &str, status: ModuleStatus) {
        self.with(|files| files.insert(stem.to_owned(), status));
    }

    pub(super) fn remove(&self, stem: &str) {
        self.with(|files| files.remove(stem));
    }

    /// How many files are in each state: loading, serving, failed.
    pub(super) fn counts(&self) -> [(&'static str, u64); 3] {
        self.with(|files| {
            let count =
                |wanted: fn(&ModuleState) -> bool| files.values().filter(|file| wanted(&file.state)).count() as u64;
            [
                ("loading", count(|state| matches!(state, ModuleState::Loading))),
                ("serving", count(|state| matches!(state, ModuleState::Serving))),
                ("failed", count(|state| matches!(state, ModuleState::Failed { .. }))),
            ]
        })
    }

    fn with<R>(&self, f: impl FnOnce(&mut BTreeMap<String, ModuleStatus>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
