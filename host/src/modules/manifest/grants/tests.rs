use super::super::Manifest;
use super::*;

fn grants(text: &str) -> Grants {
    Manifest::parse(text, "orders.toml", Some("orders")).unwrap().grants
}

#[test]
fn origins() {
    let of = |text: &str| Origin::new(text).unwrap();
    assert!(of("https://api.example.com").allows(Scheme::Https, "API.example.com", 443));
    assert!(!of("https://api.example.com").allows(Scheme::Http, "api.example.com", 443));
    assert!(!of("https://api.example.com").allows(Scheme::Https, "api.example.com", 8443));
    assert!(of("http://127.0.0.1:9000").allows(Scheme::Http, "127.0.0.1", 9000));
    assert!(of("http://[::1]:9000").allows(Scheme::Http, "[::1]", 9000));
    assert!(of("https://[2001:DB8:0::1]").allows(Scheme::Https, "[2001:db8::1]", 443));
    for text in ["https://a.b", "http://a.b:8080", "https://*.a.b", "http://[::1]"] {
        assert_eq!(of(text).to_string(), text);
    }
    for bad in [
        "a.b",
        "https://",
        "ftp://a.b",
        "HTTPS://a.b",
        "https://a.b/",
        "https://a.b/x",
        "https://a.b?x",
        "https://u:p@a.b",
        "https://a.b:",
        "https://a.b:0",
        "https://a.b:+1",
        "https://a.b:65536",
        "https://*",
        "https://[::1",
        "https://[x]",
        "http://orders.internal",
        "http://*.internal",
        "http://internal",
    ] {
        assert!(Origin::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn grants_decide() {
    let closed = grants("[grants]\ncalls = []\nconfig = ['*']");
    assert!(!closed.calls.allows("catalog"));
    assert!(closed.config.allows("anything"));
    assert!(Grants::default().calls.allows("catalog"));
    let some = grants("[grants]\ncalls = ['catalog']");
    assert!(some.calls.allows("catalog") && !some.calls.allows("orders"));
}

#[test]
fn callers_are_let_in_by_name() {
    let service = |name: &str| Caller::Service(ServiceName::new(name).unwrap());
    for (text, edge, web, other) in [
        ("", true, true, true),
        ("[grants]\ncallers = ['*']", true, true, true),
        ("[grants]\ncallers = []", false, false, false),
        ("[grants]\ncallers = ['edge']", true, false, false),
        ("[grants]\ncallers = ['web']", false, true, false),
        ("[grants]\ncallers = ['web', 'edge']", true, true, false),
    ] {
        let grants = grants(text);
        let admitted = [Caller::Edge, service("web"), service("other")].map(|caller| grants.admits(&caller));
        assert_eq!(admitted, [edge, web, other], "{text}");
        assert!(grants.admits(&Caller::Host), "{text}");
    }
}
