use proptest::prelude::*;

use super::*;
use crate::transcode::rule::template::SEGMENTS_MAX;

fn rules(templates: &[&str]) -> Rules<String> {
    let mut rules = Rules::new();
    for text in templates {
        let (method, template) = text.split_once(' ').unwrap_or(("GET", text));
        let method = method.parse().unwrap();
        rules.insert(method, Template::parse(template).unwrap(), (*text).to_owned()).unwrap();
    }
    rules
}

/// What a path leads to with GET, and what it captures.
fn get<'a>(rules: &'a Rules<String>, path: &str) -> Option<(&'a str, Vec<(String, String)>)> {
    match rules.find(&Method::GET, path) {
        Found::To(to, captures) => {
            Some((to, captures.iter().map(|(field, text)| (field.to_owned(), text.to_owned())).collect()))
        }
        Found::WrongMethod(_) | Found::None => None,
    }
}

#[test]
fn paths_match_or_do_not() {
    // Template, path, captured values; `None` if it does not match.
    type Case = (&'static str, &'static str, Option<&'static [&'static str]>);
    let cases: &[Case] = &[
        ("/", "/", Some(&[])),
        ("/", "", None),
        ("/", "//", None),
        ("/", "*", None),
        ("/a", "/a", Some(&[])),
        ("/a", "/A", None),
        ("/a", "/a/", None),
        ("/a", "//a", None),
        ("/a", "/", None),
        ("/a", "/a/b", None),
        ("/a/*", "/a/b", Some(&[])),
        ("/a/*", "/a/", None),
        ("/a/*", "/a", None),
        ("/a/*/b", "/a//b", None),
        ("/{x}", "/", None),
        ("/{x}", "/1", Some(&["1"])),
        ("/{x}/{y}", "/1/2", Some(&["1", "2"])),
        ("/{x}/{y}", "/1/", None),
        // Nothing is known about dots.
        ("/{x}/{y}", "/./..", Some(&[".", ".."])),
        // Literals are compared decoded, on either side.
        ("/caf%C3%A9", "/caf%c3%a9", Some(&[])),
        ("/shelves", "/%73helves", Some(&[])),
        ("/a%2Fb", "/a%2fb", Some(&[])),
        ("/a%2Fb", "/a/b", None),
        ("/a", "/a%", None),
        ("/%25", "/%", Some(&[])),
        // One segment is decoded as a whole.
        ("/{x}", "/a%2Fb%2fc%20%41", Some(&["a/b/c A"])),
        ("/{x=*}", "/a+b", Some(&["a+b"])),
        // Several keep encoded slashes.
        ("/{x=s/*}", "/s/a%2Fb%20c", Some(&["s/a%2Fb c"])),
        ("/{x=**}", "/a%2fb/c%41", Some(&["a%2fb/cA"])),
        ("/v/{x=s/*}", "/v/%73/1", Some(&["s/1"])),
        ("/v/{x=s}", "/v/s", Some(&["s"])),
        // The rest may be nothing, and may have empty segments.
        ("/**", "/", Some(&[])),
        ("/a/**", "/a", Some(&[])),
        ("/a/**", "/a/", Some(&[])),
        ("/a/**", "/ab", None),
        ("/{x=**}", "/", Some(&[""])),
        ("/{x=**}", "//", Some(&["/"])),
        ("/{x=**}", "/a//b/", Some(&["a//b/"])),
        ("/v/{x=s/**}", "/v/s", Some(&["s"])),
        ("/v/{x=s/**}", "/v/s/", Some(&["s/"])),
        ("/v/{x=s/**}", "/v/s/1/2", Some(&["s/1/2"])),
        ("/v/{x=s/**}", "/v/", None),
        ("/v/{x=**}/b/{y}", "/v/1/2/b/3", Some(&["1/2", "3"])),
        ("/v/{x=**}/b/{y}", "/v/b/3", Some(&["", "3"])),
        ("/v/{x=**}/b/{y}", "/v/b/b/b/b", Some(&["b/b", "b"])),
        ("/v/{x=**}/b/{y}", "/v/1/b/", None),
        ("/v/{x=s/**/t}/{y}", "/v/s/1/t/2", Some(&["s/1/t", "2"])),
        // Verbs.
        ("/a:v", "/a:v", Some(&[])),
        ("/a:v", "/a", None),
        ("/a:v", "/a:w", None),
        ("/a:v", "/a:v/", None),
        ("/a:v", "/a%3Av", None),
        ("/a:v", "/a:%76", Some(&[])),
        ("/{x}:v", "/1:v", Some(&["1"])),
        ("/{x}:v", "/1:2:v", Some(&["1:2"])),
        ("/{x}:v", "/:v", None),
        ("/{x}", "/1:v", Some(&["1:v"])),
        ("/{x}", "/1:", Some(&["1:"])),
        ("/a:b/{x}", "/a:b/1", Some(&["1"])),
        ("/{x=s/**}:v", "/s/1/2:v", Some(&["s/1/2"])),
        ("/{x=s/**}:v", "/s:v", Some(&["s"])),
        ("/{x=s/**}:v", "/s/1:v/2", None),
        ("/{x=**}/b:v", "/a/b:v", Some(&["a"])),
    ];
    for (template, path, expected) in cases {
        let rules = rules(&[template]);
        let found = get(&rules, path).map(|(_, captured)| captured);
        let values = found.as_ref().map(|found| found.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>());
        assert_eq!(values.as_deref(), *expected, "{template} and {path}");
    }
}

#[test]
fn the_most_specific_rule_wins() {
    let all = [
        "/v1/**",
        "/v1/{a}",
        "/v1/x",
        "/v1/{a}/y",
        "/v1/x/{b}",
        "/v1/x/{b=**}",
        "/v1/{a=**}/end",
        "/v1/{a=**}/the/end",
        "/v1/{a}:run",
        "/v1/x:stop",
        "/v1/**:run",
        "POST /v1/x",
    ];
    let cases = [
        ("/v1", "/v1/**"),
        ("/v1/x", "/v1/x"),
        ("/v1/%78", "/v1/x"),
        ("/v1/z", "/v1/{a}"),
        ("/v1/x/y", "/v1/x/{b}"),
        ("/v1/z/y", "/v1/{a}/y"),
        ("/v1/z/z", "/v1/**"),
        ("/v1/x/y/z", "/v1/x/{b=**}"),
        ("/v1/z/z/end", "/v1/{a=**}/end"),
        ("/v1/z/the/end", "/v1/{a=**}/the/end"),
        // Segment by segment from the front: the `x` is a literal.
        ("/v1/x/the/end", "/v1/x/{b=**}"),
        ("/v1/z:run", "/v1/{a}:run"),
        // A verb before none, even where the rule without is more specific.
        ("/v1/x:run", "/v1/{a}:run"),
        ("/v1/x/y:run", "/v1/**:run"),
        ("/v1/x:stop", "/v1/x:stop"),
        ("/v1/z:stop", "/v1/{a}"),
    ];
    for order in [all.to_vec(), all.iter().rev().copied().collect()] {
        let rules = rules(&order);
        for (path, expected) in cases {
            assert_eq!(get(&rules, path).map(|(to, _)| to), Some(expected), "{path}");
        }
    }
}

#[test]
fn methods_count() {
    let rules =
        rules(&["GET /a", "DELETE /a", "POST /{x}", "PATCH /b", "PURGE /{x=**}", "HEAD /h", "GET /h", "POST /a:v"]);
    let find = |method: &str, path: &str| match rules.find(&method.parse().unwrap(), path) {
        Found::To(to, _) => to.clone(),
        Found::WrongMethod(allowed) => allowed.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", "),
        Found::None => "none".to_owned(),
    };
    assert_eq!(find("GET", "/a"), "GET /a");
    // A literal with another method does not hide the pattern.
    assert_eq!(find("POST", "/a"), "POST /{x}");
    assert_eq!(find("PURGE", "/a"), "PURGE /{x=**}");
    assert_eq!(find("PUT", "/a"), "DELETE, GET, HEAD, POST, PURGE");
    assert_eq!(find("GET", "/b"), "PATCH, POST, PURGE");
    assert_eq!(find("GET", "/a/b"), "PURGE");
    // Of verbs, and of patterns that take the colon for a part of the segment.
    assert_eq!(find("GET", "/a:v"), "POST, PURGE");
    assert_eq!(find("POST", "/a:v"), "POST /a:v");
    // HEAD goes by GET's rule, if it has none of its own.
    assert_eq!(find("HEAD", "/a"), "GET /a");
    assert_eq!(find("HEAD", "/h"), "HEAD /h");
    assert_eq!(find("HEAD", "/b"), "PATCH, POST, PURGE");
    assert_eq!(find("get", "/a"), "DELETE, GET, HEAD, POST, PURGE");
    assert_eq!(super::Rules::<()>::new().find(&Method::GET, "/"), Found::None);
}

#[test]
fn a_rule_is_there_once() {
    let mut rules = rules(&["GET /v1/{name=shelves/*}"]);
    let insert = |rules: &mut Rules<String>, method: Method, template: &str| {
        let template = Template::parse(template).unwrap();
        rules.insert(method, template, "second".to_owned()).map_err(|taken| taken.by.clone())
    };
    let first = Err("GET /v1/{name=shelves/*}".to_owned());
    assert_eq!(insert(&mut rules, Method::GET, "/v1/shelves/{id}"), first);
    assert_eq!(insert(&mut rules, Method::GET, "/v1/%73helves/*"), first);
    assert_eq!(rules.len(), 1);
    assert_eq!(insert(&mut rules, Method::POST, "/v1/shelves/{id}"), Ok(()));
    assert_eq!(insert(&mut rules, Method::GET, "/v1/shelves/{id}:run"), Ok(()));
    assert_eq!(insert(&mut rules, Method::GET, "/v1/shelves/**"), Ok(()));
    assert_eq!((rules.len(), rules.is_empty()), (4, false));
    assert_eq!(get(&rules, "/v1/shelves/1").unwrap().0, "GET /v1/{name=shelves/*}");
}

#[test]
fn what_cannot_be_decoded_is_found_but_not_captured() {
    let rules = rules(&["/{x}/{y}"]);
    for path in ["/%/a", "/%f/a", "/%zz/a", "/%ff/a", "/%c3/a"] {
        assert_eq!(get(&rules, path).unwrap().1, [("y".to_owned(), "a".to_owned())], "{path}");
    }
    let Found::To(_, captures) = rules.find(&Method::GET, "/%/a") else { panic!() };
    assert_eq!((captures.get("x"), captures.get("y"), captures.get("z")), (None, Some("a"), None));
}

/// How many nodes are looked at for a path.
fn visits<T>(rules: &Rules<T>, path: &str) -> usize {
    let mut allowed = Vec::new();
    let text = path.strip_prefix('/').unwrap();
    let mut search =
        Search { method: &Method::GET, path: Path::new(text), verb: None, allowed: &mut allowed, visits: 0 };
    search.walk(&rules.root, 0);
    search.visits
}

fn nodes<T>(node: &Node<T>) -> usize {
    let literals = node.literals.iter().map(|(_, node)| nodes(node)).sum::<usize>();
    let rest = node.rest.iter().map(|(_, node)| nodes(node)).sum::<usize>();
    1 + literals + rest + node.any.as_deref().map_or(0, nodes)
}

#[test]
fn work_is_bounded_whatever_the_path() {
    // Every choice of a literal or a wildcard, ten segments long, and a `**` at each place: the worst there is for trying
    // one way after the other.
    let mut worst = Rules::new();
    for choices in 0..1024_u32 {
        let segments = (0..10).map(|at| if choices >> at & 1 == 1 { "/a" } else { "/*" });
        let template = format!("{}/never", segments.collect::<String>());
        worst.insert(Method::GET, Template::parse(&template).unwrap(), ()).unwrap();
    }
    for before in 0..SEGMENTS_MAX - 1 {
        for after in 0..SEGMENTS_MAX - 1 - before {
            let template = format!("{}/**{}", "/a".repeat(before), "/a".repeat(after));
            worst.insert(Method::POST, Template::parse(&template).unwrap(), ()).unwrap();
        }
    }
    let all = nodes(&worst.root);
    for path in ["/a".repeat(10), "/a".repeat(11), "/a".repeat(32 * 1024), "/".repeat(64 * 1024)] {
        assert!(visits(&worst, &path) <= all, "{} of {all}", visits(&worst, &path));
        assert!(matches!(worst.find(&Method::GET, &path), Found::WrongMethod(_)));
    }
    let long = format!("/{}", "%61".repeat(21 * 1024));
    assert!(visits(&worst, &long) <= all);
    assert_eq!(worst.find(&Method::POST, &format!("{long}:{long}")), worst.find(&Method::POST, &long));
}

#[test]
fn thousands_of_rules_are_not_looked_through() {
    let mut rules = Rules::new();
    for service in 0..100 {
        for resource in 0..50 {
            for template in ["{id}", "{id}:run", "{id}/parts/{part=**}"] {
                let template = format!("/v1/service{service}/resource{resource}/{template}");
                rules.insert(Method::GET, Template::parse(&template).unwrap(), template).unwrap();
            }
        }
    }
    assert_eq!(rules.len(), 15_000);
    assert_eq!(get(&rules, "/v1/service77/resource33/1:run").unwrap().0, "/v1/service77/resource33/{id}:run");
    assert_eq!(visits(&rules, "/v1/service77/resource33/1"), 5);
    assert_eq!(visits(&rules, "/v1/service77/resource99/1"), 3);
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Any,
    Rest,
    Variable(Vec<Piece>),
}

impl Piece {
    fn write(&self, number: usize) -> String {
        match self {
            Self::Literal(text) => utf8(text),
            Self::Any => "*".to_owned(),
            Self::Rest => "**".to_owned(),
            Self::Variable(pieces) => {
                let pieces: Vec<String> = pieces.iter().map(|piece| piece.write(number)).collect();
                format!("{{f{number}.x={}}}", pieces.join("/"))
            }
        }
    }
}

fn utf8(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A path that a piece matches, made of these values, and what it is decoded.
fn path_of(piece: &Piece, values: &mut impl Iterator<Item = String>, kept: bool) -> (Vec<String>, Vec<String>) {
    let decoded = |value: &str| if kept { value.replace('/', "%2F") } else { value.to_owned() };
    let mut value = || values.next().unwrap_or_else(|| "z".to_owned());
    match piece {
        Piece::Literal(text) => (vec![utf8(text)], vec![decoded(text)]),
        Piece::Any => {
            let value = value();
            (vec![utf8(&value)], vec![decoded(&value)])
        }
        Piece::Rest => {
            let all: Vec<String> = (0..value().chars().count() % 4).map(|_| value()).collect();
            (all.iter().map(|value| utf8(value)).collect(), all.iter().map(|value| decoded(value)).collect())
        }
        Piece::Variable(pieces) => {
            let kept = pieces.len() > 1 || matches!(pieces[..], [Piece::Rest]);
            let (raw, text): (Vec<_>, Vec<_>) = pieces.iter().map(|piece| path_of(piece, values, kept)).unzip();
            (raw.concat(), text.concat())
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let plain =
        || prop_oneof![4 => "[a-c/: é]{1,3}".prop_map(Piece::Literal), 3 => Just(Piece::Any), 1 => Just(Piece::Rest)];
    let piece = prop_oneof![plain(), prop::collection::vec(plain(), 1..4).prop_map(Piece::Variable)];
    prop::collection::vec(piece, 1..7)
}

proptest! {
    #[test]
    fn what_a_template_stands_for_matches_it(
        pieces in pieces(),
        verb in prop::option::of("[a-c]{1,3}"),
        values in prop::collection::vec("[a-d/:%+ é]{1,4}", 0..20),
    ) {
        let verb = verb.map(|verb| format!(":{verb}")).unwrap_or_default();
        let written = pieces.iter().enumerate().map(|(number, piece)| format!("/{}", piece.write(number)));
        let text = format!("{}{verb}", written.collect::<String>());
        let several_rests = text.matches("**").count() > 1;
        let template = Template::parse(&text);
        prop_assert_eq!(template.is_err(), several_rests, "{}", text);
        let Ok(template) = template else { return Ok(()) };

        let mut values = values.into_iter();
        let (mut path, mut expected) = (String::new(), Vec::new());
        for piece in &pieces {
            let (raw, decoded) = path_of(piece, &mut values, false);
            raw.iter().for_each(|segment| path.extend(["/", segment]));
            if matches!(piece, Piece::Variable(_)) {
                expected.push(decoded.join("/"));
            }
        }
        let path = format!("{}{verb}", if path.is_empty() { "/" } else { &path });
        let mut rules = Rules::new();
        rules.insert(Method::GET, template, ()).unwrap();
        let Found::To((), captures) = rules.find(&Method::GET, &path) else {
            return Err(TestCaseError::fail(format!("{text} does not match {path}")));
        };
        prop_assert_eq!(captures.iter().map(|(_, text)| text).collect::<Vec<_>>(), expected, "{} and {}", text, path);
    }

    #[test]
    fn any_path_is_answered(path in "[/:a-c%2F.*{}é]{0,40}") {
        let rules = rules(&["/", "/a", "/{x}", "/a/{y=b/*}:c", "/{x=**}/c", "/a/**", "/*/b:a", "/b/{z=**}:b"]);
        for path in [path.clone(), format!("/{path}")] {
            let _ = rules.find(&Method::GET, &path);
        }
    }
}
