//! Metadata of gRPC, as headers and trailers of those who do not speak it.

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::http::{Client, full};
use crate::harness::library::{ask, method};
use crate::harness::world::Place;

crate::both_ways! {
    headers_become_metadata,
    metadata_become_headers,
    trailers_are_sent_to_who_asks_for_them,
}

const JSON: (&str, &str) = ("content-type", "application/json");

async fn headers_become_metadata(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let headers = [
        JSON,
        ("grpc-metadata-x-one", "1"),
        ("grpc-metadata-x-two", "a"),
        ("grpc-metadata-x-two", "b"),
        ("grpc-metadata-x-raw-bin", "AP8="),
        ("grpc-metadata-hostel-caller", "somebody"),
        ("grpc-metadata-grpc-timeout", "1n"),
        ("authorization", "Bearer token"),
        ("x-request-id", "abc"),
        ("x-other", "not metadata"),
        ("hostel-caller", "somebody"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    for path in ["/v1/metadata", &method("EchoMetadata")] {
        let came = world.sends("POST", path, &headers, "{}").await.expect(200).json::<Value>()["came"].clone();
        assert_eq!(came["x-one"], "1", "{path}: {came}");
        assert_eq!(came["x-two"], "a,b", "{path}: {came}");
        assert_eq!(came["x-raw-bin"], "AP8", "{path}: {came}");
        assert_eq!(came["authorization"], "Bearer token", "{path}: {came}");
        assert_eq!(came["x-request-id"], "abc", "{path}: {came}");
        assert!(came.get("x-other").is_none(), "{path}: {came}");
        assert!(came["hostel-caller"] != "somebody" && came["grpc-timeout"] != "1n", "{path}: {came}");
        let trace = came["traceparent"].as_str().unwrap_or_default();
        assert!(trace.is_empty() || trace.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{path}: {came}");
    }
    let wrong = [JSON, ("grpc-metadata-x-raw-bin", "*")];
    let problem: Value = world.sends("POST", "/v1/metadata", &wrong, "{}").await.expect(400).json();
    assert!(problem["detail"].as_str().unwrap().contains("grpc-metadata-x-raw-bin"), "{problem}");
}

fn asked() -> Value {
    json!({
        "initial": {"x-answer": "42", "x-raw-bin": "AP8=", "set-cookie": "a=b", "cache-control": "no-store"},
        "trailing": {"x-after": "z", "x-after-bin": "AP8="},
    })
}

async fn metadata_become_headers(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for path in ["/v1/metadata", &method("EchoMetadata")] {
        let reply = world.sends_json("POST", path, &asked()).await.expect(200);
        for (name, value) in [
            ("grpc-metadata-x-answer", "42"),
            ("grpc-metadata-x-raw-bin", "AP8"),
            ("set-cookie", "a=b"),
            ("cache-control", "no-store"),
            ("grpc-metadata-set-cookie", ""),
            ("x-answer", ""),
            ("grpc-metadata-x-after", ""),
            ("grpc-status", ""),
            ("trailer", ""),
        ] {
            assert_eq!(reply.header(name).trim_end_matches('='), value.trim_end_matches('='), "{path} {name}: {reply}");
        }
        assert!(reply.trailers.is_empty(), "{path}: {:?}", reply.trailers);
    }
}

async fn trailers_are_sent_to_who_asks_for_them(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for (client, connection) in [(Client::h1(world.edge), "te"), (Client::h2(world.edge), "")] {
        let mut headers = vec![JSON, ("te", "trailers")];
        if !connection.is_empty() {
            headers.push(("connection", connection));
        }
        let sent = ask("POST", &world.url("/v1/metadata"), &headers, full(asked().to_string()));
        let reply = client.send(sent).await.expect(200);
        assert_eq!(reply.trailer("grpc-trailer-x-after"), "z", "{reply} {:?}", reply.trailers);
        assert_eq!(reply.trailer("grpc-trailer-x-after-bin").trim_end_matches('='), "AP8", "{reply}");
        assert!(reply.trailers.get("grpc-trailer-grpc-status").is_none(), "{:?}", reply.trailers);
        assert!(reply.header("trailer").contains("grpc-trailer-x-after"), "{reply}");
        assert!(reply.json::<Value>()["came"].is_object(), "{reply}");
    }
}
