use std::fs;

use super::*;
use crate::cli::usage::UsageError;

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// `more` continues the section `[package]`.
fn package(root: &Path, path: &str, kind: &str, more: &str) {
    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
    let manifest = format!(
        "[package]\nname = '{name}'\nversion = '0.1.0'\nedition = '2024'\n{more}\n[lib]\ncrate-type = ['{kind}']"
    );
    write(root, &format!("{path}/Cargo.toml"), &manifest);
    write(root, &format!("{path}/src/lib.rs"), "");
}

/// A project as ours: its own workspace around, guests in `modules`, some guests elsewhere.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "Cargo.toml", "[workspace]\nresolver = '3'\nmembers = ['host']\nexclude = ['modules', 'guests']");
    package(root, "host", "lib", "");
    write(root, "modules/Cargo.toml", "[workspace]\nresolver = '3'\nmembers = ['*', '../guests/*']");
    package(root, "modules/users", "cdylib", "");
    package(root, "modules/orders", "cdylib", "[dependencies]\nhostel-sdk = '1'");
    package(root, "modules/common", "lib", "");
    package(root, "guests/spin", "cdylib", "workspace = '../../modules'");
    dir
}

fn names(selection: &Selection) -> Vec<Vec<&str>> {
    let mut all: Vec<Vec<&str>> = Vec::new();
    for workspace in &selection.workspaces {
        let mut names: Vec<&str> = workspace.packages.iter().map(|package| package.name.as_str()).collect();
        names.sort_unstable();
        all.push(names);
    }
    all
}

fn select_in(base: &Path, what: &[&str]) -> anyhow::Result<Selection> {
    let what: Vec<String> = what.iter().map(|item| (*item).to_owned()).collect();
    select(&what, base)
}

#[test]
fn the_services_of_a_workspace_are_those_inside_its_folder() {
    let project = project();
    let root = project.path();
    for (base, what) in [
        (root.to_owned(), &[][..]),
        (root.to_owned(), &["modules"][..]),
        (root.join("modules"), &[][..]),
        (root.join("modules"), &["."][..]),
        (root.join("modules/users"), &[".."][..]),
    ] {
        let selection = select_in(&base, what).unwrap();
        assert_eq!(names(&selection), [["orders", "users"]], "{what:?}");
        // All of them go where the host of this project looks.
        assert_eq!(selection.default_out.canonicalize().unwrap(), root.join("modules").canonicalize().unwrap());
    }
}

#[test]
fn one_crate_is_built_alone() {
    let project = project();
    let root = project.path();
    for (base, what, name) in [
        (root.to_owned(), "modules/users", "users"),
        (root.to_owned(), "users", "users"),
        (root.to_owned(), "spin", "spin"),
        (root.to_owned(), "guests/spin", "spin"),
        (root.join("modules"), "orders", "orders"),
        (root.join("modules/users"), ".", "users"),
        (root.join("modules/users"), "orders", "orders"),
    ] {
        let selection = select_in(&base, &[what]).unwrap();
        assert_eq!(names(&selection), [[name]], "{what}");
    }
    let here = select_in(&root.join("modules/users"), &[]).unwrap();
    assert_eq!(names(&here), [["users"]]);
    assert!(here.default_out.ends_with("modules/users/modules"));
}

#[test]
fn crates_of_one_workspace_are_built_together_and_once() {
    let project = project();
    let root = project.path();
    package(root, "alone", "cdylib", "[workspace]");
    let what = ["users", "modules/orders", "modules", "alone", "spin"];
    let selection = select_in(root, &what).unwrap();
    assert_eq!(names(&selection), [vec!["orders", "spin", "users"], vec!["alone"]]);
}

#[test]
fn the_sdk_is_recognised_as_an_ordinary_dependency() {
    let project = project();
    let selection = select_in(project.path(), &[]).unwrap();
    for package in &selection.workspaces[0].packages {
        assert_eq!(package.uses_sdk(), package.name == "orders");
    }
}

#[test]
fn what_cannot_be_built_is_a_usage_error() {
    let project = project();
    let root = project.path();
    fs::create_dir(root.join("empty")).unwrap();
    for (base, what, part) in [
        (root.join("empty"), &[][..], "nothing to build"),
        (root.to_owned(), &["empty"][..], "has no Cargo.toml"),
        (root.to_owned(), &["host"][..], "has nothing to build"),
        (root.to_owned(), &["modules/common"][..], "has nothing to build"),
        (root.to_owned(), &["common"][..], "`common` is no service"),
        (root.to_owned(), &["nowhere"][..], "neither a folder nor a crate"),
    ] {
        let error = select_in(&base, what).unwrap_err();
        assert!(error.is::<UsageError>(), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_bad_cargo_toml_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "Cargo.toml", "[workspace");
    let error = select_in(dir.path(), &["."]).unwrap_err();
    assert!(error.to_string().contains("`cargo metadata"), "{error}");
}
