use std::borrow::Cow;

use proptest::prelude::*;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};
use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection, ComponentSection, ComponentTypeRef,
    ComponentTypeSection, CustomSection, InstanceType, Module, ModuleSection, ProducersField, ProducersSection,
};

use super::*;

fn custom<'a>(name: &'a str, data: &'a [u8]) -> CustomSection<'a> {
    CustomSection { name: Cow::Borrowed(name), data: Cow::Borrowed(data) }
}

fn imports(names: &[&str]) -> ComponentImportSection {
    let mut section = ComponentImportSection::new();
    for name in names {
        section.import(*name, ComponentTypeRef::Instance(0));
    }
    section
}

fn exports(names: &[&str], kind: ComponentExportKind) -> ComponentExportSection {
    let mut section = ComponentExportSection::new();
    for name in names {
        section.export(*name, kind, 0, None);
    }
    section
}

fn component(sections: &[&dyn ComponentSection]) -> Vec<u8> {
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut bytes = component.finish();
    for section in sections {
        section.append_to_component(&mut bytes);
    }
    bytes
}

/// A component around `component`.
fn around(component: &[u8]) -> Vec<u8> {
    let mut outer = Component::new();
    outer.section(&wasm_encoder::RawSection { id: 4, data: component });
    outer.finish()
}

fn descriptors(service: &str) -> Vec<u8> {
    let file = FileDescriptorProto {
        package: Some("shop".into()),
        service: vec![ServiceDescriptorProto { name: Some(service.into()), ..ServiceDescriptorProto::default() }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

/// A module as `rustc` makes one: our sections inside, tool chain notes beside them.
fn guest_module() -> Module {
    let mut module = Module::new();
    let mut producers = ProducersSection::new();
    let mut languages = ProducersField::new();
    languages.value("Rust", "");
    producers.field("language", &languages);
    let mut tools = ProducersField::new();
    tools.value("rustc", "1.95.0");
    producers.field("processed-by", &tools);
    module.section(&producers);
    module.section(&custom(MANIFEST_SECTION, b"name = 'inner'"));
    let catalog = descriptors("Catalog");
    module.section(&custom(DESCRIPTORS_SECTION, &catalog));
    module
}

fn guest() -> Vec<u8> {
    let users = descriptors("Users");
    component(&[
        &imports(&["wasi:io/streams@0.2.6", "wasi:keyvalue/store@0.2.0-draft"]),
        &imports(&["hostel:service/client@0.2.0"]),
        &ModuleSection(&guest_module()),
        &custom(DESCRIPTORS_SECTION, &users),
        &exports(&["wasi:http/incoming-handler@0.2.6", "hostel:service/handler@0.2.0"], ComponentExportKind::Instance),
        &exports(&["wasi:http/handler@0.3.0"], ComponentExportKind::Func),
    ])
}

#[test]
fn a_component_is_described() {
    let bytes = guest();
    let seen = inspect(&bytes).unwrap();
    assert_eq!(seen.digest, Digest::of(&bytes));
    assert_eq!(seen.size, bytes.len());
    // The third export has a door's name but is a function.
    assert_eq!(seen.doors, [Door::Lean, Door::Http02]);
    assert_eq!(
        seen.imports,
        ["wasi:io/streams@0.2.6", "wasi:keyvalue/store@0.2.0-draft", "hostel:service/client@0.2.0"]
    );
    assert_eq!(seen.exports.len(), 3);
    assert_eq!(seen.wasi_versions, ["0.2.6", "0.3.0"].map(String::from).into());
    assert_eq!(seen.manifest.as_deref(), Some("name = 'inner'"));
    let services: Vec<&str> = seen.services.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(services, ["shop.Catalog", "shop.Users"]);
    assert_eq!(seen.descriptors, [descriptors("Catalog"), descriptors("Users")].concat());
    assert_eq!(seen.languages, ["Rust".to_owned()].into());
    assert_eq!(seen.tools, ["rustc 1.95.0".to_owned()].into());
    assert_eq!(
        seen.missing_imports(&|name| name.starts_with("wasi:io/")),
        ["wasi:keyvalue/store@0.2.0-draft", "hostel:service/client@0.2.0"]
    );
}

#[test]
fn an_empty_component_is_a_component_without_doors() {
    let seen = inspect(&component(&[])).unwrap();
    assert_eq!(seen.doors, []);
    assert_eq!(seen.manifest, None);
}

#[test]
fn only_the_outermost_imports_and_exports_count() {
    let seen = inspect(&around(&guest())).unwrap();
    assert_eq!((seen.imports.len(), seen.exports.len()), (0, 0));
    assert_eq!(seen.doors, []);
    assert_eq!(seen.services.len(), 2);
    assert!(seen.languages.contains("Rust"));
}

#[test]
fn the_manifest_of_the_component_wins() {
    for outer_first in [true, false] {
        let outer = custom(MANIFEST_SECTION, b"name = 'outer'");
        let module = guest_module();
        let inner = ModuleSection(&module);
        let bytes = match outer_first {
            true => component(&[&outer, &inner]),
            false => component(&[&inner, &outer]),
        };
        let seen = inspect(&bytes).unwrap();
        assert_eq!(seen.manifest.as_deref(), Some("name = 'outer'"));
    }
}

#[test]
fn equal_manifests_are_one_and_different_ones_an_error() {
    let module = guest_module();
    let same = component(&[&ModuleSection(&module), &ModuleSection(&module)]);
    assert!(inspect(&same).unwrap().manifest.is_some());
    let mut other = Module::new();
    other.section(&custom(MANIFEST_SECTION, b"name = 'other'"));
    let differ = component(&[&ModuleSection(&module), &ModuleSection(&other)]);
    assert!(matches!(inspect(&differ), Err(Error::Manifest { .. })));
    let latin = component(&[&custom(MANIFEST_SECTION, b"# caf\xe9")]);
    assert!(matches!(inspect(&latin), Err(Error::Manifest { .. })));
}

#[test]
fn what_is_not_a_component_says_what_it_is() {
    let of = |bytes: &[u8]| inspect(bytes).unwrap_err();
    assert_eq!(of(b""), Error::Empty);
    assert_eq!(of(&Module::new().finish()), Error::CoreModule);
    for (bytes, found) in [
        (&b"\n (component)"[..], "WebAssembly text"),
        (b";; comment\n(module)", "WebAssembly text"),
        (b"\x7fELF\x02", "native or precompiled"),
        (b"\x1f\x8b\x08", "gzip"),
        (&[0; 100], "zeros"),
        (b"\0as!", "something else"),
        (b"#!/bin/sh", "something else"),
    ] {
        let message = of(bytes).to_string();
        assert!(message.contains(found), "{message}");
    }
    assert!(matches!(of(b"\0asm\x07\0\x01\0"), Error::Malformed { offset: 4, .. }));
    let mut garbled = guest();
    garbled.extend(b"\xff\xff");
    assert!(matches!(of(&garbled), Error::Malformed { .. }));
}

#[test]
fn a_cut_file_is_said_to_be_cut() {
    let bytes = guest();
    let mut whole = 0;
    for size in 1..bytes.len() {
        match inspect(&bytes[..size]) {
            Err(error) => assert_eq!(error, Error::Truncated { size }),
            // A cut between two sections leaves a smaller component, which nothing in the format gives away.
            Ok(_) => whole += 1,
        }
    }
    // The header alone, and after each of its seven sections but the last.
    assert_eq!(whole, 7);
}

#[test]
fn limits_hold() {
    let mut nested = component(&[]);
    for _ in 0..NESTING_MAX {
        nested = around(&nested);
    }
    inspect(&nested).unwrap();
    assert_eq!(inspect(&around(&nested)), Err(Error::TooDeep));

    let names: Vec<String> = (0..=NAMES_MAX).map(|n| format!("a{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = |sections: &[&dyn ComponentSection]| inspect(&component(sections)).map(|_| ());
    let (some, last) = names.split_at(NAMES_MAX);
    assert_eq!(many(&[&imports(some)]), Ok(()));
    assert_eq!(many(&[&imports(some), &imports(last)]), Err(Error::TooMany { what: "imports" }));
    let kind = ComponentExportKind::Func;
    assert_eq!(many(&[&exports(&names, kind)]), Err(Error::TooMany { what: "exports" }));

    let half = vec![0x10; DESCRIPTORS_BYTES_MAX / 2 + 1];
    let half = custom(DESCRIPTORS_SECTION, &half);
    assert!(matches!(many(&[&half, &half]), Err(Error::Descriptors { .. })));

    // The pages of this are never touched, so it costs nothing.
    let large = vec![0; MODULE_BYTES_MAX + 1];
    assert!(matches!(inspect(&large), Err(Error::TooLarge { .. })));
}

#[test]
fn a_section_that_claims_many_names_costs_nothing() {
    let mut bytes = component(&[]);
    // Section 10 (imports) of 5 bytes that announces 2^32 - 1 entries.
    bytes.extend([10, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(inspect(&bytes), Err(Error::TooMany { what: "imports" }));
}

#[test]
fn tool_notes_are_bounded() {
    let mut tools = ProducersField::new();
    for number in 0..1000 {
        tools.value(&format!("tool{number}"), "1");
    }
    tools.value(&"x".repeat(10_000), "1");
    let mut producers = ProducersSection::new();
    producers.field("processed-by", &tools);
    let seen = inspect(&component(&[&producers])).unwrap();
    assert_eq!(seen.tools.len(), 64);
    // Unreadable notes are passed over.
    let broken = component(&[&custom("producers", b"\xff\xff\xff")]);
    assert!(inspect(&broken).unwrap().tools.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = inspect(&bytes);
    }

    #[test]
    fn any_sections_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300), nested: bool) {
        let mut component = Component::new().finish();
        component.extend(bytes);
        let _ = inspect(&if nested { around(&component) } else { component });
    }

    #[test]
    fn any_damage_is_answered(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = guest();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Err(error) = inspect(&bytes[..cut.index(bytes.len())]) {
            prop_assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
