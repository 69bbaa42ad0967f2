use super::*;
use crate::transcode::fuzz;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn pairs(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let mut pairs: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn a_rest_request_has_metadata() {
    let request = headers(&[
        ("Grpc-Metadata-Tenant", "a"),
        ("Grpc-Metadata-Tenant", "b"),
        ("Authorization", "Bearer x"),
        ("User-Agent", "curl"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("Accept-Language", "de"),
        ("X-Other", "stays"),
        ("Content-Type", "application/json"),
        ("Content-Length", "7"),
        ("Host", "example.org"),
    ]);
    assert_eq!(
        pairs(&of_rest(&request).unwrap()),
        [
            ("accept-language", "de"),
            ("authorization", "Bearer x"),
            ("tenant", "a"),
            ("tenant", "b"),
            ("user-agent", "curl"),
            ("x-forwarded-for", "1.2.3.4"),
        ]
    );
}

#[test]
fn what_belongs_to_others_is_no_metadata() {
    for name in [
        "hostel-caller",
        "grpc-timeout",
        "grpc-encoding",
        "grpc-status",
        "connect-timeout-ms",
        "content-type",
        "content-length",
        "te",
        "host",
        "connection",
        "transfer-encoding",
        "upgrade",
        "trailer",
        "keep-alive",
        "accept-encoding",
        "x-grpc-web",
    ] {
        for headers in [headers(&[(name, "v")]), headers(&[(&format!("grpc-metadata-{name}"), "v")])] {
            assert_eq!(pairs(&of_rest(&headers).unwrap()), [], "{headers:?}");
            assert_eq!(pairs(&of_call(&headers).unwrap()), [], "{headers:?}");
        }
        assert_eq!(pairs(&to_rest(&headers(&[(name, "v")]))), [], "{name}");
    }
    // Nor what the connection calls its own.
    let own = headers(&[("connection", "x-own, grpc-metadata-own"), ("x-own", "v"), ("grpc-metadata-own", "v")]);
    assert_eq!((of_rest(&own).unwrap(), of_call(&own).unwrap()), (HeaderMap::new(), HeaderMap::new()));
    // Nor what has no name, or one that gRPC does not have.
    for name in ["grpc-metadata-", "grpc-metadata-a!b", "grpc-metadata-a|b"] {
        assert_eq!(of_rest(&headers(&[(name, "v")])).unwrap(), HeaderMap::new(), "{name}");
    }
    assert_eq!(of_call(&headers(&[("a!b", "v")])).unwrap(), HeaderMap::new());
    let mut foreign = HeaderMap::new();
    foreign.append("x-name", HeaderValue::from_bytes(b"\xc3\x9f").unwrap());
    assert_eq!(of_call(&foreign).unwrap(), HeaderMap::new());
}

#[test]
fn calls_keep_what_is_their_own() {
    let request =
        headers(&[("x-other", "kept"), ("authorization", "a"), ("content-type", "application/proto"), ("a.b_c", "v")]);
    assert_eq!(pairs(&of_call(&request).unwrap()), [("a.b_c", "v"), ("authorization", "a"), ("x-other", "kept")]);
}

#[test]
fn bytes_are_base64_both_ways() {
    for (sent, expected) in [("AAE=", &["AAE"][..]), ("AAE", &["AAE"]), ("", &[""]), ("AAE=, /+8", &["AAE", "/+8"])] {
        let request = headers(&[("grpc-metadata-x-bin", sent), ("x-bin", sent)]);
        for metadata in [of_rest(&request).unwrap(), of_call(&headers(&[("x-bin", sent)])).unwrap()] {
            let values: Vec<_> = metadata.get_all("x-bin").iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(values, expected, "{sent}");
        }
    }
    let error = of_rest(&headers(&[("grpc-metadata-x-bin", "no!")])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the header `grpc-metadata-x-bin` has to be base64, because its name ends with `-bin`"
    );
    let error = of_call(&headers(&[("x-bin", "A")])).unwrap_err();
    assert_eq!(error, MetadataError::NotBase64 { name: HeaderName::from_static("x-bin") });
    assert_eq!(pairs(&to_rest(&headers(&[("x-bin", "AAE")]))), [("grpc-metadata-x-bin", "AAE")]);
}

#[test]
fn too_much_metadata_is_refused() {
    let values = |count: usize| headers(&[("x-bin", &",".repeat(count - 1))]);
    assert_eq!(of_call(&values(METADATA_MAX)).unwrap().len(), METADATA_MAX);
    assert_eq!(of_call(&values(METADATA_MAX + 1)), Err(MetadataError::TooMany));
    assert_eq!(of_call(&values(60_000)).unwrap_err().to_string(), "there are more than 1024 values of metadata");
}

#[test]
fn a_response_has_its_metadata_under_other_names() {
    let response = headers(&[("x", "1"), ("x", "2"), ("content-type", "application/grpc"), ("grpc-status", "0")]);
    assert_eq!(pairs(&to_rest(&response)), [("grpc-metadata-x", "1"), ("grpc-metadata-x", "2")]);
    let cookies = headers(&[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("etag", "e"), ("x", "1")]);
    assert_eq!(
        pairs(&to_rest(&cookies)),
        [("etag", "e"), ("grpc-metadata-x", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
    );
    let trailers = to_rest_trailers(&response);
    assert_eq!(pairs(&trailers), [("grpc-trailer-x", "1"), ("grpc-trailer-x", "2")]);
    assert_eq!(announced(&trailers).unwrap(), "grpc-trailer-x");
    assert_eq!(announced(&HeaderMap::new()), None);
}

#[test]
fn trailers_are_for_those_who_ask() {
    for (value, expected) in [
        ("trailers", true),
        ("Trailers", true),
        ("gzip;q=0.5, trailers", true),
        ("trailers;q=1", true),
        ("gzip", false),
        ("xtrailers", false),
        ("", false),
    ] {
        assert_eq!(wants_trailers(&headers(&[("te", value)])), expected, "{value}");
    }
    assert!(wants_trailers(&headers(&[("te", "gzip"), ("te", "trailers")])));
    assert!(!wants_trailers(&HeaderMap::new()));
}

#[test]
fn any_headers_are_answered() {
    let seeds: [&[u8]; 4] =
        [b"grpc-metadata-x-bin:AAE=", b"connection:a,b", b"grpc-metadata-hostel-caller:x", b"te:trailers"];
    fuzz::inputs(&seeds, |input, _| {
        let mut headers = HeaderMap::new();
        for line in input.split(|byte| *byte == b'\n') {
            let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(0));
            let value = value.get(1..).unwrap_or_default();
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        for metadata in [of_rest(&headers), of_call(&headers)].into_iter().flatten() {
            assert!(metadata.keys().all(|name| !is_reserved(name.as_str())), "{metadata:?}");
        }
    });
}
