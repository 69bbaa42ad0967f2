use proptest::prelude::*;

use super::*;
use crate::modules::inspect::{Digest, GrpcMethod};

fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn manifest(text: &str) -> Manifest {
    Manifest::parse(text, "orders.toml", Some("orders")).unwrap()
}

fn inspection(services: Vec<GrpcService>) -> Inspection {
    Inspection {
        digest: Digest::of(b""),
        size: 0,
        doors: Vec::new(),
        imports: Vec::new(),
        exports: Vec::new(),
        wasi_versions: Default::default(),
        manifest: None,
        descriptors: Vec::new(),
        services,
        languages: Default::default(),
        tools: Default::default(),
    }
}

fn grpc(name: &str, methods: &[(&str, Idempotency)]) -> GrpcService {
    let method = |(name, idempotency): &(&str, Idempotency)| GrpcMethod {
        name: (*name).to_owned(),
        client_streaming: true,
        server_streaming: false,
        idempotency: *idempotency,
    };
    GrpcService { name: name.to_owned(), methods: methods.iter().map(method).collect() }
}

const MANIFEST: &str = r#"
    [[route]]
    host = "*.example.com"
    path = "/api/orders/{id}/{*rest}"
    methods = ["GET", "POST"]
    strip_prefix = "/api"
    policy = { timeout_ms = 20, hash = "off", retry = { retries_max = 0 } }
    [[route]]
    path = "/plain"
    [policy]
    timeout_ms = 500
    breaker.failures = 3
    balance.hash = "cookie:sid"
    retry.idempotent = true
"#;

fn orders() -> Description {
    let methods =
        [("Get", Idempotency::NoSideEffects), ("Put", Idempotency::Idempotent), ("Post", Idempotency::Unknown)];
    Description::of(&manifest(MANIFEST), &inspection(vec![grpc("shop.v1.Orders", &methods)]))
}

fn decode(text: &str) -> Result<Description, DescriptionError> {
    Description::decode(&name("orders"), text.as_bytes())
}

#[test]
fn what_is_written_is_read() {
    let description = orders();
    assert_eq!(description.routes.len(), 2);
    assert_eq!(description.grpc[0].methods.len(), 3);
    let bytes = description.encode();
    assert_eq!(bytes, orders().encode(), "the same for equal descriptions");
    assert_eq!(Description::decode(&name("orders"), &bytes).unwrap(), description);
}

#[test]
fn what_is_absent_has_its_default() {
    let plain = Description::of(&manifest(""), &inspection(Vec::new()));
    assert_eq!(decode(r#"{"service":"orders"}"#).unwrap(), plain);
}

/// Hosts of other versions may have other defaults.
#[test]
fn the_policy_is_written_in_full() {
    let plain: serde_json::Value =
        serde_json::from_slice(&Description::of(&manifest(""), &inspection(Vec::new())).encode()).unwrap();
    assert_eq!(plain["policy"], serde_json::to_value(Settings::default()).unwrap());
}

#[test]
fn the_form_does_not_change() {
    let text = String::from_utf8(orders().encode()).unwrap();
    let expected = concat!(
        r#"{"service":"orders","routes":[{"host":"*.example.com","path":"/api/orders/{id}/{*rest}","#,
        r#""methods":["GET","POST","HEAD"],"strip_prefix":"/api","#,
        r#""policy":{"hash":"off","retry":{"retries_max":0},"timeout_ms":20}},{"path":"/plain"}],"#,
        r#""grpc":[{"name":"shop.v1.Orders","methods":[{"name":"Get","idempotency":"no-side-effects"},"#,
        r#"{"name":"Put","idempotency":"idempotent"},{"name":"Post"}]}],"policy":{"#,
    );
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn keys_of_newer_hosts_are_passed_over() {
    let newer = r#"{"service":"orders","weather":{"a":[1]},"routes":[{"path":"/a","auth":"jwt",
        "policy":{"mirror":"b","retry":{"hedge":1,"retries_max":1}}}],
        "grpc":[{"name":"A","x":1,"methods":[{"name":"B","deprecated":true,"idempotency":"always"}]}],
        "policy":{"hedge":{},"retry":{"retries_max":1,"hedge":true},"timeout_ms":9}}"#;
    let read = decode(newer).unwrap();
    assert_eq!((read.policy.timeout_ms, read.policy.retry.retries_max), (Some(9), 1));
    assert_eq!(read.routes[0].policy.retry.retries_max, Some(1));
    assert_eq!(read.grpc[0].methods[0].idempotency, Idempotency::Unknown);
}

#[test]
fn values_are_checked_as_in_manifests() {
    for (text, expected) in [
        (r#""routes":[{"path":"a"}]"#, "`route[0].path` must start with `/`"),
        (r#""routes":[{"path":"/a"},{"path":"/a"}]"#, "`route[1].path` repeats route[0]"),
        (r#""routes":[{"path":"/a","methods":[]}]"#, "`route[0].methods` must name a method"),
        (r#""routes":[{"path":"/a","host":"a:1"}]"#, "`route[0].host` must be a host"),
        (r#""routes":[{"path":"/a","strip_prefix":"/b"}]"#, "`route[0].strip_prefix` must be"),
        (r#""routes":[{"path":"/a","policy":{"timeout_ms":0}}]"#, "`route[0].policy.timeout_ms` must be from 1"),
        (r#""policy":{"retry":{"retries_max":3}}"#, "`policy.retry.retries_max` must be from 0 to 2"),
        (r#""policy":{"timeout_ms":"1"}"#, "the description cannot be read"),
        (r#""policy":{"timeout_ms":-1}"#, "the description cannot be read"),
        (r#""policy":{"balance":{"hash":"body"}}"#, "the description cannot be read"),
        (r#""policy":[]"#, "the description cannot be read"),
        (r#""routes":{}"#, "the description cannot be read"),
        (r#""routes":[{}]"#, "the description cannot be read"),
        (r#""grpc":[{"name":"a b"}]"#, "`grpc[0].name` must be the full name"),
        (r#""grpc":[{"name":""}]"#, "`grpc[0].name` must be the full name"),
        (r#""grpc":[{"name":"A"},{"name":"A"}]"#, "`grpc[1].name` is given twice"),
        (r#""grpc":[{"name":"A","methods":[{"name":"a/b"}]}]"#, "`grpc[0].methods[0].name` must be the name"),
    ] {
        let error = decode(&format!(r#"{{"service":"orders",{text}}}"#)).expect_err(text).to_string();
        assert!(error.starts_with(expected), "{error}\n{expected}");
    }
    for (text, expected) in [
        ("", "the description cannot be read"),
        ("{}", "the description cannot be read"),
        ("[1]", "the description cannot be read"),
        (r#"{"service":"orders"} x"#, "the description cannot be read"),
        (r#"{"service":"or\nders"}"#, "the description is of the service `or\\nders`"),
    ] {
        assert_eq!(decode(text).expect_err(text).to_string(), expected);
    }
}

#[test]
fn what_is_too_large_is_refused() {
    let deep = "[".repeat(DESCRIPTION_BYTES_MAX);
    assert!(matches!(decode(&deep), Err(DescriptionError::Malformed(_))));
    let large = " ".repeat(DESCRIPTION_BYTES_MAX + 1);
    assert!(matches!(decode(&large), Err(DescriptionError::TooLarge { .. })));
}

#[test]
fn grpc_is_left_out_before_it_would_be_too_large() {
    let names: Vec<String> = (0..20_000).map(|n| format!("Method{n}")).collect();
    let idempotency = |n: usize| if n < 10 { Idempotency::Idempotent } else { Idempotency::Unknown };
    let methods: Vec<_> = names.iter().enumerate().map(|(n, name)| (name.as_str(), idempotency(n))).collect();
    let read = |description: &Description| {
        let bytes = description.encode();
        assert!(bytes.len() <= DESCRIPTION_BYTES_MAX);
        Description::decode(&name("orders"), &bytes).unwrap()
    };
    let mut large = Description::of(&manifest(MANIFEST), &inspection(vec![grpc("shop.Orders", &methods)]));
    assert_eq!(read(&large).grpc, [large.grpc[0].promising()]);
    assert_eq!(read(&large).grpc[0].methods.len(), 10);
    for method in &mut large.grpc[0].methods {
        method.idempotency = Idempotency::Idempotent;
    }
    assert_eq!(read(&large), Description { grpc: Vec::new(), ..large });
}

#[test]
fn names_that_no_proto_file_gives_are_left_out() {
    let long = "a".repeat(GRPC_NAME_BYTES_MAX + 1);
    let method = [("Get", Idempotency::Unknown), ("a/b", Idempotency::Unknown), (long.as_str(), Idempotency::Unknown)];
    let services = vec![grpc("a.B", &method), grpc("a b", &method), grpc("", &method), grpc("a..b", &method)];
    let described = Description::of(&manifest(""), &inspection(services));
    let methods = vec![Rpc { name: "Get".to_owned(), idempotency: Idempotency::Unknown }];
    assert_eq!(described.grpc, [Rpcs { name: "a.B".to_owned(), methods }]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_description_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Description::decode(&name("orders"), &bytes);
    }

    /// Bytes that are nearly right.
    #[test]
    fn a_damaged_description_is_read_or_refused(at in 0..400usize, byte in any::<u8>()) {
        let mut bytes = orders().encode();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Ok(read) = Description::decode(&name("orders"), &bytes) {
            prop_assert_eq!(Description::decode(&name("orders"), &read.encode()).unwrap(), read);
        }
    }
}
