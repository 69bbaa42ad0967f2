//! Files that are no component, or one that cannot be started.

use std::fs;

use super::{Expected, good_host, is_refused, is_well_again};
use crate::harness::guests::ECHO;
use crate::harness::{install, tiny};

/// The texts in `tests/guests/bad` that must not become a service, with what has to be said about each.
pub const REFUSED: [(&str, &[&str]); 22] = [
    ("core-module", &["core WebAssembly module"]),
    ("core-module-preview1", &["core WebAssembly module"]),
    ("data-out-of-bounds", &["at start"]),
    ("empty-component", &["exports none of"]),
    ("huge-memory", &["memory"]),
    ("huge-memory64", &["memory"]),
    ("huge-table", &["table"]),
    ("many-memories", &["memory"]),
    ("missing-function", &["wasi:clocks/monotonic-clock"]),
    ("no-door", &["exports none of"]),
    ("no-door-command", &["exports none of"]),
    ("start-eat", &["at start"]),
    ("start-recurse", &["at start"]),
    ("start-spin", &["start"]),
    ("start-spin-lean", &["start"]),
    ("start-trap", &["at start"]),
    ("start-trap-lean", &["at start"]),
    ("unknown-import", &["acme:unknown/thing@1.0.0"]),
    ("unknown-import-lean", &["acme:unknown/thing@1.0.0"]),
    ("wrong-door-type", &["type mismatch"]),
    ("wrong-door-version", &["exports none of"]),
    ("wrong-import-type", &["wasi:cli/environment"]),
];

#[tokio::test]
async fn each_is_refused_and_the_old_version_serves() {
    let host = good_host().await;
    for (name, words) in REFUSED {
        let wasm = tiny::bad(name);
        let expected = Expected { what: name, words };
        is_refused(&host, expected, |host| host.install("service", &wasm)).await;
        is_well_again(&host).await;
    }
}

#[tokio::test]
async fn files_that_are_something_else() {
    let host = good_host().await;
    let echo = ECHO.bytes();
    let mut flipped = echo.clone();
    flipped[echo.len() / 3..][..64].fill(0xff);
    for (what, content, words) in [
        ("an empty file", &b""[..], &["empty"][..]),
        ("the first bytes", &echo[..5], &[]),
        ("half a component", &echo[..echo.len() / 2], &["cut off"]),
        ("all but one byte", &echo[..echo.len() - 1], &["cut off"]),
        ("damaged in the middle", &flipped, &["service.wasm"]),
        ("a text", b"hello, I am a component", &["not a WebAssembly component"]),
        ("a page", b"<html><body>404</body></html>", &["not a WebAssembly component"]),
        ("a program", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", &["not a WebAssembly component"]),
        ("the text of a component", b"(component)", &["not a WebAssembly component"]),
        ("zeros", &[0; 4096], &["not a WebAssembly component"]),
    ] {
        let expected = Expected { what, words };
        is_refused(&host, expected, |host| host.install("service", content)).await;
        is_well_again(&host).await;
    }
}

#[tokio::test]
async fn files_that_cannot_be_read() {
    let host = good_host().await;
    let expected = Expected { what: "a link that leads nowhere", words: &["service.wasm", "cannot be read"] };
    is_refused(&host, expected, |host| {
        install::point(&host.module_file("service"), "/nowhere/at/all".as_ref());
    })
    .await;
    is_well_again(&host).await;

    let expected = Expected { what: "a link to itself", words: &["service.wasm", "cannot be read"] };
    is_refused(&host, expected, |host| {
        install::point(&host.module_file("service"), "service.wasm".as_ref());
    })
    .await;
    is_well_again(&host).await;

    // Far more than a component may have; no such space is taken on the disk.
    let expected = Expected { what: "a file of 10 GiB", words: &["service.wasm"] };
    is_refused(&host, expected, |host| {
        let huge = host.modules().join("huge");
        fs::File::create(&huge).unwrap().set_len(10 << 30).unwrap();
        fs::rename(huge, host.module_file("service")).unwrap();
    })
    .await;
    is_well_again(&host).await;

    // Opening it would wait for somebody who writes to it.
    let expected = Expected { what: "a pipe", words: &["service.wasm", "not a regular file"] };
    is_refused(&host, expected, |host| {
        let pipe = host.modules().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        fs::rename(pipe, host.module_file("service")).unwrap();
    })
    .await;
    is_well_again(&host).await;

    if rustix::process::geteuid().is_root() {
        println!("root may read everything: the file without permissions is not tried");
        return;
    }
    let expected = Expected { what: "a file without permissions", words: &["service.wasm", "cannot be read"] };
    is_refused(&host, expected, |host| {
        use std::os::unix::fs::PermissionsExt;
        let locked = host.modules().join("locked");
        fs::write(&locked, tiny::answering("locked")).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
        fs::rename(locked, host.module_file("service")).unwrap();
    })
    .await;
}
