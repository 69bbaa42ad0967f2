use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use proptest::prelude::*;

use super::*;
use crate::policy::settings::{BalanceSettings, HashChoice, HashKey, RetryOverrides, RetrySettings, RouteSettings};
use crate::transcode::json::{Enums, UnknownFields};
use crate::transcode::settings::Errors;

fn parse(text: &str) -> Result<Manifest, Error> {
    Manifest::parse(text, "orders.toml", Some("orders"))
}

fn message(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

#[test]
fn an_empty_manifest_is_the_default() {
    assert_eq!(parse("").unwrap(), Manifest::new(name("orders")));
}

#[test]
fn every_key_is_read() {
    let manifest = parse(
        r#"
        name = "shop"
        version = "1.2.0+x"
        example = "/api/orders/1?full"
        [[route]]
        host = "Shop.example.com"
        path = "/api/orders/{id}/{*rest}"
        methods = ["GET", "POST"]
        strip_prefix = "/api"
        policy = { timeout_ms = 20, hash = "off" }
        json = { unknown_fields = "ignore" }
        [grants]
        calls = ["catalog"]
        callers = ["web", "edge"]
        egress = ["https://api.example.com", "http://*.example.com:8080"]
        config = ["currency"]
        kv = false
        [config]
        currency = "EUR"
        retries = 3
        dry_run = true
        [limits]
        memory_mib = 64
        cpu_ms = 1
        wall_ms = 2
        calls_max = 3
        queue_len_max = 4
        queue_wait_ms = 5
        body_bytes_max = 6
        headers_bytes_max = 7000
        depth_max = 8
        kv_bytes_max = 9
        kv_keys_max = 10
        kv_value_bytes_max = 11
        log_lines_per_s_max = 12
        log_line_bytes_max = 1300
        [instances]
        max = 1
        concurrency = 2
        reuse_max = 3
        idle_s = 4
        [health]
        path = "/healthz?deep=1"
        [policy]
        timeout_ms = 500
        retry.retries_max = 1
        balance.hash = "header:x-user"

        [grpc]
        services = ["shop.v1.Shop"]
        compression = "module"

        [json]
        enums = "numbers"
        errors = "status"
        "#,
    )
    .unwrap();
    let expected = Manifest {
        name: name("shop"),
        version: Some(Version::new("1.2.0+x").unwrap()),
        example: Some("/api/orders/1?full".into()),
        routes: vec![Route {
            host: Some(HostPattern::Exact("shop.example.com".into())),
            path: PathTemplate::new("/api/orders/{id}/{*rest}").unwrap(),
            methods: Methods::Only(vec![Method::GET, Method::POST, Method::HEAD]),
            strip_prefix: Some("/api".into()),
            policy: RouteSettings {
                timeout_ms: Some(20),
                hash: Some(HashChoice::Off),
                retry: RetryOverrides::default(),
            },
            json: Json { unknown_fields: Some(UnknownFields::Ignore), ..Json::default() },
        }],
        grants: Grants {
            calls: Allow::Only(BTreeSet::from([name("catalog")])),
            callers: Callers::Only { edge: true, services: BTreeSet::from([name("web")]) },
            egress: vec![
                Origin::new("https://api.example.com:443").unwrap(),
                Origin::new("http://*.example.com:8080").unwrap(),
            ],
            config: Allow::Only(BTreeSet::from([ConfigKey::new("currency").unwrap()])),
            kv: false,
        },
        config: [("currency", "EUR"), ("retries", "3"), ("dry_run", "true")]
            .map(|(key, value)| (ConfigKey::new(key).unwrap(), value.to_owned()))
            .into(),
        limits: Limits {
            memory_bytes_max: 64 << 20,
            cpu: Duration::from_millis(1),
            wall: Duration::from_millis(2),
            calls_max: 3,
            queue_len_max: 4,
            queue_wait: Duration::from_millis(5),
            body_bytes_max: Some(6),
            headers_bytes_max: 7000,
            depth_max: 8,
            kv_bytes_max: 9,
            kv_keys_max: 10,
            kv_value_bytes_max: 11,
            log_lines_per_s_max: 12,
            log_line_bytes_max: 1300,
        },
        instances: Instances { max: 1, concurrency: 2, reuse_max: Some(3), idle: Duration::from_secs(4) },
        health: Some(Health { path: "/healthz?deep=1".into() }),
        policy: Policy {
            timeout_ms: Some(500),
            retry: RetrySettings { retries_max: 1, ..RetrySettings::default() },
            balance: BalanceSettings {
                hash: Some(HashKey::try_from("header:x-user".to_owned()).unwrap()),
                ..BalanceSettings::default()
            },
            ..Policy::default()
        },
        grpc: Grpc { services: Some(BTreeSet::from(["shop.v1.Shop".to_owned()])), compression: Compression::Module },
        json: Json { enums: Some(Enums::Numbers), errors: Some(Errors::Status), ..Json::default() },
    };
    assert_eq!(manifest, expected);
}

#[test]
fn zero_stands_for_no_bound_where_documented() {
    let manifest = parse("[limits]\nbody_bytes_max = 0\n[instances]\nreuse_max = 0").unwrap();
    assert_eq!(manifest.limits.body_bytes_max, None);
    assert_eq!(manifest.instances.reuse_max, None);
}

#[test]
fn the_name_comes_from_the_manifest_then_the_file() {
    let named = Manifest::parse("name = 'a'", "x.toml", Some("NOT A NAME")).unwrap();
    assert_eq!(named.name, "a");
    let of_cargo = Manifest::parse("", "x.toml", Some("my_shop")).unwrap();
    assert_eq!(of_cargo.name, "my-shop");
    let of = |text, default| Manifest::parse(text, "x.toml", default).unwrap_err().to_string();
    assert_eq!(
        of("", Some("MyShop")),
        "x.toml: no valid service name: `MyShop` is not a service name: 'M' is not allowed, only a-z, 0-9 and `-` \
         are; give one with `name = \"...\"`"
    );
    assert_eq!(of("", None), "x.toml: no valid service name: none is given; give one with `name = \"...\"`");
    assert_eq!(
        of("\nname = 'internal'", Some("x")),
        "x.toml:2: `name` cannot be used: `internal` is reserved and cannot name a service"
    );
}

#[test]
fn errors_of_shape_name_file_line_and_key() {
    let cases = [
        ("[limits]\n\nmemory_mb = 1", "orders.toml:3: unknown key `memory_mb` in [limits]; did you mean `memory_mib`?"),
        ("[[route]]\npath = '/'\nauth = 'jwt'", "orders.toml:3: unknown key `auth` in [[route]]"),
        ("[policy]\nretries = 1", "orders.toml:2: unknown key `retries` in [policy]"),
        ("[policy.retry]\nretry_max = 1", "orders.toml:2: unknown key `retry_max` in [policy.retry]"),
        ("[policy]\ntimeout_ms = '1s'", "orders.toml:2: `policy.timeout_ms`: expected a whole number"),
        ("[policy]\nbreaker.failures = 1.5", "orders.toml:2: `policy.breaker.failures`: expected a whole number"),
        ("[policy]\nbalance = { hash = 'body' }", "orders.toml:2: `policy.balance.hash`: must be `header:NAME`"),
        (
            "[[route]]\npath = '/a'\n[[route]]\npath = '/b'\n[route.policy]\nbreaker = {}",
            "orders.toml:6: unknown key `breaker` in [route.policy]",
        ),
        (
            "[[route]]\npath = '/a'\n[[route]]\npath = '/b'\npolicy.hash = 'body'",
            "orders.toml:5: `route[1].policy.hash`: must be `header:NAME`",
        ),
        ("[[subscribe]]\ntopic = 'x'", "orders.toml:1: unknown key `subscribe` at the top level"),
        ("[health]\n", "orders.toml:1: missing key `path` in [health]"),
        ("[[route]]\npath = '/a'\n[[route]]\nhost = 'x'", "orders.toml:3: missing key `path` in [[route]]"),
        ("[limits]\ncpu_ms = '1s'", "orders.toml:2: `limits.cpu_ms`: "),
        ("[limits]\ncpu_ms = 1.5", "orders.toml:2: `limits.cpu_ms`: "),
        ("[config]\na = []", "orders.toml:2: `config.a`: "),
        ("[config]\n\na.b = ''", "orders.toml:3: `config.a`: "),
        ("name = 'a'\nname = 'b'", "orders.toml:2: "),
        ("a = [\n\n", "orders.toml:"),
    ];
    for (text, start) in cases {
        let message = message(text);
        assert!(message.starts_with(start), "{message}\n{start}");
        assert!(!message.contains('\n'), "{message:?}");
    }
}

#[test]
fn errors_of_value_name_file_line_and_key() {
    let cases = [
        ("[limits]\ncpu_ms = 0", ":2: `limits.cpu_ms` must be 1 to 3600000, found 0"),
        ("limits = { memory_mib = -1 }", ":1: `limits.memory_mib` must be 1 to 4096, found -1"),
        ("[instances]\nmax = 10001", ":2: `instances.max` must be 1 to 10000, found 10001"),
        ("version = 'a b'", ":1: `version` must be 1 to 64"),
        ("\nversion = ''", ":2: `version` must be 1 to 64"),
        ("example = 'x'", ":1: `example` must be a path"),
        ("example = '/a b'", ":1: `example` must be a path"),
        ("[[route]]\npath = 'x'", ":2: `route[0].path` must start with `/`"),
        ("[[route]]\npath = '/'\n[[route]]\npath = '/a'\nhost = 'a:80'", ":5: `route[1].host` must be a host"),
        ("[[route]]\npath = '/'\nmethods = [\n'GET',\n'get']", ":5: `route[0].methods[1]` must be one of GET"),
        ("[[route]]\npath = '/'\nmethods = ['PUT', 'PUT']", ":3: `route[0].methods[1]` is given twice"),
        ("[[route]]\npath = '/'\nmethods = []", ":3: `route[0].methods` must name a method"),
        ("[[route]]\npath = '/a/{b}'\nstrip_prefix = '/a/{b}'", ":3: `route[0].strip_prefix` must be one or more"),
        ("[grants]\ncalls = ['a', 'B']", ":2: `grants.calls[1]` names no service: `B`"),
        ("[grants]\ncalls = ['*', 'a']", ":2: `grants.calls[0]` is `*`"),
        ("[grants]\negress = ['ftp://a']", ":2: `grants.egress[0]` must be an origin"),
        ("[grants]\nconfig = ['a b']", ":2: `grants.config[0]` must be a conf"),
        ("[config]\n\n'9' = 1", ":3: `config.9` must be a configuration key"),
        ("[config]\n\"a\\u001b\" = 1", ":2: `config.a\\u{1b}` must be a conf"),
        ("[health]\npath = 'healthz'", ":2: `health.path` must be a path"),
        ("[health]\npath = '/a b'", ":2: `health.path` must be a path"),
        ("[policy]\n\ntimeout_ms = 0", ":3: `policy.timeout_ms` must be from 1 to 86400000, and is 0"),
        ("[policy]\n[policy.retry]\nretries_max = 3", ":3: `policy.retry.retries_max` must be from 0 to 2, and is 3"),
        // Their types cannot hold these, and the range is told all the same.
        ("[policy]\n[policy.retry]\nretries_max = -1", ":3: `policy.retry.retries_max` must be from 0 to 2, and is -1"),
        ("[policy.breaker]\nopen_ms = -5", ":2: `policy.breaker.open_ms` must be from"),
        (
            "[policy.retry]\nretries_max = 5000000000\nbackoff_ms = 1",
            ":2: `policy.retry.retries_max` must be from 0 to 2, and is 5000000000",
        ),
        (
            "[[route]]\npath = '/'\npolicy = { retry = { retries_max = -2 } }",
            ":3: `route[0].policy.retry.retries_max` must be from 0 to 2, and is -2",
        ),
        ("policy = { shed = { in_flight_min = 0 } }", ":1: `policy.shed.in_flight_min` must be from 1 to"),
        // The key that is too small is not there: it has its default.
        ("[policy]\n[policy.retry]\nbackoff_ms = 300", ":2: `policy.retry.backoff_ms_max` must be from 300"),
        ("[[route]]\npath = '/'\n[route.policy]\ntimeout_ms = 0", ":4: `route[0].policy.timeout_ms` must be from 1"),
        (
            "[[route]]\npath = '/'\n[[route]]\npath = '/a'\npolicy = { retry = { retries_max = 3 } }",
            ":5: `route[1].policy.retry.retries_max` must be from 0 to 2, and is 3",
        ),
        ("[grants]\ncallers = ['edge', 'B']", ":2: `grants.callers[1]` names neither a service nor `edge`: `B`"),
        ("[grants]\ncallers = ['*', 'edge']", ":2: `grants.callers[0]` is `*`"),
        ("[grants]\ncallers = ['hostel']", ":2: `grants.callers[0]` names neither"),
    ];
    for (text, start) in cases {
        let message = message(text);
        let start = format!("orders.toml{start}");
        assert!(message.starts_with(&start), "{message}\n{start}");
    }
}

#[test]
fn an_oversized_manifest_is_refused() {
    let text = "#".repeat(MANIFEST_BYTES_MAX + 1);
    assert!(matches!(parse(&text), Err(Error::TooLarge { .. })));
}

#[test]
fn routes_must_differ() {
    let two = |first: &str, second: &str| parse(&format!("[[route]]\n{first}\n[[route]]\n{second}"));
    for (first, second) in [
        ("path='/a'", "path='/a'"),
        ("path='/a/{x}'", "path='/a/{y}'"),
        ("path='/{*x}'", "path='/{*y}'"),
        ("path='/a'\nhost='A.b'", "path='/a'\nhost='a.b'"),
        ("path='/a'\nmethods=['GET']", "path='/a'\nmethods=['HEAD']"),
    ] {
        let message = two(first, second).unwrap_err().to_string();
        assert!(message.contains("`route[1].path` repeats route[0]"), "{message}");
    }
    for (first, second) in [
        ("path='/a'", "path='/a/'"),
        ("path='/a/{x}'", "path='/a/{*x}'"),
        ("path='/a'", "path='/a'\nhost='a.b'"),
        ("path='/a'\nhost='*.b'", "path='/a'\nhost='a.b'"),
        ("path='/a'\nmethods=['GET']", "path='/a'\nmethods=['PUT']"),
        ("path='/a'\nmethods=['GET']", "path='/a'"),
    ] {
        two(first, second).unwrap();
    }
}

/// Text that is often TOML with our keys, so that values are reached and not only the syntax.
fn manifest_like() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "name",
        "version",
        "path",
        "host",
        "methods",
        "strip_prefix",
        "calls",
        "egress",
        "config",
        "kv",
        "cpu_ms",
        "max",
        "[limits]",
        "[[route]]",
        "[grants]",
        "[config]",
        "[health]",
        "[instances]",
    ]);
    let value =
        prop_oneof!["\"\\PC{0,12}\"", "-?[0-9]{1,20}", Just("true".to_owned()), "\\[(\"[a-z*/:{}.]{0,9}\",){0,3}\\]",];
    prop::collection::vec((word, value), 0..8).prop_map(|lines| {
        let line = |(word, value): (&str, String)| match word.starts_with('[') {
            true => format!("{word}\n"),
            false => format!("{word} = {value}\n"),
        };
        lines.into_iter().map(line).collect()
    })
}

proptest! {
    #[test]
    fn any_text_is_a_manifest_or_an_error_of_one_line(text in prop_oneof![manifest_like(), "\\PC{0,60}"]) {
        if let Err(error) = parse(&text) {
            let message = error.to_string();
            prop_assert!(message.starts_with("orders.toml"), "{message}");
            prop_assert!(!message.contains('\n'), "{message:?}");
        }
    }
}

#[test]
fn the_documentation_has_a_valid_example_and_every_key_of_policies() {
    let docs = include_str!("../../../../docs/manifest.md");
    let example = docs.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(parse(example).unwrap().policy.breaker.failures, 3);
    let policy = serde_json::to_value(Policy::default()).unwrap();
    let section = docs.split("## `[policy]`").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    for (name, value) in policy.as_object().unwrap() {
        let Some(table) = value.as_object() else {
            assert!(section.contains(&format!("| `{name}` |")), "{name}");
            continue;
        };
        let part = section.split(&format!("**`[policy.{name}]`**")).nth(1).and_then(|rest| rest.split("\n**").next());
        let part = part.unwrap_or_else(|| panic!("[policy.{name}] is not there"));
        for (key, default) in table {
            let line = part
                .lines()
                .find(|line| line.starts_with(&format!("| `{key}` |")))
                .unwrap_or_else(|| panic!("{name}.{key}"));
            let default = default.to_string();
            let stated = line.replace(',', "").contains(&format!("| {default} |"));
            assert!(stated || default == "null", "{name}.{key} is {default} by default: {line}");
        }
    }
}
