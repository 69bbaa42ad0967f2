//! What travels with a call without anybody passing it on: the deadline, the trace, who calls, how deep.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tonic::Code;

use crate::harness::grpc::{ask, ask_within};
use crate::harness::guests::{ECHO, HOSTILE, HOSTILE_LEAN, RELAY, WASIP3_HELLO, WSTD_HELLO};
use crate::harness::http::{Client, get, parse_timeout, with};
use crate::harness::world::Place;

crate::both_ways! {
    time_shrinks_on_the_way_down,
    what_one_service_spends_the_next_does_not_have,
    the_time_a_client_gives_is_enforced_by_the_host,
    the_edge_caps_what_clients_ask_for,
    one_trace_goes_through_all_services,
    without_a_sound_trace_from_outside_the_host_begins_one,
    errors_name_the_trace,
    who_calls_cannot_be_forged,
    identity_headers_in_responses_do_not_get_out,
    calls_nest_so_deep_and_no_deeper,
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A header out of what `/headers` of the hello guests or of `echo` answers.
fn seen(headers: &Value, name: &str) -> String {
    match &headers[name] {
        Value::Array(values) if values.len() == 1 => values[0].as_str().unwrap().to_owned(),
        Value::String(value) => value.clone(),
        other => panic!("{name} is {other} in {headers}"),
    }
}

async fn time_shrinks_on_the_way_down(place: Place) {
    let plan = place.plan().callee(&ECHO).caller_as("front", &ECHO);
    let world = plan.caller(&WASIP3_HELLO).caller(&WSTD_HELLO).start().await;
    let ask = async |path: &str, limit: &str| -> Duration {
        let request = with(get(&world.url(path)), "hostel-timeout", limit);
        let headers: Value = world.http.send(request).await.expect(200).json();
        let headers = match &headers["body"] {
            Value::String(inner) => serde_json::from_str(inner).unwrap(),
            _ => headers,
        };
        parse_timeout(&seen(&headers, "hostel-timeout"))
    };
    let direct = ask("/echo/headers", "5S").await;
    assert!(direct < Duration::from_secs(5) && direct > Duration::from_secs(3), "{direct:?}");
    for path in [
        "/front/call/echo/headers",
        "/wasip3-hello/call?url=http://echo.internal/headers",
        "/wstd-hello/call?url=http://echo.internal/headers",
        "/echo/call/wasip3-hello/headers",
        "/echo/call/wstd-hello/headers",
    ] {
        let left = ask(path, "5S").await;
        assert!(left < Duration::from_secs(5) && left > Duration::from_secs(3), "{path}: {left:?}");
    }
    // And through three of them.
    let path = "/wasip3-hello/call?url=http://wstd-hello.internal/call%3Furl%3Dhttp://echo.internal/headers";
    let request = with(get(&world.url(path)), "hostel-timeout", "5S");
    let mut headers: Value = world.http.send(request).await.expect(200).json();
    while let Value::String(inner) = &headers["body"] {
        headers = serde_json::from_str(inner).unwrap();
    }
    let left = parse_timeout(&seen(&headers, "hostel-timeout"));
    assert!(left < Duration::from_secs(5) && left > Duration::from_secs(3), "{left:?}");
    assert_eq!(seen(&headers, "hostel-depth"), "2");
}

/// The time is one budget for all of them: an answer that needs more of it does not come.
async fn what_one_service_spends_the_next_does_not_have(place: Place) {
    let world = place.with(&[&RELAY], &[&ECHO]).await;
    let mut relay = world.grpc("relay");
    let limit = Duration::from_millis(600);
    relay.unary(ask_within(limit, ask("x", 0, 100))).await.unwrap();
    let start = Instant::now();
    let status = relay.unary(ask_within(limit, ask("x", 0, 5_000))).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    world.in_flight("echo", 0).await;
    world.in_flight("relay", 0).await;
}

async fn the_time_a_client_gives_is_enforced_by_the_host(place: Place) {
    let plan = place.plan().callee(&ECHO).caller_as("front", &ECHO);
    let world = plan.caller(&WASIP3_HELLO).caller(&WSTD_HELLO).start().await;
    for path in
        ["/echo/sleep/8000", "/wstd-hello/sleep/8000", "/wasip3-hello/sleep/8000", "/echo/call/wstd-hello/sleep/8000"]
    {
        let request = with(get(&world.url(path)), "hostel-timeout", "300m");
        let start = Instant::now();
        let reply = world.http.send(request).await;
        let took = start.elapsed();
        reply.expect_problem(504, "timeout");
        assert!(took >= Duration::from_millis(290) && took < Duration::from_millis(1500), "{path}: {took:?}");
        world.in_flight("echo", 0).await;
        world.in_flight("wstd-hello", 0).await;
    }
}

/// A client cannot ask for more time than the edge gives, and nonsense is not taken for no limit.
async fn the_edge_caps_what_clients_ask_for(place: Place) {
    let world = place.plan().callee(&ECHO).config("[edge]\nrequest_timeout_ms = 4000\n").start().await;
    for asked in ["99999999H", "1H", "9S"] {
        let request = with(get(&world.url("/echo/headers")), "hostel-timeout", asked);
        let headers: Value = world.http.send(request).await.expect(200).json();
        let left = parse_timeout(&seen(&headers, "hostel-timeout"));
        assert!(left <= Duration::from_secs(4) && left > Duration::from_secs(2), "{asked}: {left:?}");
    }
    for asked in ["soon", "", "-1S", "999999999m", "5"] {
        let request = with(get(&world.url("/echo/headers")), "hostel-timeout", asked);
        world.http.send(request).await.expect_problem(400, "invalid-request");
    }
    let request = with(get(&world.url("/echo/headers")), "hostel-timeout", "0m");
    world.http.send(request).await.expect_problem(504, "timeout");
}

async fn one_trace_goes_through_all_services(place: Place) {
    let plan = place.plan().callee(&ECHO).caller_as("front", &ECHO);
    let world = plan.caller(&WASIP3_HELLO).caller(&WSTD_HELLO).start().await;
    let deep = "http://wstd-hello.internal/call%3Furl%3Dhttp://echo.internal/headers";
    let given = format!("00-{TRACE}-{SPAN}-01");
    for path in [
        "/echo/headers".to_owned(),
        "/front/call/echo/headers".to_owned(),
        "/wasip3-hello/call?url=http://echo.internal/headers".to_owned(),
        "/wstd-hello/call?url=http://echo.internal/headers".to_owned(),
        format!("/wasip3-hello/call?url={deep}"),
    ] {
        let request = with(get(&world.url(&path)), "traceparent", &given);
        let mut headers: Value = world.http.send(request).await.expect(200).json();
        while let Value::String(inner) = &headers["body"] {
            headers = serde_json::from_str(inner).unwrap();
        }
        let trace = seen(&headers, "traceparent");
        let parts: Vec<&str> = trace.split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, "01"), "{path}: {trace}");
        assert_ne!(parts[2], SPAN, "{path}: the callee has a span of its own");
        assert_eq!(parts[2].len(), 16, "{path}: {trace}");
    }
}

async fn without_a_sound_trace_from_outside_the_host_begins_one(place: Place) {
    let world = place.with(&[], &[&ECHO]).await;
    let zeros = "00000000000000000000000000000000";
    let mut met = std::collections::BTreeSet::new();
    for given in [
        "",
        "nonsense",
        "00-xyz-00f067aa0ba902b7-01",
        &format!("00-{zeros}-{SPAN}-01"),
        &format!("00-{TRACE}-0000000000000000-01"),
        &format!("ff-{TRACE}-{SPAN}-01"),
    ] {
        let request = with(get(&world.url("/echo/headers")), "traceparent", given);
        let headers: Value = world.http.send(request).await.expect(200).json();
        let trace = seen(&headers, "traceparent");
        let id = trace.split('-').nth(1).unwrap().to_owned();
        assert!(id.len() == 32 && id != zeros && id != TRACE, "{given}: {trace}");
        assert!(met.insert(id), "{given}: the same trace twice");
    }
}

/// The document a client gets and the line in the log name the trace that the client sent.
async fn errors_name_the_trace(place: Place) {
    let world = place.with(&[], &[&HOSTILE]).await;
    let given = format!("00-{TRACE}-{SPAN}-01");
    let request = with(get(&world.url("/hostile/trap")), "traceparent", &given);
    let reply = world.http.send(request).await;
    let document = reply.expect_problem(502, "service-failed");
    assert_eq!(document["trace_id"], TRACE);
    world
        .logs("the call is in the access log", |event| {
            event.field("target") == "hostel::access" && event.field("trace_id") == TRACE
        })
        .await;
}

async fn who_calls_cannot_be_forged(place: Place) {
    let plan = place.plan().callee(&ECHO).caller_as("front", &ECHO);
    let world = plan.caller(&HOSTILE).caller(&HOSTILE_LEAN).start().await;
    for client in [Client::h1(world.edge), Client::h2(world.edge)] {
        let request = get(&world.url("/echo/headers"));
        let request = with(request, "hostel-caller", "payments");
        let request = with(request, "hostel-depth", "0");
        let request = with(request, "hostel-anything", "at all");
        let headers: Value = client.send(request).await.expect(200).json();
        assert_eq!(seen(&headers, "hostel-caller"), "edge");
        assert_eq!(headers["hostel-anything"], Value::Null);
    }
    for guest in ["hostile", "hostile-lean"] {
        let headers: Value = world.get(&format!("/{guest}/forge/echo")).await.expect(200).json();
        assert_eq!(seen(&headers, "hostel-caller"), guest);
        assert_eq!(seen(&headers, "hostel-depth"), "1");
        assert_eq!(seen(&headers, "x-honest"), "kept");
        assert!(!seen(&headers, "traceparent").contains("ffffffffffffffff"), "{headers}");
        assert!(parse_timeout(&seen(&headers, "hostel-timeout")) <= Duration::from_secs(10), "{headers}");
    }
    // The SDK says the same.
    let info: Value = world.get("/echo/info").await.expect(200).json();
    assert_eq!(info["caller"], "edge");
    assert_eq!(info["trace_id"].as_str().map(str::len), Some(32), "{info}");
    let info: Value = world.get("/front/call/echo/info").await.expect(200).json();
    assert_eq!(info["caller"], "front");
}

async fn identity_headers_in_responses_do_not_get_out(place: Place) {
    let world = place.with(&[], &[&HOSTILE, &HOSTILE_LEAN]).await;
    for path in ["/hostile/bad-headers/forged", "/hostile-lean/bad-headers/forged"] {
        let reply = world.get(path).await;
        for name in ["hostel-caller", "hostel-depth"] {
            assert_eq!(reply.header(name), "", "{path}: {reply}");
        }
    }
}

/// `depth_max` calls within each other are fine, one more is not.
async fn calls_nest_so_deep_and_no_deeper(place: Place) {
    let plan = place.plan().callee(&ECHO).caller_as("front", &ECHO);
    let world = plan.caller(&HOSTILE).caller(&HOSTILE_LEAN).start().await;
    // To and fro between the two, so that every call is one to another host if they are not on the same.
    let nested = |levels: usize| {
        let way = ["/front/call", "/echo/call"].into_iter().cycle().skip(levels % 2).take(levels - 1);
        let way: String = way.collect();
        format!("{way}/front/hello/x")
    };
    assert_eq!(world.get(&nested(16)).await.expect(200).text(), "hello x");
    let reply = world.get(&nested(17)).await.expect(508);
    reply.expect_no_internals();
    world.get(&nested(40)).await.expect(508);
    // 16 levels: the call from the edge and 15 more, the innermost of which is refused the next.
    for guest in ["hostile", "hostile-lean"] {
        let reply = world.get(&format!("/{guest}/recurse-call")).await.expect(200);
        assert!(reply.text().starts_with("depth: 15, ended by "), "{guest}: {reply}");
    }

    let shallow = "[limits]\ndepth_max = 2\n";
    world.home("front").install_manifest("front", shallow);
    world.answers(&nested(3), 508, "").await;
    assert_eq!(world.get(&nested(2)).await.expect(200).text(), "hello x");
}
