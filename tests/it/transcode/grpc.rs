//! gRPC itself, where it is not as a module takes it: compressed, though the module knows no compression, or in JSON.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::command;
use crate::harness::guests::LIBRARY;
use crate::harness::library::{frame, frames, gunzip, gzip, method, read, to_base64, unzstd, wire, zstd};
use crate::harness::paths::root;
use crate::harness::reply::Reply;
use crate::harness::world::{NO_POLICIES, Place, World};

crate::both_ways! {
    what_a_module_cannot_decompress_the_edge_does,
    messages_may_be_in_json,
    uncompressed_grpc_is_left_alone,
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const TE: (&str, &str) = ("te", "trailers");

#[track_caller]
fn status(reply: &Reply) -> &str {
    let trailer = reply.trailer("grpc-status");
    if trailer.is_empty() { reply.header("grpc-status") } else { trailer }
}

async fn what_a_module_cannot_decompress_the_edge_does(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let all = json!({"string": "x".repeat(100_000)});
    let message = wire("Everything", &all);
    for (name, pack, unpack) in
        [("gzip", gzip as fn(&[u8]) -> Vec<u8>, gunzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd, unzstd)]
    {
        for (accept, compressed) in [(name, true), ("", false), ("identity", false), ("br", false)] {
            let headers = [GRPC, TE, ("grpc-encoding", name), ("grpc-accept-encoding", accept)];
            let reply = world.sends("POST", &method("EchoAll"), &headers, frame(1, &pack(&message))).await.expect(200);
            assert_eq!(status(&reply), "0", "{name} {accept}: {reply} {:?}", reply.trailers);
            assert_eq!(reply.header("grpc-encoding"), if compressed { name } else { "" }, "{accept}: {reply}");
            let came = frames(&reply.body);
            assert_eq!((came.len(), came[0].0), (1, u8::from(compressed)), "{name} {accept}");
            let came = if compressed { unpack(&came[0].1) } else { came[0].1.clone() };
            assert!(read("Everything", &came) == all, "{name} {accept}");
        }
        // Of a stream, some may be compressed and some not.
        let headers = [GRPC, TE, ("grpc-encoding", name)];
        let books = ["one", "two"].map(|title| wire("Book", &json!({"title": title})));
        let body = [frame(1, &pack(&books[0])), frame(0, &books[1])].concat();
        let reply = world.sends("POST", &method("ImportBooks"), &headers, body).await.expect(200);
        assert_eq!(status(&reply), "0", "{reply} {:?}", reply.trailers);
        let answer = read("ImportBooksResponse", &frames(&reply.body)[0].1);
        assert_eq!(answer, json!({"count": 2, "titles": ["one", "two"]}));
    }
    let headers = [GRPC, TE, ("grpc-encoding", "br")];
    let reply = world.sends("POST", &method("EchoAll"), &headers, frame(1, b"x")).await.expect(200);
    assert_eq!(status(&reply), "12", "{reply} {:?}", reply.trailers);
    world.in_flight("library", 0).await;
}

async fn messages_may_be_in_json(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let headers = [("content-type", "application/grpc+json"), TE];
    let call = async |name: &str, message: &Value| {
        let reply = world.sends("POST", &method(name), &headers, frame(0, message.to_string().as_bytes())).await;
        let reply = reply.expect(200);
        assert_eq!(reply.header("content-type"), "application/grpc+json", "{reply}");
        let messages = frames(&reply.body).into_iter().map(|(_, payload)| serde_json::from_slice(&payload).unwrap());
        (messages.collect::<Vec<Value>>(), reply)
    };
    let (messages, reply) = call("GetShelf", &json!({"name": "shelves/1"})).await;
    assert_eq!((messages, status(&reply)), (vec![json!({"name": "shelves/1", "theme": "theme 1"})], "0"));
    let failure = json!({"code": 9, "message": "no", "shelfFull": {"shelf": "a"}});
    let (messages, reply) = call("WatchShelf", &json!({"name": "shelves/1", "count": 2, "failLast": failure})).await;
    assert_eq!((messages.len(), status(&reply)), (2, "9"), "{reply}");
    assert!(!reply.trailer("grpc-status-details-bin").is_empty(), "{:?}", reply.trailers);
    let (messages, reply) = call("Fail", &failure).await;
    assert_eq!((messages.len(), status(&reply)), (0, "9"), "{reply}");
    let (_, reply) = call("GetShelf", &json!({"name": 3})).await;
    assert_eq!(status(&reply), "3", "{reply} {:?}", reply.trailers);
    // A method that is not described may still be there: the service says that it is not.
    let reply = world.sends("POST", &method("Burn"), &headers, frame(0, b"{}")).await.expect(200);
    assert_eq!(status(&reply), "12", "{reply} {:?}", reply.trailers);
}

/// What needs no host to understand it passes as it is.
async fn uncompressed_grpc_is_left_alone(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let request = json!({"initial": {"x-answer": "42"}, "trailing": {"x-after": "z", "x-after-bin": "AP8="}});
    let headers = [GRPC, TE, ("x-one", "1"), ("x-raw-bin", "AP8")];
    let body = frame(0, &wire("EchoMetadataRequest", &request));
    let reply = world.sends("POST", &method("EchoMetadata"), &headers, body).await.expect(200);
    let came = read("EchoMetadataResponse", &frames(&reply.body)[0].1);
    assert_eq!((&came["came"]["x-one"], &came["came"]["x-raw-bin"]), (&json!("1"), &json!("AP8")), "{came}");
    assert_eq!((reply.header("x-answer"), reply.trailer("x-after"), status(&reply)), ("42", "z", "0"), "{reply}");
    let failure = json!({"code": 9, "message": "no", "badRequest": {"fieldViolations": [{"field": "a"}]}});
    let reply =
        world.sends("POST", &method("Fail"), &[GRPC, TE], frame(0, &wire("Failure", &failure))).await.expect(200);
    assert_eq!((status(&reply), reply.header("x-reason")), ("9", "asked"), "{reply}");
    let details = json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "a"}]});
    let rich = wire("google.rpc.Status", &json!({"code": 9, "message": "no", "details": [details]}));
    assert_eq!(reply.header("grpc-status-details-bin").trim_end_matches('='), to_base64(&rich).trim_end_matches('='));
}

/// If its manifest wants that, a module gets what clients compressed as it came. This one says that it cannot read it.
#[tokio::test]
async fn modules_may_decompress_themselves() {
    let plan = Place::Local.plan().callee(&LIBRARY);
    let world: World = plan.manifest("library", "[grpc]\ncompression = 'module'\n").start().await;
    let message = wire("GetShelfRequest", &json!({"name": "shelves/1"}));
    let headers = [GRPC, TE, ("grpc-encoding", "gzip")];
    let reply = world.sends("POST", &method("GetShelf"), &headers, frame(1, &gzip(&message))).await.expect(200);
    assert_eq!(status(&reply), "12", "{reply} {:?}", reply.trailers);
    // Who does not speak gRPC is none of the module's business.
    let reply = world.get("/v1/shelves/1").await.expect(200);
    assert_eq!(reply.json::<Value>()["theme"], "theme 1");
}

/// A client that is not of this language, and compresses what it sends.
#[tokio::test]
async fn grpcio_compresses_what_it_sends() {
    let mut install = Command::new(root().join("tests/interop/python/install.sh"));
    command::run(&mut install, Duration::from_secs(180)).await.expect(0);
    let world = Place::Local.with(&[], &[&LIBRARY]).await;
    let request = wire("Everything", &json!({"string": "x".repeat(100_000)}));
    let script = "
import base64, sys, grpc
address, path, request = sys.argv[1], sys.argv[2], base64.b64decode(sys.stdin.read())
for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
    with grpc.insecure_channel(address, compression=compression) as channel:
        answer = channel.unary_unary(path)(request, timeout=20)
        assert answer == request, (compression, len(answer))
    print(compression, 'ok')
";
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("request");
    std::fs::write(&input, to_base64(&request)).unwrap();
    let mut client = Command::new(root().join("target/grpc-venv/bin/python"));
    client.args(["-c", script, &world.edge.to_string(), &method("EchoAll")]).stdin(std::fs::File::open(input).unwrap());
    let output = command::run(&mut client, Duration::from_secs(60)).await.expect(0);
    assert_eq!(output.out.lines().filter(|line| line.ends_with("ok")).count(), 2, "{output}");
}
