use std::time::Duration;

use super::super::fixture::remote;
use super::super::manifest::PathTemplate;
use super::*;

#[test]
fn templates_match_whole_paths() {
    for (template, path, expected) in [
        ("/a/{id}", "/a/1", true),
        ("/a/{id}", "/a/", false),
        ("/a/{id}", "/a", false),
        ("/a/{id}", "/a/1/2", false),
        ("/a/{*rest}", "/a", true),
        ("/a/{*rest}", "/a/1/2", true),
        ("/a/{*rest}", "/ab", false),
        ("/{*rest}", "/", true),
        ("/", "/", true),
        ("/", "/a", false),
    ] {
        let template = PathTemplate::new(template).unwrap();
        assert_eq!(segments_match(template.segments(), path), expected, "{template} {path}");
    }
}

fn routes(services: &[(&str, &str)]) -> (Routes, Vec<String>) {
    let services = services.iter().map(|(name, rest)| Destination::Remote(remote(name, rest)));
    let (routes, left_out) = Routes::new(services);
    (routes, left_out.iter().map(ToString::to_string).collect())
}

/// The service, label and stripped bytes of a request; or what is allowed; or nothing.
fn find(routes: &Routes, host: &str, path: &str, method: &Method, grpc: bool) -> String {
    match routes.find(host, path, method, grpc, "localhost") {
        Lookup::Found(found) => format!("{} {} {}", found.to.described().service(), found.route, found.strip),
        Lookup::WrongMethod(allowed) => format!("405 {allowed}"),
        Lookup::None => "404".to_owned(),
    }
}

#[test]
fn the_most_specific_route_of_all_services_wins() {
    let (routes, left_out) = routes(&[
        ("any", r#""routes":[{"path":"/{*rest}"}]"#),
        ("hosted", r#""routes":[{"host":"*.example.com","path":"/{*rest}"},{"host":"a.example.com","path":"/{x}"}]"#),
        ("orders", r#""routes":[{"path":"/api/orders/{id}","strip_prefix":"/api","methods":["GET"]}]"#),
        ("special", r#""routes":[{"path":"/api/orders/new"},{"path":"/api/orders/{id}","methods":["PUT"]}]"#),
    ]);
    assert_eq!(left_out, [""; 0]);
    for (host, path, method, expected) in [
        ("x", "/api/orders/new", Method::GET, "special /api/orders/new 0"),
        ("x", "/api/orders/1", Method::GET, "orders /api/orders/{id} 4"),
        ("x", "/api/orders/1", Method::PUT, "special /api/orders/{id} 0"),
        ("x", "/api/orders/1", Method::POST, "any /{*rest} 0"),
        ("x", "/other", Method::GET, "any /{*rest} 0"),
        ("b.example.com", "/other", Method::GET, "hosted /{*rest} 0"),
        ("a.example.com", "/other", Method::GET, "hosted /{x} 0"),
    ] {
        assert_eq!(find(&routes, host, path, &method, false), expected, "{method} {host}{path}");
    }
}

#[test]
fn a_route_that_exists_twice_is_the_first_services() {
    let (routes, left_out) = routes(&[
        ("alpha", r#""routes":[{"path":"/a/{x}"},{"path":"/m","methods":["GET"]},{"host":"h.x","path":"/a"}]"#),
        (
            "beta",
            r#""routes":[{"path":"/a/{y}"},{"path":"/m","methods":["GET","POST"]},{"path":"/m","methods":["PUT"]},
               {"path":"/a"},{"path":"/b"}]"#,
        ),
    ]);
    assert_eq!(
        left_out,
        [
            "the route /a/{y} of `beta` is left out: `alpha` has the same one",
            "the route GET|POST|HEAD /m of `beta` is left out: `alpha` has the same one",
        ]
    );
    for (host, path, method, expected) in [
        ("x", "/a/1", Method::GET, "alpha /a/{x} 0"),
        ("x", "/m", Method::GET, "alpha /m 0"),
        ("x", "/m", Method::PUT, "beta /m 0"),
        ("x", "/m", Method::POST, "405 GET, HEAD, PUT"),
        ("x", "/a", Method::GET, "beta /a 0"),
        ("h.x", "/a", Method::GET, "alpha /a 0"),
        ("x", "/b", Method::GET, "beta /b 0"),
        ("x", "/c", Method::GET, "404"),
    ] {
        assert_eq!(find(&routes, host, path, &method, false), expected, "{method} {host}{path}");
    }
}

#[test]
fn without_routes_a_service_has_the_defaults() {
    let grpc = r#""grpc":[{"name":"shop.Orders","methods":[{"name":"Get"}]},{"name":"shop.Known"}]"#;
    let (routes, _) = routes(&[
        ("orders", grpc),
        ("client", r#""grpc":[{"name":"shop.Known"}]"#),
        ("routed", r#""routes":[{"path":"/r"}],"grpc":[{"name":"shop.Routed"}]"#),
    ]);
    for (host, path, grpc, expected) in [
        ("orders.localhost", "/a", false, "orders /orders/{*rest} 0"),
        ("x", "/orders/a", false, "orders /orders/{*rest} 7"),
        ("x", "/shop.Orders/Get", true, "orders /shop.Orders/Get 0"),
        ("x", "/shop.Orders/Other", true, "orders /orders/{*rest} 0"),
        // In other protocols it is called by the same path.
        ("x", "/shop.Orders/Get", false, "orders /shop.Orders/Get 0"),
        ("x", "/shop.Orders/Other", false, "404"),
        ("orders.localhost", "/shop.Orders/Get", true, "orders /shop.Orders/Get 0"),
        // Two services know it.
        ("x", "/shop.Known/Get", true, "404"),
        ("routed.localhost", "/a", false, "404"),
        ("x", "/shop.Routed/Get", true, "404"),
        ("x", "/routed/a", false, "404"),
    ] {
        assert_eq!(find(&routes, host, path, &Method::POST, grpc), expected, "{host}{path}");
    }
}

#[test]
fn each_route_has_its_treatment() {
    let policy = r#""policy":{"timeout_ms":500}"#;
    let with_routes = format!(r#"{policy},"routes":[{{"path":"/a"}},{{"path":"/b","policy":{{"timeout_ms":20}}}}]"#);
    let (routes, _) = routes(&[("plain", policy), ("routed", &with_routes)]);
    for (path, expected) in [("/a", 500), ("/b", 20), ("/plain/x", 500)] {
        let Lookup::Found(found) = routes.find("x", path, &Method::GET, false, "localhost") else { panic!("{path}") };
        assert_eq!(found.treatment.timeout, Some(Duration::from_millis(expected)), "{path}");
    }
}
