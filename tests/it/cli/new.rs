//! `hostel new` and `hostel build`: from nothing to a service that answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::builder::command;
use crate::harness::command::{Output, hostel, run};
use crate::harness::grpc::ask;
use crate::harness::guests::{ECHO, RELAY};
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::paths::{root, scratch};
use crate::harness::process::Process;
use crate::harness::wait::eventually;

/// A build may have to wait for another one, and for a slow machine.
const BUILT_WITHIN: Duration = Duration::from_secs(900);

/// `hostel build`, with a folder for cargo that outlives the test: the dependencies are built once.
async fn build(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = command(dir);
    command.arg("build").args(arguments).arg("--target-dir").arg(scratch().join("new"));
    run(&mut command, BUILT_WITHIN).await
}

/// A project from a template; nobody can be reached on the way.
async fn scaffold(dir: &Path, template: &str, name: &str) -> PathBuf {
    let mut command = command(dir);
    for variable in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(variable, "http://127.0.0.1:1");
    }
    command.args(["new", "-t", template, name]);
    let output = run(&mut command, Duration::from_secs(20)).await.expect(0);
    assert!(output.out.contains("hostel up --build"), "{output}");
    dir.join(name)
}

#[tokio::test]
async fn an_http_service_from_a_template() {
    let dir = tempfile::tempdir().unwrap();
    let project = scaffold(dir.path(), "http-rust", "my-shop").await;
    let output = build(&project, &[]).await.expect(0);
    assert!(output.out.contains("my-shop"), "{output}");
    let wasm = project.join("modules/my-shop.wasm");
    let host = Host::builder().module("my-shop", &fs::read(wasm).unwrap()).start().await;
    let reply = host.get("/my-shop/").await.expect(200);
    assert!(!reply.body.is_empty());
    host.get("/my-shop/no/such/route").await.expect(404);
}

/// `cd my-shop; hostel up --build; curl ...`, only with free ports.
#[tokio::test]
async fn what_new_says_to_do_next_works() {
    let dir = tempfile::tempdir().unwrap();
    let project = scaffold(dir.path(), "http-rust", "next-steps").await;
    let mut command = command(&project);
    command.args(["up", "--build", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.env("CARGO_TARGET_DIR", scratch().join("new"));
    let mut process = Process::spawn(&mut command);
    let edge = eventually("it says where it listens", BUILT_WITHIN, async || {
        let said = (process.out.all(), process.err.all());
        assert!(process.ended().is_none(), "it ended: {said:#?}");
        let line = said.0.iter().find_map(|line| line.strip_prefix("edge"));
        let address = line.and_then(|line| line.trim().strip_prefix("http://")?.parse().ok());
        address.ok_or_else(|| format!("{said:#?}"))
    })
    .await;
    let reply = Client::h1(edge).get(&format!("http://{edge}/next-steps/")).await.expect(200);
    assert!(!reply.body.is_empty());
    // Progress was to be seen, and something to try.
    assert!(process.err.all().iter().any(|line| line.contains("Compiling") || line.contains("Finished")));
    let example = eventually("it says what to try", Duration::from_secs(10), async || {
        let said = process.out.all();
        let line = said.iter().find(|line| line.contains("curl http://")).cloned();
        line.ok_or_else(|| format!("{said:#?}"))
    })
    .await;
    let url = example.split_whitespace().last().unwrap();
    Client::h1(edge).get(url).await.expect(200);
}

#[tokio::test]
async fn a_grpc_service_from_a_template() {
    let dir = tempfile::tempdir().unwrap();
    let project = scaffold(dir.path(), "grpc-rust", "greeter").await;
    build(&project, &[]).await.expect(0);
    let wasm = project.join("modules/greeter.wasm");
    let host = Host::builder().module("greeter", &fs::read(wasm).unwrap()).start().await;
    let service = host.service("greeter").await.unwrap();
    let names = service["grpc_services"].as_array().unwrap();
    assert_eq!(names.len(), 1, "it describes its service: {service}");
    // Whatever the message is called, it has a name in its first field.
    let name = names[0].as_str().unwrap();
    let method = method_of(&project);
    let url = format!("http://greeter.localhost/{name}/{method}");
    let request =
        crate::harness::http::request("POST", &url, crate::harness::http::full(&b"\0\0\0\0\x05\x0a\x03ann"[..]));
    let request = crate::harness::http::with(request, "content-type", "application/grpc");
    let reply = Client::h2(host.edge).send(crate::harness::http::with(request, "te", "trailers")).await.expect(200);
    assert_eq!(reply.trailer("grpc-status"), "0", "{reply}");
    assert!(reply.text().contains("ann"), "{reply}");
}

/// The first method in the project's proto file.
fn method_of(project: &Path) -> String {
    let mut folders = vec![project.join("proto"), project.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "vendor" && name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "proto") {
                let text = fs::read_to_string(path).unwrap();
                let rpc = text.lines().find_map(|line| line.trim().strip_prefix("rpc "));
                let name = rpc.and_then(|rpc| rpc.split('(').next());
                return name.expect("a method").to_owned();
            }
        }
    }
    panic!("no proto file in {}", project.display());
}

#[tokio::test]
async fn names_and_folders_that_will_not_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("taken")).unwrap();
    fs::write(dir.path().join("taken/file"), "x").unwrap();
    for name in ["Upper", "-dash", "under_score", "a/b", "", "self", "hostel", "taken", "hostel-sdk"] {
        let output = hostel(dir.path(), &["new", "-t", "http-rust", "--", name]).await;
        assert_eq!(output.code, 2, "{name}: {output}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
    let list = hostel(dir.path(), &["new", "--list"]).await.expect(0);
    assert!(list.out.contains("http-rust") && list.out.contains("grpc-rust"), "{list}");
}

/// The same sources for the standard door alone behave the same, behind Hostel too.
#[tokio::test]
async fn portable_builds() {
    let out = tempfile::tempdir().unwrap();
    let (echo, relay) = (root().join("tests/guests/echo"), root().join("tests/guests/relay"));
    let arguments =
        ["--portable", "--out", out.path().to_str().unwrap(), echo.to_str().unwrap(), relay.to_str().unwrap()];
    build(out.path(), &arguments).await.expect(0);
    let read = |name: &str| fs::read(out.path().join(format!("{name}.wasm"))).unwrap();
    let host = Host::builder().module("echo", &read("echo")).module("relay", &read("relay")).start().await;
    for service in ["echo", "relay"] {
        let status = host.service(service).await.unwrap();
        assert_eq!(status["door"], "wasi:http 0.3", "{status}");
    }
    assert_eq!(host.get("/relay/via/x").await.expect(200).text(), "hello x");
    let reply = host.grpc("relay").unary(ask("portable", 0, 0)).await.unwrap().into_inner();
    assert_eq!((&*reply.text, &*reply.caller), ("portable", "relay"));
    let mut replies = host.grpc("relay").server_stream(ask("x", 10, 0)).await.unwrap().into_inner();
    for number in 0..10 {
        let reply = crate::harness::grpc::next(&mut replies).await.unwrap().expect("a message");
        assert_eq!(reply.count, number);
    }
    let status = host.grpc("relay").fail(ask("why", 0, 0)).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status:?}");
    // What it logs arrives, by standard error.
    host.get("/echo/log/from-a-portable-guest").await.expect(200);
    host.logs("the guest's line", |event| event.is_about("echo") && event.message().contains("from-a-portable-guest"))
        .await;
    // A host that knows nothing of us finds nothing of ours among what it must have.
    for guest in [&ECHO, &RELAY] {
        let file = out.path().join(format!("{}.wasm", guest.name));
        let report = hostel(out.path(), &["inspect", "--json", file.to_str().unwrap()]).await.expect(0);
        let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
        let imports = report["imports"].to_string();
        assert!(!imports.contains("hostel:") && !imports.contains("wasi:logging"), "{imports}");
    }
}

/// Building again changes nothing, so that a running host does not swap.
#[tokio::test]
async fn what_is_built_already_is_left_alone() {
    let out = tempfile::tempdir().unwrap();
    let relay = root().join("tests/guests/relay");
    let arguments = ["--out", out.path().to_str().unwrap(), relay.to_str().unwrap()];
    build(out.path(), &arguments).await.expect(0);
    let file = out.path().join("relay.wasm");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    let again = build(out.path(), &arguments).await.expect(0);
    assert!(again.out.contains("unchanged"), "{again}");
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), before);
}

#[tokio::test]
async fn what_cannot_be_built_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let output = build(dir.path(), &[]).await;
    assert!(output.code == 2 || output.code == 1, "{output}");
    assert!(!output.err.is_empty() && !output.err.contains("panicked"), "{output}");
    let output = build(dir.path(), &["no-such-crate"]).await;
    assert!(output.code == 2 || output.code == 1, "{output}");
    assert!(output.err.contains("no-such-crate"), "{output}");
}
