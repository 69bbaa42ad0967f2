//! Components that know nothing of Hostel: of WASI 0.2 and 0.3, in Rust and in Python. They are served, and they reach
//! other services by their names.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use crate::harness::guests::{ECHO, PYTHON_HELLO, WASIP3_HELLO, WSTD_HELLO};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, parse_timeout, with};
use crate::harness::load::Load;
use crate::harness::wait::eventually;

const FOREIGN: [&str; 3] = ["wstd-hello", "wasip3-hello", "python-hello"];

async fn host() -> Host {
    Host::builder()
        .guest(&WSTD_HELLO)
        .guest(&WASIP3_HELLO)
        .guest(&PYTHON_HELLO)
        .guest(&ECHO)
        .ready_within(Duration::from_secs(180))
        .start()
        .await
}

#[tokio::test]
async fn they_are_served() {
    let host = host().await;
    for guest in FOREIGN {
        let reply = host.get(&format!("/{guest}/hello/world")).await.expect(200);
        assert_eq!(reply.text(), "hello world", "{guest}");
        let body = "ünïcödé".repeat(10_000);
        let reply = host.post(&format!("/{guest}/echo"), body.clone()).await;
        assert!(reply.expect(200).text() == body, "{guest}: the body differs");
        let reply = host.get(&format!("/{guest}/sleep/50")).await.expect(200);
        assert_eq!(reply.text(), "slept 50", "{guest}");
        host.get(&format!("/{guest}/no/such/route")).await.expect(404);
        // A header may come several times, and bytes above 127 are legal in it.
        let request = with(get(&host.url(&format!("/{guest}/headers"))), "x-multi", "one");
        let mut request = with(with(request, "x-multi", "two"), "x-empty", "");
        request.headers_mut().insert("x-bytes", http::HeaderValue::from_bytes(&[0xc3, 0xa9]).unwrap());
        let headers: Value = host.http.send(request).await.expect(200).json();
        assert_eq!(headers["x-multi"], serde_json::json!(["one", "two"]), "{guest}: {headers}");
        assert_eq!(headers["x-empty"], serde_json::json!([""]), "{guest}: {headers}");
        assert_eq!(headers["x-bytes"], serde_json::json!(["é"]), "{guest}: {headers}");
        let by_host = format!("http://{guest}.localhost/hello/host");
        let reply = Client::h2(host.edge).get(&by_host).await.expect(200);
        assert_eq!(reply.text(), "hello host", "{guest}");
    }
}

#[tokio::test]
async fn they_call_other_services_by_name() {
    let host = host().await;
    for caller in FOREIGN {
        for callee in [&FOREIGN[..], &["echo"]].concat() {
            let url = format!("http://{callee}.internal/hello/{caller}");
            let reply = host.get(&format!("/{caller}/call?url={url}")).await.expect(200);
            let answer: Value = reply.json();
            assert_eq!(answer["status"], 200, "{caller} calls {callee}: {answer}");
            assert_eq!(answer["body"], format!("hello {caller}"), "{caller} calls {callee}");
        }
        // A service that is not there, and one that says no.
        let url = "http://nobody.internal/hello/x";
        let answer: Value = host.get(&format!("/{caller}/call?url={url}")).await.json();
        assert!(answer["error"].is_string() || answer["status"] == 404, "{caller}: {answer}");
        let url = "http://echo.internal/status/418";
        let answer: Value = host.get(&format!("/{caller}/call?url={url}")).await.json();
        assert_eq!(answer["status"], 418, "{caller}: {answer}");
    }
}

/// Sixteen calls at one instance of the caller, all under way at once, each with a trace, a deadline and a tag of its
/// own; and each of the calls they cause has to have its own caller's. The callee is slow, so that all are in the air
/// before the first comes back.
#[tokio::test]
async fn calls_that_share_an_instance_are_not_mixed_up() {
    const CALLS: u64 = 16;
    const ROUNDS: u64 = 5;
    let patient = "[limits]\nwall_ms = 600000\n";
    let one = format!("[instances]\nmax = 1\nconcurrency = 16\n{patient}");
    let host = Host::builder()
        .config("[edge]\nrequest_timeout_ms = 600000\n")
        .guest(&WASIP3_HELLO)
        .manifest("wasip3-hello", &one)
        .guest_as("front", &ECHO)
        .manifest("front", &one)
        .guest(&ECHO)
        .manifest("echo", patient)
        .start()
        .await;
    let client = Client::h2(host.edge);
    for (caller, path) in
        [("wasip3-hello", "/wasip3-hello/call?url=http://echo.internal/headers"), ("front", "/front/call/echo/headers")]
    {
        for round in 0..ROUNDS {
            let calls = (0..CALLS).map(|number| {
                let (client, host) = (&client, &host);
                async move {
                    let trace = format!("{:032x}", 0x1000_0000 + round * 1000 + number);
                    // Far enough apart to tell whose is whose.
                    let timeout_s = 60 + 20 * number;
                    let request = get(&host.url(path));
                    let request = with(request, "traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
                    let request = with(request, "x-tag", &trace);
                    let request = with(request, "hostel-timeout", &format!("{timeout_s}S"));
                    let answer: Value = client.send(request).await.expect(200).json();
                    check(caller, &answer, &trace, timeout_s);
                    answer.to_string()
                }
            });
            let answers: BTreeSet<String> = join_all(calls).await.into_iter().collect();
            assert_eq!(answers.len() as u64, CALLS, "each has an answer of its own");
        }
    }

    fn check(caller: &str, answer: &Value, trace: &str, timeout_s: u64) {
        let inner;
        let headers = match &answer["body"] {
            Value::String(text) => {
                assert_eq!(answer["tag"], trace);
                inner = serde_json::from_str(text).unwrap();
                &inner
            }
            _ => answer,
        };
        let seen = |name: &str| headers[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(seen("hostel-caller"), caller, "{headers}");
        assert_eq!(seen("traceparent").split('-').nth(1), Some(trace), "{headers}");
        if caller == "wasip3-hello" {
            assert_eq!(seen("x-tag"), trace, "{headers}");
        }
        let left = parse_timeout(&seen("hostel-timeout"));
        let given = Duration::from_secs(timeout_s);
        assert!(left <= given && left > given - Duration::from_secs(10), "{headers}");
    }
}

/// The same for long enough that tasks, handles and instances are used again and again.
#[tokio::test]
async fn thousands_of_calls_are_not_mixed_up() {
    const CALLS: u64 = 6_000;
    let one = "[instances]\nmax = 2\nconcurrency = 16\n";
    let host = Host::builder()
        .guest(&WASIP3_HELLO)
        .manifest("wasip3-hello", one)
        .guest(&WSTD_HELLO)
        .guest(&ECHO)
        .manifest("echo", one)
        .start()
        .await;
    let (client, edge) = (Client::h2(host.edge), host.edge);
    let number = Arc::new(AtomicU64::new(1));
    let load = Load::start(32, Duration::ZERO, move |worker| {
        let (client, number) = (client.clone(), Arc::clone(&number));
        async move {
            let trace = format!("{:032x}", number.fetch_add(1, Ordering::Relaxed));
            let caller = if worker % 4 == 0 { "wstd-hello" } else { "wasip3-hello" };
            let url = format!("http://{edge}/{caller}/call?url=http://echo.internal/headers");
            let request = with(get(&url), "traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
            let reply = client.try_send(with(request, "x-tag", &trace)).await.map_err(|error| error.to_string())?;
            let answer: Value = serde_json::from_slice(&reply.body).map_err(|error| format!("{error}: {reply}"))?;
            let inner = answer["body"].as_str().ok_or_else(|| reply.to_string())?;
            let headers: Value = serde_json::from_str(inner).map_err(|error| error.to_string())?;
            let seen = |name: &str| headers[name].as_str().unwrap_or_default();
            let same = answer["tag"] == trace
                && seen("x-tag") == trace
                && seen("traceparent").split('-').nth(1) == Some(&trace)
                && seen("hostel-caller") == caller;
            same.then_some(()).ok_or_else(|| format!("{trace} from {caller} became {answer}"))
        }
    });
    eventually("enough calls", Duration::from_secs(120), async || {
        (load.done() >= CALLS).then_some(()).ok_or_else(|| load.done().to_string())
    })
    .await;
    load.stop().await.expect_no_failure();
}

/// The same where the deadlines are enforced: of sixteen calls in one instance those with little time end early, and
/// take the calls they caused with them, while the others go on.
#[tokio::test]
async fn calls_that_share_an_instance_have_deadlines_of_their_own() {
    let host = Host::builder()
        .guest(&WASIP3_HELLO)
        .manifest("wasip3-hello", "[instances]\nmax = 1\nconcurrency = 16\n")
        .guest(&ECHO)
        .start()
        .await;
    let client = Client::h2(host.edge);
    let calls = (0..16).map(|number| {
        let (client, host) = (&client, &host);
        async move {
            let url = "http://echo.internal/sleep/1200";
            let request = get(&host.url(&format!("/wasip3-hello/call?url={url}")));
            let limit = if number % 2 == 0 { "300m" } else { "8S" };
            let reply = client.send(with(request, "hostel-timeout", limit)).await;
            (number, reply)
        }
    });
    let early = async {
        host.in_flight("echo", 16).await;
        host.in_flight("echo", 8).await;
    };
    let (replies, ()) = tokio::join!(join_all(calls), early);
    for (number, reply) in replies {
        if number % 2 == 0 {
            reply.expect_problem(504, "timeout");
        } else {
            let answer: Value = reply.expect(200).json();
            assert_eq!(answer["body"], "slept 1200");
        }
    }
}

/// 0.2 instances take one call at a time; many calls get many instances.
#[tokio::test]
async fn many_calls_at_once_are_served_whatever_the_wasi_version() {
    let host = host().await;
    for guest in FOREIGN {
        let calls = (0..24).map(|number| {
            let (host, path) = (&host, format!("/{guest}/hello/{number}"));
            async move {
                let reply = host.get(&path).await.expect(200);
                assert_eq!(reply.text(), format!("hello {number}"));
            }
        });
        join_all(calls).await;
    }
}
