//! Which crates are meant.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use super::cargo;
use crate::cli::usage::usage;

/// What to build, and where it goes unless the user says otherwise.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) workspaces: Vec<Workspace>,
    pub(super) default_out: PathBuf,
}

/// Crates of one workspace, which cargo builds in one go.
#[derive(Debug)]
pub(super) struct Workspace {
    pub(super) root: PathBuf,
    /// Where cargo would put its files.
    pub(super) target_dir: PathBuf,
    pub(super) packages: Vec<Package>,
}

/// The part of `cargo metadata` that is used here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    workspace_default_members: Vec<String>,
    target_directory: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `dev` or `build`; absent for an ordinary one.
    kind: Option<String>,
}

impl Package {
    /// Whether it compiles to a component that others call, rather than to a library or a program.
    fn is_service(&self) -> bool {
        let mut kinds = self.targets.iter().flat_map(|target| &target.kind);
        kinds.any(|kind| kind == "cdylib")
    }

    pub(super) fn uses_sdk(&self) -> bool {
        let mut dependencies = self.dependencies.iter();
        dependencies.any(|dependency| dependency.name == "hostel-sdk" && dependency.kind.is_none())
    }
}

/// `base` is the current folder.
pub(super) fn select(what: &[String], base: &Path) -> anyhow::Result<Selection> {
    let mut selection = Selection { workspaces: Vec::new(), default_out: base.join("modules") };
    if what.is_empty() {
        let (dir, workspace) = default(base)?;
        selection.add(&dir, workspace);
    }
    for item in what {
        let dir = base.join(item);
        if dir.is_dir() {
            let workspace = in_folder(&dir)?;
            selection.add(&dir, workspace);
        } else {
            let workspace = by_name(item, base)?;
            selection.add(base, workspace);
        }
    }
    Ok(selection)
}

impl Selection {
    fn add(&mut self, dir: &Path, workspace: Workspace) {
        let called_modules = workspace.root.file_name().is_some_and(|name| name == "modules");
        if called_modules && dir.canonicalize().is_ok_and(|dir| dir == workspace.root) {
            self.default_out = dir.to_owned();
        }
        let known = self.workspaces.iter_mut().find(|known| known.root == workspace.root);
        match known {
            None => self.workspaces.push(workspace),
            Some(known) => {
                for package in workspace.packages {
                    if known.packages.iter().all(|other| other.id != package.id) {
                        known.packages.push(package);
                    }
                }
            }
        }
    }
}

/// The current folder when it holds something to build, else `modules` in it.
fn default(base: &Path) -> anyhow::Result<(PathBuf, Workspace)> {
    let modules = base.join("modules");
    for dir in [base.to_owned(), modules] {
        if dir.join("Cargo.toml").is_file() {
            let metadata = metadata(&dir)?;
            let packages = services_in(&dir, &metadata)?;
            if !packages.is_empty() {
                return Ok((dir, workspace(metadata, packages)?));
            }
        }
    }
    Err(usage(
        "nothing to build: neither the current folder nor ./modules holds a crate with `crate-type = [\"cdylib\"]`; \
         name a folder, or start with `hostel new`",
    ))
}

fn in_folder(dir: &Path) -> anyhow::Result<Workspace> {
    let shown = dir.display();
    if !dir.join("Cargo.toml").is_file() {
        return Err(usage(format!("{shown} has no Cargo.toml")));
    }
    let metadata = metadata(dir)?;
    let packages = services_in(dir, &metadata)?;
    if packages.is_empty() {
        return Err(usage(format!(
            "{shown} has nothing to build: a service's Cargo.toml says `crate-type = [\"cdylib\"]` under [lib]"
        )));
    }
    workspace(metadata, packages)
}

fn by_name(name: &str, base: &Path) -> anyhow::Result<Workspace> {
    for dir in [base.to_owned(), base.join("modules")] {
        if dir.join("Cargo.toml").is_file() {
            let mut metadata = metadata(&dir)?;
            let found = metadata.packages.iter().position(|package| package.name == name);
            if let Some(found) = found {
                let package = metadata.packages.swap_remove(found);
                if !package.is_service() {
                    return Err(usage(format!(
                        "`{name}` is no service: its Cargo.toml lacks `crate-type = [\"cdylib\"]` under [lib]"
                    )));
                }
                return workspace(metadata, vec![package]);
            }
        }
    }
    Err(usage(format!("`{name}` is neither a folder nor a crate of the workspace here or in ./modules")))
}

/// The crate in `dir`; or, when it is the root of a workspace, those of its default members that are inside the
/// folder. A workspace may well have members elsewhere, such as guests for tests; they are built when named.
fn services_in(dir: &Path, metadata: &Metadata) -> anyhow::Result<Vec<Package>> {
    let dir = canonical(dir)?;
    let is_root = canonical(&metadata.workspace_root)? == dir;
    let mut services = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.is_service()) {
        let folder = match package.manifest_path.parent() {
            Some(folder) => canonical(folder)?,
            None => continue,
        };
        let wanted = folder == dir
            || is_root && folder.starts_with(&dir) && metadata.workspace_default_members.contains(&package.id);
        if wanted {
            services.push(package.clone());
        }
    }
    Ok(services)
}

fn workspace(metadata: Metadata, packages: Vec<Package>) -> anyhow::Result<Workspace> {
    Ok(Workspace { root: canonical(&metadata.workspace_root)?, target_dir: metadata.target_directory, packages })
}

/// Does not need a network or a lock file.
fn metadata(dir: &Path) -> anyhow::Result<Metadata> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let output = cargo::output(cargo::command("cargo", dir).args(arguments))?;
    serde_json::from_slice(&output).context("cargo metadata answered something unexpected")
}

fn canonical(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests;
