//! Who keeps failing is left alone, and found to be well again by one call.

use std::time::Duration;

use tonic::Code;

use super::{SOON, called, called_is, echo, endpoint, endpoints, refused, status_text, total, with_front};
use crate::harness::grpc::{ask, ask_within};
use crate::harness::wait::eventually;

const NEVER_CLOSES: &str = "[policy]\nretry.retries_max = 0\nbreaker = { failures = 3, open_ms = 3600000 }\n";

#[tokio::test]
async fn failures_in_a_row_open_it() {
    let host = with_front(echo(NEVER_CLOSES)).start().await;
    // What callers do wrong is nobody's failure, and what succeeds ends a row.
    for status in [400, 404, 429, 503, 503, 200, 503, 503, 400] {
        assert_eq!(host.get(&format!("/echo/status/{status}")).await.status, status);
    }
    assert_eq!(endpoint(&host, "echo", None).await["breaker"], "closed");
    for status in [503, 503, 503] {
        assert_eq!(host.get(&format!("/echo/status/{status}")).await.status, status);
    }
    host.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    let reply = host.get("/front/call/echo/hello/x").await;
    assert_eq!(reply.status, 503, "{reply}");

    let echo = called(&host, "echo").await;
    let at = &echo["endpoints"][0];
    assert_eq!((&at["breaker"], &at["breaker_opens"], &at["calls"]), (&"open".into(), &1.into(), &12.into()), "{echo}");
    assert_eq!(echo["failing"], 2, "{echo}");
    assert_eq!(echo["policy"]["breaker"]["failures"], 3, "{echo}");
    assert_eq!((endpoints(&host, "echo", "broken").await, endpoints(&host, "echo", "healthy").await), (1.0, 0.0));
    assert_eq!(total(&host, "hostel_endpoint_breaker_opens_total", "echo").await, 1.0);
    assert_eq!(refused(&host, "echo", "failing").await, 2.0);
    let text = status_text(&host).await;
    assert!(text.contains("\necho here breaker open 0 12 7 "), "{text}");
    // It is this service's alone.
    host.get("/front/hello/x").await.expect(200);
}

/// Or whoever finds a request that traps could close a service to everybody.
#[tokio::test]
async fn answers_that_say_it_failed_open_it_only_if_asked_to() {
    for (errors, after) in [("false", "closed"), ("true", "open")] {
        let policy = format!("[policy]\nretry.retries_max = 0\nbreaker = {{ failures = 3, errors = {errors} }}\n");
        let host = echo(&policy).start().await;
        for status in [500, 502, 500] {
            assert_eq!(host.get(&format!("/echo/status/{status}")).await.status, status);
        }
        assert_eq!(endpoint(&host, "echo", None).await["breaker"], after, "errors = {errors}");
    }
}

/// While the one call that finds out is under way nobody else gets through; when it succeeds, all do.
#[tokio::test]
async fn one_call_finds_out() {
    let policy = "[policy]\nretry.retries_max = 0\nbreaker = { failures = 1, open_ms = 100 }\n";
    let host = echo(policy).start().await;
    host.get("/echo/status/503").await.expect(503);
    let probe = eventually("the breaker lets one call in", SOON, async || {
        let reply = host.get("/echo/sleep/2000").await;
        (reply.status == 200).then_some(()).ok_or_else(|| reply.to_string())
    });
    let others = async {
        called_is(&host, "echo", "one is trying", |echo| echo["endpoints"][0]["breaker"] == "half-open").await;
        host.get("/echo/hello/x").await.expect_problem(503, "unavailable");
        assert_eq!(endpoints(&host, "echo", "broken").await, 1.0);
    };
    tokio::join!(probe, others);
    host.get("/echo/hello/x").await.expect(200);
    let echo = endpoint(&host, "echo", None).await;
    assert_eq!((&echo["breaker"], &echo["breaker_opens"]), (&"closed".into(), &1.into()), "{echo}");
}

/// Every other call fails, so there never is a row.
#[tokio::test]
async fn a_steady_rate_of_failures_opens_it_if_asked_to() {
    let policy = "[policy]\nretry.retries_max = 0\n[policy.breaker]\nfailures = 10000\nerror_percent = 50\n\
                  window_ms = 3600000\nwindow_calls_min = 10\nopen_ms = 3600000\n";
    let host = echo(policy).start().await;
    for _ in 0..5 {
        host.get("/echo/hello/x").await.expect(200);
        assert_eq!(endpoint(&host, "echo", None).await["breaker"], "closed");
        host.get("/echo/status/503").await.expect(503);
    }
    host.get("/echo/hello/x").await.expect_problem(503, "unavailable");
    assert_eq!(endpoint(&host, "echo", None).await["breaker"], "open");
}

/// Callers that leave no time must not take a service from the others.
#[tokio::test]
async fn impatient_callers_do_not_open_it() {
    let host = echo(NEVER_CLOSES).start().await;
    for _ in 0..5 {
        let hasty = ask_within(Duration::from_millis(20), ask("x", 0, 5_000));
        let status = host.grpc("echo").unary(hasty).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
    host.get("/echo/hello/x").await.expect(200);
    // Who had time has reason to complain.
    for _ in 0..3 {
        let patient = ask_within(Duration::from_millis(1_100), ask("x", 0, 5_000));
        let status = host.grpc("echo").unary(patient).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    }
    host.get("/echo/hello/x").await.expect_problem(503, "unavailable");
}
