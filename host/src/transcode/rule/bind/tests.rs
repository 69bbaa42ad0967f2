use http::Method as HttpMethod;

use super::super::rules::{Found, Rules};
use super::super::template::Template;
use super::super::testing::{method, repeated, rule, text};
use super::*;
use crate::transcode::rule::{Binding, Blame, check};

/// A request: method and target, content type, body.
struct Asked<'a>(&'a str, Option<&'a str>, &'a str);

/// Binds a request with a rule, as the edge would.
fn bind_with(
    name: &str,
    rule_and_body: (&str, &str),
    asked: &Asked<'_>,
    unknown: UnknownFields,
) -> Result<String, BindError> {
    let (method, rule) = (method(name), rule(rule_and_body.0, rule_and_body.1));
    check(&method, &rule).unwrap();
    let mut rules = Rules::new();
    rules.insert(rule.method.clone(), Template::parse(&rule.template).unwrap(), ()).unwrap();
    let (http_method, target) = asked.0.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let http_method: HttpMethod = http_method.parse().unwrap();
    let Found::To((), captures) = rules.find(&http_method, path) else { panic!("{target} does not match") };
    let body = RestBody { http_method: &http_method, content_type: asked.1, bytes: asked.2.as_bytes() };
    let options = JsonOptions { unknown_fields: unknown, ..JsonOptions::default() };
    request_message(&method, &rule, &captures, query, body, options).map(|message| text(&message))
}

fn bind(name: &str, rule: (&str, &str), asked: &Asked<'_>) -> Result<String, String> {
    bind_with(name, rule, asked, UnknownFields::Reject).map_err(|error| error.to_string())
}

const BOOK: (&str, &str) = ("PATCH /v1/{book.name=books/*}", "book");

#[test]
fn path_query_and_body() {
    type Case<'a> = (&'a str, (&'a str, &'a str), Asked<'a>, &'a str);
    let cases: &[Case<'_>] = &[
        ("Everything", ("GET /v1/{a_string}", ""), Asked("GET /v1/x?ids=1", None, ""), r#"a_string:"x",ids:[1]"#),
        ("Everything", ("GET /v1/{a_string}", ""), Asked("HEAD /v1/x", None, ""), r#"a_string:"x""#),
        (
            "Everything",
            ("GET /v1/{author.born}", ""),
            Asked("GET /v1/7?author.full_name=A", None, ""),
            r#"author{full_name:"A",born:7}"#,
        ),
        (
            "Everything",
            ("GET /v1/{genre}/{time}", ""),
            Asked("GET /v1/NOVEL/1970-01-01T00:00:01Z", None, ""),
            "genre:NOVEL,time{seconds:1}",
        ),
        ("Everything", ("GET /v1/{aString}", ""), Asked("GET /v1/a%2Fb%25", None, ""), r#"a_string:"a/b%""#),
        ("Everything", ("GET /v1/{a_string=**}", ""), Asked("GET /v1/a%2Fb/c", None, ""), r#"a_string:"a%2Fb/c""#),
        ("Everything", ("GET /v1/{maybe=**}", ""), Asked("GET /v1", None, ""), r#"maybe:"""#),
        ("Everything", ("GET /v1/{wrapped_int}", ""), Asked("GET /v1/5", None, ""), "wrapped_int{value:5}"),
        // The whole body.
        (
            "Everything",
            ("POST /v1/{a_string}", "*"),
            Asked("POST /v1/x", None, r#"{"ids":[1]}"#),
            r#"a_string:"x",ids:[1]"#,
        ),
        ("Everything", ("POST /v1/{a_string}", "*"), Asked("POST /v1/x", None, ""), r#"a_string:"x""#),
        ("Everything", ("POST /v1", "*"), Asked("POST /v1?", Some("application/json"), ""), ""),
        // The path has the last word.
        (
            "Everything",
            ("POST /v1/{a_string}", "*"),
            Asked("POST /v1/x", None, r#"{"aString":"y"}"#),
            r#"a_string:"x""#,
        ),
        ("Everything", ("POST /v1/{this}", "*"), Asked("POST /v1/x", None, r#"{"this":"y"}"#), r#"this:"x""#),
        // One field.
        (
            "Everything",
            ("POST /v1", "author"),
            Asked("POST /v1?ids=1", None, r#"{"born":1}"#),
            "ids:[1],author{born:1}",
        ),
        ("Everything", ("POST /v1", "author"), Asked("POST /v1", None, ""), ""),
        ("Everything", ("POST /v1", "ids"), Asked("POST /v1", None, "[1,2]"), "ids:[1,2]"),
        ("Everything", ("POST /v1", "anInt32"), Asked("POST /v1", None, "5"), "an_int32:5"),
        ("Everything", ("POST /v1", "span"), Asked("POST /v1", None, r#""5s""#), "span{seconds:5}"),
        (
            "Update",
            ("PUT /v1/{book.name=books/*}", "book"),
            Asked("PUT /v1/books/1", None, r#"{"name":"z","title":"t"}"#),
            r#"book{name:"books/1",title:"t"}"#,
        ),
        // None.
        ("Everything", ("POST /v1", ""), Asked("POST /v1?ids=1", None, ""), "ids:[1]"),
        ("Everything", ("POST /v1", ""), Asked("POST /v1", Some("application/json"), " {}\n"), ""),
        ("Everything", ("DELETE /v1", ""), Asked("DELETE /v1?aBool=true", None, ""), "a_bool:true"),
    ];
    for (name, rule, asked, expected) in cases {
        assert_eq!(bind(name, *rule, asked).as_deref(), Ok(*expected), "{} {}", rule.0, asked.0);
    }
}

#[test]
fn several_bindings_of_a_method() {
    // What one has in its path, the other takes from its query.
    let bindings = [
        ("GET /v1/authors/{author.full_name}/books/{a_string}", ""),
        ("GET /v1/books/{a_string}", ""),
        ("POST /v1/books:find", "*"),
    ];
    let mut rules = Rules::new();
    for (text, body) in bindings {
        let binding = Binding::new(method("Everything"), rule(text, body)).unwrap();
        assert!(rules.insert(binding.rule.method.clone(), binding.template.clone(), binding).is_ok());
    }
    let asked = [
        (HttpMethod::GET, "/v1/authors/Ada/books/x", None, ""),
        (HttpMethod::GET, "/v1/books/x", Some("author.fullName=Ada"), ""),
        (HttpMethod::POST, "/v1/books:find", None, r#"{"aString":"x","author":{"fullName":"Ada"}}"#),
    ];
    for (http_method, path, query, body) in asked {
        let Found::To(binding, captures) = rules.find(&http_method, path) else { panic!("{path}") };
        let body = RestBody { http_method: &http_method, content_type: None, bytes: body.as_bytes() };
        let (method, rule) = (&binding.method, &binding.rule);
        let message = request_message(method, rule, &captures, query, body, JsonOptions::default()).unwrap();
        assert_eq!(text(&message), r#"a_string:"x",author{full_name:"Ada"}"#, "{path}");
    }
}

#[test]
fn content_types() {
    let post = |content_type, body| bind("Everything", ("POST /v1", "*"), &Asked("POST /v1", content_type, body));
    let json = r#"{"aBool":true}"#;
    for content_type in [
        None,
        Some(""),
        Some("application/json"),
        Some("Application/JSON; charset=utf-8"),
        Some("application/merge-patch+json"),
    ] {
        assert_eq!(post(content_type, json).as_deref(), Ok("a_bool:true"), "{content_type:?}");
    }
    let form = Some("application/x-www-form-urlencoded");
    assert_eq!(post(form, "aBool=true&author.full_name=A+B").unwrap(), r#"a_bool:true,author{full_name:"A B"}"#);
    assert_eq!(post(form, "nobody=1").unwrap_err(), "`nobody`: `library.All` has no field `nobody`");
    let blamed = |content_type, body| {
        let asked = Asked("POST /v1", Some(content_type), body);
        bind_with("Everything", ("POST /v1", "*"), &asked, UnknownFields::Ignore).unwrap_err()
    };
    for (content_type, body) in
        [("text/plain", "x"), ("application/grpc", "x"), ("application/x-www-form-urlencoded", json), ("json", "{}")]
    {
        let error = blamed(content_type, body);
        assert_eq!(error.blame, Blame::MediaType, "{error}");
        assert!(error.reason.contains("send `"), "{error}");
    }
    assert_eq!(blamed("application/json", "{").blame, Blame::Value);
    // Nothing is of any type.
    assert_eq!(post(Some("text/plain"), ""), Ok(String::new()));

    let form_field = |field| bind("Everything", ("POST /v1", field), &Asked("POST /v1?aBool=1", form, "born=1"));
    assert_eq!(form_field("author").unwrap(), "a_bool:true,author{born:1}");
    assert_eq!(form_field("ids").unwrap_err(), "`ids` cannot be a form; send JSON");
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        (
            ("GET /v1/{an_int32}", ""),
            Asked("GET /v1/x", None, ""),
            "`an_int32`: expected an integer of 32 bits, found \"x\"",
        ),
        (("GET /v1/{author.born}", ""), Asked("GET /v1/x", None, ""), "`author.born`: expected an integer"),
        (("GET /v1/{a_string}", ""), Asked("GET /v1/%ff", None, ""), "`a_string`: is not UTF-8 when percent-decoded"),
        (("GET /v1/{a_string}", ""), Asked("GET /v1/%", None, ""), "`a_string`: has a `%`"),
        (("GET /v1/{genre}", ""), Asked("GET /v1/PROSE", None, ""), "`genre`: expected a value of `library.Genre`"),
        (("GET /v1/{a_string}", ""), Asked("GET /v1/x?a_string=y", None, ""), "`a_string`: is given by the path"),
        (("GET /v1/{a_string}", ""), Asked("GET /v1/x?aString=y", None, ""), "`aString`: is given by the path"),
        (("GET /v1/{this}", ""), Asked("GET /v1/x?that=1", None, ""), "`this`: `that` is given too"),
        (("POST /v1/{this}", "*"), Asked("POST /v1/x", None, r#"{"that":1}"#), "`this`: `that` is given too"),
        (("POST /v1", "author"), Asked("POST /v1?author.born=1", None, "{}"), "`author.born`: is given by the body"),
        (("POST /v1", "*"), Asked("POST /v1?a_bool=1", None, "{}"), "`a_bool`: has to be in the body"),
        (("POST /v1", "*"), Asked("POST /v1?nobody=1", None, "{}"), "`nobody`: `library.All` has no field"),
        (
            ("POST /v1", ""),
            Asked("POST /v1", None, r#"{"aBool":true}"#),
            "the request has a body, and its rule takes none",
        ),
    ];
    for (rule, asked, expected) in cases {
        let error = bind("Everything", rule, &asked).unwrap_err();
        assert!(error.starts_with(expected), "{}: {error}", asked.0);
    }
    let error = bind_with("Everything", ("POST /v1", "ids"), &Asked("POST /v1", None, "x"), UnknownFields::Reject);
    assert_eq!(error.unwrap_err().field, "ids");
    let error = bind(
        "Everything",
        ("POST /v1", "*"),
        &Asked("POST /v1", Some("application/x-www-form-urlencoded"), &repeated("ids=", 2000)),
    );
    assert_eq!(error.unwrap_err(), "there are more than 1024 parameters");
}

#[test]
fn what_nothing_takes_is_ignored_if_the_policy_is_so() {
    let bind = |rule, asked| bind_with("Everything", rule, &asked, UnknownFields::Ignore).unwrap();
    let found = bind(("GET /v1/{a_string}", ""), Asked("GET /v1/x?aString=y&nobody=1&aBool=true", None, "body"));
    assert_eq!(found, r#"a_bool:true,a_string:"x""#);
    assert_eq!(bind(("POST /v1", "*"), Asked("POST /v1?aBool=true", None, r#"{"nobody":1}"#)), "");
    assert_eq!(bind(("POST /v1", "author"), Asked("POST /v1?author.born=1", None, "")), "");
}

#[test]
fn a_patch_gets_the_mask_of_its_body() {
    let json = r#"{"title":"Dune","author":{"fullName":"Frank"},"tags":[]}"#;
    let filled = r#"paths:["author.full_name","tags","title"]"#;
    let patch = |query: &str, body: &str| {
        let target = format!("PATCH /v1/books/1{query}");
        let bound = bind("Update", BOOK, &Asked(&target, None, body)).unwrap();
        bound.split_once(",update_mask").map(|(_, mask)| mask.to_owned())
    };
    assert_eq!(patch("", json).unwrap(), format!("{{{filled}}}"));
    assert_eq!(patch("?allowMissing=true", json).unwrap(), format!("{{{filled}}},allow_missing:true"));
    // Given by the client; none of its paths is none at all.
    assert_eq!(patch("?update_mask=title", json).unwrap(), r#"{paths:["title"]}"#);
    assert_eq!(patch("?updateMask.paths=title", json).unwrap(), r#"{paths:["title"]}"#);
    assert_eq!(patch("?updateMask=", json).unwrap(), format!("{{{filled}}}"));
    // The body's, and not the path's.
    assert_eq!(patch("", "{}").unwrap(), "{}");
    assert_eq!(patch("", ""), None);
    let form = Asked("PATCH /v1/books/1", Some("application/x-www-form-urlencoded"), "author.fullName=x&tags=a&tags=b");
    assert!(bind("Update", BOOK, &form).unwrap().ends_with(r#"{paths:["author.full_name","tags"]}"#));
}

#[test]
fn no_other_request_gets_a_mask() {
    let cases = [
        ("Update", ("PUT /v1", "book"), Asked("PUT /v1", None, r#"{"title":"x"}"#)),
        ("Update", ("PATCH /v1", "*"), Asked("PATCH /v1", None, r#"{"book":{"title":"x"}}"#)),
        ("Update", ("PATCH /v1", "books"), Asked("PATCH /v1", None, r#"[{"title":"x"}]"#)),
        ("Update", ("PATCH /v1", "number"), Asked("PATCH /v1", None, "1")),
        ("Update", ("PATCH /v1", "labels"), Asked("PATCH /v1", None, r#"{"a":"b"}"#)),
        ("Unmasked", ("PATCH /v1", "book"), Asked("PATCH /v1", None, r#"{"title":"x"}"#)),
        ("Send", ("PATCH /v1", "file"), Asked("PATCH /v1", Some("text/plain"), "x")),
    ];
    for (name, rule, asked) in cases {
        let bound = bind(name, rule, &asked).unwrap();
        assert!(!bound.contains("mask") && !bound.is_empty(), "{bound}");
    }
    let own = bind("Update", ("PATCH /v1", "update_mask"), &Asked("PATCH /v1", None, r#""title""#)).unwrap();
    assert_eq!(own, r#"update_mask{paths:["title"]}"#);
}

#[test]
fn http_bodies_are_passed_raw() {
    let raw = bind("Raw", ("POST /v1", "*"), &Asked("POST /v1", Some("text/html; charset=x"), "<b>"));
    assert_eq!(raw.unwrap(), r#"content_type:"text/html; charset=x",data:"<b>""#);
    let raw = bind("Raw", ("POST /v1", "*"), &Asked("POST /v1", Some("application/json"), "{"));
    assert_eq!(raw.unwrap(), r#"content_type:"application/json",data:"{""#);
    assert_eq!(bind("Raw", ("POST /v1", "*"), &Asked("POST /v1", None, "")).unwrap(), "");
    let field =
        |content_type, body| bind("Send", ("PUT /v1/{name}", "file"), &Asked("PUT /v1/x", content_type, body)).unwrap();
    assert_eq!(field(Some("a/b"), "=&%"), r#"name:"x",file{content_type:"a/b",data:"=&%"}"#);
    assert_eq!(
        field(Some("application/x-www-form-urlencoded"), ""),
        r#"name:"x",file{content_type:"application/x-www-form-urlencoded"}"#
    );
    assert_eq!(field(None, ""), r#"name:"x""#);
}

proptest::proptest! {
    #[test]
    fn any_request_is_answered(
        path in "[a-c%2Fé.:/]{0,12}",
        query in "((aBool|ids|this|that|author.born|[a-z&.é]{0,3})(=|&|%)){0,5}",
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        content_type in proptest::option::of("[a-z/+;]{0,12}|application/x-www-form-urlencoded"),
        kind in 0..4_usize,
    ) {
        let (method, rule) = (method("Everything"), rule("PATCH /v1/{a_string=**}", ["", "*", "author", "ids"][kind]));
        let mut rules = Rules::new();
        rules.insert(rule.method.clone(), Template::parse(&rule.template).unwrap(), ()).unwrap();
        let path = format!("/v1/{path}");
        let Found::To((), captures) = rules.find(&HttpMethod::PATCH, &path) else { return Ok(()) };
        let body = RestBody { http_method: &HttpMethod::PATCH, content_type: content_type.as_deref(), bytes: &body };
        let _ = request_message(&method, &rule, &captures, Some(&query), body, JsonOptions::default());
    }
}
