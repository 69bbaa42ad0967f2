use prost::Message;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions, ServiceDescriptorProto,
};
use wasm_encoder::{ComponentSection, CustomSection};

use super::super::fixture::{deployed, platform};
use super::*;
use crate::modules::fixture::write_module;
use crate::modules::inspect::DESCRIPTORS_SECTION;
use crate::modules::{Found, RemoteService};

#[tokio::test(flavor = "multi_thread")]
async fn a_version_says_what_others_need_to_know() {
    let platform = platform();
    let manifest = "[policy]\ntimeout_ms = 500\n[[route]]\npath = '/a'";
    let version = deployed(&platform, "orders", manifest).await;
    assert_eq!(version.policy().timeout_ms, Some(500));
    assert_eq!(version.treatment().timeout, Some(Duration::from_millis(500)));
    assert_eq!(version.method_idempotent("/shop.Orders/Get"), None);
    let told = Description::decode(version.service(), version.description()).unwrap();
    assert_eq!((told.routes.len(), told.policy.timeout_ms), (1, Some(500)));

    let again = deployed(&platform, "orders", manifest).await;
    assert_eq!(again.digest8(), version.digest8());
    // What is nobody else's business changes nothing.
    let limited = deployed(&platform, "orders", &format!("{manifest}\n[limits]\nwall_ms = 1000")).await;
    assert_eq!(limited.digest8(), version.digest8());
    let other = deployed(&platform, "orders", "[policy]\ntimeout_ms = 501\n[[route]]\npath = '/a'").await;
    assert_ne!(other.digest8(), version.digest8());
    for version in [version, again, limited, other] {
        version.pool().kill();
    }
}

#[test]
fn components_and_descriptions_have_digests() {
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    assert_eq!(digest8(&a, b"x"), digest8(&a, b"x"));
    assert_ne!(digest8(&a, b"x"), digest8(&b, b"x"));
    assert_ne!(digest8(&a, b"x"), digest8(&a, b"y"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_descriptors_promise_is_known() {
    let method = |name: &str, level: Option<IdempotencyLevel>| MethodDescriptorProto {
        name: Some(name.to_owned()),
        options: level.map(|level| MethodOptions { idempotency_level: Some(level.into()), ..MethodOptions::default() }),
        ..MethodDescriptorProto::default()
    };
    let methods = vec![method("Get", Some(IdempotencyLevel::NoSideEffects)), method("Place", None)];
    let service = ServiceDescriptorProto {
        name: Some("Orders".to_owned()),
        method: methods,
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        package: Some("shop".to_owned()),
        service: vec![service],
        ..FileDescriptorProto::default()
    };
    let descriptors = FileDescriptorSet { file: vec![file] }.encode_to_vec();

    let dir = tempfile::tempdir().unwrap();
    write_module(dir.path(), "orders", "");
    let wasm = dir.path().join("orders.wasm");
    let mut bytes = std::fs::read(&wasm).unwrap();
    CustomSection { name: DESCRIPTORS_SECTION.into(), data: descriptors.into() }.append_to_component(&mut bytes);
    std::fs::write(&wasm, bytes).unwrap();
    let platform = platform();
    let turn = platform.turns.clone().acquire_owned().await.unwrap();
    let version = Deployed::build(Source::read(&Found::at(&wasm)).unwrap(), &platform, turn).await.unwrap();

    assert_eq!(version.method_idempotent("/shop.Orders/Get"), Some(true));
    assert_eq!(version.method_idempotent("/shop.Orders/Place"), None);
    let told = Description::decode(version.service(), version.description()).unwrap();
    let remote = RemoteService::new(&told, None);
    assert_eq!(remote.method_idempotent("/shop.Orders/Get"), Some(true));
    assert_eq!(remote.method_idempotent("/shop.Orders/Place"), None);
    version.pool().kill();
}

#[test]
fn routes_that_others_could_not_be_told_of_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    // The most that a manifest can hold, with what JSON writes longer than TOML.
    let routes: String =
        (0..1000).map(|n| format!("[[route]]\npath='/{n}/{}'\nmethods=['GET']\n", "a".repeat(220))).collect();
    write_module(dir.path(), "orders", &routes);
    let source = Source::read(&Found::at(&dir.path().join("orders.wasm"))).unwrap();
    let error = source.check(4096).unwrap_err().to_string();
    assert!(error.starts_with("orders.wasm: has more routes than other hosts can be told of"), "{error}");
}
