use super::*;
use crate::transcode::rule::fields::FIELD_DEPTH_MAX;
use crate::transcode::rule::testing::{method, repeated, text};

fn bind_with(unknown: UnknownFields, given: &[Given], query: &str) -> Result<(String, BTreeSet<String>), String> {
    let mut message = DynamicMessage::new(method("Everything").input.clone());
    let fields = Parameters { unknown, given }.bind(&mut message, query).map_err(|error| error.to_string())?;
    Ok((text(&message), fields))
}

fn bind(query: &str) -> Result<String, String> {
    bind_with(UnknownFields::Reject, &[], query).map(|(text, _)| text)
}

#[test]
fn scalars() {
    let cases = [
        ("", ""),
        ("&&", ""),
        ("a_double=1.5", "a_double:1.5"),
        ("aDouble=-1.5e3", "a_double:-1500.0"),
        ("aDouble=NaN", "a_double:NaN"),
        ("aDouble=-Infinity", "a_double:-inf"),
        ("a_float=0.1", "a_float:0.1"),
        ("aFloat=Infinity", "a_float:inf"),
        ("an_int32=-2147483648", "an_int32:-2147483648"),
        ("anInt64=9223372036854775807", "an_int64:9223372036854775807"),
        ("a_uint32=4294967295", "a_uint32:4294967295"),
        ("a_uint64=18446744073709551615", "a_uint64:18446744073709551615"),
        ("a_sint32=-1&a_sint64=-2", "a_sint32:-1,a_sint64:-2"),
        ("a_fixed32=1&a_fixed64=2&a_sfixed32=-3&a_sfixed64=-4", "a_fixed32:1,a_fixed64:2,a_sfixed32:-3,a_sfixed64:-4"),
        ("a_bool=true", "a_bool:true"),
        ("a_bool=1", "a_bool:true"),
        ("a_bool=True", "a_bool:true"),
        ("aBool=FALSE&maybe=", "maybe:\"\""),
        ("a_string=a+b%2Bc%20d%26%3D", "a_string:\"a b+c d&=\""),
        ("a_string=a=b", "a_string:\"a=b\""),
        ("a_string=null", "a_string:\"null\""),
        ("maybe", "maybe:\"\""),
        ("some_bytes=-_-_", "some_bytes:\"\\373\\377\\277\""),
        ("someBytes=%2B/%2B/", "some_bytes:\"\\373\\377\\277\""),
        ("some_bytes=YQ", "some_bytes:\"a\""),
        ("some_bytes=YQ==", "some_bytes:\"a\""),
        ("genre=NOVEL", "genre:NOVEL"),
        ("genre=1", "genre:POETRY"),
        ("genre=77", "genre:77"),
        ("old.closed=TWO", "old{closed:TWO}"),
        ("old.closed=1", "old{closed:ONE}"),
        ("fancy-name=x", "renamed:\"x\""),
        ("renamed=x", "renamed:\"x\""),
    ];
    for (query, expected) in cases {
        assert_eq!(bind(query).as_deref(), Ok(expected), "{query}");
    }
}

#[test]
fn well_known_types() {
    let cases = [
        ("time=1970-01-01T00:00:01.5Z", "time{seconds:1,nanos:500000000}"),
        ("time=1970-01-01T01:00:01%2B01:00", "time{seconds:1}"),
        ("span=1.5s", "span{seconds:1,nanos:500000000}"),
        ("span=-3s", "span{seconds:-3}"),
        ("mask=a,bC.dE,%20f_g", "mask{paths:[\"a\",\"b_c.d_e\",\"f_g\"]}"),
        ("mask=", "mask{}"),
        ("mask.paths=x&mask.paths=y", "mask{paths:[\"x\",\"y\"]}"),
        ("wrapped_int=-5", "wrapped_int{value:-5}"),
        ("wrappedInt=0", "wrapped_int{}"),
        ("wrapped_int.value=5", "wrapped_int{value:5}"),
        ("wrapped_string=x", "wrapped_string{value:\"x\"}"),
        ("wrapped_bool=true", "wrapped_bool{value:true}"),
        ("wrapped_bytes=YQ", "wrapped_bytes{value:\"a\"}"),
        ("wrapped_double=NaN", "wrapped_double{value:NaN}"),
        ("json=true", "json{bool_value:true}"),
        ("json_list=[null]", "json_list{values:[{null_value:NULL_VALUE}]}"),
        ("json_object=%7B%22a%22:1%7D", "json_object{fields:[{key:\"a\",value{number_value:1.0}}]}"),
    ];
    for (query, expected) in cases {
        assert_eq!(bind(query).as_deref(), Ok(expected), "{query}");
    }
}

#[test]
fn nested_repeated_and_map_fields() {
    let cases = [
        ("author.full_name=Ada&author.born=1815", "author{full_name:\"Ada\",born:1815}"),
        ("author.fullName=Ada", "author{full_name:\"Ada\"}"),
        ("author%2EfullName=Ada", "author{full_name:\"Ada\"}"),
        ("nested.nested.author.teacher.born=1", "nested{nested{author{teacher{born:1}}}}"),
        ("ids=3&ids=1&ids=2", "ids:[3,1,2]"),
        ("ids=1&a_bool=1&ids=1", "a_bool:true,ids:[1,1]"),
        ("genres=NOVEL&genres=1", "genres:[NOVEL,POETRY]"),
        ("spans=1s&spans=2s", "spans:[{seconds:1},{seconds:2}]"),
        ("nested.ids=1&nested.ids=2", "nested{ids:[1,2]}"),
        ("labels[a]=b", "labels:[{key:\"a\",value:\"b\"}]"),
        ("labels%5Ba.b%5D=c", "labels:[{key:\"a.b\",value:\"c\"}]"),
        ("labels[a[0]]=c", "labels:[{key:\"a[0]\",value:\"c\"}]"),
        ("labels[]=c", "labels:[{value:\"c\"}]"),
        ("nested.labels[a]=b", "nested{labels:[{key:\"a\",value:\"b\"}]}"),
        ("flags[-3]=true", "flags:[{key:-3,value:true}]"),
        ("by_bool[true]=NOVEL", "by_bool:[{key:true,value:NOVEL}]"),
        ("times[a]=1970-01-01T00:00:01Z", "times:[{key:\"a\",value{seconds:1}}]"),
        ("this=a", "this:\"a\""),
        ("that=0", "that:0"),
        ("those.born=1&those.full_name=x", "those{full_name:\"x\",born:1}"),
    ];
    for (query, expected) in cases {
        let found = bind(query);
        let expected = expected.replace("labels:[{value:", "labels:[{key:\"\",value:");
        assert_eq!(found.map(plain), Ok(plain(expected)), "{query}");
    }
    let two = bind("labels[a]=1&labels[b]=2").unwrap();
    assert!(two.contains("\"a\"") && two.contains("\"b\""), "{two}");
}

/// Lists and maps of text look different from one version of the library to the next; what is in them does not.
fn plain(text: String) -> String {
    text.replace([' ', '[', ']'], "").replace(":{", "{")
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let cases = [
        ("an_int32=x", "`an_int32`: expected an integer of 32 bits, found \"x\""),
        ("an_int32=2147483648", "`an_int32`: expected an integer of 32 bits"),
        ("an_int32=1.5", "`an_int32`: expected an integer"),
        ("an_int32=", "`an_int32`: expected an integer"),
        ("an_int32=+1", "`an_int32`: expected an integer of 32 bits, found \" 1\""),
        ("a_uint32=-1", "`a_uint32`: expected an unsigned integer of 32 bits"),
        ("a_uint64=18446744073709551616", "`a_uint64`: expected an unsigned integer of 64 bits"),
        ("a_double=1e309", "`a_double`: expected a number"),
        ("a_double=inf", "`a_double`: expected a number"),
        ("a_double=nan", "`a_double`: expected a number"),
        ("a_float=1e39", "`a_float`: expected a number of single precision"),
        ("a_bool=yes", "`a_bool`: expected `true` or `false`, found \"yes\""),
        ("a_bool", "`a_bool`: expected `true` or `false`, found \"\""),
        ("some_bytes=*", "`some_bytes`: expected base64"),
        ("some_bytes=-/", "`some_bytes`: expected base64"),
        ("genre=PROSE", "`genre`: expected a value of `library.Genre`, by name or number, found \"PROSE\""),
        ("genre=novel", "`genre`: expected a value of `library.Genre`"),
        ("old.closed=3", "`old.closed`: expected a value of `old.Closed`"),
        ("time=yesterday", "`time`: expected a time as in RFC 3339, found \"yesterday\""),
        ("time=%22", "`time`: expected a time"),
        ("span=1", "`span`: expected seconds, as `1.5s`"),
        ("json={", "`json`: expected JSON"),
        ("json_object=1", "`json_object`: expected JSON"),
        ("wrapped_int=x", "`wrapped_int`: expected an integer of 64 bits"),
        ("any=x", "`any`: `google.protobuf.Any` is a message"),
        ("empty=", "`empty`: `google.protobuf.Empty` is a message"),
        ("author=Ada", "`author`: `library.Author` is a message: its fields have to be given one by one"),
        ("authors=Ada", "`authors`: `library.Author` is a message"),
        ("authors.born=1", "`authors.born`: `authors` is repeated or a map"),
        ("credits[a]=Ada", "`credits[a]`: `library.Author` is a message"),
        ("credits[a].born=1", "`credits[a].born`: `library.All` has no field `credits[a]`"),
        ("credits.a=1", "`credits.a`: `credits` is repeated or a map"),
        ("labels=1", "`labels`: is a map: its entries are given as `labels[key]=value`"),
        ("ids[0]=1", "`ids[0]`: `ids` is no map"),
        ("a_string[x]=1", "`a_string[x]`: `a_string` is no map"),
        ("flags[x]=true", "`flags[x]`: expected an integer"),
        ("flags[1]=x", "`flags[1]`: expected `true` or `false`"),
        ("a_string.x=1", "`a_string.x`: `a_string` is no message and has no fields"),
        ("nobody=1", "`nobody`: `library.All` has no field `nobody`"),
        ("author.nobody=1", "`author.nobody`: `library.Author` has no field `nobody`"),
        ("author.=1", "`author.`: `library.Author` has no field ``"),
        ("=1", "`library.All` has no field ``"),
        ("AString=1", "`AString`: `library.All` has no field `AString`"),
        ("a_string=1&aString=2", "`aString`: is given twice"),
        ("author.born=1&author.born=2", "`author.born`: is given twice"),
        ("labels[a]=1&labels[a]=2", "`labels[a]`: is given twice"),
        ("this=a&that=1", "`that`: `this` is given too, and only one of them can be"),
        ("that=0&those.born=1", "`those.born`: `that` is given too"),
        ("a_string=%zz", "`a_string`: has a `%` that two hexadecimal digits do not follow"),
        ("a_string=%ff", "`a_string`: is not UTF-8"),
        ("a%=1", "`a%`: the name of the parameter has a `%`"),
        ("a%ff=1", "`a%ff`: the name of the parameter is not UTF-8"),
    ];
    for (query, expected) in cases {
        let error = bind(query).unwrap_err();
        assert!(error.starts_with(expected), "{query}: {error}");
    }
    // What an error shows of what clients send is bounded, and can be printed.
    let long = "x".repeat(10_000);
    for query in [format!("an_int32={long}"), format!("{long}=1"), format!("labels[{long}]=%"), format!("%0a{long}")] {
        let error = bind(&query).unwrap_err();
        assert!(error.len() < 300 && !error.contains(char::is_control), "{error}");
    }
}

#[test]
fn what_is_not_for_the_query_goes_by_the_policy() {
    let given = [
        Given::Field { path: "author.born".to_owned(), by: "path" },
        Given::Field { path: "nested".to_owned(), by: "body" },
    ];
    let refused = |query| bind_with(UnknownFields::Reject, &given, query).unwrap_err();
    assert_eq!(refused("author.born=1"), "`author.born`: is given by the path");
    assert_eq!(refused("nested.a_bool=1"), "`nested.a_bool`: is given by the body");
    assert_eq!(refused("nobody=1"), "`nobody`: `library.All` has no field `nobody`");
    let ignored = "author.born=1&nested.aBool=x&nobody=1&author.nobody.x=1&author.full_name=Ada";
    let (message, fields) = bind_with(UnknownFields::Ignore, &given, ignored).unwrap();
    assert_eq!(message, "author{full_name:\"Ada\"}");
    assert_eq!(fields, BTreeSet::from(["author.full_name".to_owned()]));
    // What is known, but wrong, is never ignored.
    assert!(bind_with(UnknownFields::Ignore, &given, "a_bool=x").is_err());

    let all = [Given::Everything];
    let error = bind_with(UnknownFields::Reject, &all, "a_bool=1").unwrap_err();
    assert!(error.starts_with("`a_bool`: has to be in the body"), "{error}");
    assert_eq!(bind_with(UnknownFields::Ignore, &all, "a_bool=1").unwrap().0, "");
}

#[test]
fn the_fields_that_were_given() {
    let query = "aString=a&labels[x]=y&ids=1&ids=2&author.full_name=z";
    let (_, fields) = bind_with(UnknownFields::Reject, &[], query).unwrap();
    assert_eq!(Vec::from_iter(fields), ["a_string", "author.full_name", "ids", "labels"]);
}

#[test]
fn limits() {
    assert!(bind(&repeated("ids=", PARAMETERS_MAX)).is_ok());
    let error = bind(&repeated("ids=", PARAMETERS_MAX + 1)).unwrap_err();
    assert_eq!(error, "there are more than 1024 parameters");
    let deep = |depth: usize| format!("{}a_bool=1", "nested.".repeat(depth - 1));
    assert!(bind(&deep(FIELD_DEPTH_MAX)).is_ok());
    let error = bind(&deep(FIELD_DEPTH_MAX + 1)).unwrap_err();
    assert!(error.ends_with("the path is more than 32 fields deep"), "{error}");
    assert!(bind(&deep(10_000)).is_err());
}

proptest::proptest! {
    #[test]
    fn any_query_is_answered(query in "((aBool|ids|labels|nested|author|born|time|json|this|%|[a-z0-9=&.+é\\[\\]]){0,4}[=&.]){0,6}") {
        let _ = bind(&query);
    }

    #[test]
    fn any_text_comes_through(text in ".{0,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
        let mut message = DynamicMessage::new(method("Everything").input.clone());
        let parameters = Parameters { unknown: UnknownFields::Reject, given: &[] };
        parameters.bind(&mut message, &format!("maybe={encoded}")).unwrap();
        let bound = message.get_field_by_name("maybe").unwrap().into_owned();
        proptest::prop_assert_eq!(bound, Value::String(text));
    }
}
