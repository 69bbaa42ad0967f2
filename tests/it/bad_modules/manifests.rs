//! Manifests with something wrong in them: the line says file, line number and key.

use super::{Expected, good_host, is_refused, is_well_again};
use crate::harness::install;
use crate::harness::tiny;

#[tokio::test]
async fn each_is_refused_with_its_place() {
    let host = good_host().await;
    for (what, toml, words) in [
        ("no TOML", "version = 'v2'\n[limits\n", &["service.toml:2"][..]),
        ("an unknown key", "version = 'v2'\ncolour = 'red'\n", &["service.toml:2", "colour"]),
        ("an unknown key in a section", "[limits]\nmemory_mb = 5\n", &["service.toml:2", "memory_mb"]),
        ("an unknown section", "version = 'v2'\n\n[limit]\ncpu_ms = 5\n", &["service.toml:3", "limit"]),
        ("a text for a number", "[limits]\ncpu_ms = '5'\n", &["service.toml:2", "cpu_ms"]),
        ("a negative number", "[limits]\ncpu_ms = -5\n", &["service.toml:2", "limits.cpu_ms"]),
        ("too much", "[limits]\n\nmemory_mib = 5000\n", &["service.toml:3", "limits.memory_mib"]),
        ("a bad name", "name = 'Not A Name'\n", &["service.toml:1", "name"]),
        ("a reserved name", "name = 'edge'\n", &["service.toml:1", "name", "reserved"]),
        ("a bad version", "version = 'a/b'\n", &["service.toml:1", "version"]),
        ("a bad path", "[[route]]\npath = 'no-slash'\n", &["service.toml:2", "path"]),
        ("a route without a path", "[[route]]\nhost = 'example.com'\n", &["service.toml", "path"]),
        ("a bad method", "[[route]]\npath = '/x'\nmethods = ['GE T']\n", &["service.toml:3", "methods"]),
        ("a bad origin", "[grants]\negress = ['example.com']\n", &["service.toml:2", "egress"]),
        ("a bad grant", "[grants]\ncalls = ['Not A Name']\n", &["service.toml:2", "calls"]),
        ("the same key twice", "version = '1'\nversion = '2'\n", &["service.toml:2"]),
    ] {
        let expected = Expected { what, words };
        is_refused(&host, expected, |host| host.install_manifest("service", toml)).await;
        is_well_again(&host).await;
    }
}

#[tokio::test]
async fn manifests_that_are_no_text() {
    let host = good_host().await;
    let file = host.modules().join("service.toml");
    let large = "# much\n".repeat(100_000);
    for (what, content, words) in [
        ("not UTF-8", &b"version = '\xff\xfe'\n"[..], &["service.toml", "UTF-8"][..]),
        ("too large", large.as_bytes(), &["service.toml", "too large"]),
    ] {
        let expected = Expected { what, words };
        is_refused(&host, expected, |_| install::replace(&file, content)).await;
        is_well_again(&host).await;
    }
    let expected = Expected { what: "a link that leads nowhere", words: &["service.toml", "cannot be read"] };
    is_refused(&host, expected, |_| install::point(&file, "/nowhere/at/all".as_ref())).await;
    is_well_again(&host).await;
}

#[tokio::test]
async fn more_than_the_host_gives() {
    let host = crate::harness::host::Host::builder()
        .module("service", &tiny::answering("good"))
        .module("bystander", &tiny::answering("bystander"))
        .config("[engine]\nmemory_mib_max = 64\n")
        .manifest("service", "[limits]\nmemory_mib = 64\n")
        .manifest("bystander", "[limits]\nmemory_mib = 32\n")
        .start()
        .await;
    let expected = Expected { what: "more memory", words: &["service.wasm", "memory_mib_max", "64"] };
    is_refused(&host, expected, |host| host.install_manifest("service", "[limits]\nmemory_mib = 65\n")).await;
}

/// A manifest inside a component is as bad as one beside it, and the line says where it is.
#[tokio::test]
async fn a_bad_manifest_in_the_component() {
    let host = good_host().await;
    let wasm = with_manifest("[limits]\ncolour = 'red'\n");
    let expected = Expected { what: "embedded", words: &["embedded in service.wasm", ":2", "colour"] };
    is_refused(&host, expected, |host| host.install("service", &wasm)).await;
    // One beside it wins over it.
    host.install_manifest("service", "version = 'beside'\n");
    host.service_is("service", "the manifest beside it counts", |service| service["version"] == "beside").await;
}

/// A component with a custom section `hostel:manifest`.
fn with_manifest(toml: &str) -> Vec<u8> {
    const NAME: &[u8] = b"hostel:manifest";
    let mut wasm = tiny::answering("good");
    let length = NAME.len() + 1 + toml.len();
    assert!(length < 128, "lengths of one byte");
    wasm.extend([0, length as u8, NAME.len() as u8]);
    wasm.extend_from_slice(NAME);
    wasm.extend_from_slice(toml.as_bytes());
    wasm
}
