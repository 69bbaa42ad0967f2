//! Random descriptors: all kinds of fields, of proto2 and proto3.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, OneofDescriptorProto,
};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

use crate::transcode::schema::fixture::encode;

const SCALARS: [Type; 15] = [
    Type::Double,
    Type::Float,
    Type::Int64,
    Type::Uint64,
    Type::Int32,
    Type::Fixed64,
    Type::Fixed32,
    Type::Bool,
    Type::String,
    Type::Bytes,
    Type::Uint32,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Sint32,
    Type::Sint64,
];

const KEYS: [Type; 12] = [
    Type::Int64,
    Type::Uint64,
    Type::Int32,
    Type::Fixed64,
    Type::Fixed32,
    Type::Bool,
    Type::String,
    Type::Uint32,
    Type::Sfixed32,
    Type::Sfixed64,
    Type::Sint32,
    Type::Sint64,
];

pub(super) const KNOWN: [&str; 17] = [
    "Any",
    "Duration",
    "Empty",
    "FieldMask",
    "ListValue",
    "Struct",
    "Timestamp",
    "Value",
    "BoolValue",
    "BytesValue",
    "DoubleValue",
    "FloatValue",
    "Int32Value",
    "Int64Value",
    "StringValue",
    "UInt32Value",
    "UInt64Value",
];

/// What a file is made of so far.
struct Maker<'r> {
    rng: &'r mut SmallRng,
    is_proto3: bool,
    enums: Vec<String>,
    messages: Vec<String>,
}

/// Two files that use each other's syntax: one of proto3, one of proto2 that imports it.
pub(in super::super) fn descriptors(rng: &mut SmallRng) -> Vec<u8> {
    let mut first = Maker { rng, is_proto3: true, enums: vec![], messages: vec![] };
    let proto3 = first.file("three.proto", "r.three", vec![]);
    let messages = first.messages;
    let mut second = Maker { rng, is_proto3: false, enums: vec![], messages };
    let proto2 = second.file("two.proto", "r.two", vec!["three.proto".to_owned()]);
    encode(vec![proto3, proto2])
}

impl Maker<'_> {
    fn file(&mut self, name: &str, package: &str, mut imports: Vec<String>) -> FileDescriptorProto {
        imports.extend(
            ["any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers"]
                .map(|file| format!("google/protobuf/{file}.proto")),
        );
        let enums: Vec<_> = (0..self.rng.random_range(1..3)).map(|n| self.enumeration(package, n)).collect();
        // Types are known before they are made, so that they may refer to each other and to themselves.
        let count = self.rng.random_range(1..4);
        self.messages.extend((0..count).map(|n| format!(".{package}.M{n}")));
        let messages: Vec<_> = (0..count).map(|n| self.message(package, &format!("M{n}"), 0)).collect();
        let extensions = if self.is_proto3 { vec![] } else { self.extensions(package, &messages) };
        FileDescriptorProto {
            name: Some(name.to_owned()),
            package: Some(package.to_owned()),
            dependency: imports,
            message_type: messages,
            enum_type: enums,
            extension: extensions,
            syntax: Some(if self.is_proto3 { "proto3" } else { "proto2" }.to_owned()),
            ..FileDescriptorProto::default()
        }
    }

    fn enumeration(&mut self, scope: &str, index: usize) -> EnumDescriptorProto {
        let name = format!("E{index}");
        self.enums.push(format!(".{scope}.{name}"));
        let start = if self.is_proto3 { 0 } else { self.rng.random_range(0..2) };
        let has_alias = self.rng.random_bool(0.3);
        let value = |n: i32, number: i32| EnumValueDescriptorProto {
            name: Some(format!("E{index}_V{n}")),
            number: Some(number),
            options: None,
        };
        let mut values: Vec<_> = (0..self.rng.random_range(1..5)).map(|n| value(n, start + n * n * 3)).collect();
        if has_alias {
            values.push(value(99, start));
        }
        let options = has_alias.then(|| EnumOptions { allow_alias: Some(true), ..EnumOptions::default() });
        EnumDescriptorProto { name: Some(name), value: values, options, ..EnumDescriptorProto::default() }
    }

    fn message(&mut self, scope: &str, name: &str, depth: usize) -> DescriptorProto {
        let scope = format!("{scope}.{name}");
        let mut message = DescriptorProto { name: Some(name.to_owned()), ..DescriptorProto::default() };
        if depth < 2 && self.rng.random_bool(0.4) {
            self.messages.push(format!(".{scope}.Inner"));
            message.nested_type.push(self.message(&scope, "Inner", depth + 1));
        }
        let oneofs = self.rng.random_range(0..3);
        for index in 0..oneofs {
            message.oneof_decl.push(OneofDescriptorProto { name: Some(format!("o{index}")), options: None });
        }
        let mut number = 0;
        for index in 0..self.rng.random_range(1..10) {
            number += if self.rng.random_bool(0.1) { 200 } else { self.rng.random_range(1..4) };
            let field = self.field(&scope, &mut message, index, number, oneofs);
            message.field.push(field);
        }
        // A oneof without members is none.
        for index in 0..oneofs {
            let member = FieldDescriptorProto {
                oneof_index: Some(index),
                label: Some(Label::Optional.into()),
                ..named(&format!("member_{index}"), 5000 + index, Type::Int32)
            };
            message.field.push(member);
        }
        if !self.is_proto3 {
            let range =
                prost_types::descriptor_proto::ExtensionRange { start: Some(9000), end: Some(9100), options: None };
            message.extension_range.push(range);
        }
        // Optional fields of proto3 are in a oneof of their own.
        for field in &mut message.field {
            if field.proto3_optional() {
                field.oneof_index = Some(message.oneof_decl.len().try_into().unwrap());
                let name = format!("_{}", field.name());
                message.oneof_decl.push(OneofDescriptorProto { name: Some(name), options: None });
            }
        }
        message
    }

    fn field(
        &mut self,
        scope: &str,
        message: &mut DescriptorProto,
        index: usize,
        number: i32,
        oneofs: i32,
    ) -> FieldDescriptorProto {
        let name = match self.rng.random_range(0..4) {
            0 => format!("f{index}"),
            1 => format!("field_name_{index}"),
            2 => format!("_x{index}_"),
            _ => format!("camelCase{index}"),
        };
        let mut field = self.typed(&name, number);
        if self.rng.random_bool(0.2) {
            field.json_name = Some(format!("json \"{index}\" ä"));
        }
        match self.rng.random_range(0..6) {
            0 => field.label = Some(Label::Repeated.into()),
            1 if oneofs > 0 => field.oneof_index = Some(self.rng.random_range(0..oneofs)),
            2 if self.is_proto3 => field.proto3_optional = Some(true),
            2 => field.label = Some(Label::Required.into()),
            3 => {
                let entry = format!("Entry{index}");
                let mut key = named("key", 1, *KEYS.choose(self.rng).unwrap());
                key.label = Some(Label::Optional.into());
                let value = FieldDescriptorProto {
                    name: Some("value".to_owned()),
                    number: Some(2),
                    json_name: None,
                    ..field.clone()
                };
                let options = MessageOptions { map_entry: Some(true), ..MessageOptions::default() };
                message.nested_type.push(DescriptorProto {
                    name: Some(entry.clone()),
                    field: vec![key, value],
                    options: Some(options),
                    ..DescriptorProto::default()
                });
                field.r#type = Some(Type::Message.into());
                field.type_name = Some(format!(".{scope}.{entry}"));
                field.label = Some(Label::Repeated.into());
            }
            4 if !self.is_proto3 && field.r#type() == Type::Message => field.r#type = Some(Type::Group.into()),
            4 if !self.is_proto3 && field.r#type() == Type::Int32 => field.default_value = Some("42".to_owned()),
            _ => {}
        }
        // Required messages that hold themselves could not be made.
        if field.label() == Label::Required && field.r#type() == Type::Message {
            field.label = Some(Label::Optional.into());
        }
        field
    }

    fn typed(&mut self, name: &str, number: i32) -> FieldDescriptorProto {
        let (kind, type_name) = match self.rng.random_range(0..10) {
            0..=5 => (*SCALARS.choose(self.rng).unwrap(), None),
            6 => (Type::Enum, Some(self.enums.choose(self.rng).unwrap().clone())),
            7 => (Type::Message, Some(format!(".google.protobuf.{}", KNOWN.choose(self.rng).unwrap()))),
            8 => (Type::Message, Some(self.messages.choose(self.rng).unwrap().clone())),
            _ => (Type::Enum, Some(".google.protobuf.NullValue".to_owned())),
        };
        FieldDescriptorProto { type_name, label: Some(Label::Optional.into()), ..named(name, number, kind) }
    }

    fn extensions(&mut self, package: &str, messages: &[DescriptorProto]) -> Vec<FieldDescriptorProto> {
        let mut number = 9000;
        let mut extensions = Vec::new();
        for message in messages {
            for _ in 0..self.rng.random_range(0..3) {
                let mut field = self.typed(&format!("extension_{number}"), number);
                field.extendee = Some(format!(".{package}.{}", message.name()));
                if self.rng.random_bool(0.3) {
                    field.label = Some(Label::Repeated.into());
                }
                extensions.push(field);
                number += 1;
            }
        }
        extensions
    }
}

fn named(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        r#type: Some(kind.into()),
        ..FieldDescriptorProto::default()
    }
}
