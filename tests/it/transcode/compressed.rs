//! Compression of REST: of what clients send, and of what they get.

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::library::{gunzip, gzip, method, unzstd, zstd};
use crate::harness::world::Place;

crate::both_ways! { answers_are_compressed_as_clients_want, requests_may_be_compressed }

const JSON: (&str, &str) = ("content-type", "application/json");

async fn answers_are_compressed_as_clients_want(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let whole = world.get("/v1/big/100000").await.expect(200);
    assert_eq!(whole.header("content-encoding"), "", "{whole}");
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    for (accept, encoding) in [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("br", ""),
        ("identity", ""),
        ("gzip;q=0", ""),
        ("gzip;q=0.5, identity;q=1", ""),
        ("identity;q=0, gzip", "gzip"),
        ("*;q=0", ""),
        ("*", "zstd"),
        ("GZIP", "gzip"),
        ("", ""),
    ] {
        for path in ["/v1/big/100000", "/library/v1/big/100000"] {
            let reply = world.sends("GET", path, &[("accept-encoding", accept)], "").await.expect(200);
            assert_eq!(reply.header("content-encoding"), encoding, "{accept}");
            assert!(reply.header("vary").contains("accept-encoding"), "{accept}: {:?}", reply.headers);
            assert_eq!(reply.header("content-length"), reply.body.len().to_string(), "{accept}");
            let plain = match encoding {
                "gzip" => gunzip(&reply.body),
                "zstd" => unzstd(&reply.body),
                _ => reply.body.to_vec(),
            };
            assert!(plain == whole.body, "{accept}");
            assert!(encoding.is_empty() || reply.body.len() < 10_000, "{accept}: {}", reply.body.len());
        }
    }
    // What is short stays as it is.
    let reply = world.sends("GET", "/v1/shelves/1", &[("accept-encoding", "gzip")], "").await.expect(200);
    assert_eq!((reply.header("content-encoding"), &reply.json::<Value>()["theme"]), ("", &json!("theme 1")));
    // Streams, and what ends them.
    let headers = [("accept-encoding", "gzip")];
    let path = "/v1/shelves/1:watch?count=100&fail_last.code=9&fail_last.message=x";
    let reply = world.sends("GET", path, &headers, "").await.expect(200);
    assert_eq!(reply.header("content-encoding"), "gzip", "{reply}");
    let text = String::from_utf8(gunzip(&reply.body)).unwrap();
    assert_eq!(text.lines().count(), 101);
    assert!(text.lines().last().unwrap().starts_with("{\"error\":"), "{text}");
}

async fn requests_may_be_compressed(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let title = "x".repeat(100_000);
    let body = json!({"title": title}).to_string();
    let lines = body.clone() + "\n" + &body;
    for (name, packed, packed_lines) in [
        ("gzip", gzip(body.as_bytes()), gzip(lines.as_bytes())),
        ("zstd", zstd(body.as_bytes()), zstd(lines.as_bytes())),
        ("identity", body.clone().into_bytes(), lines.clone().into_bytes()),
        ("x-gzip", gzip(body.as_bytes()), gzip(lines.as_bytes())),
    ] {
        let headers = [JSON, ("content-encoding", name)];
        let reply = world.sends("POST", "/v1/shelves/1/books", &headers, packed).await.expect(200);
        assert!(reply.json::<Value>()["title"] == title, "{name}");
        let headers = [("content-type", "application/x-ndjson"), ("content-encoding", name)];
        let reply = world.sends("POST", "/v1/books:import", &headers, packed_lines).await.expect(200);
        assert_eq!(reply.json::<Value>()["count"], 2, "{name}");
    }
}

#[tokio::test]
async fn what_is_not_compressed_as_it_says_is_refused() {
    let host = Host::builder().guest(&LIBRARY).config("[edge]\nmessage_bytes_max = 1000000\n").start().await;
    let bomb = |pack: fn(&[u8]) -> Vec<u8>| pack(&vec![b' '; 64 << 20]);
    let (gzip_bomb, zstd_bomb) = (bomb(gzip), bomb(zstd));
    assert!(gzip_bomb.len() < 100_000 && zstd_bomb.len() < 100_000, "they have to be small");
    for (name, body, statuses) in [
        ("gzip", gzip_bomb.clone(), &[413][..]),
        ("zstd", zstd_bomb.clone(), &[413]),
        ("gzip", b"not gzip".to_vec(), &[400]),
        ("zstd", b"not zstd".to_vec(), &[400]),
        ("gzip", gzip(b"{}")[..10].to_vec(), &[400]),
        ("br", b"x".to_vec(), &[415, 501]),
        ("gzip, gzip", gzip(&gzip(b"{}")), &[415, 501]),
    ] {
        for (path, content) in [
            ("/v1/shelves/1/books", "application/json"),
            (&*method("GetShelf"), "application/json"),
            ("/v1/books:import", "application/x-ndjson"),
        ] {
            let headers = [("content-type", content), ("content-encoding", name)];
            let reply = host.sends("POST", path, &headers, body.clone()).await;
            assert!(statuses.contains(&reply.status), "{path} {name}: {reply}");
            reply.expect_no_internals();
        }
    }
    host.in_flight("library", 0).await;
    let memory = std::fs::read_to_string(format!("/proc/{}/status", host.process.pid())).unwrap();
    assert!(memory.contains("VmRSS"), "the host is alive: {memory}");
    Client::h1(host.edge).get(&host.url("/v1/shelves/1")).await.expect(200);
}
