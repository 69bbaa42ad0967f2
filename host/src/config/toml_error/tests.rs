use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code, reason = "only the errors of reading it are looked at")]
struct Root {
    edge: Edge,
    route: Vec<Route>,
    config: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code, reason = "only the errors of reading it are looked at")]
struct Edge {
    listen: String,
    headers_max: u16,
    header_timeout_ms: u64,
    tls: Option<Tls>,
    format: Format,
    #[serde(deserialize_with = "even")]
    even: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code, reason = "only the errors of reading it are looked at")]
struct Tls {
    cert: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only the errors of reading it are looked at")]
struct Route {
    path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Pretty,
}

fn even<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    let value = u8::deserialize(from)?;
    if value % 2 == 0 { Ok(value) } else { Err(serde::de::Error::custom("must be\neven")) }
}

fn message(text: &str) -> String {
    let error = toml::from_str::<Root>(text).expect_err("the text has a mistake");
    render(&error, text, "h.toml")
}

#[test]
fn unknown_keys_name_their_section_and_the_nearest_key() {
    let cases = [
        ("\n[edge]\nlisten='a'\nlisen='b'", "h.toml:4: unknown key `lisen` in [edge]; did you mean `listen`?"),
        (
            "[edge]\nheader_timeout=1",
            "h.toml:2: unknown key `header_timeout` in [edge]; did you mean `header_timeout_ms`?",
        ),
        ("[egde]\na=1", "h.toml:1: unknown key `egde` at the top level; did you mean `edge`?"),
        ("edge.tls = { crt = 'x' }", "h.toml:1: unknown key `crt` in [edge.tls]; did you mean `cert`?"),
        ("[edge.tls]\nx=1", "h.toml:2: unknown key `x` in [edge.tls]; known keys: cert"),
        ("[[route]]\npath='a'\n[[route]]\npaht='b'", "h.toml:4: unknown key `paht` in [[route]]; did you mean `path`?"),
        (
            "# é\n[edge]\n\"a\\nb `, expected x\"=1",
            "h.toml:3: unknown key `a b `, expected x` in [edge]; known keys: listen, headers_max, header_timeout_ms, \
             tls, format, even",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(message(text), expected);
    }
}

#[test]
fn other_mistakes_name_the_key_and_never_a_string_value() {
    let cases = [
        (
            "[edge]\nheaders_max='hunter2, expected nothing'",
            "h.toml:2: `edge.headers_max`: expected a whole number up to 65535, found a string",
        ),
        (
            "[edge]\nheaders_max=70000",
            "h.toml:2: `edge.headers_max`: expected a whole number up to 65535, found integer `70000`",
        ),
        ("[edge]\nformat='jason'", "h.toml:2: `edge.format`: unknown value `jason`; did you mean `json`?"),
        ("edge = 5", "h.toml:1: `edge`: expected a table, found integer `5`"),
        ("[config]\n\"a b\" = 5", "h.toml:2: `config.\"a b\"`: expected a string, found integer `5`"),
        ("[edge]\neven = 5", "h.toml:2: `edge.even`: must be even"),
        ("[[route]]\npath='b'\n\n[[route]]", "h.toml:4: missing key `path` in [[route]]"),
        ("[edge]\nlisten='a'\nlisten='b'", "h.toml:3: duplicate key `listen`"),
        ("[edge\n", "h.toml:1: unclosed table, expected `]`"),
    ];
    for (text, expected) in cases {
        assert_eq!(message(text), expected);
    }
}

#[test]
fn a_key_is_found_on_its_line() {
    let text = "a = 1\n[b]\nc = 2\n[b.d]\ne = 3";
    assert_eq!(line_of_key(text, "a"), Some(1));
    assert_eq!(line_of_key(text, "b.c"), Some(3));
    assert_eq!(line_of_key(text, "b.d.e"), Some(5));
    assert_eq!(line_of_key(text, "b.x"), None);
    assert_eq!(line_of_key(text, "a.x"), None);
}

#[test]
fn only_near_words_are_suggested() {
    assert_eq!(distance("listen", "lisen"), 1);
    assert_eq!(distance("edge", "egde"), 1);
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("kitten", "sitting"), 3);
    assert_eq!(nearest("drain", ["drain_ms", "poll_ms"]), Some("drain_ms"));
    assert_eq!(nearest("zzz", ["drain_ms", "poll_ms"]), None);
}

proptest::proptest! {
    #[test]
    fn any_text_gives_one_line(text in "\\PC{0,40}|[\\[\\]a-z=\"'\n.{},# ]{0,60}") {
        if let Err(error) = toml::from_str::<Root>(&text) {
            let message = render(&error, &text, "h.toml");
            proptest::prop_assert!(!message.contains('\n'), "{message:?}");
        }
    }
}
