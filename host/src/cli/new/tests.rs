use clap::Parser;

use super::*;
use crate::cli::usage::UsageError;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: NewArgs,
}

#[test]
fn the_command_line_is_understood() {
    let parse = |words: &[&str]| Cli::try_parse_from([&["new"], words].concat());
    let args = parse(&["orders"]).unwrap().args;
    assert_eq!(args.template, "http-rust");
    assert_eq!(args.name.as_deref(), Some("orders"));
    assert!(parse(&["--list"]).unwrap().args.list);
    for wrong in [&[][..], &["--list", "orders"], &["-t", "cobol", "orders"]] {
        let error = parse(wrong).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}

fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

/// The paths of all files below `dir`, with slashes.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(dir).unwrap();
                found.push(path.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found
}

fn read(dir: &Path, path: &str) -> String {
    fs::read_to_string(dir.join(path)).unwrap()
}

#[test]
fn the_templates_are_known_and_described() {
    let names: Vec<&str> = embedded::TEMPLATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ABOUT.map(|(name, _)| name));
    let text = list(false).unwrap();
    assert_eq!(text.lines().count(), names.len());
    let json: serde_json::Value = serde_json::from_str(&list(true).unwrap()).unwrap();
    assert_eq!(json[1]["name"], "http-rust");
}

#[test]
fn a_project_is_complete_and_carries_its_name() {
    for (template, _) in embedded::TEMPLATES {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("made/here");
        create(template, &name("my-shop"), &dir).unwrap();
        let files = files(&dir);
        for file in &files {
            assert!(!file.ends_with(TEMPLATE_ENDING), "{file}");
            if !file.starts_with(SDK_FOLDER) {
                let text = read(&dir, file);
                let left = text.contains("{{name") || text.contains("name}}");
                assert!(!left, "{template}: {file} has an open placeholder");
            }
        }
        let manifest: toml::Table = toml::from_str(&read(&dir, "Cargo.toml")).unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some("my-shop"));
        assert_eq!(manifest["lib"]["crate-type"][0].as_str(), Some("cdylib"));
        // Without it the project would look for a workspace around it.
        assert!(manifest.contains_key("workspace"), "{template}");
        let sdk = &manifest["dependencies"]["hostel-sdk"]["path"];
        assert_eq!(sdk.as_str(), Some(SDK_FOLDER), "{template}");
        assert!(files.iter().any(|file| file == "src/lib.rs"), "{template}");
    }
}

#[test]
fn the_sdk_is_vendored_whole_and_stands_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("x");
    create("http-rust", &name("x"), &dir).unwrap();
    let sdk = dir.join(SDK_FOLDER);
    let files = files(&sdk);
    for file in ["Cargo.toml", "src/lib.rs", "wit/service.wit"] {
        assert!(files.iter().any(|other| other == file), "{file}");
    }
    assert!(!files.iter().any(|file| file.starts_with("target/")));
    let manifest = read(&sdk, "Cargo.toml");
    assert!(!manifest.contains("workspace = true"));
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("hostel-sdk"));
}

#[test]
fn nothing_is_ever_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    let make = |dir: &Path| create("http-rust", &name("x"), dir);
    let empty = parent.path().join("empty");
    fs::create_dir(&empty).unwrap();
    make(&empty).unwrap();

    let error = make(&empty).unwrap_err();
    assert!(error.is::<UsageError>() && error.to_string().ends_with("is not empty"), "{error}");

    let file = parent.path().join("file");
    fs::write(&file, "mine").unwrap();
    let error = make(&file).unwrap_err();
    assert!(error.is::<UsageError>() && error.to_string().ends_with("is not a folder"), "{error}");
    assert_eq!(read(parent.path(), "file"), "mine");

    assert!(write_new(&file, b"yours").is_err());
    assert_eq!(read(parent.path(), "file"), "mine");
}

#[test]
fn names_that_would_not_compile_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("x");
    for taken in ["test", "std", "async", "yield", "serde", "hostel-sdk"] {
        let error = create("http-rust", &name(taken), &dir).unwrap_err();
        assert!(error.is::<UsageError>(), "{error}");
        assert!(error.to_string().contains(&format!("`{taken}`")), "{error}");
    }
    assert!(!dir.exists());
}

#[test]
fn an_unknown_template_is_refused() {
    let error = create("cobol", &name("x"), Path::new("x")).unwrap_err();
    assert!(error.is::<UsageError>(), "{error}");
}

#[test]
fn the_next_steps_are_shown() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("x");
    let args = |json| NewArgs { template: "http-rust".into(), name: None, dir: Some(dir.clone()), list: false, json };
    let text = create_from(&args(false), "shop").unwrap();
    let shown = dir.display();
    assert_eq!(
        text,
        format!(
            "created shop in {shown}\n\nnext:\n  cd {shown}\n  hostel up --build\n  curl http://127.0.0.1:8080/shop/\n"
        )
    );
    fs::remove_dir_all(&dir).unwrap();
    let json: serde_json::Value = serde_json::from_str(&create_from(&args(true), "shop").unwrap()).unwrap();
    assert_eq!(json["name"], "shop");
    let error = create_from(&args(false), "Shop").unwrap_err();
    assert!(error.is::<UsageError>(), "{error}");
}
