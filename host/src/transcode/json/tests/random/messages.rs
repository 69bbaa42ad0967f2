//! Random messages of given descriptors.

use prost::Message;
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use super::descriptors::KNOWN;

/// A random message that has a JSON form.
pub(in super::super) fn message(rng: &mut SmallRng, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    if let Some(name) = descriptor.full_name().strip_prefix("google.protobuf.") {
        known(rng, name, &mut message, depth);
        return message;
    }
    for field in descriptor.fields() {
        let is_message = matches!(field.kind(), Kind::Message(_));
        let is_set =
            field.cardinality() == Cardinality::Required || rng.random_bool(if is_message { 0.4 } else { 0.6 });
        if is_set && !(is_message && depth > 3) {
            let value = field_value(rng, &field, depth);
            message.set_field(&field, value);
        }
    }
    for extension in descriptor.extensions() {
        if rng.random_bool(0.3) && depth < 3 {
            let kind = extension.kind();
            let value = match extension.is_list() {
                true => Value::List((0..rng.random_range(1..3)).map(|_| value(rng, &kind, depth)).collect()),
                false => value(rng, &kind, depth),
            };
            message.set_extension(&extension, value);
        }
    }
    message
}

fn field_value(rng: &mut SmallRng, field: &FieldDescriptor, depth: usize) -> Value {
    let count = rng.random_range(0..4);
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, content) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            let pair = |_| (map_key(rng, &key), value(rng, &content, depth));
            Value::Map((0..count).map(pair).collect())
        }
        kind if field.is_list() => Value::List((0..count).map(|_| value(rng, &kind, depth)).collect()),
        kind => value(rng, &kind, depth),
    }
}

fn map_key(rng: &mut SmallRng, kind: &Kind) -> MapKey {
    value(rng, kind, 0).into_map_key().unwrap()
}

fn value(rng: &mut SmallRng, kind: &Kind, depth: usize) -> Value {
    // The ends of the ranges are where mistakes are.
    match kind {
        Kind::Bool => Value::Bool(rng.random()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(*[0, 1, -1, i32::MIN, i32::MAX, rng.random()].choose(rng).unwrap())
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Value::I64(*[0, 1, -1, i64::MIN, i64::MAX, rng.random()].choose(rng).unwrap())
        }
        Kind::Uint32 | Kind::Fixed32 => Value::U32(*[0, 1, u32::MAX, rng.random()].choose(rng).unwrap()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(*[0, 1, u64::MAX, rng.random()].choose(rng).unwrap()),
        Kind::Float => {
            let bits = f32::from_bits(rng.random());
            let any = if bits.is_nan() { 0.5 } else { bits };
            Value::F32(
                *[0.0, 1.5, f32::MAX, f32::MIN_POSITIVE, 1e-45, f32::INFINITY, f32::NEG_INFINITY, any, any]
                    .choose(rng)
                    .unwrap(),
            )
        }
        Kind::Double => {
            let bits = f64::from_bits(rng.random());
            let any = if bits.is_nan() { 0.5 } else { bits };
            Value::F64(
                *[0.0, 0.1, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY, any, any]
                    .choose(rng)
                    .unwrap(),
            )
        }
        Kind::String => Value::String(text(rng)),
        Kind::Bytes => {
            Value::Bytes((0..rng.random_range(0..20)).map(|_| rng.random::<u8>()).collect::<Vec<u8>>().into())
        }
        Kind::Enum(descriptor) if descriptor.full_name() == "google.protobuf.NullValue" => Value::EnumNumber(0),
        Kind::Enum(descriptor) if rng.random_bool(0.9) => {
            let values: Vec<i32> = descriptor.values().map(|value| value.number()).collect();
            Value::EnumNumber(*values.choose(rng).unwrap())
        }
        Kind::Enum(_) => Value::EnumNumber(rng.random()),
        Kind::Message(descriptor) => Value::Message(message(rng, descriptor, depth + 1)),
    }
}

fn text(rng: &mut SmallRng) -> String {
    let character = |rng: &mut SmallRng| match rng.random_range(0..4) {
        0 => *['"', '\\', '/', '\n', '\u{0}', '\u{1f}', '\u{7f}', '\u{2028}', 'ä', '🎉'].choose(rng).unwrap(),
        1 => rng.random::<char>(),
        _ => rng.random_range('a'..='z'),
    };
    (0..rng.random_range(0..12)).map(|_| character(rng)).collect()
}

fn known(rng: &mut SmallRng, name: &str, message: &mut DynamicMessage, depth: usize) {
    match name {
        "Any" if depth > 3 => {}
        "Any" => {
            let pool = message.descriptor().parent_pool().clone();
            let types: Vec<MessageDescriptor> = pool
                .all_messages()
                .filter(|message| !message.is_map_entry())
                .filter(|message| {
                    message.full_name().starts_with("r.")
                        || KNOWN.iter().any(|name| message.full_name() == format!("google.protobuf.{name}"))
                })
                .collect();
            let descriptor = types.choose(rng).unwrap();
            let content = self::message(rng, descriptor, depth + 1);
            message.set_field_by_number(1, Value::String(format!("type.example/{}", descriptor.full_name())));
            message.set_field_by_number(2, Value::Bytes(content.encode_to_vec().into()));
        }
        "Timestamp" => {
            message.set_field_by_number(1, Value::I64(rng.random_range(-62_135_596_800..=253_402_300_799)));
            message.set_field_by_number(2, Value::I32(nanos(rng)));
        }
        "Duration" => {
            let sign = if rng.random() { 1 } else { -1 };
            message.set_field_by_number(1, Value::I64(i64::from(sign) * rng.random_range(0..=315_576_000_000)));
            message.set_field_by_number(2, Value::I32(sign * nanos(rng)));
        }
        "FieldMask" => {
            let paths = (0..rng.random_range(0..3))
                .map(|_| Value::String((*["a", "foo_bar.baz", "_x.y1"].choose(rng).unwrap()).to_owned()));
            message.set_field_by_number(1, Value::List(paths.collect()));
        }
        "Value" => {
            let number = if depth > 4 { rng.random_range(1..5) } else { rng.random_range(1..7) };
            let field = message.descriptor().get_field(number).unwrap();
            let content = match field_value(rng, &field, depth) {
                Value::F64(number) if !number.is_finite() => Value::F64(1e300),
                content => content,
            };
            message.set_field(&field, content);
        }
        "Struct" | "ListValue" if depth > 4 => {}
        _ => {
            for field in message.descriptor().fields() {
                let content = field_value(rng, &field, depth);
                message.set_field(&field, content);
            }
        }
    }
}

fn nanos(rng: &mut SmallRng) -> i32 {
    *[0, 1, 999_999_999, 500_000_000, 1000, rng.random_range(0..1_000_000_000)].choose(rng).unwrap()
}
