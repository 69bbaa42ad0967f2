use super::*;
use crate::transcode::rule::testing::{method, pool};

fn book(json: &str) -> Vec<String> {
    let book = pool().get_message_by_name("library.Book").unwrap();
    paths(&book, json.as_bytes()).unwrap().into_iter().collect()
}

#[test]
fn leaves_of_a_body() {
    let cases: &[(&str, &[&str])] = &[
        ("{}", &[]),
        ("null", &[]),
        ("1", &[]),
        (r#"{"title":"Dune"}"#, &["title"]),
        (r#"{"title":null}"#, &["title"]),
        (r#"{"title":""}"#, &["title"]),
        // In the names of the .proto file, whichever the client uses.
        (r#"{"author":{"fullName":"Ada"}}"#, &["author.full_name"]),
        (r#"{"author":{"full_name":"Ada","born":1815},"name":"x"}"#, &["author.born", "author.full_name", "name"]),
        (r#"{"author":{"teacher":{"teacher":{"born":1}}}}"#, &["author.teacher.teacher.born"]),
        // A message as a whole.
        (r#"{"author":{}}"#, &["author"]),
        (r#"{"author":null}"#, &["author"]),
        (r#"{"author":{"teacher":{}}}"#, &["author.teacher"]),
        // Maps, repeated fields and well-known types.
        (r#"{"tags":["a"],"labels":{"a":"b"},"credits":{"a":{"born":1}}}"#, &["credits", "labels", "tags"]),
        (r#"{"editors":[{"born":1}]}"#, &["editors"]),
        (r#"{"published":"1970-01-01T00:00:00Z","extra":{"a":{"b":1}}}"#, &["extra", "published"]),
        (r#"{"any":{"@type":"type.googleapis.com/library.Author","born":1}}"#, &["any"]),
        (r#"{"genre":1,"genre":2}"#, &["genre"]),
        (r#"{"author":[{"born":1}],"nobody":{"title":1}}"#, &["author"]),
        (r#"{"author":true,"title":"x"}"#, &["author", "title"]),
    ];
    for (json, expected) in cases {
        assert_eq!(book(json), *expected, "{json}");
    }
}

#[test]
fn only_a_field_mask_of_that_name_is_filled() {
    assert_eq!(field_of(&method("Update").input).unwrap().name(), FIELD);
    assert!(field_of(&method("Unmasked").input).is_none());
    assert!(field_of(&method("Everything").input).is_none());
}

#[test]
fn limits() {
    let author = pool().get_message_by_name("library.Author").unwrap();
    // Every way to be a teacher or pupil of somebody, twelve deep, at the end of a long line of teachers.
    fn tree(depth: usize) -> String {
        match depth {
            0 => r#"{"born":1}"#.to_owned(),
            _ => format!(r#"{{"teacher":{0},"pupil":{0}}}"#, tree(depth - 1)),
        }
    }
    let json = |depth: usize| format!("{}{}{}", r#"{"teacher":"#.repeat(80), tree(depth), "}".repeat(80));
    assert_eq!(paths(&author, json(3).as_bytes()).unwrap().len(), 8);
    let error = paths(&author, json(9).as_bytes()).unwrap_err();
    assert_eq!(error.field, FIELD);
    assert!(error.reason.contains("more fields than fit into a mask of 65536 bytes"), "{error}");
    // Too deep for JSON.
    let deep = format!("{}1{}", r#"{"teacher":"#.repeat(10_000), "}".repeat(10_000));
    assert!(paths(&author, deep.as_bytes()).is_err());
}

proptest::proptest! {
    #[test]
    fn any_body_is_answered(json in r#"([{}\[\],:]|"(author|title|tags|teacher|x)":|"a"|1|null){0,24}"#) {
        let book = pool().get_message_by_name("library.Book").unwrap();
        let _ = paths(&book, json.as_bytes());
    }
}
