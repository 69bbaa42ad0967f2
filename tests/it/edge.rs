//! What clients may do wrong, or slowly, or too often, and what HTTP asks of a server.

mod ending;
mod floods;
mod tls;

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::harness::guests::{ECHO, LEAN_BARE};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, pushed, request};
use crate::harness::logs::Event;
use crate::harness::raw::Raw;
use crate::harness::tiny;
use crate::harness::wait::{LONG, eventually, within};

const SOON: Duration = Duration::from_secs(4);

async fn impatient() -> Host {
    Host::builder()
        .guest(&ECHO)
        .guest(&LEAN_BARE)
        .config("[edge]\nheader_timeout_ms = 500\nidle_timeout_ms = 1000\nbody_idle_timeout_ms = 500\n")
        .start()
        .await
}

#[tokio::test]
async fn heads_that_do_not_end() {
    let host = impatient().await;
    for begin in ["GET /echo/hello/x HTTP/1.1\r\n", "G", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut connection = Raw::connect(host.edge).await;
        connection.send(begin).await;
        assert!(connection.closes(SOON).await, "{begin:?}");
    }
    // One byte at a time is no excuse.
    let mut connection = Raw::connect(host.edge).await;
    let dripping = async {
        for byte in "GET /echo/hello/x HTTP/1.1\r\nhost: x\r\nx-slow: ".chars().chain("x".repeat(1000).chars()) {
            if !connection.try_send(&byte.to_string()).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("the connection is closed", SOON, dripping).await;
    // A second request on a connection has no more time than the first.
    let mut connection = Raw::connect(host.edge).await;
    connection.get("/echo/hello/x").await;
    connection.send("GET /echo/he").await;
    assert!(connection.closes(SOON).await);
    host.get("/echo/hello/x").await.expect(200);
}

#[tokio::test]
async fn connections_that_say_nothing() {
    let host = impatient().await;
    let mut connection = Raw::connect(host.edge).await;
    assert!(connection.closes(SOON).await, "never a request");
    let mut connection = Raw::connect(host.edge).await;
    connection.get("/echo/hello/x").await;
    assert!(connection.closes(SOON).await, "no second request");
    // One that waits for its answer is not idle.
    let mut connection = Raw::connect(host.edge).await;
    assert_eq!(connection.get("/echo/sleep/2500").await.body, "slept 2500");
}

#[tokio::test]
async fn bodies_that_stand_still() {
    let host = impatient().await;
    for path in ["/echo/echo", "/lean-bare/x"] {
        let mut connection = Raw::connect(host.edge).await;
        connection.send(&format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf of i")).await;
        let reply = within("an answer", SOON, connection.reply()).await.expect("a response");
        // The host's own answer, or the guest's about a body that broke off.
        assert!([408, 400].contains(&reply.status), "{path}: {reply:?}");
        let (sender, body) = pushed();
        sender.send(Ok("beginning".into())).await.unwrap();
        let reply = Client::h2(host.edge).send(request("POST", &host.url(path), body)).await;
        assert!([408, 400].contains(&reply.status), "{path}: {reply}");
        drop(sender);
    }
    let mut connection = Raw::connect(host.edge).await;
    connection.send("POST /echo/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf of i").await;
    let reply = connection.reply().await.expect("a response");
    assert_eq!(reply.status, 408, "small bodies are read before the guest is called: {reply:?}");
    assert!(reply.body.contains("urn:hostel:error:slow-client"), "{reply:?}");
    host.in_flight("echo", 0).await;
}

#[tokio::test]
async fn requests_that_are_none() {
    let host = Host::with(&[&ECHO]).await;
    for text in [
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /echo/hello/x HTTP/1.1\r\nhost: x\r\nbad name: 1\r\n\r\n",
        "GET /echo/hello/x HTTP/1.1\r\nhost: x\r\nno-colon\r\n\r\n",
        "POST /echo/echo HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n",
        "POST /echo/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /echo/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n",
        "\u{0}\u{1}\u{2}\u{3}\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
    ] {
        let mut connection = Raw::connect(host.edge).await;
        connection.send(text).await;
        // A refusal or just the end; never a success.
        if let Ok(Some(reply)) = tokio::time::timeout(Duration::from_secs(8), connection.reply()).await {
            assert!((400..500).contains(&reply.status), "{text:?}: {reply:?}");
            assert!(!reply.body.contains("::"), "{text:?}: {reply:?}");
        }
        host.get("/echo/hello/x").await.expect(200);
    }
}

/// Two lengths that disagree are how requests are smuggled past a proxy.
#[tokio::test]
async fn a_request_cannot_hide_another() {
    let host = Host::with(&[&ECHO]).await;
    let mut connection = Raw::connect(host.edge).await;
    connection
        .send(
            "POST /echo/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
             0\r\n\r\nGET /echo/hello/smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
        )
        .await;
    let first = connection.reply().await;
    if first.is_some_and(|first| first.status < 400) {
        // Answered as chunked; then the connection has to end, so that nothing behind it counts (RFC 9112, 6.1).
        let second = connection.reply().await;
        assert!(second.is_none_or(|second| !second.body.contains("smuggled")), "the second one was served");
    }
}

#[tokio::test]
async fn one_connection_many_requests() {
    let host = Host::with(&[&ECHO]).await;
    let mut connection = Raw::connect(host.edge).await;
    for number in 0..50 {
        let reply = connection.get(&format!("/echo/hello/{number}")).await;
        assert_eq!(reply.body, format!("hello {number}"));
    }
    // All at once; the answers come in order.
    let requests: String =
        (0..20).map(|number| format!("GET /echo/hello/{number} HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
    connection.send(&requests).await;
    for number in 0..20 {
        let reply = connection.reply().await.expect("a response");
        assert_eq!(reply.body, format!("hello {number}"));
    }
    // Errors of the host leave the connection open.
    assert_eq!(connection.get("/nobody/x").await.status, 404);
    assert_eq!(connection.get("/echo/hello/x").await.status, 200);
    connection.send("GET /echo/hello/last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(connection.reply().await.expect("a response").body, "hello last");
    assert!(connection.closes(SOON).await);
}

#[tokio::test]
async fn other_forms_of_a_request() {
    let host = Host::with(&[&ECHO, &LEAN_BARE]).await;
    for (head, status, body) in [
        ("GET http://echo.localhost/hello/absolute HTTP/1.1\r\nhost: other\r\n\r\n", 200, "hello absolute"),
        ("GET /echo/hello/old HTTP/1.0\r\n\r\n", 200, "hello old"),
        ("GET /echo/hello/old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", 200, "hello old"),
        // RFC 9112, section 3.2: without a host an HTTP/1.1 request is malformed.
        ("GET /echo/hello/x HTTP/1.1\r\n\r\n", 400, ""),
        ("OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 404, ""),
        ("CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n", 404, ""),
    ] {
        let mut connection = Raw::connect(host.edge).await;
        connection.send(head).await;
        let reply = within(head, LONG, connection.reply()).await.unwrap_or_else(|| panic!("{head:?}: no response"));
        if status == 200 {
            assert_eq!((reply.status, &*reply.body), (status, body), "{head:?}");
        } else {
            assert!((400..500).contains(&reply.status), "{head:?}: {reply:?}");
        }
        host.get("/echo/hello/x").await.expect(200);
    }
}

/// A client that asks first gets its answer before it sends the body, and the guest decides.
#[tokio::test]
async fn clients_may_ask_before_they_send() {
    let host = Host::with(&[&ECHO, &LEAN_BARE]).await;
    let mut connection = Raw::connect(host.edge).await;
    connection.send("POST /lean-bare/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").await;
    let reply = connection.reply().await.expect("an interim response");
    assert_eq!(reply.status, 100, "{reply:?}");
    connection.send("body").await;
    let reply = connection.reply().await.expect("a response");
    assert_eq!((reply.status, &*reply.body), (200, "POST /x\nbody"));
    // Refused without having been sent.
    let mut connection = Raw::connect(host.edge).await;
    connection.send("POST /nobody/x HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").await;
    assert_eq!(connection.reply().await.expect("a response").status, 404);
}

#[tokio::test]
async fn connections_have_a_limit_and_more_wait() {
    let host =
        Host::builder().module("tiny", &tiny::answering("x")).config("[edge]\nconnections_max = 3\n").start().await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = Raw::connect(host.edge).await;
        assert_eq!(connection.get("/tiny/").await.status, 200);
        open.push(connection);
    }
    let mut waiting = Raw::connect(host.edge).await;
    waiting.send("GET /tiny/ HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(500), waiting.reply()).await;
    assert!(early.is_err(), "a fourth connection was served");
    open.pop();
    let reply = within("the fourth connection is served", SOON, waiting.reply()).await;
    assert_eq!(reply.expect("a response").status, 200);
}

/// Who cannot accept waits and tries again; who is connected does not notice.
#[tokio::test]
async fn running_out_of_files_is_no_end() {
    let host = Host::builder().module("tiny", &tiny::answering("x")).start().await;
    let mut open = Raw::connect(host.edge).await;
    assert_eq!(open.get("/tiny/").await.status, 200);
    let pid = Pid::from_raw(host.process.pid().try_into().unwrap());
    let files = std::fs::read_dir(format!("/proc/{}/fd", host.process.pid())).unwrap().count();
    let maximum = getrlimit(Resource::Nofile).maximum;
    let few = Rlimit { current: Some(files as u64 + 2), maximum };
    let many = prlimit(pid, Resource::Nofile, few).unwrap();
    let begun = Instant::now();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut connection = Raw::connect(host.edge).await;
        connection.send("GET /tiny/ HTTP/1.1\r\nhost: x\r\n\r\n").await;
        waiting.push(connection);
    }
    let refused = |event: &Event| event.message().contains("cannot accept a connection");
    host.logs("it cannot accept", refused).await;
    assert_eq!(open.get("/tiny/").await.status, 200);
    prlimit(pid, Resource::Nofile, many).unwrap();
    for connection in &mut waiting {
        let reply = within("a response", LONG, connection.reply()).await;
        assert_eq!(reply.expect("a response").status, 200);
    }
    let tried = host.logs.matching(refused).len();
    assert!(tried as f64 <= 2.0 + begun.elapsed().as_secs_f64() * 10.0, "{tried} times in {:?}", begun.elapsed());
}

#[tokio::test]
async fn hundreds_of_connections_at_once() {
    let host = Host::builder().module("tiny", &tiny::answering("x")).start().await;
    let mut connections = Vec::new();
    for _ in 0..400 {
        connections.push(Raw::connect(host.edge).await);
    }
    for connection in &mut connections {
        connection.send("GET /tiny/ HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    for connection in &mut connections {
        assert_eq!(connection.reply().await.expect("a response").body, "x");
    }
    drop(connections);
    eventually("the connections are gone", SOON, async || {
        let files = std::fs::read_dir(format!("/proc/{}/fd", host.process.pid())).unwrap().count();
        (files < 100).then_some(()).ok_or_else(|| format!("{files} open files"))
    })
    .await;
}

/// What a service answers gets the headers a server owes.
#[tokio::test]
async fn responses_are_in_order() {
    let host = Host::with(&[&ECHO]).await;
    let mut connection = Raw::connect(host.edge).await;
    let reply = connection.get("/echo/hello/x").await;
    for name in ["date: ", "content-length: 7", "content-type: text/plain"] {
        assert!(reply.head.contains(name), "`{name}` is not in {reply:?}");
    }
    let reply = connection.get("/echo/status/204").await;
    assert!(reply.status == 204 && !reply.head.contains("content-length") && reply.body.is_empty(), "{reply:?}");
    assert_eq!(connection.get("/echo/hello/x").await.status, 200);
}

#[tokio::test]
async fn many_requests_on_one_http2_connection() {
    let host = Host::with(&[&ECHO]).await;
    let client = Client::h2(host.edge);
    let url = host.url("/echo/sleep/300");
    // More than may be in flight at once; the rest wait at the client.
    let calls: Vec<_> = (0..400)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move { client.get(&url).await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().expect(200).text(), "slept 300");
    }
}

/// Opening streams and resetting them at once is how servers were brought down (CVE-2023-44487).
#[tokio::test]
async fn requests_that_are_reset_at_once_leave_nothing_behind() {
    let host = Host::with(&[&ECHO]).await;
    for _ in 0..10 {
        let client = Client::h2(host.edge);
        let url = host.url("/echo/sleep/9000");
        let calls: Vec<_> = (0..150)
            .map(|_| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move { client.open(get(&url)).await.map(drop) })
            })
            .collect();
        // Until some are on their way.
        tokio::task::yield_now().await;
        for call in calls {
            call.abort();
            let _ = call.await;
        }
    }
    host.in_flight("echo", 0).await;
    host.get("/echo/hello/x").await.expect(200);
    assert!(!host.logs.events().iter().any(|event| event.level() == "error"));
}
