//! The other way round: a service that knows nothing of gRPC calls one that speaks nothing else.

use serde_json::{Value, json};

use crate::harness::guests::{LIBRARY, RELAY, WASIP3_HELLO};
use crate::harness::http::{Client, full, get, next};
use crate::harness::library::{ask, frame, frames, lines, method, read, wire};
use crate::harness::world::{NO_POLICIES, Place};

crate::both_ways! {
    services_call_each_other_with_json,
    a_service_without_the_sdk_calls_by_rest,
    a_service_gets_errors_as_it_would_at_the_edge,
    a_service_reads_a_stream_of_lines,
    a_service_that_gives_up_cancels_the_call,
}

async fn services_call_each_other_with_json(place: Place) {
    let world = place.with(&[&RELAY], &[&LIBRARY]).await;
    let name = json!({"name": "shelves/1/books/2"});
    let by_name = format!("/relay/on/library{}", method("GetBook"));
    let reply = world.sends_json("POST", &by_name, &name).await.expect(200);
    assert_eq!(reply.header("content-type"), "application/json", "{reply}");
    assert_eq!(reply.json::<Value>()["title"], "book 2");
    let by_rule = "/relay/on/library/v1/shelves/1/books/2";
    assert_eq!(world.get(by_rule).await.expect(200).json::<Value>()["title"], "book 2");
    let path = "/relay/on/library/v1/shelves/1/books?book_id=7";
    let book: Value = world.sends_json("POST", path, &json!({"title": "new"})).await.expect(200).json();
    assert_eq!(book, json!({"name": "shelves/1/books/7", "title": "new"}));
    let path = "/relay/on/library/v1/books:search?tags=a&filter.title=b";
    let echo: Value = world.get(path).await.expect(200).json();
    assert_eq!(echo, json!({"tags": ["a"], "filter": {"title": "b"}}));
    // What is plain HTTP for a service outside is for one inside.
    assert_eq!(world.get("/relay/on/library/plain").await.expect(200).text(), "plain");
    // Connect and gRPC-Web.
    let headers = [("content-type", "application/proto"), ("connect-protocol-version", "1")];
    let body = wire("GetShelfRequest", &json!({"name": "shelves/1"}));
    let path = format!("/relay/on/library{}", method("GetShelf"));
    let reply = world.sends("POST", &path, &headers, body.clone()).await.expect(200);
    assert_eq!(read("Shelf", &reply.body)["theme"], "theme 1");
    let headers = [("content-type", "application/grpc-web")];
    let reply = world.sends("POST", &path, &headers, frame(0, &body)).await.expect(200);
    assert_eq!(frames(&reply.body).len(), 2, "{reply}");
    world.in_flight("library", 0).await;
}

async fn a_service_without_the_sdk_calls_by_rest(place: Place) {
    let world = place.with(&[&WASIP3_HELLO], &[&LIBRARY]).await;
    let url = "http://library.internal/v1/shelves/1/books/2";
    let answer: Value = world.get(&format!("/wasip3-hello/call?url={url}")).await.expect(200).json();
    assert_eq!(answer["status"], 200, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["title"], "book 2", "{answer}");
}

async fn a_service_gets_errors_as_it_would_at_the_edge(place: Place) {
    let plan = place.plan().caller(&RELAY).callee(&LIBRARY);
    let world = plan.manifest("library", NO_POLICIES).start().await;
    let failure = json!({"code": 9, "message": "no", "shelfFull": {"shelf": "a"}});
    let reply = world.sends_json("POST", "/relay/on/library/v1/fail", &failure).await.expect(400);
    assert_eq!(reply.header("content-type"), "application/problem+json", "{reply}");
    let problem: Value = reply.json();
    assert_eq!((&problem["code"], &problem["details"][0]["shelf"]), (&json!("FAILED_PRECONDITION"), &json!("a")));
    let path = format!("/relay/on/library{}", method("GetShelf"));
    let problem: Value = world.sends_json("POST", &path, &json!({"name": 3})).await.expect(400).json();
    assert_eq!(problem["details"][0]["fieldViolations"][0]["field"], "name", "{problem}");
    world.get("/relay/on/library/v1/shelves/missing").await.expect(404);
    world.sends("POST", &path, &[("content-type", "text/plain")], "x").await.expect(415);
    let headers = [("content-type", "application/json"), ("connect-protocol-version", "1")];
    let reply = world.sends("POST", &path, &headers, "{\"name\": \"shelves/missing\"}").await.expect(404);
    assert_eq!(reply.json::<Value>()["code"], "not_found");
    world.in_flight("library", 0).await;
}

async fn a_service_reads_a_stream_of_lines(place: Place) {
    let world = place.with(&[&RELAY], &[&LIBRARY]).await;
    let reply = world.get("/relay/on/library/v1/shelves/1:watch?count=100").await.expect(200);
    assert_eq!(lines(&reply.body).len(), 100);
    // Before the last of them is there, which takes a minute.
    let url = world.url("/relay/on/library/v1/shelves/1:watch?count=60&gap_ms=1000");
    let mut response = Client::h2(world.edge).open(get(&url)).await.unwrap();
    let first = next(response.body_mut()).await.expect("not the end").unwrap();
    assert_eq!(lines(&first).len(), 1);
    drop(response);
    world.in_flight("library", 0).await;
}

async fn a_service_that_gives_up_cancels_the_call(place: Place) {
    let world = place.with(&[&RELAY], &[&LIBRARY]).await;
    let url = world.url("/relay/on/library/v1/wait/9000");
    let client = Client::h2(world.edge);
    let call = tokio::spawn(async move { client.open(ask("GET", &url, &[], full(""))).await.map(drop) });
    world.in_flight("library", 1).await;
    call.abort();
    let _ = call.await;
    world.in_flight("library", 0).await;
    world.in_flight("relay", 0).await;
}
