//! Stopping: what is under way ends, nothing new begins, and the exit code says that all went well.

use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::harness::guests::{ECHO, RELAY, marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, next};
use crate::harness::raw::Raw;
use crate::harness::tiny;
use crate::harness::wait::eventually;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn what_is_under_way_ends_and_nothing_new_begins() {
    let mut host = Host::builder().module("marked", &marked(3)).guest(&ECHO).guest(&RELAY).start().await;
    let mut stream = Client::h2(host.edge).open(get(&host.url("/marked/stream/40/50"))).await.unwrap();
    let sleeping = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/echo/call/echo/sleep/2000"));
        async move { http.get(&url).await }
    });
    // Calls that others cause go on to be possible while they drain.
    let nested = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/echo/call/echo/call/echo/sleep/1500"));
        async move { http.get(&url).await }
    });
    host.in_flight("marked", 1).await;
    host.in_flight("echo", 5).await;
    let mut idle = Raw::connect(host.edge).await;
    idle.get("/echo/hello/x").await;

    host.process.signal(Signal::TERM);
    let ready = "not ready any more";
    eventually(ready, SOON, async || {
        let status = host.admin_get("/readyz").await.status;
        (status == 503).then_some(()).ok_or_else(|| status.to_string())
    })
    .await;
    host.admin_get("/livez").await.expect(200);
    let edge = host.edge;
    eventually("connections are refused", SOON, async || match TcpStream::connect(edge).await {
        Ok(_) => Err("connected".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
    assert!(idle.closes(SOON).await, "an idle connection is closed");

    let mut body = Vec::new();
    while let Some(bytes) = next(stream.body_mut()).await {
        body.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(String::from_utf8(body).unwrap(), marker_text(3).repeat(40));
    assert_eq!(sleeping.await.unwrap().expect(200).text(), "slept 2000");
    assert_eq!(nested.await.unwrap().expect(200).text(), "slept 1500");
    let status = host.process.end("the host stops", SOON).await;
    assert_eq!(status.code(), Some(0));
    let last = host.logs.events().pop().unwrap();
    assert_eq!(last.message(), "stopped");
}

#[tokio::test]
async fn an_idle_host_stops_at_once_on_either_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut host = Host::builder().module("tiny", &tiny::answering("x")).start().await;
        host.get("/tiny/").await.expect(200);
        host.process.signal(signal);
        let status = host.process.end("the host stops", Duration::from_secs(3)).await;
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let mut host = Host::with(&[&ECHO]).await;
    let call = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/echo/sleep/9000"));
        async move { http.try_send(get(&url)).await.map(drop) }
    });
    host.in_flight("echo", 1).await;
    host.process.signal(Signal::TERM);
    host.logs("it drains", |event| event.message().contains("stopping")).await;
    assert!(host.process.ended().is_none());
    host.process.signal(Signal::TERM);
    let status = host.process.end("the host ends", Duration::from_secs(2)).await;
    assert_eq!(status.code(), Some(128 + 15));
    assert!(call.await.unwrap().is_err(), "the call was cut off");
}

#[tokio::test]
async fn draining_has_a_time_limit() {
    let mut host = Host::builder().guest(&ECHO).config("[modules]\ndrain_ms = 700\n").start().await;
    let call = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/echo/sleep/9000"));
        async move { http.try_send(get(&url)).await.map(drop) }
    });
    host.in_flight("echo", 1).await;
    host.process.signal(Signal::TERM);
    let status = host.process.end("the host stops", Duration::from_secs(4)).await;
    assert_eq!(status.code(), Some(0));
    call.await.unwrap().ok();
    let cut_off = host.logs.matching(|event| event.message().contains("cut off"));
    assert_eq!(cut_off.len(), 1, "{cut_off:?}");
}

/// A host that is told to stop before it is ready does so.
#[tokio::test]
async fn a_host_that_is_still_starting_can_be_stopped() {
    let builder =
        Host::builder().module("slow", &tiny::bad("start-spin")).config("[modules]\nstart_timeout_ms = 60000\n");
    let mut process = builder.spawn();
    eventually("it starts", Duration::from_secs(20), async || {
        let data = std::fs::read_dir(builder.data()).unwrap().count();
        (data > 0).then_some(()).ok_or_else(|| "no data yet".to_owned())
    })
    .await;
    process.signal(Signal::TERM);
    let status = process.end("the host stops", SOON).await;
    assert_eq!(status.code(), Some(0), "{:#?}", process.err.all());
}
