use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Root {
    edge: Edge,
    log: Log,
    services: BTreeMap<String, Service>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Edge {
    listen: std::net::SocketAddr,
    headers_max: u16,
    domain: String,
    names: Vec<String>,
    tls: bool,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            listen: std::net::SocketAddr::from(([127, 0, 0, 1], 8080)),
            headers_max: 100,
            domain: "localhost".to_owned(),
            names: Vec::new(),
            tls: false,
        }
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Log {
    filter: String,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Service {
    config: BTreeMap<String, Secret>,
}

const FILE: &str = "[edge]
listen = '127.0.0.1:1'
headers_max = 7

[services.orders.config]
password = 'hunter2'
";

fn layers(env: &[(&str, &str)]) -> Layers {
    let layers = Layers::new().file("hostel.toml", FILE).alias("HOSTEL_LOG", "log.filter");
    layers.env(env.iter().copied()).unwrap()
}

fn message(layers: &Layers) -> String {
    layers.resolve::<Root>().unwrap_err().to_string()
}

#[test]
fn nothing_is_all_defaults() {
    let loaded = Layers::new().resolve::<Root>().unwrap();
    assert_eq!(loaded.config, Root::default());
    assert!(loaded.entries().iter().all(|entry| entry.origin == Origin::Default));
    assert_eq!(loaded.entries().len(), 6);
}

#[test]
fn the_higher_layer_wins_and_is_remembered() {
    let env = [
        ("HOSTEL_EDGE_LISTEN", "127.0.0.1:2"),
        ("HOSTEL_EDGE_HEADERS_MAX", "8"),
        ("HOSTEL_EDGE_DOMAIN", "5"),
        ("HOSTEL_EDGE_NAMES", "['a', 'b']"),
        ("HOSTEL_EDGE_TLS", "true"),
        ("HOSTEL_LOG", "debug"),
        ("PATH", "/bin"),
    ];
    let layers = layers(&env).flag("--listen", "edge.listen", Some("127.0.0.1:3")).flag(
        "--domain",
        "edge.domain",
        None::<String>,
    );
    let loaded = layers.resolve::<Root>().unwrap();
    let edge = &loaded.config.edge;
    assert_eq!(edge.listen.port(), 3);
    assert_eq!((edge.headers_max, &*edge.domain, edge.tls), (8, "5", true));
    assert_eq!(edge.names, ["a", "b"]);
    assert_eq!(loaded.config.log.filter, "debug");
    assert_eq!(loaded.origin("edge.listen"), Origin::Flag("--listen".to_owned()));
    assert_eq!(loaded.origin("edge.domain").to_string(), "HOSTEL_EDGE_DOMAIN");
    assert_eq!(loaded.origin("log.filter").to_string(), "HOSTEL_LOG");
    assert_eq!(loaded.origin("services.orders.config.password").to_string(), "hostel.toml:6");
    assert_eq!(loaded.warnings(), [""; 0]);
    let shown: Vec<String> = loaded
        .entries()
        .iter()
        .map(|entry| format!("{} = {} ({})", entry.key, entry.value, entry.origin.kind()))
        .collect();
    assert!(shown.contains(&"services.orders.config.password = \"(hidden)\" (file)".to_owned()), "{shown:?}");
    assert!(shown.contains(&"edge.headers_max = 8 (env)".to_owned()), "{shown:?}");
    let secret = loaded.config.services["orders"].config["password"].expose();
    assert_eq!(secret, "hunter2");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn the_own_name_of_a_key_wins_over_an_alias_and_empty_is_not_set() {
    let both = layers(&[("HOSTEL_LOG", "debug"), ("HOSTEL_LOG_FILTER", "warn"), ("HOSTEL_EDGE_TLS", "")]);
    assert_eq!(both.resolve::<Root>().unwrap().config.log.filter, "warn");
}

#[test]
fn mistakes_name_their_layer() {
    let cases = [
        (
            layers(&[("HOSTEL_EDGE_HEADERS_MAX", "many")]),
            "HOSTEL_EDGE_HEADERS_MAX: `edge.headers_max`: expected a whole number up to 65535",
        ),
        (
            layers(&[("HOSTEL_EDGE_HEADERS_MAX", "70000")]),
            "HOSTEL_EDGE_HEADERS_MAX: `edge.headers_max`: expected a whole number up to 65535, found integer `70000`",
        ),
        (
            layers(&[("HOSTEL_EDGE_HEADERS_MAX", "1\ntls = true")]),
            "HOSTEL_EDGE_HEADERS_MAX: `edge.headers_max`: expected a whole number up to 65535",
        ),
        (
            layers(&[]).flag("--listen", "edge.listen", Some("here")),
            "--listen: `edge.listen`: invalid socket address syntax",
        ),
        (
            layers(&[]).file("a.toml", "[edge]\nlisen = 1"),
            "a.toml:2: unknown key `lisen` in [edge]; did you mean `listen`?",
        ),
        (
            layers(&[]).file("a.toml", "[services.x.config]\npin = 1234"),
            "a.toml:2: `services.x.config.pin`: expected a string in quotes, found a number",
        ),
    ];
    for (layers, expected) in cases {
        assert_eq!(message(&layers), expected);
    }
}

#[test]
fn unknown_variables_of_our_sections_are_told_of() {
    let env = [
        ("HOSTEL_EDGE_LISEN", "x"),
        ("HOSTEL_SERVICES_ORDERS_CONFIG_PIN", "x"),
        ("HOSTEL_EDGE_SERVICE_HOST", "x"),
        ("HOSTEL_EDGE_PORT_8080_TCP", "x"),
        ("HOSTEL_CONFIG", "x"),
    ];
    let loaded = layers(&env).resolve::<Root>().unwrap();
    assert_eq!(
        loaded.warnings(),
        [
            "HOSTEL_EDGE_LISEN is set, but there is no such key; did you mean HOSTEL_EDGE_LISTEN?",
            "HOSTEL_SERVICES_ORDERS_CONFIG_PIN is set, but there is no such key",
        ]
    );
}

#[test]
fn what_makes_no_sense_is_reported_where_it_was_set() {
    let check = |layers: Layers| {
        let loaded = layers.resolve::<Root>().unwrap();
        let found = in_range("headers_max", loaded.config.edge.headers_max.into(), 10..=50);
        loaded.check("edge", found).map_err(|error| error.to_string())
    };
    let reason = |place, value| Err(format!("{place}: `edge.headers_max`: must be from 10 to 50, and is {value}"));
    assert_eq!(check(layers(&[])), reason("hostel.toml:3", 7));
    assert_eq!(check(layers(&[("HOSTEL_EDGE_HEADERS_MAX", "51")])), reason("HOSTEL_EDGE_HEADERS_MAX", 51));
    assert_eq!(check(Layers::new()), reason("default", 100));
    assert_eq!(check(layers(&[("HOSTEL_EDGE_HEADERS_MAX", "50")])), Ok(()));
}

#[test]
fn files_are_read_up_to_their_bound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostel.toml");
    assert_eq!(read(&path).unwrap(), None);
    std::fs::write(&path, FILE).unwrap();
    assert_eq!(read(&path).unwrap().as_deref(), Some(FILE));
    std::fs::write(&path, vec![b'#'; 1 << 20]).unwrap();
    assert!(read(&path).unwrap().is_some());
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(read(&path).is_err());
    std::fs::write(&path, b"\xff").unwrap();
    assert!(read(&path).is_err());
    assert!(read(dir.path()).is_err());
}

#[test]
fn the_data_folder_has_a_name() {
    assert_eq!(DataSettings::default().validate(), Ok(()));
    let nameless: DataSettings = load("dir = ''", "x").unwrap();
    assert_eq!(nameless.validate().unwrap_err().key, "dir");
}
