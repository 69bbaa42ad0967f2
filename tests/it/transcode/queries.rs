//! Queries of REST: what becomes of them, and what is wrong with some.

use serde_json::{Value, json};

use crate::harness::guests::LIBRARY;
use crate::harness::host::Host;
use crate::harness::world::Place;

crate::both_ways! { every_kind_of_parameter_becomes_a_field }

const SEARCH: &str = "/v1/books:search";

async fn every_kind_of_parameter_becomes_a_field(place: Place) {
    let world = place.with(&[], &[&LIBRARY]).await;
    for (query, field) in [
        ("", json!({})),
        ("filter.title=On%20Growth+and%20Form", json!({"filter": {"title": "On Growth and Form"}})),
        (
            "filter.author.given_name=Ada&filter.author.familyName=Byron",
            json!({"filter": {"author": {"givenName": "Ada", "familyName": "Byron"}}}),
        ),
        (
            "filter.author.teacher.teacher.family_name=X",
            json!({"filter": {"author": {"teacher": {"teacher": {"familyName": "X"}}}}}),
        ),
        ("tags=a&tags=b%2Cc&tags=", json!({"tags": ["a", "b,c", ""]})),
        ("filter.genre=GENRE_POETRY", json!({"filter": {"genre": "GENRE_POETRY"}})),
        ("filter.genre=1", json!({"filter": {"genre": "GENRE_NOVEL"}})),
        ("genres=GENRE_NOVEL&genres=2", json!({"genres": ["GENRE_NOVEL", "GENRE_POETRY"]})),
        ("labels[size]=3&labels[a%20b]=-1", json!({"labels": {"size": 3, "a b": -1}})),
        ("since=2024-02-29T12:00:00.5Z", json!({"since": "2024-02-29T12:00:00.500Z"})),
        ("within=1.5s", json!({"within": "1.500s"})),
        ("limit=0", json!({"limit": 0})),
        ("phrase=", json!({"phrase": ""})),
        ("fields=title,author.givenName", json!({"fields": "title,author.givenName"})),
        ("in_stock=false", json!({"inStock": false})),
        ("inStock=true", json!({"inStock": true})),
        ("isbn=9780241956281", json!({"isbn": "9780241956281"})),
        ("isbn=-9223372036854775808", json!({"isbn": "-9223372036854775808"})),
        ("weight=1.5e3", json!({"weight": 1500})),
        ("weight=-Infinity", json!({"weight": "-Infinity"})),
        ("checksum=AP8%2B", json!({"checksum": "AP8+"})),
        ("checksum=_-8", json!({"checksum": "/+8="})),
    ] {
        let reply = world.get(&format!("{SEARCH}?{query}")).await.expect(200);
        assert_eq!(reply.json::<Value>(), field, "{query}");
    }
}

/// Of what cannot be, the field is named as the client wrote it.
#[tokio::test]
async fn what_is_wrong_with_a_parameter_is_said() {
    let host = Host::with(&[&LIBRARY]).await;
    for (path, field) in [
        ("/v1/books:search?limit=many", "limit"),
        ("/v1/books:search?limit=3000000000", "limit"),
        ("/v1/books:search?limit=1&limit=2", "limit"),
        ("/v1/books:search?filter.genre=GENRE_OPERA", "filter.genre"),
        ("/v1/books:search?genres=GENRE_OPERA", "genres"),
        ("/v1/books:search?filter.author.given_name.x=1", "filter.author.given_name.x"),
        ("/v1/books:search?filter=x", "filter"),
        ("/v1/books:search?colour=red", "colour"),
        ("/v1/books:search?labels[a]=b", "labels[a]"),
        ("/v1/books:search?since=yesterday", "since"),
        ("/v1/books:search?within=1h", "within"),
        ("/v1/books:search?in_stock=perhaps", "in_stock"),
        ("/v1/books:search?checksum=%21", "checksum"),
        ("/v1/shelves/1?name=shelves/2", "name"),
        ("/v1/big/many", "bytes"),
        ("/v1/big/-1", "bytes"),
        ("/v1/big/4294967296", "bytes"),
    ] {
        let problem: Value = host.get(path).await.expect(400).json();
        assert_eq!(problem["code"], "INVALID_ARGUMENT", "{path}: {problem}");
        let violation = &problem["details"][0]["fieldViolations"][0];
        assert_eq!(violation["field"], field, "{path}: {problem}");
        assert!(violation["description"].as_str().is_some_and(|text| !text.is_empty()), "{path}: {problem}");
    }
    for path in ["/v1/books:search?phrase=%ff", "/v1/books:search?phrase=%zz"] {
        let reply = host.get(path).await;
        assert!([200, 400].contains(&reply.status), "{path}: {reply}");
    }
    host.in_flight("library", 0).await;
}
