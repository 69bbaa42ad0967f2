//! `hostel inspect` and `hostel check`.

use std::path::Path;

use serde_json::Value;

use crate::harness::command::hostel;
use crate::harness::guests::{ECHO, Guest, HOSTILE, PYTHON_HELLO, WASIP3_HELLO, WSTD_HELLO};
use crate::harness::tiny;

fn path(guest: &Guest) -> String {
    guest.path().to_str().unwrap().to_owned()
}

async fn inspect(file: &str) -> Value {
    let output = hostel(Path::new("/"), &["inspect", "--json", file]).await.expect(0);
    serde_json::from_str(&output.out).unwrap()
}

#[tokio::test]
async fn inspecting_says_what_a_component_is() {
    let echo = inspect(&path(&ECHO)).await;
    assert_eq!(echo["service"], "echo");
    assert_eq!(echo["version"], "1.0.0");
    assert_eq!(echo["manifest"], "embedded");
    assert!(
        echo["digest"].as_str().is_some_and(|digest| digest.len() == 71 && digest.starts_with("sha256:")),
        "{echo}"
    );
    assert_eq!(echo["size"], std::fs::metadata(ECHO.path()).unwrap().len());
    let service = &echo["grpc_services"][0];
    assert_eq!(service["name"], "hostel.test.v1.Echo");
    let methods = service["methods"].as_array().unwrap();
    let bidi = methods.iter().find(|method| method["name"] == "Bidi").expect("the method Bidi");
    assert_eq!((&bidi["client_streaming"], &bidi["server_streaming"]), (&true.into(), &true.into()));
    let imports = echo["imports"].as_array().unwrap();
    assert!(imports.iter().all(|import| import["offered"] == true), "{echo}");

    for (guest, door, wasi) in [
        (&WSTD_HELLO, "0.2", "0.2"),
        (&PYTHON_HELLO, "0.2", "0.2"),
        (&WASIP3_HELLO, "0.3", "0.3"),
        (&HOSTILE, "0.3", "0.3"),
    ] {
        let report = inspect(&path(guest)).await;
        assert!(report["doors"].to_string().contains(door), "{}: {report}", guest.name);
        assert!(report["wasi_versions"].to_string().contains(wasi), "{}: {report}", guest.name);
    }
}

#[tokio::test]
async fn inspecting_is_readable() {
    let output = hostel(Path::new("/"), &["inspect", &path(&ECHO)]).await.expect(0);
    for word in ["echo", "1.0.0", "sha256:", "lean", "hostel.test.v1.Echo", "Bidi", "bidirectional streaming", "KiB"] {
        assert!(output.out.contains(word), "`{word}` is not in {output}");
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("odd.wasm"), tiny::bad("unknown-import")).unwrap();
    let output = hostel(dir.path(), &["inspect", "odd.wasm"]).await.expect(0);
    let line = output.out.lines().find(|line| line.contains("acme:unknown/thing"));
    assert!(line.is_some_and(|line| line.contains("not offered")), "{output}");

    // A component whose manifest is wrong is shown all the same, with what is wrong.
    std::fs::write(dir.path().join("good.wasm"), tiny::answering("x")).unwrap();
    std::fs::write(dir.path().join("good.toml"), "colour = 'red'").unwrap();
    let output = hostel(dir.path(), &["inspect", "good.wasm"]).await.expect(0);
    for word in ["good.toml:1", "colour", "sha256:", "hostel:service/handler"] {
        assert!(output.out.contains(word), "`{word}` is not in {output}");
    }
}

#[tokio::test]
async fn what_cannot_be_inspected_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("text.wasm"), "text").unwrap();
    std::fs::write(dir.path().join("core.wasm"), tiny::bad("core-module")).unwrap();
    for (file, words) in [
        ("missing.wasm", &["missing.wasm"][..]),
        ("text.wasm", &["text.wasm", "not a WebAssembly component"]),
        ("core.wasm", &["core.wasm", "core WebAssembly module"]),
        (".", &["."]),
    ] {
        hostel(dir.path(), &["inspect", file]).await.expect_one_line(1, words);
    }
}

#[tokio::test]
async fn checking_finds_everything_and_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let modules = dir.path().join("modules");
    std::fs::create_dir(&modules).unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(modules.join(name), content).unwrap();
    write("good.wasm", &tiny::answering("x"));
    let output = hostel(dir.path(), &["check"]).await.expect(0);
    assert!(output.out.contains("good.wasm") && output.out.contains("1 of 1"), "{output}");

    write("copy.wasm", &tiny::answering("x"));
    write("copy.toml", b"name = 'good'");
    write("text.wasm", b"text");
    write("odd.wasm", &tiny::bad("unknown-import"));
    write("key.wasm", &tiny::answering("x"));
    write("key.toml", b"\n\ncolour = 'red'");
    let output = hostel(dir.path(), &["check"]).await.expect(1);
    for word in ["text.wasm", "not a WebAssembly component", "acme:unknown/thing", "key.toml:3", "colour", "`good`"] {
        assert!(output.out.contains(word), "`{word}` is not in {output}");
    }
    let rows = hostel(dir.path(), &["check", "--json"]).await.expect(1);
    let rows: Vec<Value> = serde_json::from_str(&rows.out).unwrap();
    let failed: Vec<&str> =
        rows.iter().filter(|row| row["error"].is_string()).filter_map(|row| row["file"].as_str()).collect();
    // Of two that want one name, the first in the order of the folder has it.
    assert_eq!(failed, ["good.wasm", "key.wasm", "odd.wasm", "text.wasm"]);
    assert!(!dir.path().join("data").exists(), "something was started");

    // What is not selected is not looked at, and its manifests are not without modules.
    std::fs::write(dir.path().join("hostel.toml"), "[modules]\nonly = ['copy', 'nowhere']\n").unwrap();
    let output = hostel(dir.path(), &["check"]).await.expect(0);
    assert!(output.out.contains("copy.wasm") && output.out.contains("1 of 1"), "{output}");
    assert!(output.out.contains("names nowhere") && !output.out.contains("key.toml"), "{output}");

    std::fs::write(dir.path().join("hostel.toml"), "[edge]\ncolour = 'red'\n").unwrap();
    hostel(dir.path(), &["check"]).await.expect_one_line(64, &["hostel.toml:2", "colour"]);
}

#[tokio::test]
async fn settings_are_shown_with_their_origin_and_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("modules")).unwrap();
    let toml = "[edge]\nlisten = '127.0.0.1:8081'\n[services.orders.config]\nadmin_token = 'hunter2'\n";
    std::fs::write(dir.path().join("hostel.toml"), toml).unwrap();
    let output = hostel(dir.path(), &["check", "--settings"]).await.expect(0);
    let line = output.out.lines().find(|line| line.starts_with("edge.listen"));
    assert!(line.is_some_and(|line| line.contains("127.0.0.1:8081") && line.contains("hostel.toml:2")), "{output}");
    assert!(output.out.contains("services.orders.config.admin_token"), "{output}");
    assert!(!output.out.contains("hunter2"), "{output}");
}
