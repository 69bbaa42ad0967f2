//! gRPC-Web, as browsers speak it: binary and in base64.

use serde_json::json;

use crate::harness::guests::LIBRARY;
use crate::harness::http::{Client, full};
use crate::harness::library::{
    WEB_END, ask, frame, frames, from_base64, gzip, method, read, to_base64, web_trailers, wire,
};
use crate::harness::reply::Reply;
use crate::harness::world::{NO_POLICIES, Place, World};

crate::both_ways! {
    unary_calls,
    server_streams,
    errors_are_in_the_trailers_of_the_body,
    metadata_go_both_ways,
}

const CONTENTS: [&str; 5] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
    "application/grpc-web+json",
];

/// A call with one message, over HTTP/1.1 as browsers do.
async fn call(world: &World, name: &str, content: &'static str, input: &str, message: &serde_json::Value) -> Web {
    let message = if content.ends_with("json") { message.to_string().into() } else { wire(input, message) };
    let body = frame(0, &message);
    let body = if is_text(content) { to_base64(&body).into() } else { body };
    let headers = [("content-type", content), ("accept", content), ("x-grpc-web", "1"), ("x-one", "1")];
    let request = ask("POST", &world.url(&method(name)), &headers, full(body));
    Web::read(content, Client::h1(world.edge).send(request).await.expect(200))
}

fn is_text(content: &str) -> bool {
    content.contains("-text")
}

/// What came.
struct Web {
    messages: Vec<Vec<u8>>,
    trailers: Vec<(String, String)>,
    reply: Reply,
}

impl Web {
    #[track_caller]
    fn read(content: &str, reply: Reply) -> Self {
        let said = reply.header("content-type");
        assert_eq!(is_text(said), is_text(content), "{reply}");
        assert_eq!(said.ends_with("json"), content.ends_with("json"), "{reply}");
        assert!(reply.trailers.is_empty(), "browsers see no trailers: {:?}", reply.trailers);
        let body = if is_text(content) { from_base64(&reply.body) } else { reply.body.to_vec() };
        let mut all = frames(&body);
        let (flags, last) = all.pop().unwrap_or_else(|| panic!("no frames: {reply}"));
        assert_eq!(flags, WEB_END, "{reply}");
        let messages = all.into_iter().map(|(flags, payload)| {
            assert_eq!(flags, 0, "{reply}");
            payload
        });
        Self { messages: messages.collect(), trailers: web_trailers(&last), reply }
    }

    fn trailer(&self, name: &str) -> &str {
        self.trailers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    #[track_caller]
    fn message(&self, content: &str, name: &str, index: usize) -> serde_json::Value {
        let message = &self.messages[index];
        if content.ends_with("json") { serde_json::from_slice(message).unwrap() } else { read(name, message) }
    }
}

async fn unary_calls(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for content in CONTENTS {
        let came = call(&world, "GetShelf", content, "GetShelfRequest", &json!({"name": "shelves/1"})).await;
        assert_eq!(came.messages.len(), 1, "{content}");
        let shelf = json!({"name": "shelves/1", "theme": "theme 1"});
        assert_eq!(came.message(content, "Shelf", 0), shelf, "{content}");
        assert_eq!(came.trailer("grpc-status"), "0", "{content}: {:?}", came.trailers);
    }
    // Large enough to be in several pieces, on both ways.
    let text = "x".repeat(1_000_000);
    for content in ["application/grpc-web", "application/grpc-web-text"] {
        let all = json!({"string": text});
        let came = call(&world, "EchoAll", content, "Everything", &all).await;
        assert!(came.message(content, "Everything", 0) == all, "{content}");
    }
}

async fn server_streams(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for content in CONTENTS {
        for count in [0, 3, 100] {
            let request = json!({"name": "shelves/1", "count": count});
            let came = call(&world, "WatchShelf", content, "WatchShelfRequest", &request).await;
            assert_eq!((came.messages.len(), came.trailer("grpc-status")), (count, "0"), "{content}");
            for number in 1..count {
                assert_eq!(came.message(content, "Change", number)["number"], number, "{content}");
            }
        }
    }
}

async fn errors_are_in_the_trailers_of_the_body(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let failure = json!({"code": 9, "message": "no, 100 % ✓", "shelfFull": {"shelf": "a"}});
    for content in CONTENTS {
        let came = call(&world, "Fail", content, "Failure", &failure).await;
        check(&came, content);
        assert!(came.messages.is_empty(), "{content}");
        for (count, field) in [(0, "failFirst"), (2, "failLast")] {
            let request = json!({"name": "shelves/1", "count": count, field: failure});
            let came = call(&world, "WatchShelf", content, "WatchShelfRequest", &request).await;
            check(&came, content);
            assert_eq!(came.messages.len(), count, "{content}");
        }
        // Of a method that nobody has.
        let came = call(&world, "Burn", content, "Failure", &json!({})).await;
        assert_eq!(came.trailer("grpc-status"), "12", "{content}: {:?}", came.trailers);
    }

    fn check(came: &Web, content: &str) {
        assert_eq!(came.trailer("grpc-status"), "9", "{content}: {:?}", came.trailers);
        assert_eq!(came.trailer("grpc-message"), "no, 100 %25 %E2%9C%93", "{content}");
        assert!(!came.trailer("grpc-status-details-bin").is_empty(), "{content}");
        // Of an answer without messages, metadata are ahead of it.
        let reason = [came.trailer("x-reason"), came.reply.header("x-reason")];
        assert!(reason.contains(&"asked"), "{content}: {:?} {}", came.trailers, came.reply);
    }
}

async fn metadata_go_both_ways(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let request = json!({"initial": {"x-answer": "42"}, "trailing": {"x-after": "z", "x-after-bin": "AP8="}});
    for content in CONTENTS {
        let came = call(&world, "EchoMetadata", content, "EchoMetadataRequest", &request).await;
        let metadata = came.message(content, "EchoMetadataResponse", 0);
        assert_eq!(metadata["came"]["x-one"], "1", "{content}: {metadata}");
        assert!(metadata["came"].get("x-grpc-web").is_none(), "{content}: {metadata}");
        assert_eq!(came.reply.header("x-answer"), "42", "{content}: {}", came.reply);
        assert_eq!(came.trailer("x-after"), "z", "{content}: {:?}", came.trailers);
        assert_eq!(came.trailer("x-after-bin").trim_end_matches('='), "AP8", "{content}: {:?}", came.trailers);
    }
}

/// Base64 may come in pieces with padding of their own, and messages may be compressed.
#[tokio::test]
async fn requests_may_be_in_pieces_and_compressed() {
    let world = Place::Local.with(&[], &[&LIBRARY]).await;
    let message = wire("GetShelfRequest", &json!({"name": "shelves/1"}));
    let whole = frame(0, &message);
    let pieces: String = whole.chunks(4).map(to_base64).collect();
    let text = [("content-type", "application/grpc-web-text")];
    let reply = world.sends("POST", &method("GetShelf"), &text, pieces).await.expect(200);
    assert_eq!(Web::read(text[0].1, reply).trailer("grpc-status"), "0");
    let packed = frame(1, &gzip(&message));
    let headers = [("content-type", "application/grpc-web"), ("grpc-encoding", "gzip")];
    let reply = world.sends("POST", &method("GetShelf"), &headers, packed.clone()).await.expect(200);
    let came = Web::read("application/grpc-web", reply);
    assert_eq!(came.message("", "Shelf", 0)["theme"], "theme 1");
    // What is wrong with a body is a status like any other.
    for (content, headers, body) in [
        ("application/grpc-web", vec![], packed),
        ("application/grpc-web", vec![("grpc-encoding", "br")], frame(1, b"x")),
        ("application/grpc-web", vec![("grpc-encoding", "gzip")], frame(1, b"x")),
        ("application/grpc-web", vec![], frame(0x40, &message)),
        ("application/grpc-web", vec![], whole.slice(..whole.len() - 1)),
        ("application/grpc-web-text", vec![], "####".into()),
        ("application/grpc-web-text", vec![], "AAA".into()),
        ("application/grpc-web+json", vec![], frame(0, b"{")),
    ] {
        let headers = [vec![("content-type", content)], headers].concat();
        let reply = world.sends("POST", &method("GetShelf"), &headers, body.clone()).await.expect(200);
        let came = Web::read(content, reply);
        let status = came.trailer("grpc-status");
        assert!(["3", "12", "13"].contains(&status), "{headers:?} {body:?}: {:?}", came.trailers);
        assert!(came.messages.is_empty() && !came.trailer("grpc-message").is_empty(), "{:?}", came.trailers);
    }
    world.in_flight("library", 0).await;
    let reply = world.sends("GET", &method("GetShelf"), &[("content-type", "application/grpc-web")], "").await;
    assert!([200, 405].contains(&reply.status), "{reply}");
}
