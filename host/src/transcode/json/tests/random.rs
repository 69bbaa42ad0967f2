//! Random messages of random descriptors, there and back.

mod descriptors;
mod messages;

use proptest::prelude::*;
use prost::Message;
use rand::SeedableRng;
use rand::rngs::SmallRng;

pub(super) use self::descriptors::descriptors;
pub(super) use self::messages::message;
use super::*;

/// All there are.
pub(super) fn all_options() -> Vec<JsonOptions> {
    let mut all = Vec::new();
    for unknown_fields in [UnknownFields::Reject, UnknownFields::Ignore] {
        for field_names in [FieldNames::Json, FieldNames::Proto] {
            for enums in [Enums::Names, Enums::Numbers] {
                for defaults in [Defaults::Omit, Defaults::Emit] {
                    all.push(JsonOptions { unknown_fields, field_names, enums, defaults });
                }
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_messages_there_and_back(seed: u64) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let schema = Schema::decode(&descriptors(&mut rng)).unwrap();
        for descriptor in schema.pool().all_messages() {
            if descriptor.is_map_entry() || !descriptor.full_name().starts_with("r.") {
                continue;
            }
            let made = message(&mut rng, &descriptor, 0);
            // As a receiver sees it.
            let sent = DynamicMessage::decode(descriptor.clone(), made.encode_to_vec().as_slice()).unwrap();
            for options in all_options() {
                let mut json = Vec::new();
                to_json(&sent, options, &mut json).unwrap();
                let text = String::from_utf8_lossy(&json);
                prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok(), "{text}");
                let back = from_json(&descriptor, &json, options);
                let back = back.map_err(|error| TestCaseError::fail(format!("{error} in {text}")))?;
                // What is in an `Any` is compared as JSON: the order of a map in it is not kept.
                let mut again = Vec::new();
                to_json(&back, options, &mut again).unwrap();
                prop_assert_eq!(&text, &String::from_utf8_lossy(&again));
                let received = DynamicMessage::decode(descriptor.clone(), back.encode_to_vec().as_slice()).unwrap();
                prop_assert!(received == back, "{text}");
                if !text.contains("@type") {
                    prop_assert!(back == sent, "{text}");
                }
            }
        }
    }
}
