//! What goes wrong, as clients of REST see it.

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::http::{Client, full, request};
use crate::harness::library::{method, to_base64, wire};
use crate::harness::world::{NO_POLICIES, Place};

crate::both_ways! {
    every_code_has_its_http_status,
    details_are_said_in_json,
    fields_that_are_wrong_are_named,
}

/// Codes of gRPC: number, name, and the HTTP status that says so.
const CODES: [(u16, &str, u16); 16] = [
    (1, "CANCELLED", 499),
    (2, "UNKNOWN", 500),
    (3, "INVALID_ARGUMENT", 400),
    (4, "DEADLINE_EXCEEDED", 504),
    (5, "NOT_FOUND", 404),
    (6, "ALREADY_EXISTS", 409),
    (7, "PERMISSION_DENIED", 403),
    (8, "RESOURCE_EXHAUSTED", 429),
    (9, "FAILED_PRECONDITION", 400),
    (10, "ABORTED", 409),
    (11, "OUT_OF_RANGE", 400),
    (12, "UNIMPLEMENTED", 501),
    (13, "INTERNAL", 500),
    (14, "UNAVAILABLE", 503),
    (15, "DATA_LOSS", 500),
    (16, "UNAUTHENTICATED", 401),
];

async fn every_code_has_its_http_status(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    for (code, name, status) in CODES {
        let message = "failed, 100 % ✓";
        for path in ["/v1/fail", &method("Fail")] {
            let reply = world.sends_json("POST", path, &json!({"code": code, "message": message})).await.expect(status);
            assert_eq!(reply.header("content-type"), "application/problem+json", "{name}: {reply}");
            let problem: Value = reply.json();
            assert_eq!(problem["code"], name, "{problem}");
            assert_eq!(problem["status"], status, "{problem}");
            assert_eq!(problem["detail"], message, "{problem}");
            let slug = name.to_lowercase().replace('_', "-");
            assert_eq!(problem["type"], format!("urn:hostel:grpc:{slug}"), "{problem}");
            assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{problem}");
            let trace = problem["trace_id"].as_str().unwrap_or_default();
            assert!(trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()), "{problem}");
            assert!(problem.get("details").is_none(), "{problem}");
            assert_eq!(reply.header("grpc-metadata-x-reason"), "asked", "{reply}");
        }
    }
    // A code that gRPC does not have.
    let reply = world.sends_json("POST", "/v1/fail", &json!({"code": 77, "message": "x"})).await.expect(500);
    assert_eq!(reply.json::<Value>()["code"], "UNKNOWN");
}

async fn details_are_said_in_json(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let violations = json!([{"field": "title", "description": "is too long"}]);
    let known = json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations});
    let own =
        json!({"@type": "type.googleapis.com/library.v1.ShelfFull", "shelf": "shelves/1", "booksMax": "9000000000"});
    let timed = json!({"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s"});
    let body = json!({
        "code": 9,
        "message": "no room",
        "badRequest": {"fieldViolations": violations},
        "shelfFull": {"shelf": "shelves/1", "booksMax": 9_000_000_000_u64},
        "details": [timed],
    });
    let problem: Value = world.sends_json("POST", "/v1/fail", &body).await.expect(400).json();
    assert_eq!(problem["code"], "FAILED_PRECONDITION", "{problem}");
    assert_eq!(problem["details"], json!([timed, known, own]), "{problem}");
}

async fn fields_that_are_wrong_are_named(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for (verb, path, body, field) in [
        ("POST", "/v1/shelves/1/books", json!({"pages": "many"}), "book.pages"),
        ("POST", "/v1/shelves/1/books", json!({"author": {"givenName": 3}}), "book.author.givenName"),
        ("POST", "/v1/shelves/1/books", json!({"tags": ["a", 1]}), "book.tags[1]"),
        ("POST", "/v1/shelves/1/books", json!({"genre": "OPERA"}), "book.genre"),
        ("POST", "/v1/shelves/1/books", json!({"colour": "red"}), "book.colour"),
        ("POST", "/v1/shelves/1/books", json!({"cents": 1, "free": true}), "book.free"),
        ("POST", "/v1/shelves/1/books", json!({"published": "yesterday"}), "book.published"),
        ("POST", "/v1/shelves/1/books/2:move", json!({"to": 3}), "to"),
        ("POST", "/v1/shelves/1/books/2:move", json!({"from": "x"}), "from"),
        ("PATCH", "/v1/shelves/1/books/2", json!({"pages": true}), "book.pages"),
        ("POST", &method("RateBook"), json!({"stars": -1}), "stars"),
        ("POST", &method("RateBook"), json!({"stars": "1.5"}), "stars"),
        (
            "POST",
            &method("EchoAll"),
            json!({"messages": [{}, {"int64Map": {"7": {"bool": 0}}}]}),
            "messages[1].int64Map[7].bool",
        ),
    ] {
        let reply = world.sends_json(verb, path, &body).await.expect(400);
        let problem: Value = reply.json();
        assert_eq!(problem["code"], "INVALID_ARGUMENT", "{body}: {problem}");
        let detail = &problem["details"][0];
        assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.BadRequest", "{body}: {problem}");
        let named = detail["fieldViolations"][0]["field"].as_str().unwrap_or_default().replace('"', "");
        assert_eq!(named, field, "{body}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains('`')), "{body}: {problem}");
        reply.expect_no_internals();
    }
    world.in_flight("library", 0).await;
}

/// The form that clients of grpc-gateway know.
#[tokio::test]
async fn errors_may_be_statuses() {
    let builder = Host::builder().guest(&LIBRARY).manifest("library", "[json]\nerrors = 'status'\n");
    let host = builder.start().await;
    let body = json!({"code": 5, "message": "no", "shelfFull": {"shelf": "a"}});
    let reply = host.sends_json("POST", "/v1/fail", &body).await.expect(404);
    assert_eq!(reply.header("content-type"), "application/json");
    let detail = json!({"@type": "type.googleapis.com/library.v1.ShelfFull", "shelf": "a"});
    assert_eq!(reply.json::<Value>(), json!({"code": 5, "message": "no", "details": [detail]}));
    let status: Value = host.get("/v1/big/many").await.expect(400).json();
    assert_eq!(status["code"], 3, "{status}");
    assert_eq!(status["details"][0]["fieldViolations"][0]["field"], "bytes", "{status}");
    // What the host says is said the same way.
    let status: Value = host.sends("POST", "/v1/fail", &[("content-type", "text/plain")], "x").await.expect(415).json();
    assert_eq!(status["code"], 3, "{status}");
}

#[tokio::test]
async fn content_types_that_nobody_takes_are_said_so() {
    let host = Host::with(&[&LIBRARY]).await;
    let by_name = method("RateBook");
    for (path, content) in [
        ("/v1/shelves/1/books", "text/plain"),
        ("/v1/shelves/1/books", "application/xml"),
        ("/v1/shelves/1/books/2:move", "application/octet-stream"),
        // What curl says that was given JSON and not told so.
        ("/v1/shelves/1/books", "application/x-www-form-urlencoded"),
        (&by_name, "text/plain"),
        (&by_name, "application/x-www-form-urlencoded"),
        (&by_name, "application/json; charset=latin1"),
    ] {
        let reply = host.sends("POST", path, &[("content-type", content)], "{\"title\": \"x\"}").await;
        let problem: Value = reply.expect(415).json();
        assert_eq!(problem["status"], 415, "{path} {content}: {problem}");
    }
    // Without a type it is JSON where a rule says that there is a message.
    let reply = host.sends("POST", "/v1/shelves/1/books", &[], "{\"title\": \"x\"}").await.expect(200);
    assert_eq!(reply.json::<Value>()["title"], "x");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let reply = host.sends("POST", "/v1/shelves/1/books", &form, "title=a+b&author.given_name=Ada").await.expect(200);
    let answer = json!({"name": "shelves/1/books/", "title": "a b", "author": {"givenName": "Ada"}});
    assert_eq!(reply.json::<Value>(), answer);
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    let host = Host::with(&[&LIBRARY]).await;
    for (verb, path, allowed) in [
        ("POST", "/v1/shelves/1", "GET, HEAD"),
        ("POST", "/v1/shelves/1/books/2", "DELETE, GET, HEAD, PATCH, PUT, REPORT"),
        ("GET", "/v1/fail", "POST"),
        ("GET", &method("GetBook"), "POST"),
        ("PUT", &method("GetBook"), "POST"),
        // One that changes something is not called by GET, even if a client of Connect asks for it.
        ("GET", &format!("{}?encoding=json&message=%7B%7D&connect=v1", method("RateBook")), "POST"),
    ] {
        let reply = host.sends(verb, path, &[], "").await.expect(405);
        let mut said: Vec<&str> = reply.header("allow").split(',').map(str::trim).collect();
        said.sort_unstable();
        assert_eq!(said.join(", "), allowed, "{verb} {path}: {reply}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let host = Host::with(&[&LIBRARY]).await;
    for path in ["/v1/nothing", "/v1/shelves/1/", "/v1/shelves//1", "/v2/shelves/1", "/v1"] {
        host.get(path).await.expect_problem(404, "not-found");
        host.get(&format!("/library{path}")).await.expect(404);
    }
    // A book that is not there is another thing than a path that is not there.
    for path in ["/v1/shelves/1/books/missing", "/library/v1/shelves/1/books/missing"] {
        let problem: Value = host.get(path).await.expect(404).json();
        assert_eq!((&problem["code"], &problem["type"]), (&json!("NOT_FOUND"), &json!("urn:hostel:grpc:not-found")));
    }
    for path in ["/library.v1.Library/Burn", "/library.v1.Archive/GetBook"] {
        for content in ["application/json", "application/connect+json", "application/connect+proto"] {
            let reply = host.sends("POST", path, &[("content-type", content)], "{}").await;
            assert!([200, 404, 501].contains(&reply.status), "{path} {content}: {reply}");
            assert!(reply.status != 200 || reply.text().contains("unimplemented"), "{path} {content}: {reply}");
        }
    }
}

/// The host's own failures, while a call that is no gRPC for its client goes on.
#[tokio::test]
async fn the_hosts_own_errors_are_problems() {
    let manifest = format!("[limits]\nwall_ms = 300\ncalls_max = 1\nqueue_len_max = 0\n{NO_POLICIES}");
    let host = Host::builder().guest(&LIBRARY).manifest("library", &manifest).start().await;
    host.get("/v1/wait/5000").await.expect_problem(504, "timeout");
    let sleeping = tokio::spawn({
        let (client, url) = (Client::h2(host.edge), host.url("/v1/wait/5000"));
        async move { client.get(&url).await }
    });
    host.in_flight("library", 1).await;
    host.get("/v1/shelves/1").await.expect_problem(503, "unavailable");
    sleeping.await.unwrap().expect_problem(504, "timeout");
    // The same call in the voices of others.
    let sleeping = tokio::spawn({
        let (client, url) = (Client::h2(host.edge), host.url("/v1/wait/5000"));
        async move { client.get(&url).await }
    });
    host.in_flight("library", 1).await;
    let empty = wire("GetShelfRequest", &json!({"name": "shelves/1"}));
    let connect = [("content-type", "application/proto"), ("connect-protocol-version", "1")];
    let reply = host.sends("POST", &method("GetShelf"), &connect, empty.clone()).await.expect(503);
    assert_eq!(reply.json::<Value>()["code"], "unavailable", "{reply}");
    let text = [("content-type", "application/grpc-web-text")];
    let framed = crate::harness::library::frame(0, &empty);
    let reply = host.sends("POST", &method("GetShelf"), &text, to_base64(&framed)).await.expect(200);
    let frames = crate::harness::library::frames(&crate::harness::library::from_base64(&reply.body));
    let trailers = crate::harness::library::web_trailers(&frames[0].1);
    assert!(trailers.contains(&("grpc-status".to_owned(), "14".to_owned())), "{trailers:?}");
    sleeping.await.unwrap().expect_problem(504, "timeout");
}

/// A client that goes away while its message is read, or while it waits, leaves nothing behind.
#[tokio::test]
async fn clients_that_leave_leave_nothing_behind() {
    let host = Host::with(&[&LIBRARY]).await;
    for path in ["/v1/wait/9000", "/library/v1/wait/9000"] {
        let (client, url) = (Client::h2(host.edge), host.url(path));
        let call = tokio::spawn(async move { client.open(request("GET", &url, full(""))).await.map(drop) });
        host.in_flight("library", 1).await;
        call.abort();
        let _ = call.await;
        host.in_flight("library", 0).await;
    }
}
