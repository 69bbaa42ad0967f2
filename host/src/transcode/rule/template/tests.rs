use super::*;

fn parse(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_grammar() {
    // Template, shape, variables with whether they are of several segments.
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, bool)]);
    let valid: &[Case<'_>] = &[
        ("/", "/", &[]),
        ("/v1", "/v1", &[]),
        ("/v1/shelves", "/v1/shelves", &[]),
        ("/v1/*", "/v1/*", &[]),
        ("/**", "/**", &[]),
        ("/v1/**:run", "/v1/**:run", &[]),
        ("/{id}", "/*", &[("id", false)]),
        ("/{id=*}", "/*", &[("id", false)]),
        ("/{id=**}", "/**", &[("id", true)]),
        ("/{kind=books}/x", "/books/x", &[("kind", false)]),
        ("/v1/{name=shelves/*}", "/v1/shelves/*", &[("name", true)]),
        ("/v1/{name=shelves/*/books/**}", "/v1/shelves/*/books/**", &[("name", true)]),
        ("/v1/{name=shelves/**}:archive", "/v1/shelves/**:archive", &[("name", true)]),
        ("/v1/{book.name=shelves/*/books/*}", "/v1/shelves/*/books/*", &[("book.name", true)]),
        ("/v1/{a}/{b.c}/{b.d}:do", "/v1/*/*/*:do", &[("a", false), ("b.c", false), ("b.d", false)]),
        ("/v2/{name=**}/blobs/{digest}", "/v2/**/blobs/*", &[("name", true), ("digest", false)]),
        ("/v1/a:b/c", "/v1/a%3Ab/c", &[]),
        ("/v1/a:b:c", "/v1/a%3Ab:c", &[]),
        ("/v1/{a=x:y}", "/v1/x%3Ay", &[("a", false)]),
        ("/v1/caf%c3%a9/%2A/a%2Fb", "/v1/caf%C3%A9/%2A/a%2Fb", &[]),
        ("/v1/%73helves", "/v1/shelves", &[]),
        ("/-._~!$&'()+,;=@", "/-._~%21%24%26%27%28%29%2B%2C%3B%3D%40", &[]),
        ("/{_a1.B2}", "/*", &[("_a1.B2", false)]),
        // The beginning of a name is not the field.
        ("/{name}/{name_of}", "/*/*", &[("name", false), ("name_of", false)]),
    ];
    for (text, shape, variables) in valid {
        let template = parse(text);
        assert_eq!(template.shape(), *shape, "{text}");
        let found: Vec<_> = template.variables().iter().map(|v| (v.field(), v.is_multi_segment())).collect();
        assert_eq!(found, *variables, "{text}");
        assert_eq!(template.to_string(), *text);
        // The shape of a template is a template of that shape.
        assert_eq!(parse(shape).shape(), *shape);
    }
}

#[test]
fn what_is_no_template_is_refused_with_where_and_why() {
    let invalid: &[(&str, usize, &str)] = &[
        ("", 0, "begins with `/`"),
        ("v1", 0, "begins with `/`"),
        ("/v1/", 4, "does not end with `/`"),
        ("//", 1, "a segment is empty"),
        ("/v1//x", 4, "a segment is empty"),
        ("/:run", 1, "a segment is empty"),
        ("/v1/:run", 4, "a segment is empty"),
        ("/v1/a:", 6, "a verb has to follow"),
        ("/v1/{a}:", 8, "a verb has to follow"),
        ("/v1/{a}:b:c", 9, "neither `:` nor `/`"),
        ("/v1/{a}:b/c", 9, "neither `:` nor `/`"),
        ("/v1/{", 5, "name of a field is missing"),
        ("/v1/{}", 5, "name of a field is missing"),
        ("/v1/{a", 6, "`}` is missing"),
        ("/v1/{a.}", 7, "name of a field is missing"),
        ("/v1/{.a}", 5, "name of a field is missing"),
        ("/v1/{a b}", 6, "cannot be here"),
        ("/v1/{1a}", 5, "cannot be here"),
        ("/v1/{a-b}", 6, "cannot be here"),
        ("/v1/{a=}", 7, "a segment is empty"),
        ("/v1/{a=b/}", 9, "a segment is empty"),
        ("/v1/{a=b", 8, "`}` is missing"),
        ("/v1/{a={b}}", 7, "a variable within a variable"),
        ("/v1/{a=b/{c}}", 9, "a variable within a variable"),
        ("/v1/{a=*:run}", 7, "a wildcard is a whole segment"),
        ("/v1/{a}b", 7, "a variable is a whole segment"),
        ("/v1/{a}{b}", 7, "a variable is a whole segment"),
        ("/v1/b{a}", 5, "a variable is a whole segment"),
        ("/v1/{a}/{a}", 8, "bind the same field"),
        ("/v1/{a.b}/{a}", 10, "bind the same field"),
        ("/v1/{a}/{a.b}", 8, "bind the same field"),
        ("/v1/a}", 5, "`}` without `{`"),
        ("/v1/a*", 5, "a wildcard is a whole segment"),
        ("/v1/***", 4, "a wildcard is a whole segment"),
        ("/v1/*:a/b", 4, "a wildcard is a whole segment"),
        ("/**/a/**", 6, "a `**` already"),
        ("/{a=**}/{b=**}", 11, "a `**` already"),
        ("/v1/a?b", 5, "percent-encoded"),
        ("/v1/a b", 5, "percent-encoded"),
        ("/v1/a#", 5, "percent-encoded"),
        ("/v1/caf\u{e9}", 7, "percent-encoded"),
        ("/v1/a\n", 5, "percent-encoded"),
        ("/v1/%", 4, "hexadecimal"),
        ("/v1/%zz", 4, "hexadecimal"),
        ("/v1/%4", 4, "hexadecimal"),
        ("/v1/%+1", 4, "hexadecimal"),
        ("/v1/%ff", 4, "not UTF-8"),
        ("/v1/a:%ff", 6, "not UTF-8"),
    ];
    for (text, at, reason) in invalid {
        let error = Template::parse(text).unwrap_err();
        assert!(error.reason.contains(reason), "{text}: {error}");
        assert_eq!(error.at, *at, "{text}: {error}");
        let said = error.to_string();
        assert!(said.starts_with(&format!("`{text}`, column {}: ", at + 1)), "{said}");
    }
}

#[test]
fn limits() {
    let segments = |count: usize| "/a".repeat(count);
    assert_eq!(parse(&segments(SEGMENTS_MAX)).shape(), segments(SEGMENTS_MAX));
    let error = Template::parse(&segments(SEGMENTS_MAX + 1)).unwrap_err();
    assert!(error.reason.contains("more than 32 segments"), "{error}");
    let inside = format!("/{{a={}}}", segments(SEGMENTS_MAX + 1).trim_start_matches('/'));
    assert!(Template::parse(&inside).unwrap_err().reason.contains("more than 32 segments"));

    let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    assert!(Template::parse(&long(TEMPLATE_BYTES_MAX)).is_ok());
    let error = Template::parse(&long(TEMPLATE_BYTES_MAX + 1)).unwrap_err();
    assert!(error.reason.contains("more than 2048 bytes"), "{error}");
    assert!(error.template.len() <= TEMPLATE_BYTES_MAX);

    let deep = |depth: usize| format!("/{{{}}}", vec!["a"; depth].join("."));
    assert!(Template::parse(&deep(FIELD_DEPTH_MAX)).is_ok());
    let error = Template::parse(&deep(FIELD_DEPTH_MAX + 1)).unwrap_err();
    assert!(error.reason.contains("more than 32 fields deep"), "{error}");
}

#[test]
fn shapes_are_equal_if_the_same_paths_match() {
    let same = [("/v1/{a}", "/v1/*"), ("/v1/{name=shelves/*}", "/v1/shelves/{id}"), ("/v1/%61", "/v1/a")];
    for (one, other) in same {
        assert_eq!(parse(one).shape(), parse(other).shape());
    }
    let different = [("/v1/*", "/v1/**"), ("/v1/*", "/v1/%2A"), ("/v1/a", "/v1/a:b"), ("/a/b", "/a%2Fb"), ("/", "/*")];
    for (one, other) in different {
        assert_ne!(parse(one).shape(), parse(other).shape());
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered(text in "(/|[/{}=:*.%a-c]){0,24}") {
        if let Ok(template) = Template::parse(&text) {
            proptest::prop_assert_eq!(parse(&template.shape()).shape(), template.shape());
        }
    }

    #[test]
    fn any_characters_are_answered(text in ".{0,60}") {
        let _ = Template::parse(&text);
        let _ = Template::parse(&format!("/{text}"));
    }
}
