//! Connect: unary calls whose body is the message, calls in a query, and streams in envelopes.

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::library::{CONNECT_END, frame, frames, gunzip, gzip, method, read, to_base64, unzstd, wire, zstd};
use crate::harness::reply::Reply;
use crate::harness::world::{NO_POLICIES, Place, World};

crate::both_ways! {
    unary_calls,
    calls_in_a_query,
    streams,
    errors,
    metadata_go_both_ways,
}

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTO: (&str, &str) = ("content-type", "application/proto");
const VERSION: (&str, &str) = ("connect-protocol-version", "1");

async fn unary_calls(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let request = json!({"name": "shelves/1"});
    let shelf = json!({"name": "shelves/1", "theme": "theme 1"});
    let reply = world.sends("POST", &method("GetShelf"), &[JSON, VERSION], request.to_string()).await.expect(200);
    assert_eq!((reply.header("content-type"), reply.json::<Value>()), ("application/json", shelf.clone()));
    for headers in [&[PROTO, VERSION][..], &[PROTO]] {
        let reply =
            world.sends("POST", &method("GetShelf"), headers, wire("GetShelfRequest", &request)).await.expect(200);
        assert_eq!(reply.header("content-type"), "application/proto", "{reply}");
        assert_eq!(read("Shelf", &reply.body), shelf);
    }
    // An empty message is no bytes.
    let reply = world.sends("POST", &method("SearchBooks"), &[PROTO, VERSION], "").await.expect(200);
    assert!(reply.body.is_empty(), "{reply}");
    let reply = world.sends("POST", &method("GetShelf"), &[JSON, ("connect-protocol-version", "2")], "{}").await;
    assert_eq!(reply.expect(400).json::<Value>()["code"], "invalid_argument");
}

async fn calls_in_a_query(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let path = method("CountBooks");
    let counted = json!({"books": "9"});
    let message = wire("CountBooksRequest", &json!({"name": "shelves/1"}));
    let url_safe = |bytes: &[u8]| to_base64(bytes).replace('+', "-").replace('/', "_").replace('=', "");
    for query in [
        "encoding=json&message=%7B%22name%22%3A%22shelves%2F1%22%7D&connect=v1".to_owned(),
        "encoding=json&message=%7B%22name%22:%22shelves/1%22%7D".to_owned(),
        format!("connect=v1&base64=1&encoding=json&message={}", url_safe(br#"{"name":"shelves/1"}"#)),
        format!(
            "compression=gzip&connect=v1&base64=1&encoding=json&message={}",
            url_safe(&gzip(br#"{"name":"shelves/1"}"#))
        ),
    ] {
        let reply = world.get(&format!("{path}?{query}")).await.expect(200);
        assert_eq!(
            (reply.header("content-type"), reply.json::<Value>()),
            ("application/json", counted.clone()),
            "{query}"
        );
    }
    let query = format!("connect=v1&base64=1&encoding=proto&message={}", url_safe(&message));
    let reply = world.get(&format!("{path}?{query}")).await.expect(200);
    assert_eq!(reply.header("content-type"), "application/proto");
    assert_eq!(read("CountBooksResponse", &reply.body), counted);
    for (query, status) in [
        ("encoding=json&message=%7B&connect=v1", 400),
        ("encoding=json&message=x&base64=1&connect=v1", 400),
        ("encoding=json&message=%zz&connect=v1", 400),
        ("encoding=json&message=%7B%7D&connect=v2", 400),
        ("encoding=json&message=%7B%7D&message=%7B%7D", 400),
        ("encoding=xml&message=%7B%7D&connect=v1", 415),
        ("encoding=json&message=%7B%7D&compression=br", 501),
        ("connect=v1", 405),
    ] {
        let reply = world.get(&format!("{path}?{query}")).await;
        assert_eq!(reply.status, status, "{query}: {reply}");
    }
    let reply = world.get(&format!("{path}?encoding=json&message=%7B%22name%22:%22missing%22%7D")).await.expect(404);
    assert_eq!(reply.json::<Value>()["code"], "not_found");
}

/// The messages of a stream, and what its end says.
#[track_caller]
fn stream(reply: &Reply) -> (Vec<(u8, Vec<u8>)>, Value) {
    let mut all = frames(&reply.body);
    let (flags, end) = all.pop().unwrap_or_else(|| panic!("no envelopes: {reply}"));
    assert_eq!(flags & CONNECT_END, CONNECT_END, "{reply}");
    (all, serde_json::from_slice(&end).unwrap())
}

async fn streams(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let failure = json!({"code": 9, "message": "closed", "shelfFull": {"shelf": "a"}});
    for (content, is_json) in [("application/connect+proto", false), ("application/connect+json", true)] {
        let written = |name: &str, message: &Value| {
            let payload = if is_json { message.to_string().into() } else { wire(name, message) };
            frame(0, &payload)
        };
        let understood = |name: &str, payload: &[u8]| match is_json {
            true => serde_json::from_slice(payload).unwrap(),
            false => read(name, payload),
        };
        let headers = [("content-type", content), VERSION];
        for (count, fail) in [(0, false), (3, false), (0, true), (3, true)] {
            let mut request = json!({"name": "shelves/1", "count": count});
            if fail {
                request["failLast"] = failure.clone();
            }
            let body = written("WatchShelfRequest", &request);
            let reply = world.sends("POST", &method("WatchShelf"), &headers, body).await.expect(200);
            assert_eq!(reply.header("content-type"), content, "{reply}");
            let (messages, end) = stream(&reply);
            assert_eq!(messages.len(), count, "{content}: {reply}");
            for (number, (_, payload)) in messages.iter().enumerate().skip(1) {
                assert_eq!(understood("Change", payload)["number"], number, "{content}");
            }
            if fail {
                let error = &end["error"];
                assert_eq!(
                    (&error["code"], &error["message"]),
                    (&json!("failed_precondition"), &json!("closed")),
                    "{end}"
                );
                assert_eq!(error["details"][0]["type"], "library.v1.ShelfFull", "{end}");
                assert_eq!(error["details"][0]["debug"], json!({"shelf": "a"}), "{end}");
            } else {
                assert!(end.get("error").is_none(), "{end}");
            }
        }
        let books = ["one", "two"].map(|title| written("Book", &json!({"title": title}))).concat();
        let reply = world.sends("POST", &method("ImportBooks"), &headers, books).await.expect(200);
        let (messages, end) = stream(&reply);
        assert!(messages.len() == 1 && end.get("error").is_none(), "{content}: {reply}");
        let answer = understood("ImportBooksResponse", &messages[0].1);
        assert_eq!(answer, json!({"count": 2, "titles": ["one", "two"]}), "{content}");
        let notes = ["a", "b"].map(|text| written("Note", &json!({"text": text}))).concat();
        let (messages, _) = stream(&world.sends("POST", &method("Chat"), &headers, notes).await.expect(200));
        let texts: Vec<Value> =
            messages.iter().map(|(_, payload)| understood("Note", payload)["text"].clone()).collect();
        assert_eq!(texts, ["you said a", "you said b"], "{content}");
    }
}

async fn errors(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let failure = json!({"code": 9, "message": "no room ✓", "shelfFull": {"shelf": "a"}});
    for (header, body) in [(JSON, failure.to_string().into()), (PROTO, wire("Failure", &failure))] {
        let reply = world.sends("POST", &method("Fail"), &[header, VERSION], body).await.expect(400);
        assert_eq!(reply.header("content-type"), "application/json", "{reply}");
        assert_eq!(reply.header("x-reason"), "asked", "{reply}");
        let error: Value = reply.json();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!("failed_precondition"), &json!("no room ✓")),
            "{error}"
        );
        let detail = &error["details"][0];
        assert_eq!(
            (&detail["type"], &detail["debug"]),
            (&json!("library.v1.ShelfFull"), &json!({"shelf": "a"})),
            "{error}"
        );
        let value = to_base64(&wire("ShelfFull", &json!({"shelf": "a"}))).replace('=', "");
        assert_eq!(detail["value"], value, "{error}");
    }
    for (code, name, status) in [
        (1, "canceled", 499),
        (4, "deadline_exceeded", 504),
        (5, "not_found", 404),
        (8, "resource_exhausted", 429),
        (12, "unimplemented", 501),
        (14, "unavailable", 503),
        (16, "unauthenticated", 401),
    ] {
        let body = json!({"code": code}).to_string();
        let reply = world.sends("POST", &method("Fail"), &[JSON, VERSION], body).await.expect(status);
        assert_eq!(reply.json::<Value>()["code"], name);
    }
    let reply = world.sends("POST", &method("GetShelf"), &[JSON, VERSION], "{\"name\": 3}").await.expect(400);
    assert_eq!(reply.json::<Value>()["code"], "invalid_argument");
    // Streams are not unary, and unary calls are no streams.
    world.sends("POST", &method("WatchShelf"), &[JSON, VERSION], "{}").await.expect(415);
    world.sends("POST", &method("WatchShelf"), &[PROTO, VERSION], "").await.expect(415);
}

async fn metadata_go_both_ways(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let request = json!({"initial": {"x-answer": "42"}, "trailing": {"x-after": "z", "x-after-bin": "AP8="}});
    let own = [("x-one", "1"), ("x-raw-bin", "AP8="), ("connect-timeout-ms", "5000")];
    let headers = [&[JSON, VERSION][..], &own].concat();
    let reply = world.sends("POST", &method("EchoMetadata"), &headers, request.to_string()).await.expect(200);
    let came = reply.json::<Value>()["came"].clone();
    assert_eq!((&came["x-one"], &came["x-raw-bin"]), (&json!("1"), &json!("AP8")), "{came}");
    assert!(came.as_object().unwrap().keys().all(|name| !name.starts_with("connect-")), "{came}");
    assert_eq!(reply.header("x-answer"), "42", "{reply}");
    assert_eq!(reply.header("trailer-x-after"), "z", "{reply}");
    assert_eq!(reply.header("trailer-x-after-bin").trim_end_matches('='), "AP8", "{reply}");
    assert!(reply.headers.keys().all(|name| !name.as_str().contains("grpc")), "{reply}");
    let headers = [&[("content-type", "application/connect+json"), VERSION][..], &own].concat();
    let reply = world.sends("POST", &method("EchoMetadata"), &headers, frame(0, request.to_string().as_bytes())).await;
    let (_, end) = stream(&reply.expect(200));
    assert_eq!(end["metadata"]["x-after"], json!(["z"]), "{end}");
}

/// The deadline reaches the guest, and ends the call.
#[tokio::test]
async fn time_outs() {
    let host = Host::builder().guest(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let wait = |delay: u32| json!({"delayMs": delay}).to_string();
    let headers = [JSON, VERSION, ("connect-timeout-ms", "4000")];
    let left: Value = host.sends("POST", &method("Wait"), &headers, wait(0)).await.expect(200).json();
    let left: u64 = left["leftMs"].as_str().unwrap().parse().unwrap();
    assert!((1..=4000).contains(&left), "{left}");
    let headers = [JSON, VERSION, ("connect-timeout-ms", "100")];
    let reply = host.sends("POST", &method("Wait"), &headers, wait(9000)).await.expect(504);
    assert_eq!(reply.json::<Value>()["code"], "deadline_exceeded");
    let headers = [("content-type", "application/connect+json"), VERSION, ("connect-timeout-ms", "300")];
    let body = json!({"name": "shelves/1", "count": 100, "gapMs": 100}).to_string();
    let reply = host.sends("POST", &method("WatchShelf"), &headers, frame(0, body.as_bytes())).await.expect(200);
    let (messages, end) = stream(&reply);
    assert_eq!(end["error"]["code"], "deadline_exceeded", "{end}");
    assert!(messages.len() < 10, "{}", messages.len());
    for wrong in ["", "-1", "1.5", "1s", "12345678901"] {
        let headers = [JSON, VERSION, ("connect-timeout-ms", wrong)];
        let reply = host.sends("POST", &method("Wait"), &headers, "{}").await.expect(400);
        assert_eq!(reply.json::<Value>()["code"], "invalid_argument", "{wrong}: {reply}");
    }
    host.in_flight("library", 0).await;
}

/// Of bodies that are a message by HTTP's own header, of envelopes by Connect's.
#[tokio::test]
async fn compression_on_both_ways() {
    let host = Host::with(&[&LIBRARY]).await;
    let text = "x".repeat(100_000);
    let all = json!({"string": text});
    for (name, pack, unpack) in
        [("gzip", gzip as fn(&[u8]) -> Vec<u8>, gunzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd, unzstd)]
    {
        for (header, body) in [(JSON, all.to_string().into()), (PROTO, wire("Everything", &all))] {
            let headers = [header, VERSION, ("content-encoding", name), ("accept-encoding", name)];
            let reply = host.sends("POST", &method("EchoAll"), &headers, pack(&body)).await.expect(200);
            assert_eq!(reply.header("content-encoding"), name, "{reply}");
            assert!(reply.body.len() < 10_000, "{}", reply.body.len());
            assert_eq!(unpack(&reply.body).len(), body.len(), "{name}");
        }
        let headers = [
            ("content-type", "application/connect+proto"),
            ("connect-content-encoding", name),
            ("connect-accept-encoding", name),
        ];
        let request = json!({"name": "shelves/1", "count": 2, "padding": 10_000});
        let body = frame(1, &pack(&wire("WatchShelfRequest", &request)));
        let reply = host.sends("POST", &method("WatchShelf"), &headers, body).await.expect(200);
        assert_eq!(reply.header("connect-content-encoding"), name, "{reply}");
        let (messages, _) = stream(&reply);
        assert_eq!(messages.len(), 2, "{name}");
        for (flags, payload) in messages {
            assert_eq!((flags, payload.len() < 1000), (1, true), "{name}");
            assert_eq!(read("Change", &unpack(&payload))["book"]["title"].as_str().unwrap().len(), 10_000);
        }
    }
    let headers = [JSON, VERSION, ("content-encoding", "br")];
    let reply = host.sends("POST", &method("EchoAll"), &headers, "x").await.expect(501);
    assert_eq!(reply.json::<Value>()["code"], "unimplemented", "{reply}");
}

/// A conversation in which each waits for the other.
#[tokio::test]
async fn both_sides_take_turns() {
    use crate::harness::http::{next, pushed};
    use crate::harness::library::ask;

    let world: World = Place::Local.with(&[], &[&LIBRARY]).await;
    let (sender, body) = pushed();
    let headers = [("content-type", "application/connect+json"), VERSION];
    let request = ask("POST", &world.url(&method("Chat")), &headers, body);
    sender.send(Ok(frame(0, b"{\"text\": \"0\"}"))).await.unwrap();
    let mut response = Client::h2(world.edge).open(request).await.unwrap();
    let mut came = Vec::new();
    for number in 0..50 {
        let expected = frame(0, format!("{{\"text\":\"you said {number}\"}}").as_bytes());
        while came.len() < expected.len() {
            came.extend_from_slice(&next(response.body_mut()).await.expect("more").unwrap());
        }
        assert_eq!(came, expected, "{number}");
        came.clear();
        sender.send(Ok(frame(0, format!("{{\"text\": \"{}\"}}", number + 1).as_bytes()))).await.unwrap();
    }
    drop(sender);
    while let Some(piece) = next(response.body_mut()).await {
        came.extend_from_slice(&piece.unwrap());
    }
    let all = frames(&came);
    assert_eq!((all.len(), all[1].0), (2, CONNECT_END), "{all:?}");
    world.in_flight("library", 0).await;
}
