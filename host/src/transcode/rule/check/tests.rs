use super::*;
use crate::transcode::rule::testing::{method, rule};

#[test]
fn what_fits() {
    let cases = [
        ("Everything", "GET /", ""),
        ("Everything", "GET /v1/{a_string}/{anInt64}/{renamed}", ""),
        ("Everything", "GET /v1/{author.full_name=authors/*}", ""),
        ("Everything", "GET /v1/{nested.author.fullName=authors/**}:read", ""),
        ("Everything", "GET /{time}/{span}/{mask}/{wrapped_int}/{json}/{genre}/{some_bytes}/{this}", ""),
        ("Everything", "GET /{wrapped_string=a/*}/{wrapped_bytes=b/*}/{json=c/*}/{some_bytes=d/*}", ""),
        ("Everything", "GET /{an_int32=**}", ""),
        ("Everything", "GET /{genre=NOVEL}/{a_bool=true}/{an_int32=7}", ""),
        ("Everything", "DELETE /{a_string}", "*"),
        ("Everything", "POST /{a_string}", "ids"),
        ("Everything", "FETCH /{a_string}", "labels"),
        ("Watch", "GET /v1/watch", ""),
        ("Update", "PATCH /v1/{book.name=books/*}", "book"),
        ("Send", "PUT /v1/{name}", "file"),
        ("Raw", "POST /v1/raw", "*"),
    ];
    for (name, text, body) in cases {
        let bound = Binding::new(method(name), rule(text, body));
        let bound = bound.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(bound.template.as_str(), bound.rule.template);
    }
    let fits = HttpRule { response_body: Some("aString".to_owned()), ..rule("GET /v1", "") };
    assert_eq!(check(&method("Everything"), &fits), Ok(()));
}

#[test]
fn what_does_not_fit_is_refused_with_method_template_and_field() {
    let cases = [
        ("Everything", "GET /v1/{a_string", "", "column 14: `}` is missing"),
        ("Everything", "GET /v1/{nobody}", "", "field `nobody`: `library.All` has no field `nobody`"),
        ("Everything", "GET /v1/{author.nobody}", "", "field `author.nobody`: `library.Author` has no field `nobody`"),
        ("Everything", "GET /v1/{a_string.x}", "", "field `a_string.x`: `a_string` is no message"),
        ("Everything", "GET /v1/{authors.born}", "", "field `authors.born`: `authors` is repeated"),
        ("Everything", "GET /v1/{credits.born}", "", "field `credits.born`: `credits` is repeated"),
        ("Everything", "GET /v1/{ids}", "", "field `ids`: is repeated or a map, and cannot be in a path"),
        ("Everything", "GET /v1/{labels}", "", "field `labels`: is repeated or a map"),
        ("Everything", "GET /v1/{author}", "", "field `author`: is a `library.Author`: a path can only have one"),
        ("Everything", "GET /v1/{any}", "", "field `any`: is a `google.protobuf.Any`"),
        ("Everything", "GET /v1/{an_int32=a/*}", "", "field `an_int32`: is a `int32`, which is never several segments"),
        ("Everything", "GET /v1/{genre=*/*}", "", "field `genre`: is a `library.Genre`, which is never several"),
        ("Everything", "GET /v1/{time=*/**/*}", "", "field `time`: is a `google.protobuf.Timestamp`, which is never"),
        ("Everything", "GET /v1/{wrapped_int=a/*}", "", "field `wrapped_int`: is a `google.protobuf.Int64Value`"),
        ("Everything", "GET /v1/{genre=PROSE}", "", "field `genre`: expected a value of `library.Genre`"),
        ("Everything", "GET /v1/{an_int32=x}", "", "field `an_int32`: expected an integer of 32 bits, found \"x\""),
        ("Everything", "GET /{a_string}/{aString}", "", "field `aString`: is bound by `a_string` already"),
        ("Everything", "GET /{mask.paths}/{mask}", "", "`mask.paths` bind the same field"),
        ("Everything", "GET /v1", "*", "a GET has no body; leave `body` out"),
        ("Everything", "HEAD /v1", "author", "a HEAD has no body"),
        (
            "Everything",
            "POST /v1",
            "nobody",
            "field `nobody`: `body` is to be this, and `library.All` has no such field",
        ),
        (
            "Everything",
            "POST /v1",
            "author.teacher",
            "field `author.teacher`: `body` has to be a field of `library.All` itself",
        ),
        ("Everything", "POST /v1/{a_string}", "aString", "field `aString`: is the body, and is bound by the path too"),
        ("Feed", "POST /v1/feed", "", "the method takes a stream"),
    ];
    for (name, text, body, expected) in cases {
        let error = check(&method(name), &rule(text, body)).unwrap_err().to_string();
        let begins = format!("the rule `{text}` of /library.Library/{name}: ");
        assert!(error.starts_with(&begins), "{error}");
        assert!(error[begins.len()..].contains(expected), "{error}");
    }
}

#[test]
fn the_body_of_the_response_is_a_field() {
    let check = |name: &str| {
        let rule = HttpRule { response_body: Some(name.to_owned()), ..rule("GET /v1", "") };
        check(&method("Update"), &rule).map_err(|error| error.to_string())
    };
    assert_eq!(check("book"), Ok(()));
    assert_eq!(check("updateMask"), Ok(()));
    for (name, expected) in [
        ("nobody", "field `nobody`: `response_body` is to be this, and `library.UpdateBook` has no such field"),
        ("book.name", "field `book.name`: `response_body` has to be a field of `library.UpdateBook` itself"),
        ("*", "field `*`: `response_body` cannot be `*`: leave it out for the whole of `library.UpdateBook`"),
    ] {
        let error = check(name).unwrap_err();
        assert!(error.ends_with(expected), "{error}");
    }
}
