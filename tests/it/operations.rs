//! What an operator sees: logs, health, metrics, status; how a host stops; and what it says when it cannot start.

mod start;
mod stop;

use std::time::Duration;

use serde_json::Value;

use crate::harness::command::hostel;
use crate::harness::grpc::ask;
use crate::harness::guests::{ECHO, HOSTILE, RELAY};
use crate::harness::host::Host;
use crate::harness::http::{get, with};
use crate::harness::tiny;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn every_line_of_the_log_is_json() {
    let mut host = Host::with(&[&ECHO, &HOSTILE]).await;
    host.get("/echo/log/%22quoted%22%0Aand%1b%5B31mcoloured").await.expect(200);
    host.get("/hostile/trap").await.expect(502);
    host.get("/hostile/log-line/4").await.expect(200);
    host.install("bad", b"not a component\n");
    host.logs("a bad module", |event| event.contains("bad.wasm")).await;
    host.stop().await;
    let events = host.logs.events();
    assert!(events.len() > 3);
    for event in events {
        for member in ["ts", "level", "target", "msg"] {
            assert!(!event.field(member).is_empty(), "no {member} in {event:?}");
        }
        let ts = event.field("ts");
        assert!(ts.len() == 24 && ts.ends_with('Z') && ts.as_bytes()[10] == b'T', "{ts}");
        assert!(["error", "warn", "info"].contains(&&*event.level()), "{event:?}");
    }
}

#[tokio::test]
async fn guests_are_heard_with_service_version_and_trace() {
    let host = Host::builder().guest(&ECHO).guest(&HOSTILE).start().await;
    let traced = async |path: &str| {
        let request = get(&host.url(path));
        host.http.send(with(request, "traceparent", &format!("00-{TRACE}-00f067aa0ba902b7-01"))).await
    };
    traced("/echo/log/hello-from-a-guest").await.expect(200);
    let event = host.logs("the guest's line", |event| event.message().contains("hello-from-a-guest")).await;
    assert_eq!(event.field("service"), "echo");
    assert_eq!(event.field("version"), "1.0.0");
    assert_eq!(event.field("trace_id"), TRACE);
    assert_eq!(event.field("span_id").len(), 16, "{event:?}");
    assert_eq!(event.level(), "info");
    assert!(event.message().contains("answer=42"), "{event:?}");

    // Through another service it is the same trace.
    traced("/echo/call/echo/log/from-further-down").await.expect(200);
    let event = host.logs("the guest's line", |event| event.message().contains("from-further-down")).await;
    assert_eq!(event.field("trace_id"), TRACE);

    // A panic says where it was, before the instance is gone.
    traced("/echo/panic").await.expect_problem(502, "service-failed");
    let event = host.logs("the panic", |event| event.is_about("echo") && event.contains("as asked")).await;
    assert_eq!(event.level(), "error");
    assert_eq!(event.field("trace_id"), TRACE);
    assert!(event.message().contains("routes.rs:"), "{event:?}");

    // Standard output and error of those that know no other way.
    traced("/hostile/log-line/1").await.expect(200);
    host.logs("standard error", |event| event.is_about("hostile") && event.message().contains("xxxxxxxx")).await;
}

#[tokio::test]
async fn logs_for_people() {
    let mut host = Host::builder().module("tiny", &tiny::answering("x")).log_format("pretty").start().await;
    host.stop().await;
    let lines = host.process.err.all();
    let line = lines.iter().find(|line| line.contains("a module serves"));
    let line = line.unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(!line.starts_with('{') && line.contains("service=tiny") && line.contains("info"), "{line}");
    // Not a terminal, so no colours.
    assert!(!line.contains('\x1b'), "{line}");
}

#[tokio::test]
async fn calls_are_counted_by_service_route_code_and_locality() {
    let manifest = "version = '7'\n[[route]]\npath = '/things/{id}'\n[[route]]\npath = '/status/{code}'\n";
    let host =
        Host::builder().guest_as("things", &ECHO).manifest("things", manifest).guest(&ECHO).guest(&RELAY).start().await;
    for id in 0..5 {
        host.get(&format!("/things/{id}")).await.expect(404);
    }
    host.get("/status/500").await.expect(500);
    host.get("/nobody/at/all").await.expect(404);
    let mut relay = host.grpc("relay");
    relay.unary(ask("x", 0, 0)).await.unwrap();
    relay.fail(ask("x", 0, 0)).await.unwrap_err();

    let metrics = host.metrics().await;
    let calls = |labels: &[(&str, &str)]| metrics.sum("hostel_calls_total", labels);
    let things = [("service", "things"), ("version", "7"), ("route", "/things/{id}")];
    assert_eq!(calls(&[&things[..], &[("code", "404"), ("locality", "local")]].concat()), 5.0, "{}", metrics.text);
    assert_eq!(calls(&[("service", "things"), ("code", "500"), ("route", "/status/{code}")]), 1.0);
    assert_eq!(calls(&[("service", ""), ("code", "404")]), 1.0, "what no service took");
    for service in ["relay", "echo"] {
        for (method, code) in [("Unary", "OK"), ("Fail", "FAILED_PRECONDITION")] {
            let route = format!("/hostel.test.v1.Echo/{method}");
            let labels = [("service", service), ("route", &*route), ("code", code)];
            assert_eq!(calls(&labels), 1.0, "{labels:?} in {}", metrics.text);
        }
    }
    let count = metrics.sum("hostel_call_duration_seconds_count", &[("service", "things"), ("route", "/things/{id}")]);
    assert_eq!(count, 5.0);
    for name in ["hostel_module_swaps_total", "hostel_instances", "process_resident_memory_bytes", "hostel_build_info"]
    {
        assert!(metrics.text.contains(name), "no {name}");
    }
    assert!(metrics.text.ends_with("# EOF\n"));
}

/// Neither a client that leaves nor one that is refused counts as a failure of the service.
#[tokio::test]
async fn calls_that_were_given_up_are_counted_as_such() {
    let host = Host::with(&[&ECHO]).await;
    let call = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/echo/sleep/9000"));
        async move { http.try_send(get(&url)).await.map(drop) }
    });
    host.in_flight("echo", 1).await;
    call.abort();
    let _ = call.await;
    host.in_flight("echo", 0).await;
    let metrics = host.metrics().await;
    assert_eq!(metrics.sum("hostel_calls_total", &[("service", "echo"), ("code", "499")]), 1.0, "{}", metrics.text);
    assert_eq!(metrics.sum("hostel_calls_total", &[("service", "echo")]), 1.0);
}

/// What clients make up must not become labels.
#[tokio::test]
async fn paths_do_not_become_labels() {
    let host = Host::with(&[&ECHO]).await;
    for number in 0..50 {
        host.get(&format!("/echo/hello/{number}-unlikely")).await.expect(200);
        host.get(&format!("/nobody-{number}-unlikely/x")).await.expect(404);
        let mut request = get(&host.url("/echo/headers"));
        *request.method_mut() = format!("METHOD{number}").parse().unwrap();
        host.http.send(request).await;
    }
    let text = host.metrics().await.text;
    assert!(!text.contains("unlikely") && !text.contains("METHOD"), "{text}");
}

#[tokio::test]
async fn the_access_log_has_what_was_asked_for() {
    let host = Host::builder().guest(&ECHO).config("[log]\naccess = 'all'\n").start().await;
    host.get("/echo/hello/secret?password=hunter2").await.expect(200);
    let event = host.logs("a line", |event| event.field("target") == "hostel::access").await;
    assert_eq!(event.field("service"), "echo");
    assert_eq!(event.field("code"), "200");
    assert_eq!(event.field("method"), "GET");
    assert_eq!(event.field("route"), "/echo/{*rest}");
    assert_eq!(event.field("client"), "127.0.0.1");
    assert!(!event.contains("secret") && !event.contains("hunter2"), "{event:?}");

    // By default only what failed.
    let host = Host::with(&[&ECHO]).await;
    host.get("/echo/hello/x").await.expect(200);
    host.get("/echo/status/503").await.expect(503);
    let event = host.logs("a line", |event| event.field("target") == "hostel::access").await;
    assert_eq!(event.field("code"), "503");
}

#[tokio::test]
async fn status_shows_what_runs() {
    let host = Host::builder().guest(&ECHO).module("broken", b"nonsense").start().await;
    host.get("/echo/hello/x").await.expect(200);
    let status = host.status().await;
    assert_eq!(status["readiness"], "ready");
    assert_eq!(status["host"]["pid"], host.process.pid());
    let echo = host.service("echo").await.unwrap();
    assert_eq!(echo["state"], "serving");
    assert_eq!(echo["version"], "1.0.0");
    assert_eq!(echo["door"], "lean");
    assert!(echo["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{echo}");
    assert!(echo["instances"].as_u64().is_some_and(|instances| instances >= 1), "{echo}");
    assert_eq!(echo["grpc_services"], serde_json::json!(["hostel.test.v1.Echo"]));

    let admin = host.admin.to_string();
    let shown = hostel(&host.modules(), &["status", "--admin", &admin]).await.expect(0);
    for word in ["echo", "1.0.0", "serving", "lean", "broken", "failed", "not a WebAssembly component"] {
        assert!(shown.out.contains(word), "`{word}` is not in {shown}");
    }
    let shown = hostel(&host.modules(), &["status", "--json", "--admin", &admin]).await.expect(0);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["services"].as_array().map(Vec::len), Some(2), "{shown}");

    // A new file that fails takes nothing away: both have to show.
    assert_eq!((&shown["services"][1]["name"], &shown["services"][1]["serving"]), (&"echo".into(), &true.into()));
    host.install("echo", b"nonsense");
    host.service_is("echo", "the new file has failed", |echo| echo["state"] == "failed" && echo["serving"] == true)
        .await;
    let shown = hostel(&host.modules(), &["status", "--admin", &admin]).await.expect(0);
    for words in ["serving old, new failed", "echo.wasm", "version 1.0.0, which was there before, goes on serving"] {
        assert!(shown.out.contains(words), "`{words}` is not in {shown}");
    }

    drop(host);
    let gone = hostel(std::env::temp_dir().as_path(), &["status", "--admin", &admin]).await;
    gone.expect_one_line(1, &["no host answers", &admin]);
}

#[tokio::test]
async fn health_is_told_apart() {
    let host = Host::start().await;
    host.admin_get("/livez").await.expect(200);
    host.admin_get("/readyz").await.expect(200);
    host.admin_get("/no/such/page").await.expect(404);
    // The edge does not answer what only operators may know.
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/status"] {
        host.get(path).await.expect_problem(404, "not-found");
    }
}

/// A client that asks for metrics all the time gets them while a module spins.
#[tokio::test]
async fn the_admin_port_answers_whatever_guests_do() {
    let host = Host::builder()
        .guest(&HOSTILE)
        .manifest("hostile", "[limits]\ncpu_ms = 8000\n[instances]\nconcurrency = 1\n")
        .start()
        .await;
    let spins: Vec<_> = (0..8)
        .map(|_| {
            let (http, url) = (host.http.clone(), host.url("/hostile/spin"));
            tokio::spawn(async move { http.try_send(get(&url)).await.map(drop) })
        })
        .collect();
    host.in_flight("hostile", 8).await;
    for _ in 0..20 {
        let start = std::time::Instant::now();
        for path in ["/livez", "/readyz", "/metrics", "/api/v1/status"] {
            host.admin_get(path).await.expect(200);
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    drop(host);
    for spin in spins {
        let _ = spin.await;
    }
}
