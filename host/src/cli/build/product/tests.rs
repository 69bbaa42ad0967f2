use wasm_encoder::{Component, ComponentExportKind, ComponentExportSection, ComponentSection, CustomSection};

use super::*;
use crate::modules::inspect::{Door, MANIFEST_SECTION};

const LEAN: &str = "hostel:service/handler@0.2.0";

fn component(export: &str, manifest: &str) -> Vec<u8> {
    let mut bytes = Component::new().finish();
    let mut exports = ComponentExportSection::new();
    exports.export(export, ComponentExportKind::Instance, 0, None);
    exports.append_to_component(&mut bytes);
    let manifest = CustomSection { name: MANIFEST_SECTION.into(), data: manifest.as_bytes().into() };
    manifest.append_to_component(&mut bytes);
    bytes
}

fn product(dir: &Path, name: &str, bytes: &[u8]) -> Product {
    let file = dir.join(format!("{name}.cargo.wasm"));
    fs::write(&file, bytes).unwrap();
    Product { name: name.to_owned(), file, elapsed: Duration::from_secs(1) }
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_service_is_written_and_left_alone_when_it_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("deep/modules");
    let build = |bytes: &[u8]| {
        let mut checked = check(vec![product(dir.path(), "orders", bytes)]).unwrap();
        checked.remove(0).write(&out).unwrap()
    };
    let first = component(LEAN, "");
    let built = build(&first);
    assert_eq!(built.change, Change::Written);
    assert_eq!(built.path, out.join("orders.wasm"));
    assert_eq!(built.doors, [Door::Lean]);
    assert_eq!(fs::read(&built.path).unwrap(), first);

    let before = fs::metadata(&built.path).unwrap().modified().unwrap();
    assert_eq!(build(&first).change, Change::Unchanged);
    let after = fs::metadata(&built.path).unwrap().modified().unwrap();
    assert_eq!(before, after);

    // Of the same size, so that the content has to be compared.
    let second = component(&LEAN.replace("0.2.0", "0.2.1"), "");
    assert_eq!(second.len(), first.len());
    assert_eq!(build(&second).change, Change::Written);
    assert_eq!(fs::read(&built.path).unwrap(), second);
    assert_eq!(files(&out), ["orders.wasm"]);
}

#[test]
fn what_is_no_service_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |name: &str, bytes: &[u8]| {
        let error = check(vec![product(dir.path(), name, bytes)]).unwrap_err();
        format!("{error:#}")
    };
    let no_door = refuse("a", &component("wasi:cli/run@0.2.6", ""));
    assert!(no_door.contains("Its exports: wasi:cli/run@0.2.6"), "{no_door}");
    let core = refuse("a", b"\0asm\x01\0\0\0");
    assert!(core.starts_with("`a` cannot be used: a core"), "{core}");
    let manifest = refuse("a", &component(LEAN, "\n[limits]\ncpu = 1"));
    assert!(manifest.starts_with("manifest of `a`:3: unknown key `cpu` in [limits]"), "{manifest}");
    let name = refuse("MyShop", &component(LEAN, ""));
    assert!(name.contains("no valid service name"), "{name}");
    check(vec![product(dir.path(), "MyShop", &component(LEAN, "name = 'shop'"))]).unwrap();
}

#[test]
fn two_products_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = component(LEAN, "");
    let twice = vec![product(dir.path(), "a", &bytes), product(dir.path(), "a", &bytes)];
    assert_eq!(check(twice).unwrap_err().to_string(), "two crates are called `a`");
}

#[test]
fn nothing_is_left_behind_when_a_file_cannot_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orders.wasm");
    fs::create_dir_all(path.join("in the way")).unwrap();
    assert!(replace(&path, b"x").is_err());
    assert_eq!(files(dir.path()), ["orders.wasm"]);
}
