//! A component copied into the folder is served, another in its place replaces it, and without it the service is gone.

use std::fs;
use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::guests::{self, ECHO, marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::wait::{eventually, throughout};
use crate::harness::{alone, install, tiny};

/// How soon a component has to be served after it was copied, on a machine that does nothing else.
const SERVED_WITHIN: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_component_is_served_within_a_second_of_being_copied() {
    let _alone = alone::alone();
    let host = Host::start().await;
    host.get("/fresh/whole").await.expect_problem(404, "not-found");

    // One that nobody has compiled before, or the cache would be measured.
    let marker = rand::random_range(1_000_000..99_999_999);
    let wasm = marked(marker);
    let start = Instant::now();
    install::overwrite(&host.module_file("fresh"), &wasm);
    host.answers("/fresh/whole", 200, &marker_text(marker)).await;
    let took = start.elapsed();
    assert!(took < SERVED_WITHIN, "it took {took:?}");
}

#[tokio::test]
async fn what_is_in_the_folder_at_the_start_serves_when_the_host_is_ready() {
    let mut builder = Host::builder();
    for name in ["a", "b", "c", "d"] {
        builder = builder.module(name, &tiny::answering(name));
    }
    let host = builder.start().await;
    for name in ["a", "b", "c", "d"] {
        let reply = host.get(&format!("/{name}/")).await.expect(200);
        assert_eq!(reply.text(), name);
    }
    host.admin_get("/readyz").await.expect(200);
}

#[tokio::test]
async fn every_way_of_replacing_a_file_swaps() {
    let host = Host::start().await;
    let file = host.module_file("service");
    host.install("service", &tiny::answering("renamed"));
    host.answers("/service/", 200, "renamed").await;

    install::overwrite(&file, &tiny::answering("overwritten"));
    host.answers("/service/", 200, "overwritten").await;

    // Same length, so that only the content tells.
    install::overwrite(&file, &tiny::answering("overwriTTen"));
    host.answers("/service/", 200, "overwriTTen").await;

    fs::remove_file(&file).unwrap();
    install::overwrite(&file, &tiny::answering("deleted and written again"));
    host.answers("/service/", 200, "deleted and written again").await;
}

#[tokio::test]
async fn a_link_that_is_pointed_elsewhere_swaps() {
    let host = Host::start().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let version = |name: &str| elsewhere.path().join(name);
    fs::write(version("one"), tiny::answering("linked one")).unwrap();
    fs::write(version("two"), tiny::answering("linked two")).unwrap();
    install::point(&host.module_file("service"), &version("one"));
    host.answers("/service/", 200, "linked one").await;
    install::point(&host.module_file("service"), &version("two"));
    host.answers("/service/", 200, "linked two").await;
}

/// Kubernetes mounts files as links through a link to a folder, and switches that one.
#[tokio::test]
async fn a_folder_that_is_switched_swaps_all_modules_in_it() {
    let host = Host::start().await;
    let folder = host.modules();
    for (generation, word) in [("..1", "first"), ("..2", "second")] {
        fs::create_dir(folder.join(generation)).unwrap();
        for name in ["a", "b"] {
            let wasm = tiny::answering(&format!("{name} {word}"));
            fs::write(folder.join(generation).join(format!("{name}.wasm")), wasm).unwrap();
        }
    }
    install::point(&folder.join("..data"), "..1".as_ref());
    for name in ["a", "b"] {
        let target = format!("..data/{name}.wasm");
        install::point(&host.module_file(name), target.as_ref());
    }
    host.answers("/a/", 200, "a first").await;
    host.answers("/b/", 200, "b first").await;
    install::point(&folder.join("..data"), "..2".as_ref());
    host.answers("/a/", 200, "a second").await;
    host.answers("/b/", 200, "b second").await;
}

#[tokio::test]
async fn deleting_drains_and_then_nothing_is_there() {
    let host = Host::builder().module("leaving", &marked(7)).start().await;
    let in_flight = {
        let (http, url) = (host.http.clone(), host.url("/leaving/stream/40/50"));
        tokio::spawn(async move { http.get(&url).await })
    };
    host.in_flight("leaving", 1).await;

    host.remove("leaving");
    eventually("the service is gone", Duration::from_secs(5), async || {
        let reply = host.get("/leaving/whole").await;
        match reply.status {
            404 => Ok(()),
            _ => Err(reply.to_string()),
        }
    })
    .await;
    assert!(!in_flight.is_finished(), "the test is too slow to tell");
    let reply = host.get("/leaving/whole").await;
    reply.expect_problem(404, "not-found");
    assert_eq!(host.service("leaving").await, None);

    let reply = in_flight.await.unwrap().expect(200);
    assert_eq!(reply.text(), marker_text(7).repeat(40));
    assert_eq!(reply.header("x-marker"), marker_text(7));
}

#[tokio::test]
async fn a_manifest_that_changes_swaps_without_a_new_component() {
    let manifest = |greeting: &str| format!("version = '1'\n[config]\ngreeting = '{greeting}'\n");
    let host = Host::builder().guest(&ECHO).manifest("echo", &manifest("from the file")).start().await;
    let greeting = "/echo/config/greeting";
    host.answers(greeting, 200, "from the file").await;
    host.install_manifest("echo", &manifest("changed"));
    host.answers(greeting, 200, "changed").await;
    // Without it the one in the component counts.
    fs::remove_file(host.modules().join("echo.toml")).unwrap();
    host.answers(greeting, 200, "hello").await;
}

#[tokio::test]
async fn a_copy_that_takes_its_time_is_served_when_it_is_whole() {
    let host = Host::builder().module("slow", &tiny::answering("old")).start().await;
    let wasm = guests::ECHO.bytes();
    let mut pieces = wasm.chunks(wasm.len() / 20);
    fs::write(host.module_file("slow"), pieces.next().unwrap()).unwrap();
    let mut file = fs::File::options().append(true).open(host.module_file("slow")).unwrap();
    // Slower than the host looks, and for longer than it waits for quiet.
    for piece in pieces {
        throughout("the old version serves", Duration::from_millis(150), async || {
            let reply = host.get("/slow/").await;
            (reply.text() == "old").then_some(()).ok_or_else(|| reply.to_string())
        })
        .await;
        file.write_all(piece).unwrap();
    }
    host.answers("/slow/hello/world", 200, "hello world").await;
    // Nothing was wrong with it, and nothing was said to be.
    let errors = host.logs.matching(|event| event.level() == "error");
    assert!(errors.is_empty(), "{errors:#?}");
}

/// One that stays unfinished is wrong, and the host says so when nobody has added to it for a while.
#[tokio::test]
async fn a_copy_that_was_broken_off_is_told_of() {
    let host = Host::builder().module("broken", &tiny::answering("old")).start().await;
    let wasm = guests::ECHO.bytes();
    fs::write(host.module_file("broken"), &wasm[..wasm.len() / 2]).unwrap();
    let line = host.logs("the log says so", |event| event.level() == "error").await;
    assert!(line.contains("broken.wasm") && line.contains("cut off"), "{line:?}");
    assert_eq!(host.get("/broken/").await.expect(200).text(), "old");
}

/// A manifest whose module is not there, or has another name, is a mistake that would otherwise go unnoticed.
#[tokio::test]
async fn a_manifest_without_a_module_is_told_of() {
    let host = Host::builder().module("orders", &tiny::answering("x")).manifest("order", "version = '1'").start().await;
    let line = host.logs("the log says so", |event| event.contains("order.toml")).await;
    assert_eq!(line.level(), "warn");
    // Once, and it harms nobody.
    host.install("other", &tiny::answering("other"));
    host.answers("/other/", 200, "other").await;
    assert_eq!(host.logs.matching(|event| event.contains("order.toml")).len(), 1);
    assert_eq!(host.get("/orders/").await.expect(200).text(), "x");
}

#[tokio::test]
async fn files_that_are_no_modules_are_left_alone() {
    let host = Host::start().await;
    let wasm = tiny::answering("hidden");
    for name in [".hidden.wasm", "note.wasm.tmp", "note.wasm~", "README.md", "lonely.toml"] {
        fs::write(host.modules().join(name), &wasm).unwrap();
    }
    fs::create_dir(host.modules().join("folder.wasm")).unwrap();
    // When this one serves, the others have been seen.
    host.install("visible", &tiny::answering("visible"));
    host.answers("/visible/", 200, "visible").await;
    let status = host.status().await;
    assert_eq!(status["services"].as_array().unwrap().len(), 1, "{status}");
    assert!(!host.logs.events().iter().any(|event| event.level() == "error"));
}

#[tokio::test]
async fn one_port_speaks_http_1_and_2_and_grpc() {
    let host = Host::with(&[&ECHO]).await;
    let url = host.url("/echo/hello/world");
    for client in [Client::h1(host.edge), Client::h2(host.edge)] {
        assert_eq!(client.get(&url).await.expect(200).text(), "hello world");
    }
    let request = crate::harness::grpc::ask("over grpc", 0, 0);
    let reply = host.grpc("echo").unary(request).await.unwrap();
    assert_eq!(reply.into_inner().text, "over grpc");
}

#[tokio::test]
async fn the_last_of_many_changes_counts() {
    let host = Host::start().await;
    for number in 0..40 {
        let wasm = tiny::answering(&format!("version {number}"));
        if number % 2 == 0 {
            host.install("service", &wasm);
        } else {
            install::overwrite(&host.module_file("service"), &wasm);
        }
    }
    host.answers("/service/", 200, "version 39").await;
    // And it stays: nothing older comes late.
    throughout("it stays", Duration::from_secs(2), async || {
        let reply = host.get("/service/").await;
        (reply.text() == "version 39").then_some(()).ok_or_else(|| reply.to_string())
    })
    .await;
    host.service_is("service", "serves", |service| service["state"] == "serving").await;
}

#[tokio::test]
async fn a_service_can_change_its_name() {
    let host = Host::builder().module("file", &tiny::answering("x")).manifest("file", "name = 'old'").start().await;
    host.answers("/old/", 200, "x").await;
    host.install_manifest("file", "name = 'new'");
    host.answers("/new/", 200, "x").await;
    host.get("/old/").await.expect_problem(404, "not-found");
    assert_eq!(host.service("old").await, None);
}

/// A volume that is not mounted for a moment is no reason to stop serving everything.
#[tokio::test]
async fn a_folder_that_disappears_is_not_an_empty_one() {
    let host = Host::builder().module("service", &tiny::answering("one")).start().await;
    let elsewhere = host.modules().with_file_name("elsewhere");
    fs::rename(host.modules(), &elsewhere).unwrap();
    host.logs("the log says so", |event| event.level() == "error" && event.contains("directory of modules")).await;
    throughout("the service goes on", Duration::from_secs(2), async || {
        let reply = host.get("/service/").await;
        (reply.text() == "one").then_some(()).ok_or_else(|| reply.to_string())
    })
    .await;
    fs::rename(&elsewhere, host.modules()).unwrap();
    host.install("service", &tiny::answering("two"));
    host.answers("/service/", 200, "two").await;
}

#[tokio::test]
async fn many_services_live_side_by_side() {
    let mut builder = Host::builder();
    for number in 0..60 {
        let name = format!("service-{number}");
        builder = builder.module(&name, &tiny::answering(&name));
    }
    let host = builder.start().await;
    for number in 0..60 {
        let name = format!("service-{number}");
        assert_eq!(host.get(&format!("/{name}/")).await.expect(200).text(), name);
    }
}
