//! Nothing a client or a module sends makes the reader panic, or run on.

use prost::Message;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::random::{all_options, descriptors, message};
use super::*;
use crate::transcode::schema::rules;

const CASES: usize = 100_000;

/// Pieces that texts are made of.
const PIECES: [&str; 44] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "null",
    "true",
    "false",
    "0",
    "-",
    "1",
    ".5",
    "e9",
    "E-9",
    "\"i32\"",
    "\"child\"",
    "\"any\"",
    "\"@type\"",
    "\"a/t.Inner\"",
    "\"a/google.protobuf.Any\"",
    "\"value\"",
    "\"listChild\"",
    "\"mapChild\"",
    "\"time\"",
    "\"2024-02-29T12:00:00.5+01:00\"",
    "\"duration\"",
    "\"-1.5s\"",
    "\"struct\"",
    "\"mask\"",
    "\"aB,c\"",
    "\"NaN\"",
    "\"choiceText\"",
    "\"listColor\"",
    "\"RED\"",
    "\"data\"",
    "\"AQ\"",
    " ",
    "\u{0}",
    "ä",
];

/// A text that was good, changed in a few places.
fn mutated(rng: &mut SmallRng, good: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = good.choose(rng).unwrap().clone();
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..5) {
            0 if at < bytes.len() => bytes[at] = rng.random(),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(at, rng.random()),
            3 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, PIECES.choose(rng).unwrap().bytes())),
        }
    }
    bytes
}

#[test]
fn random_and_mutated_json() {
    let mut rng = SmallRng::seed_from_u64(5);
    let descriptor = all();
    let options = all_options();
    let good: Vec<Vec<u8>> = (0..200)
        .map(|_| {
            let mut json = Vec::new();
            let message = message(&mut rng, &descriptor, 2);
            to_json(&message, *options.choose(&mut rng).unwrap(), &mut json).unwrap();
            json
        })
        .filter(|json| json.len() < 2000)
        .collect();
    let mut accepted = 0;
    for case in 0..CASES {
        let json = match case % 2 {
            0 => mutated(&mut rng, &good),
            _ => (0..rng.random_range(0..20)).flat_map(|_| PIECES.choose(&mut rng).unwrap().bytes()).collect(),
        };
        let options = *options.choose(&mut rng).unwrap();
        if let Ok(message) = from_json(&descriptor, &json, options) {
            accepted += 1;
            // What was read can be sent, and written again.
            DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice()).unwrap();
            to_json(&message, options, &mut Vec::new()).unwrap();
        }
    }
    assert!(accepted > CASES / 100, "{accepted}");
}

#[test]
fn random_and_mutated_descriptors() {
    let mut rng = SmallRng::seed_from_u64(7);
    let mut good: Vec<Vec<u8>> = (0..50).map(|_| descriptors(&mut rng)).collect();
    good.sort_by_key(Vec::len);
    good.truncate(20);
    let mut accepted = 0;
    for case in 0..CASES / 10 {
        let set = match case % 10 {
            0 => (0..rng.random_range(0..40)).map(|_| rng.random()).collect(),
            _ => mutated(&mut rng, &good),
        };
        let _ = rules(&set);
        let Ok(schema) = Schema::decode(&set) else { continue };
        accepted += 1;
        // What was accepted can be used.
        for descriptor in schema.pool().all_messages().filter(|message| message.full_name().starts_with("r.")) {
            let bytes: Vec<u8> = (0..rng.random_range(0..30)).map(|_| rng.random()).collect();
            let Ok(message) = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()) else { continue };
            message.encode_to_vec();
            let options = JsonOptions { defaults: Defaults::Emit, ..JsonOptions::default() };
            let mut json = Vec::new();
            if to_json(&message, options, &mut json).is_ok() {
                let _ = from_json(&descriptor, &json, options);
            }
        }
    }
    assert!(accepted > CASES / 1000, "{accepted}");
}

/// Descriptors are read much slower than JSON. So the part that has to hold off what is hostile, the one before the
/// library, is run more often, on small sets.
#[test]
fn many_small_random_descriptors() {
    let mut rng = SmallRng::seed_from_u64(9);
    let good = compile(&[(
        "t.proto",
        "syntax = \"proto3\"; package r; message M { map<string, M> m = 1; oneof o { int32 a = 2; E e = 3; } } enum E { Z = 0; }",
    )]);
    let good = [good];
    for _ in 0..CASES {
        let set = mutated(&mut rng, &good);
        let _ = rules(&set);
        crate::transcode::schema::fixture::canonical(&set);
    }
}
