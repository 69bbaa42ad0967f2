use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection, ComponentSection, ComponentTypeRef,
    CustomSection,
};

use super::*;
use crate::modules::inspect::{Digest, MANIFEST_SECTION};

fn module() -> Vec<u8> {
    let mut bytes = Component::new().finish();
    let mut imports = ComponentImportSection::new();
    for name in ["wasi:io/streams@0.2.6", "acme:db/store@1.0.0"] {
        imports.import(name, ComponentTypeRef::Instance(0));
    }
    imports.append_to_component(&mut bytes);
    let mut exports = ComponentExportSection::new();
    exports.export("hostel:service/handler@0.2.0", ComponentExportKind::Instance, 0, None);
    exports.append_to_component(&mut bytes);
    let manifest = CustomSection { name: MANIFEST_SECTION.into(), data: b"version = '1.2'"[..].into() };
    manifest.append_to_component(&mut bytes);
    bytes
}

fn offered(name: &str) -> bool {
    name.starts_with("wasi:")
}

#[test]
fn text_is_aligned_and_names_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.wasm");
    fs::write(&file, module()).unwrap();
    let text = human(&report(&file, &offered).unwrap());
    let digest = Digest::of(&module());
    assert_eq!(
        text,
        format!(
            "file      {}
service   orders
version   1.2
manifest  embedded
digest    {digest}
size      {} B
doors     lean
wasi      0.2.6
language  none
tools     none
exports   hostel:service/handler@0.2.0
imports   wasi:io/streams@0.2.6
          acme:db/store@1.0.0  (not offered by this host)
",
            file.display(),
            module().len()
        )
    );
}

#[test]
fn json_field_names_are_stable() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.wasm");
    fs::write(&file, module()).unwrap();
    let value = serde_json::to_value(report(&file, &offered).unwrap()).unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "file": file.display().to_string(),
            "service": "orders",
            "version": "1.2",
            "manifest": "embedded",
            "manifest_error": null,
            "digest": Digest::of(&module()).to_string(),
            "size": module().len(),
            "doors": ["lean"],
            "wasi_versions": ["0.2.6"],
            "imports": [
                {"name": "wasi:io/streams@0.2.6", "offered": true},
                {"name": "acme:db/store@1.0.0", "offered": false},
            ],
            "exports": ["hostel:service/handler@0.2.0"],
            "grpc_services": [],
            "languages": [],
            "tools": [],
        })
    );
}

#[test]
fn the_manifest_beside_the_module_wins() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.wasm");
    fs::write(&file, module()).unwrap();
    let beside = dir.path().join("orders.toml");
    fs::write(&beside, "name = 'shop'").unwrap();
    let seen = report(&file, &offered).unwrap();
    assert_eq!(seen.service.as_deref(), Some("shop"));
    assert_eq!(seen.version, Some(Digest::of(&module()).short()));
    assert_eq!(seen.manifest, beside.display().to_string());
    fs::write(&beside, "nam = 'shop'").unwrap();
    let seen = report(&file, &offered).unwrap();
    assert_eq!(seen.service, None);
    let text = human(&seen);
    assert!(text.contains("problem "), "{text}");
    assert!(text.contains("orders.toml:1: unknown key `nam` at the top level"), "{text}");
}

#[test]
fn a_module_that_cannot_be_shown_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.wasm");
    let message = || format!("{:#}", report(&file, &offered).map(|_| ()).unwrap_err());
    assert!(message().contains("orders.wasm: No such file"), "{}", message());
    fs::write(&file, "hello").unwrap();
    assert!(message().contains("orders.wasm: not a WebAssembly component"), "{}", message());
}
