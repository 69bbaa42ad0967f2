//! What holds for every document.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::Value;

use super::super::path::Template;
use super::super::testing::*;

/// Checks a document for what makes it valid, as far as that is not obvious.
pub(super) fn check(document: &Value) {
    references(document, document);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)), "{name}");
    }
    let mut ids = HashSet::new();
    let mut looks = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'), "{path}");
        let mut in_path: Vec<&str> = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        in_path.sort_unstable();
        let look = in_path.iter().fold(path.clone(), |look, name| look.replace(&format!("{{{name}}}"), "{}"));
        assert!(looks.insert(look), "{path} is there under another name");
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path}: {operation:#}"));
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(operation["responses"]["200"]["description"].is_string(), "{method} {path}");
            let mut seen = HashSet::new();
            let mut declared = Vec::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
                assert!(seen.insert((name, place)), "{method} {path}: `{name}` twice");
                assert!(parameter.get("schema").is_some() != parameter.get("content").is_some(), "{parameter:#}");
                if place == "path" {
                    assert_eq!(parameter["required"], true);
                    declared.push(name);
                }
            }
            declared.sort_unstable();
            assert_eq!(declared, in_path, "{method} {path}");
        }
    }
}

fn references(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(to) = members.get("$ref").and_then(Value::as_str) {
                let pointer = to.strip_prefix('#').unwrap_or_else(|| panic!("{to}"));
                assert!(document.pointer(pointer).is_some(), "nothing at {to}");
            }
            members.values().for_each(|value| references(value, document));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, document)),
        _ => {}
    }
}

#[test]
fn a_document_of_everything_is_valid() {
    check(&of(&depot()));
}

#[test]
fn a_document_is_always_the_same() {
    assert_eq!(of(&depot()).to_string(), of(&depot()).to_string());
}

#[test]
fn templates_become_paths() {
    let cases = [
        ("/", "/", "/"),
        ("/v1/a", "/v1/a", "/v1/a"),
        ("/v1/{a}/{b.c}", "/v1/{a}/{b.c}", "/v1/{a}/{b.c}"),
        ("/v1/{a=*}", "/v1/{a}", "/v1/{a}"),
        ("/v1/{a=x/*/y/**}:do", "/v1/{a}:do", "/v1/x/{a.3}/y/{a.5}:do"),
        ("/v1/*/{a}", "/v1/{segment.2}/{a}", "/v1/{segment.2}/{a}"),
        ("/v1/**", "/v1/{segment.2}", "/v1/{segment.2}"),
        ("/v1/a:b", "/v1/a:b", "/v1/a:b"),
        ("/v1/a=b", "/v1/a=b", "/v1/a=b"),
    ];
    for (text, short, long) in cases {
        let template = Template::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((template.short("").text.as_str(), template.long("").text.as_str()), (short, long), "{text}");
        assert_eq!(template.short("/p").text, format!("/p{short}"));
    }
    for text in
        ["", "v1", "/v1/", "//", "/{", "/{a", "/{}", "/{=x}", "/{a=}", "/{a=b//c}", "/{a}b", "/a}", "/a{b}", "/{a{b}}"]
    {
        assert_eq!(Template::parse(text), None, "{text}");
    }
}

#[test]
fn patterns_match_what_the_variable_does() {
    let pattern = |text: &str| Template::parse(text).unwrap().short("").variables[0].pattern.clone();
    let cases = [
        ("/{a}", None),
        ("/{a=*}", None),
        ("/{a=x/*}", Some("^x/[^/]+$")),
        ("/{a=x.y/**}", Some("^x\\.y(/.*)?$")),
        ("/{a=**}", Some("^.*$")),
        ("/{a=b}", Some("^b$")),
    ];
    for (text, expected) in cases {
        assert_eq!(pattern(text).as_deref(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_template_is_too_odd(text in "[/{}=*:a.\u{e9}%]{0,24}") {
        if let Some(template) = Template::parse(&text) {
            for path in [template.short(""), template.long("/p")] {
                prop_assert_eq!(path.text.matches('{').count(), path.variables.len());
                prop_assert_eq!(path.key.matches("{}").count(), path.variables.len());
            }
            let _ = template.shape();
        }
    }

    #[test]
    fn no_comment_is_too_odd(text in "(\\(--|--\\)|\\. |\n|[ a\u{e9}\"]){0,40}") {
        use super::super::text;
        let clean = text::clean(&text);
        prop_assert_eq!(clean.trim(), clean.as_str());
        prop_assert!(!text::summary(&clean).contains('\n'));
    }
}
