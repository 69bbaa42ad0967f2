//! How requests from outside find their service: by name, and by the routes of a manifest.

use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::{Client, full, get, request, with};
use crate::harness::tiny;

#[tokio::test]
async fn without_routes_a_service_has_a_prefix_and_a_host() {
    let host = Host::with(&[&ECHO]).await;
    let port = host.edge.port();
    let by_host = format!("http://echo.localhost:{port}/hello/host");
    for client in [Client::h1(host.edge), Client::h2(host.edge)] {
        let reply = client.get(&by_host).await.expect(200);
        assert_eq!(reply.text(), "hello host");
    }
    host.answers("/echo/hello/prefix", 200, "hello prefix").await;
    // Case does not matter in host names, and without a port it is a name too.
    for name in ["ECHO.localhost", "echo.LOCALHOST:1"] {
        let request = with(get(&host.url("/hello/world")), "host", name);
        host.http.send(request).await.expect(200);
    }

    for path in ["/", "/ech", "/echo2/hello/x", "/Echo/hello/x", "//echo/hello/x"] {
        host.get(path).await.expect_problem(404, "not-found");
    }
    let other = format!("http://other.localhost:{port}/hello/x");
    host.http.get(&other).await.expect_problem(404, "not-found");
    // A name that only ends alike is another domain.
    let foreign = format!("http://echo.notlocalhost:{port}/hello/x");
    host.http.get(&foreign).await.expect_problem(404, "not-found");
}

/// The guest says what is left of the path when the prefix is gone; the query stays.
#[tokio::test]
async fn the_rest_of_the_path_reaches_the_guest_as_it_is() {
    let host = Host::with(&[&crate::harness::guests::LEAN_BARE]).await;
    for (path, seen) in [
        ("/lean-bare/a/b", "GET /a/b\n"),
        ("/lean-bare", "GET /\n"),
        ("/lean-bare/", "GET /\n"),
        ("/lean-bare?x=1", "GET /?x=1\n"),
        ("/lean-bare/a%2Fb?q=%20&r=1", "GET /a%2Fb?q=%20&r=1\n"),
        ("/lean-bare//a", "GET //a\n"),
        ("/lean-bare/a/../b", "GET /a/../b\n"),
    ] {
        let reply = host.get(path).await.expect(200);
        assert_eq!(reply.text(), seen, "{path}");
    }
}

const MANIFEST: &str = r#"
[[route]]
path = "/api/things/{id}"
strip_prefix = "/api"
methods = ["GET", "POST"]

[[route]]
path = "/static/{*rest}"

[[route]]
host = "shop.example.com"
path = "/{*rest}"

[[route]]
host = "*.tenants.example.com"
path = "/"
"#;

#[tokio::test]
async fn routes_of_a_manifest_lead_to_its_service() {
    let host = Host::builder()
        .guest_as("things", &crate::harness::guests::LEAN_BARE)
        .manifest("things", MANIFEST)
        .start()
        .await;
    let at = async |method: &str, name: &str, path: &str| {
        let request = request(method, &host.url(path), full(""));
        host.http.send(with(request, "host", name)).await
    };
    for (method, name, path, seen) in [
        ("GET", "any", "/api/things/7", "GET /things/7\n"),
        ("POST", "any", "/api/things/7", "POST /things/7\n"),
        ("PUT", "any", "/static/a/b", "PUT /static/a/b\n"),
        ("GET", "any", "/static", "GET /static\n"),
        ("GET", "shop.example.com", "/whatever?a=b", "GET /whatever?a=b\n"),
        ("GET", "shop.example.com:8080", "/", "GET /\n"),
        ("GET", "a.tenants.example.com", "/", "GET /\n"),
    ] {
        let reply = at(method, name, path).await.expect(200);
        assert_eq!(reply.text(), seen, "{method} {name} {path}");
    }
    for (method, name, path) in [
        ("GET", "any", "/api/things/7/parts"),
        ("GET", "any", "/api/things/"),
        ("GET", "any", "/staticx"),
        ("GET", "other.example.com", "/whatever"),
        ("GET", "tenants.example.com", "/"),
        ("GET", "a.tenants.example.com", "/x"),
        // Explicit routes replace the default ones.
        ("GET", "any", "/things/x"),
        ("GET", "things.localhost", "/x"),
    ] {
        let reply = at(method, name, path).await;
        reply.expect_problem(404, "not-found");
    }
    let reply = at("DELETE", "any", "/api/things/7").await;
    reply.expect_problem(405, "method-not-allowed");
    // RFC 9110, section 15.5.6; and whoever takes GET takes HEAD.
    assert_eq!(reply.header("allow"), "GET, HEAD, POST");
    at("HEAD", "any", "/api/things/7").await.expect(200);
}

#[tokio::test]
async fn the_most_specific_route_wins_whoever_came_first() {
    let route = |path: &str| format!("[[route]]\npath = '{path}'\n");
    let host = Host::builder()
        .module("rest", &tiny::answering("rest"))
        .manifest("rest", &route("/a/{*rest}"))
        .module("literal", &tiny::answering("literal"))
        .manifest("literal", &route("/a/b"))
        .module("param", &tiny::answering("param"))
        .manifest("param", &route("/a/{id}"))
        .module("a", &tiny::answering("default of a"))
        .start()
        .await;
    for (path, expected) in [("/a/b", "literal"), ("/a/c", "param"), ("/a/c/d", "rest"), ("/a", "rest")] {
        assert_eq!(host.get(path).await.expect(200).text(), expected, "{path}");
    }
    let by_host = format!("http://a.localhost:{}/", host.edge.port());
    assert_eq!(host.http.get(&by_host).await.expect(200).text(), "default of a");
}

#[tokio::test]
async fn the_domain_of_services_can_be_chosen() {
    let host = Host::builder().guest(&ECHO).config("[edge]\ndomain = 'apps.example.com'\n").start().await;
    let ask = async |name: &str| {
        let request = with(get(&host.url("/hello/x")), "host", name);
        host.http.send(request).await.status
    };
    assert_eq!(ask("echo.apps.example.com").await, 200);
    assert_eq!(ask("echo.localhost").await, 404);
}

#[tokio::test]
async fn grpc_finds_its_service_by_the_name_in_the_path() {
    let host = Host::with(&[&ECHO]).await;
    // As a client does that was given nothing but an address.
    let path = "/hostel.test.v1.Echo/Unary";
    let request = request("POST", &host.url(path), full(&b"\0\0\0\0\x04\x0a\x02hi"[..]));
    let request = with(request, "content-type", "application/grpc");
    let reply = Client::h2(host.edge).send(with(request, "te", "trailers")).await;
    let reply = reply.expect(200);
    assert_eq!(reply.trailer("grpc-status"), "0", "{reply}");
    assert!(reply.text().contains("hi"), "{reply}");
}
