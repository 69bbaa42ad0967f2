//! REST by the rules of a module: each kind of rule, and each way to the service.

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::http::full;
use crate::harness::http::{Client, request, with};
use crate::harness::library::{ask, lines, method};
use crate::harness::world::{Place, World};

crate::both_ways! {
    every_rule_is_reachable_in_every_way,
    methods_are_called_with_json_by_their_names,
    bytes_that_are_no_json_pass_as_they_are,
    a_patch_says_which_fields_it_changes,
    plain_http_stays_reachable,
}

/// The ways to a service that has no routes of its own: where they are and, if it matters, with which host.
fn ways(world: &World) -> [(String, &'static str); 3] {
    let port = world.edge.port();
    [
        (format!("http://{}", world.edge), "the rule alone"),
        (format!("http://{}/library", world.edge), "the prefix"),
        (format!("http://library.localhost:{port}"), "the host"),
    ]
}

/// What `GET` of a book of the guest is.
fn book(name: &str, id: &str) -> Value {
    json!({
        "name": name,
        "title": format!("book {id}"),
        "author": {"givenName": "Ada", "familyName": "Byron"},
        "genre": "GENRE_NOVEL",
        "pages": name.len().to_string(),
        "cents": 995,
    })
}

async fn every_rule_is_reachable_in_every_way(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let shelves = json!([{"name": "shelves/1", "theme": "theme 1"}, {"name": "shelves/2", "theme": "theme 2"}]);
    let moved = Value::Object(book("shelves/1/books/2", "2").as_object().cloned().unwrap());
    let moved = with_member(moved, "name", json!("shelves/9/books/2"));
    let cases = [
        ("GET", "/v1/shelves/1", Value::Null, json!({"name": "shelves/1", "theme": "theme 1"})),
        // What spans segments keeps what is encoded in it, so that it can be taken apart.
        ("GET", "/v1/shelves/a%2Fb", Value::Null, json!({"name": "shelves/a%2Fb", "theme": "theme a%2Fb"})),
        ("GET", "/v1/shelves?page_size=2", Value::Null, shelves),
        ("GET", "/v1/shelves/1/books/2", Value::Null, book("shelves/1/books/2", "2")),
        ("REPORT", "/v1/shelves/1/books/2", Value::Null, book("shelves/1/books/2", "2")),
        ("GET", "/v1/any/a/b/c", Value::Null, book("a/b/c", "c")),
        (
            "POST",
            "/v1/shelves/1/books?book_id=7",
            json!({"title": "new", "pages": "12", "author": {"family_name": "Poe"}}),
            json!({"name": "shelves/1/books/7", "title": "new", "pages": "12", "author": {"familyName": "Poe"}}),
        ),
        ("POST", "/v1/shelves/1/books/2:move", json!({"to": "shelves/9"}), moved),
        (
            "PUT",
            "/v1/shelves/1/books/2",
            json!({"title": "other"}),
            json!({"book": {"name": "shelves/1/books/2", "title": "other"}}),
        ),
        ("DELETE", "/v1/shelves/1/books/2", Value::Null, json!({})),
        ("GET", "/v1/big/3", Value::Null, json!({"title": "xxx"})),
    ];
    for (base, way) in ways(&world) {
        for client in [Client::h1(world.edge), Client::h2(world.edge)] {
            for (verb, path, body, answer) in &cases {
                let what = format!("{verb} {path} by {way}");
                let body = if body.is_null() { String::new() } else { body.to_string() };
                let sent = ask(verb, &format!("{base}{path}"), &[("content-type", "application/json")], full(body));
                let reply = client.send(sent).await.expect(200);
                assert_eq!(reply.header("content-type"), "application/json", "{what}: {reply}");
                assert_eq!(&reply.json::<Value>(), answer, "{what}");
            }
        }
    }
}

fn with_member(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

async fn methods_are_called_with_json_by_their_names(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for (base, way) in ways(&world) {
        let url = |name: &str| format!("{base}{}", method(name));
        for content in ["application/json", "application/json; charset=utf-8"] {
            let body = json!({"name": "shelves/1/books/2", "stars": 3}).to_string();
            let sent = ask("POST", &url("RateBook"), &[("content-type", content)], full(body));
            let reply = world.http.send(sent).await.expect(200);
            let rated = with_member(book("shelves/1/books/2", "2"), "tags", json!(["3 stars"]));
            assert_eq!(reply.json::<Value>(), rated, "{way}");
        }
        // A method with a rule as well, and nothing for an empty message.
        let body = json!({"name": "shelves/1"}).to_string();
        let sent = ask("POST", &url("GetShelf"), &[("content-type", "application/json")], full(body));
        assert_eq!(world.http.send(sent).await.expect(200).json::<Value>()["theme"], "theme 1", "{way}");
        let sent = ask("POST", &url("SearchBooks"), &[("content-type", "application/json")], full(""));
        assert_eq!(world.http.send(sent).await.expect(200).json::<Value>(), json!({}), "{way}");
    }
}

async fn bytes_that_are_no_json_pass_as_they_are(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let reply = world.sends("GET", "/v1/shelves/1/books/2:text", &[], "").await.expect(200);
    assert_eq!((reply.header("content-type"), &*reply.text()), ("text/plain; charset=utf-8", "book 2"));
    let reply = world.sends("GET", "/v1/shelves/1/books/2:pages", &[], "").await.expect(200);
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(reply.text(), "book 2, page 1\nbook 2, page 2\nbook 2, page 3\n");
    // Nothing within the bytes can say that they are not all.
    let request = request("GET", &world.url("/v1/shelves/1/books/2:pages?fail_last=true"), full(""));
    let broken = Client::h2(world.edge).try_send(request).await;
    assert!(broken.is_err(), "{broken:?}");

    let bytes = vec![0, 0xff, b'{', 0];
    let headers = [("content-type", "application/x-book")];
    let reply = world.sends("PUT", "/v1/shelves/1/books/2:text", &headers, bytes.clone()).await.expect(200);
    let answer = json!({"name": "shelves/1/books/2", "contentType": "application/x-book", "bytes": "4"});
    assert_eq!(reply.json::<Value>(), answer);
    let reply = world.sends("POST", "/v1/books:bind", &headers, bytes.clone()).await.expect(200);
    assert_eq!((reply.header("content-type"), reply.body.to_vec()), ("application/x-book", bytes));
}

async fn a_patch_says_which_fields_it_changes(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    let path = "/v1/shelves/1/books/2";
    let body = json!({"title": "x", "author": {"familyName": "y"}, "labels": {"a": "b"}, "name": "ignored/books/1"});
    let reply = world.sends_json("PATCH", path, &body).await.expect(200);
    let answer: Value = reply.json();
    assert_eq!(answer["book"]["name"], "shelves/1/books/2", "the path has the last word: {answer}");
    let mut updated: Vec<&str> =
        answer["updated"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    updated.sort_unstable();
    assert_eq!(updated, ["author.family_name", "labels", "name", "title"]);
    // One that the client gives counts.
    let reply =
        world.sends_json("PATCH", &format!("{path}?update_mask=title,author.givenName"), &body).await.expect(200);
    assert_eq!(reply.json::<Value>()["updated"], json!(["title", "author.given_name"]));
    let reply = world.sends_json("PUT", path, &body).await.expect(200);
    assert_eq!(reply.json::<Value>()["updated"], Value::Null);
}

async fn plain_http_stays_reachable(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for (path, text) in [("/plain", "plain"), ("/v1/plain", "plain, among the paths of rules")] {
        assert_eq!(world.get(&format!("/library{path}")).await.expect(200).text(), text);
        let url = format!("http://library.localhost:{}{path}", world.edge.port());
        assert_eq!(world.http.get(&url).await.expect(200).text(), text);
        world.get(path).await.expect_problem(404, "not-found");
    }
    // A type that would be a call elsewhere is none on a path that nobody calls.
    let reply = world.sends_json("GET", "/library/plain", &json!({})).await.expect(200);
    assert_eq!(reply.text(), "plain");
}

/// `HEAD` is answered as `GET` is, without the body.
#[tokio::test]
async fn heads_are_answered() {
    let host = Host::with(&[&LIBRARY]).await;
    for path in ["/v1/shelves/1", "/library/v1/shelves/1", "/v1/shelves/1/books/2:text"] {
        let whole = host.get(path).await.expect(200);
        let head = host.http.send(request("HEAD", &host.url(path), full(""))).await.expect(200);
        assert!(head.body.is_empty(), "{path}: {head}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), whole.header(name), "{path}: {head}");
        }
        let head = Client::h2(host.edge).send(request("HEAD", &host.url(path), full(""))).await.expect(200);
        assert!(head.body.is_empty(), "{path}: {head}");
    }
    let head = host.http.send(request("HEAD", &host.url("/v1/shelves/missing"), full(""))).await.expect(404);
    assert!(head.body.is_empty(), "{head}");
}

/// A route of a manifest turns the default ways off, and the rules are found behind it.
#[tokio::test]
async fn rules_are_behind_the_routes_of_a_manifest() {
    let routes = "[[route]]\npath = '/api/{*rest}'\nstrip_prefix = '/api'\n";
    let host = Host::builder().guest(&LIBRARY).manifest("library", routes).start().await;
    assert_eq!(host.get("/api/v1/shelves/1").await.expect(200).json::<Value>()["theme"], "theme 1");
    let by_name = host.sends_json("POST", &format!("/api{}", method("GetShelf")), &json!({"name": "shelves/3"})).await;
    assert_eq!(by_name.expect(200).json::<Value>()["theme"], "theme 3");
    for path in ["/v1/shelves/1", "/library/v1/shelves/1"] {
        host.get(path).await.expect_problem(404, "not-found");
    }
    host.sends_json("POST", &method("GetShelf"), &json!({"name": "shelves/3"})).await.expect(404);
}

/// Lines that become a message each, and one answer.
#[tokio::test]
async fn a_client_streams_by_a_rule() {
    let host = Host::with(&[&LIBRARY]).await;
    let body = "{\"title\": \"one\"}\n\n{\"title\": \"two\"}\r\n{\"title\": \"three\"}";
    for (path, content) in [
        ("/v1/books:import", "application/x-ndjson"),
        ("/library/v1/books:import", "application/jsonl"),
        (&*method("ImportBooks"), "application/x-ndjson"),
        (&*method("ImportBooks"), "application/json"),
    ] {
        let reply = host.sends("POST", path, &[("content-type", content)], body).await.expect(200);
        let answer = json!({"count": 3, "titles": ["one", "two", "three"]});
        assert_eq!(reply.json::<Value>(), answer, "{path} {content}");
    }
    let reply = host.sends("POST", "/v1/books:import", &[("content-type", "application/x-ndjson")], "").await;
    assert_eq!(lines(&reply.expect(200).body), [json!({})]);
    // The second line is wrong: the client is told so, whatever the service made of it.
    let body = "{\"title\": \"one\"}\n{\"title\": 2}\n";
    let reply = host.sends("POST", "/v1/books:import", &[("content-type", "application/x-ndjson")], body).await;
    let problem: Value = reply.expect(400).json();
    assert_eq!(problem["code"], "INVALID_ARGUMENT", "{problem}");
    assert_eq!(problem["details"][0]["fieldViolations"][0]["field"], "title", "{problem}");
    host.in_flight("library", 0).await;
    // A connection goes on after it.
    let request = with(request("GET", &host.url("/v1/shelves/1"), full("")), "te", "trailers");
    host.http.send(request).await.expect(200);
}
