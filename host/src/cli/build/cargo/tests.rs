use std::fs;

use super::super::selection::select;
use super::*;

#[test]
fn a_missing_program_says_what_to_do() {
    let error = output(&mut command("no-such-program", Path::new("."))).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`no-such-program` was not found; install Rust"), "{text}");
}

#[test]
fn a_failing_program_is_named() {
    let error = output(command("cargo", Path::new(".")).arg("no-such-command")).unwrap_err();
    assert_eq!(error.to_string(), "`cargo no-such-command` failed");
}

#[test]
fn modules_of_a_project_use_its_target_folder() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().canonicalize().unwrap();
    let folder = |name: &str, default_target: &str| Workspace {
        root: project.join(name),
        target_dir: project.join(default_target),
        packages: Vec::new(),
    };
    let modules = folder("modules", "modules/target");
    let options = Options::default();
    let of = |workspace: &Workspace, options: &Options| target_dir(workspace, options).unwrap();
    assert_eq!(of(&modules, &options), None, "there is no project around it");

    fs::write(project.join("Cargo.toml"), "").unwrap();
    assert_eq!(of(&modules, &options), Some(project.join("target/guests")));
    assert_eq!(of(&folder("orders", "orders/target"), &options), None);
    let set_in_the_environment = folder("modules", "elsewhere");
    assert_eq!(of(&set_in_the_environment, &options), None);
    let given = Options { target_dir: Some("/given".into()), ..Options::default() };
    assert_eq!(of(&modules, &given), Some("/given".into()));
}

/// Compiles a crate without dependencies, for the target that services need anyway.
#[test]
fn cargo_compiles_and_says_what_came_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(
        root.join("Cargo.toml"),
        "[package]\nname = 'my-guest'\nversion = '0.1.0'\nedition = '2024'\n[lib]\ncrate-type = ['cdylib']\n[workspace]",
    )
    .unwrap();
    fs::create_dir(root.join("src")).unwrap();
    let source = |text: &str| fs::write(root.join("src/lib.rs"), text).unwrap();
    let options = Options {
        door: BuildDoor::Portable,
        profile: Profile::Debug,
        target_dir: Some(root.join("out")),
        ..Options::default()
    };
    source("#[unsafe(no_mangle)] pub extern \"C\" fn f() {}");
    let selection = select(&[], root).unwrap();
    let workspace = &selection.workspaces[0];
    ensure_target(&workspace.root).unwrap();
    let products = build(workspace, &options, Instant::now()).unwrap();
    let [product] = products.as_slice() else {
        panic!("one product, not {}", products.len());
    };
    assert_eq!(product.name, "my-guest");
    assert!(product.file.starts_with(root.join("out")));
    assert!(fs::read(&product.file).unwrap().starts_with(b"\0asm"));
    // Nothing to compile, and the product is known all the same.
    assert_eq!(build(workspace, &options, Instant::now()).unwrap().len(), 1);

    source("compile_error!(\"on purpose\");");
    let error = build(workspace, &options, Instant::now()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("its errors are above"), "{error}");
}
