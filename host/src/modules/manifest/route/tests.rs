use super::*;

#[test]
fn path_templates() {
    use Segment::{Literal, Param, Rest};
    let of = |text: &str| PathTemplate::new(text).unwrap().segments().to_vec();
    assert_eq!(of("/"), [Literal(String::new())]);
    assert_eq!(of("/a/"), [Literal("a".into()), Literal(String::new())]);
    assert_eq!(of("/v1/cancel@x/{*rest}"), [Literal("v1".into()), Literal("cancel@x".into()), Rest("rest".into())]);
    assert_eq!(of("/{a}/{_b1}"), [Param("a".into()), Param("_b1".into())]);
    for bad in [
        "",
        "a",
        "//",
        "/a//b",
        "/{*rest}/a",
        "/{}",
        "/{*}",
        "/{a-b}",
        "/{1}",
        "/{a}/{a}",
        "/{a}/{*a}",
        "/x{a}",
        "/{a}x",
        "/{a",
        "/a}",
        "/a b",
        "/%41",
        "/é",
        "/a?b",
        "/a#b",
        "/./a",
        "/a/..",
    ] {
        assert!(PathTemplate::new(bad).is_err(), "{bad}");
    }
    assert!(PathTemplate::new(&format!("/{}", "a".repeat(1024))).is_err());
}

#[test]
fn strip_prefix_covers_whole_literal_segments() {
    let path = PathTemplate::new("/api/v1/{id}/x").unwrap();
    for (prefix, fits) in [
        ("/api", true),
        ("/api/v1", true),
        ("/api/v1/{id}", false),
        ("/api/v", false),
        ("/api/", false),
        ("/", false),
        ("", false),
        ("api", false),
        ("/v1", false),
    ] {
        assert_eq!(path.has_literal_prefix(prefix), fits, "{prefix}");
    }
}

#[test]
fn host_patterns() {
    let of = |text: &str| HostPattern::new(text).unwrap();
    assert!(of("shop.example.com").matches("SHOP.example.com"));
    assert!(!of("shop.example.com").matches("shop.example.com.evil.org"));
    let wildcard = of("*.Example.com");
    assert!(wildcard.matches("a.example.com") && wildcard.matches("a.b.EXAMPLE.com"));
    for other in ["example.com", ".example.com", "badexample.com", "a.example.org", "", "éé.example.co"] {
        assert!(!wildcard.matches(other), "{other}");
    }
    assert_eq!(wildcard.to_string(), "*.example.com");
    for bad in ["", "*", "*.", "a.*", "a..b", ".a", "a.", "-a", "a-", "a_b", "a/b", "é", "a:80", "[::1]"] {
        assert!(HostPattern::new(bad).is_err(), "{bad}");
    }
    assert!(HostPattern::new(&"a".repeat(64)).is_err());
    assert!(HostPattern::new(&["a"; 128].join(".")).is_err());
}

#[test]
fn shapes_are_equal_when_only_names_differ() {
    let of = |text: &str| PathTemplate::new(text).unwrap();
    for (a, b) in [("/", "/"), ("/a/{x}/{*r}", "/a/{y}/{*s}"), ("/a", "/a/"), ("/{x}", "/{*x}"), ("/a/b", "/a/{b}")] {
        assert_eq!(of(a).shape() == of(b).shape(), of(a).same_shape(&of(b)), "{a} {b}");
    }
    assert_eq!(of("/a/{x}/{*r}").shape(), "/a/{}/{*}");
}
