//! Clients that send what nobody should: each gets an answer that says so, the host lives, and nothing is left in flight.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::http::{Client, full, pushed, request};
use crate::harness::library::{ask, frame, frames, gzip, method, to_base64, wire};
use crate::harness::raw::Raw;
use crate::harness::wait::eventually;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A host that takes small messages only.
async fn strict() -> Host {
    Host::builder().guest(&LIBRARY).config("[edge]\nmessage_bytes_max = 10000\n").start().await
}

async fn still_well(host: &Host) {
    host.in_flight("library", 0).await;
    assert_eq!(host.get("/v1/shelves/1").await.expect(200).json::<Value>()["theme"], "theme 1");
    let bad = host.logs.matching(|event| event.level() == "error" || event.contains("panicked"));
    assert!(bad.is_empty(), "{bad:?}");
}

#[tokio::test]
async fn messages_may_be_only_so_large() {
    let host = strict().await;
    let text = |len: usize| json!({"string": "x".repeat(len)});
    let (small, large) = (text(9_900), text(10_000));
    host.sends_json("POST", "/v1/everything", &small).await.expect(200);
    for path in ["/v1/everything", &method("EchoAll")] {
        let problem: Value = host.sends_json("POST", path, &large).await.expect(413).json();
        assert_eq!((&problem["status"], &problem["code"]), (&json!(413), &json!("RESOURCE_EXHAUSTED")), "{problem}");
    }
    // Whose length is not said ahead.
    let (sender, body) = pushed();
    let call = tokio::spawn({
        let request = ask("POST", &host.url("/v1/everything"), &[JSON], body);
        let client = Client::h2(host.edge);
        async move { client.try_send(request).await }
    });
    for _ in 0..1000 {
        if sender.send(Ok(Bytes::from_static(&[b' '; 1000]))).await.is_err() {
            break;
        }
    }
    drop(sender);
    // Whoever stops reading may reset what still comes.
    if let Ok(reply) = call.await.unwrap() {
        reply.expect(413);
    }
    // A line, an envelope, a frame.
    let lines = format!("{{\"title\": \"x\"}}\n{{\"title\": \"{}\"}}\n", "x".repeat(10_000));
    let content = [("content-type", "application/x-ndjson")];
    host.sends("POST", "/v1/books:import", &content, lines).await.expect(413);
    let message = wire("Everything", &large);
    let headers = [("content-type", "application/connect+proto")];
    let reply = host.sends("POST", &method("EchoAll"), &headers, frame(0, &message)).await.expect(200);
    assert!(reply.text().contains("resource_exhausted"), "{reply}");
    let headers = [("content-type", "application/grpc-web")];
    for body in [frame(0, &message), [&[0, 0xff, 0xff, 0xff, 0xff][..], b"x"].concat().into()] {
        let reply = host.sends("POST", &method("EchoAll"), &headers, body).await.expect(200);
        assert!(reply.text().contains("grpc-status:8"), "{reply}");
    }
    let headers = [("content-type", "application/proto"), ("connect-protocol-version", "1")];
    let reply = host.sends("POST", &method("EchoAll"), &headers, message.clone()).await.expect(429);
    assert_eq!(reply.json::<Value>()["code"], "resource_exhausted", "{reply}");
    let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-encoding", "gzip")];
    let reply = host.sends("POST", &method("EchoAll"), &headers, frame(1, &gzip(&message))).await.expect(200);
    let status = [reply.trailer("grpc-status"), reply.header("grpc-status")].concat();
    assert_eq!(status, "8", "{reply} {:?}", reply.trailers);
    // An answer.
    host.get("/v1/big/20000").await.expect(502);
    still_well(&host).await;
}

#[tokio::test]
async fn bodies_that_are_not_what_they_say() {
    let host = strict().await;
    let shelf = wire("GetShelfRequest", &json!({"name": "shelves/1"}));
    let cut = |bytes: Bytes| bytes.slice(..bytes.len() - 1);
    for body in [
        Bytes::new(),
        Bytes::from_static(&[0]),
        Bytes::from_static(&[0, 0, 0, 0]),
        Bytes::from_static(&[0, 0, 0, 0, 9]),
        cut(frame(0, &shelf)),
        frame(0, &[0xff; 9]),
        frame(0, b"\x0a\x03\xff\xfe\xfd"),
        frame(0x7f, &shelf),
        frame(1, &shelf),
        [frame(0, &shelf), frame(0, &shelf)].concat().into(),
        [frame(0, &shelf), Bytes::from_static(b"x")].concat().into(),
        [frame(0x80, b"x:y\r\n"), frame(0, &shelf)].concat().into(),
        Bytes::from_static(b"{\"name\": \"shelves/1\"}"),
    ] {
        for content in [
            "application/grpc",
            "application/grpc+json",
            "application/grpc-web",
            "application/grpc-web+json",
            "application/grpc-web-text",
            "application/connect+proto",
            "application/connect+json",
            "application/json",
            "application/proto",
            "application/x-ndjson",
        ] {
            for name in ["GetShelf", "ImportBooks", "Chat", "WatchShelf"] {
                let text = content.ends_with("text");
                let body = if text { Bytes::from(to_base64(&body)) } else { body.clone() };
                let headers = [("content-type", content), ("te", "trailers"), ("grpc-encoding", "gzip")];
                let what = format!("{name} {content} {body:?}");
                let reply = host.sends("POST", &method(name), &headers, body).await;
                // What is no message is for the service to say, where nobody else reads it.
                let by_service = reply.status == 500 && content == "application/proto";
                assert!([200, 400, 404, 415].contains(&reply.status) || by_service, "{what}: {reply}");
                reply.expect_no_internals();
            }
        }
    }
    still_well(&host).await;
}

#[tokio::test]
async fn paths_and_names_that_nobody_has() {
    let host = strict().await;
    let long = "x".repeat(3000);
    for path in [
        "/library.v1.Library/",
        "/library.v1.Library",
        "/library.v1.Library/GetShelf/",
        "/library.v1.Library//GetShelf",
        "/library.v1.Library/GetShelf%2F",
        "/library.v1.Library/getshelf",
        "/LIBRARY.V1.LIBRARY/GetShelf",
        "//library.v1.Library/GetShelf",
        "/.v1.Library/GetShelf",
        "/v1/%",
        "/v1/%zz/%2",
        "/v1/shelves/%ff",
        "/v1/shelves/%00:watch",
        "/v1/any/%2e%2e/%2e%2e",
        "/v1/any/../../plain",
        "/v1/::::",
        "/v1/{name=shelves/*}",
        &format!("/v1/any/{}", "a/".repeat(2000)),
        &format!("/v1/any/{long}"),
        &format!("/v1/books:search?{}", "a=b&".repeat(1500)),
        &format!("/v1/books:search?{}", "tags=b&".repeat(900)),
        &format!("/v1/books:search?filter.{}x=1", "author.".repeat(300)),
        &format!("/v1/books:search?filter.author.{}givenName=1", "teacher.".repeat(600)),
        "/v1/books:search?=&&&=&;",
        "/v1/books:search?labels[=1&labels]=2&labels[[]]=3",
    ] {
        for verb in ["GET", "POST", "DELETE", "OPTIONS", "BREW"] {
            for content in ["application/json", "application/grpc-web", "application/connect+json"] {
                let mut raw = Raw::connect(host.edge).await;
                let head = format!("{verb} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
                raw.send(&format!("{head}content-type: {content}\r\ncontent-length: 2\r\n\r\n{{}}")).await;
                let reply = raw.reply().await.unwrap_or_else(|| panic!("{verb} {path}: no answer"));
                assert!(reply.status < 500 || reply.status == 501, "{verb} {path} {content}: {reply:?}");
            }
        }
    }
    still_well(&host).await;
}

/// A client that stops in the middle, and one that never begins.
#[tokio::test]
async fn streams_that_are_half_closed() {
    let host = Host::builder().guest(&LIBRARY).manifest("library", "[limits]\nwall_ms = 2000\n").start().await;
    for (content, piece) in [
        ("application/grpc-web", &[0_u8, 0, 0, 1][..]),
        ("application/connect+json", &[0, 0, 0, 0, 200, b'{']),
        ("application/x-ndjson", b"{\"title\":"),
    ] {
        // Ends, though a message does not.
        let reply = host.sends("POST", &method("ImportBooks"), &[("content-type", content)], piece.to_vec()).await;
        assert!([200, 400].contains(&reply.status), "{content}: {reply}");
        assert!(
            reply.status == 400 || reply.text().contains("invalid_argument") || reply.text().contains("grpc-status:3"),
            "{content}: {reply}"
        );
        // Does not end.
        let (sender, body) = pushed();
        sender.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
        let request = ask("POST", &host.url(&method("ImportBooks")), &[("content-type", content)], body);
        let reply = Client::h2(host.edge).send(request).await;
        assert!([200, 408, 504].contains(&reply.status), "{content}: {reply}");
        drop(sender);
    }
    // A unary call whose message never comes.
    let (sender, body) = pushed();
    let headers = [JSON, ("hostel-timeout", "300m")];
    let request = ask("POST", &host.url(&method("GetShelf")), &headers, body);
    let reply = Client::h2(host.edge).send(request).await;
    assert!([408, 504].contains(&reply.status), "{reply}");
    drop(sender);
    still_well(&host).await;
}

/// Many at once, of everything, while some leave.
#[tokio::test]
async fn everybody_at_once() {
    let host = Host::with(&[&LIBRARY]).await;
    let client = Client::h2(host.edge);
    let mut calls = Vec::new();
    for number in 0..200_u32 {
        let (client, edge) = (client.clone(), host.edge);
        calls.push(tokio::spawn(async move {
            let url = |path: &str| format!("http://{edge}{path}");
            match number % 4 {
                0 => drop(client.get(&url("/v1/shelves/1:watch?count=20")).await.expect(200)),
                1 => drop(client.get(&url("/v1/big/50000")).await.expect(200)),
                2 => {
                    let body = full(frame(0, &wire("WatchShelfRequest", &json!({"name": "shelves/1", "count": 5}))));
                    let headers = [("content-type", "application/grpc-web")];
                    let reply = client.send(ask("POST", &url(&method("WatchShelf")), &headers, body)).await.expect(200);
                    assert_eq!(frames(&reply.body).len(), 6);
                }
                _ => {
                    let opening = client.open(request("GET", &url("/v1/shelves/1:watch?count=100000"), full("")));
                    drop(opening.await.unwrap());
                }
            }
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    still_well(&host).await;
}

/// Many clients that send large messages slowly have one bound together.
#[tokio::test]
async fn what_is_read_of_all_clients_together_has_a_bound() {
    let config = "[edge]\nbuffered_bytes_max = 1048576\n";
    let host = Host::builder().guest(&LIBRARY).config(config).start().await;
    let half = Bytes::from(format!("{{\"title\": \"{}", "x".repeat(600_000)));
    let book = |body| ask("POST", &host.url("/v1/shelves/1/books"), &[("content-type", "application/json")], body);
    let rest = Bytes::from_static(b"\"}");
    let whole = || full([half.clone(), rest.clone()].concat());
    eventually("there is no room for another one", Duration::from_secs(20), async || {
        let (sender, body) = pushed();
        let (first, client) = (book(body), Client::h1(host.edge));
        let waiting = tokio::spawn(async move { client.send(first).await });
        sender.send(Ok(half.clone())).await.unwrap();
        // Small ones go on.
        host.get("/v1/shelves/1").await.expect(200);
        let other = Client::h1(host.edge).send(book(whole())).await;
        if other.status != 503 {
            // It was there first, and perhaps in the other's way.
            waiting.abort();
            return Err(other.status.to_string());
        }
        sender.send(Ok(rest.clone())).await.unwrap();
        drop(sender);
        waiting.await.unwrap().expect(200);
        Ok(())
    })
    .await;
    Client::h1(host.edge).send(book(whole())).await.expect(200);
}
