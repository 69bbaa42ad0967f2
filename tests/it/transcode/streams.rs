//! Answers of many messages over REST: a line each, or an event each; and clients that leave.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::http::{Client, full, get, next, pushed, request, with};
use crate::harness::library::{ask, frame, lines, method, wire};
use crate::harness::wait::within;
use crate::harness::world::{NO_POLICIES, Place, World};

crate::both_ways! {
    messages_are_lines,
    messages_are_events,
    an_error_before_the_first_message_is_a_status,
    an_error_after_messages_is_the_last_of_them,
    messages_leave_at_once,
    a_client_that_leaves_cancels_the_call,
}

fn change(number: u32) -> Value {
    let book = json!({"name": format!("shelves/1/books/{number}")});
    if number == 0 { json!({"book": book}) } else { json!({"number": number, "book": book}) }
}

async fn messages_are_lines(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let by_name = json!({"name": "shelves/1", "count": 3});
    for count in [0, 1, 3, 1000] {
        let reply = world.sends("GET", &format!("/v1/shelves/1:watch?count={count}"), &[], "").await.expect(200);
        assert_eq!(reply.header("content-type"), "application/x-ndjson", "{reply}");
        let expected: Vec<Value> = (0..count).map(change).collect();
        assert_eq!(lines(&reply.body), expected, "{count}");
    }
    let reply = world.sends_json("POST", &method("WatchShelf"), &by_name).await.expect(200);
    assert_eq!(lines(&reply.body), [change(0), change(1), change(2)]);
    let reply = Client::h1(world.edge).get(&world.url("/library/v1/shelves/1:watch?count=2")).await.expect(200);
    assert_eq!(lines(&reply.body), [change(0), change(1)]);
    world.in_flight("library", 0).await;
}

/// The blocks of an event stream: type and data.
#[track_caller]
fn events(text: &str) -> Vec<(String, Value)> {
    let block = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start().to_owned()));
        let data = field("data:").unwrap_or_else(|| panic!("no data: {block}"));
        (field("event:").unwrap_or_default(), serde_json::from_str(&data).expect("JSON"))
    };
    assert!(text.is_empty() || text.ends_with("\n\n"), "the last event is cut off: {text}");
    text.split_terminator("\n\n").map(block).collect()
}

async fn messages_are_events(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let accept = [("accept", "text/event-stream")];
    let reply = world.sends("GET", "/v1/shelves/1:watch?count=2", &accept, "").await.expect(200);
    assert_eq!(reply.header("content-type"), "text/event-stream", "{reply}");
    assert_eq!(reply.header("cache-control"), "no-cache", "{reply}");
    assert_eq!(events(&reply.text()), [(String::new(), change(0)), (String::new(), change(1))]);
    let path = "/v1/shelves/1:watch?count=1&fail_last.code=10&fail_last.message=lost%0Alines";
    let reply = world.sends("GET", path, &accept, "").await.expect(200);
    let error = json!({"code": 10, "message": "lost\nlines", "details": []});
    assert_eq!(events(&reply.text()), [(String::new(), change(0)), ("error".to_owned(), error)]);
    let path = "/v1/shelves/1:watch?count=1&fail_first.code=10";
    assert_eq!(world.sends("GET", path, &accept, "").await.expect(409).json::<Value>()["code"], "ABORTED");
}

async fn an_error_before_the_first_message_is_a_status(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let failure = json!({"code": 9, "message": "closed", "shelfFull": {"shelf": "a"}});
    let body = json!({"name": "shelves/1", "count": 3, "failFirst": failure});
    let reply = world.sends_json("POST", &method("WatchShelf"), &body).await.expect(400);
    let problem: Value = reply.json();
    assert_eq!((&problem["code"], &problem["detail"]), (&json!("FAILED_PRECONDITION"), &json!("closed")), "{problem}");
    assert_eq!(problem["details"][0]["shelf"], "a", "{problem}");
    world.get("/v1/shelves/missing:watch?count=1").await.expect(404);
    // The same if no message comes before it because there is none.
    let reply = world.get("/v1/shelves/1:watch?count=0&fail_last.code=5&fail_last.message=gone").await.expect(404);
    assert_eq!(reply.json::<Value>()["detail"], "gone");
    world.get("/v1/shelves/1:watch?count=many").await.expect(400);
}

async fn an_error_after_messages_is_the_last_of_them(place: Place) {
    let world = place.plan().callee(&LIBRARY).manifest("library", NO_POLICIES).start().await;
    let failure = json!({"code": 9, "message": "closed", "shelfFull": {"shelf": "a"}});
    let body = json!({"name": "shelves/1", "count": 2, "failLast": failure});
    let reply = world.sends_json("POST", &method("WatchShelf"), &body).await.expect(200);
    let detail = json!({"@type": "type.googleapis.com/library.v1.ShelfFull", "shelf": "a"});
    let error = json!({"error": {"code": 9, "message": "closed", "details": [detail]}});
    assert_eq!(lines(&reply.body), [change(0), change(1), error]);
}

/// Nobody on the way waits for the end, or for enough to compress.
async fn messages_leave_at_once(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    // The last one would come after a minute.
    let path = "/v1/shelves/1:watch?count=60&gap_ms=1000";
    for headers in [&[][..], &[("accept-encoding", "gzip")], &[("accept", "text/event-stream")]] {
        let request = ask("GET", &world.url(path), headers, full(""));
        let mut response = Client::h2(world.edge).open(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let first = within("the first message", Duration::from_secs(5), next(response.body_mut())).await;
        assert!(!first.expect("not the end").unwrap().is_empty(), "{headers:?}");
    }
    world.in_flight("library", 0).await;
}

async fn a_client_that_leaves_cancels_the_call(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let path = "/v1/shelves/1:watch?count=1000000&gap_ms=10";
    for client in [Client::h1(world.edge), Client::h2(world.edge)] {
        let mut response = client.open(get(&world.url(path))).await.unwrap();
        next(response.body_mut()).await.expect("a message").unwrap();
        world.in_flight("library", 1).await;
        drop((response, client));
        gone(&world).await;
    }
    // In other protocols, too.
    let message = wire("WatchShelfRequest", &json!({"name": "shelves/1", "count": 1_000_000, "gapMs": 10}));
    for content in ["application/grpc-web+proto", "application/connect+proto"] {
        let body = full(frame(0, &message));
        let request = ask("POST", &world.url(&method("WatchShelf")), &[("content-type", content)], body);
        let mut response = Client::h2(world.edge).open(request).await.unwrap();
        next(response.body_mut()).await.expect("a message").unwrap();
        world.in_flight("library", 1).await;
        drop(response);
        gone(&world).await;
    }
    // A request that breaks off.
    let (sender, body) = pushed();
    let request =
        with(request("POST", &world.url(&method("ImportBooks")), body), "content-type", "application/x-ndjson");
    sender.send(Ok("{\"title\": \"one\"}\n{\"tit".into())).await.unwrap();
    let client = Client::h2(world.edge);
    let call = tokio::spawn(async move { client.try_send(request).await.map(drop) });
    world.in_flight("library", 1).await;
    sender.send(Err("the client has had enough".into())).await.unwrap();
    let _ = call.await;
    gone(&world).await;
}

/// Much sooner than the work would have taken.
async fn gone(world: &World) {
    within("the work has stopped", Duration::from_secs(3), world.in_flight("library", 0)).await;
}
