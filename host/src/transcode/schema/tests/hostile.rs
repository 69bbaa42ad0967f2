//! Descriptors that are wrong, or larger than they may be.

use super::*;

/// Refused, with these words in the reason.
#[track_caller]
fn refused(files: Vec<FileDescriptorProto>, words: &[&str]) {
    let error = Schema::decode(&encode(files)).expect_err("accepted").to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    assert!(error.len() < 2000, "{} bytes", error.len());
}

#[test]
fn bytes_that_are_no_set() {
    for bytes in [
        b"\x0a".as_slice(),
        b"\x0a\x05",
        b"\xff\xff\xff\xff\xff",
        b"\x0a\x03\x0a\x05a",
        b"\x0b",
        b"\x00",
        b"\x0a\x03\x0a\x01\xff",
    ] {
        let error = Schema::decode(bytes).unwrap_err();
        assert!(error.to_string().contains("not a FileDescriptorSet"), "{error}");
        assert!(rules(bytes).is_err() || bytes.len() == 5, "{bytes:?}");
    }
}

#[test]
fn an_unknown_syntax() {
    for syntax in ["proto4", "Proto3", "edition", "proto3 "] {
        refused(
            vec![FileDescriptorProto {
                syntax: Some(syntax.to_owned()),
                ..file("a.proto", vec![message("M", vec![])])
            }],
            &["\"a.proto\"", "syntax"],
        );
    }
}

#[test]
fn imports_in_a_circle() {
    let circle = |name: &str, other: &str, content: DescriptorProto| FileDescriptorProto {
        dependency: vec![other.to_owned(), name.to_owned(), "missing.proto".to_owned()],
        public_dependency: vec![0, 1, 2, 3, -1, i32::MAX],
        ..file(name, vec![content])
    };
    let set = encode(vec![
        circle("a.proto", "b.proto", message("A", vec![field("b", 1, Type::Message, Some(".p.B"))])),
        circle("b.proto", "a.proto", message("B", vec![field("a", 1, Type::Message, Some(".p.A"))])),
    ]);
    let schema = Schema::decode(&set).unwrap();
    assert!(schema.pool().get_message_by_name("p.A").is_some());
}

#[test]
fn imports_that_multiply() {
    // Each of a layer imports each of the next: the paths are without number, the files are not.
    let layers = 30;
    let name = |layer: usize, index: usize| format!("{layer}-{index}.proto");
    let files = (0..layers).flat_map(|layer| {
        (0..4).map(move |index| FileDescriptorProto {
            name: Some(name(layer, index)),
            dependency: if layer + 1 < layers { (0..4).map(|index| name(layer + 1, index)).collect() } else { vec![] },
            public_dependency: vec![0, 1, 2, 3],
            ..FileDescriptorProto::default()
        })
    });
    Schema::decode(&encode(files.collect())).unwrap();
    let star: Vec<_> = (0..400)
        .map(|index| FileDescriptorProto {
            name: Some(format!("{index}.proto")),
            dependency: (0..240).map(|index| format!("{index}.proto")).collect(),
            public_dependency: (0..240).collect(),
            ..FileDescriptorProto::default()
        })
        .collect();
    refused(star, &["imports"]);
}

#[test]
fn types_that_are_missing_or_of_another_kind() {
    let one = |field| vec![file("a.proto", vec![message("M", vec![field])])];
    refused(one(field("x", 1, Type::Message, Some(".p.Nothing"))), &["a.proto", "Nothing"]);
    refused(one(field("x", 1, Type::Message, Some("M"))), &["`p.M.x`", "leading dot"]);
    refused(one(field("x", 1, Type::Message, Some("..M"))), &["leading dot"]);
    refused(one(field("x", 1, Type::Message, None)), &["a.proto"]);
    refused(one(field("x", 1, Type::Message, Some(".p"))), &["a.proto"]);
    refused(one(FieldDescriptorProto { r#type: Some(19), ..int32("x", 1) }), &["type is unknown"]);
    refused(one(FieldDescriptorProto { r#type: None, ..int32("x", 1) }), &["type is unknown"]);
    refused(one(FieldDescriptorProto { label: Some(4), ..int32("x", 1) }), &["label is unknown"]);
    refused(one(FieldDescriptorProto { oneof_index: Some(0), ..int32("x", 1) }), &["oneof that is not there"]);
    refused(one(FieldDescriptorProto { oneof_index: Some(-1), ..int32("x", 1) }), &["oneof that is not there"]);
    refused(one(FieldDescriptorProto { default_value: Some("x".to_owned()), ..int32("x", 1) }), &["a.proto"]);
    for number in [0, -1, 19_000, 536_870_912, i32::MAX] {
        refused(one(int32("x", number)), &["a.proto"]);
    }
    refused(vec![file("a.proto", vec![message("M", vec![int32("x", 1), int32("y", 1)])])], &["a.proto"]);
    refused(vec![file("a.proto", vec![message("M", vec![]), message("M", vec![])])], &["p.M"]);
    let not_imported = vec![
        file("a.proto", vec![message("A", vec![])]),
        file("b.proto", vec![message("B", vec![field("a", 1, Type::Message, Some(".p.A"))])]),
    ];
    refused(not_imported, &["b.proto", "p.A"]);
    let empty = FileDescriptorProto { enum_type: vec![enumeration("E", &[])], ..file("a.proto", vec![]) };
    refused(vec![empty], &["a.proto"]);
}

#[test]
fn names_that_are_none() {
    for name in ["", "a.b", "1a", "ä", "a b", "a-b"] {
        refused(vec![file("a.proto", vec![message(name, vec![])])], &["a.proto", "is not a name"]);
        refused(vec![file("a.proto", vec![message("M", vec![int32(name, 1)])])], &["`p.M`", "is not a name"]);
        let package = FileDescriptorProto { package: Some(format!("p.{name}.")), ..file("a.proto", vec![]) };
        refused(vec![package], &["package"]);
    }
    refused(vec![file("", vec![])], &["its name is empty"]);
    let own = FileDescriptorProto {
        package: Some("google.protobuf".to_owned()),
        ..file("x.proto", vec![message("MethodOptions", vec![])])
    };
    refused(vec![own], &["protobuf's own"]);
}

#[test]
fn the_hosts_own_files_are_not_replaced() {
    // With options of this form, the library would panic.
    let bad = FileDescriptorProto {
        package: Some("google.protobuf".to_owned()),
        ..file("google/protobuf/descriptor.proto", vec![message("MethodOptions", vec![repeated(int32("x", 34))])])
    };
    let any = FileDescriptorProto {
        package: Some("google.protobuf".to_owned()),
        ..file("google/protobuf/any.proto", vec![])
    };
    let schema = Schema::decode(&encode(vec![bad, any])).unwrap();
    assert!(schema.pool().get_message_by_name("google.protobuf.Any").unwrap().get_field_by_name("type_url").is_some());
}

fn map_entry(fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    let options = MessageOptions { map_entry: Some(true), ..MessageOptions::default() };
    DescriptorProto { options: Some(options), ..message("Entry", fields) }
}

#[test]
fn maps_that_are_none() {
    let with = |entry: DescriptorProto, field: FieldDescriptorProto| {
        vec![file("a.proto", vec![DescriptorProto { nested_type: vec![entry], ..message("M", vec![field]) }])]
    };
    let list = || repeated(field("map", 1, Type::Message, Some(".p.M.Entry")));
    let good = || map_entry(vec![int32("key", 1), int32("value", 2)]);
    Schema::decode(&encode(with(good(), list()))).unwrap();
    for fields in [
        vec![],
        vec![int32("key", 1)],
        vec![int32("value", 2)],
        vec![int32("key", 1), int32("value", 3)],
        vec![int32("key", 1), int32("value", 2), int32("more", 3)],
        vec![repeated(int32("key", 1)), int32("value", 2)],
        vec![int32("key", 1), repeated(int32("value", 2))],
        vec![field("key", 1, Type::Double, None), int32("value", 2)],
        vec![field("key", 1, Type::Bytes, None), int32("value", 2)],
        vec![field("key", 1, Type::Message, Some(".p.M")), int32("value", 2)],
        vec![int32("key", 1), field("value", 2, Type::Group, Some(".p.M"))],
        vec![FieldDescriptorProto { label: Some(Label::Required.into()), ..int32("key", 1) }, int32("value", 2)],
    ] {
        refused(with(map_entry(fields), list()), &["p.M.Entry", "entry of a map"]);
    }
    refused(with(good(), field("map", 1, Type::Message, Some(".p.M.Entry"))), &["p.M.map", "entry of a map elsewhere"]);
    refused(with(good(), repeated(field("map", 1, Type::Group, Some(".p.M.Entry")))), &["p.M.map"]);
    let mut files = with(good(), list());
    files[0].message_type.push(message("N", vec![repeated(field("map", 1, Type::Message, Some(".p.M.Entry")))]));
    refused(files, &["p.N.map"]);
    let mut files = with(good(), list());
    files[0].service.push(ServiceDescriptorProto {
        name: Some("S".to_owned()),
        method: vec![MethodDescriptorProto {
            name: Some("Do".to_owned()),
            input_type: Some(".p.M".to_owned()),
            output_type: Some(".p.M.Entry".to_owned()),
            ..MethodDescriptorProto::default()
        }],
        options: None,
    });
    refused(files, &["p.S.Do"]);
}

#[test]
fn extensions_have_a_number_each() {
    let range = prost_types::descriptor_proto::ExtensionRange { start: Some(1), end: Some(1000), options: None };
    let extendable = || DescriptorProto { extension_range: vec![range.clone()], ..message("M", vec![]) };
    let extension = |name: &str, number, kind| FieldDescriptorProto {
        extendee: Some(".p.M".to_owned()),
        ..field(name, number, kind, None)
    };
    let with = |extensions| vec![FileDescriptorProto { extension: extensions, ..file("a.proto", vec![extendable()]) }];
    Schema::decode(&encode(with(vec![extension("a", 1, Type::Int32), extension("b", 2, Type::String)]))).unwrap();
    refused(
        with(vec![extension("a", 1, Type::Int32), extension("b", 1, Type::String)]),
        &["`p.b`", "another extension"],
    );
    refused(with(vec![extension("a", 1001, Type::Int32)]), &["a.proto"]);
    let required = FieldDescriptorProto { label: Some(Label::Required.into()), ..extension("a", 1, Type::Int32) };
    refused(with(vec![required]), &["cannot be required"]);
    let many =
        |count: usize| (1..=count).map(|n| extension(&format!("e{n}"), n.try_into().unwrap(), Type::Int32)).collect();
    Schema::decode(&encode(with(many(EXTENSIONS_MAX)))).unwrap();
    refused(with(many(EXTENSIONS_MAX + 1)), &["128 extensions"]);
    let ranges = vec![range.clone(); EXTENSIONS_MAX + 1];
    refused(
        vec![file("a.proto", vec![DescriptorProto { extension_range: ranges, ..message("M", vec![]) }])],
        &["ranges"],
    );
}

#[test]
fn every_limit_holds() {
    let definitions =
        |count: usize| vec![file("a.proto", (0..count).map(|n| message(&format!("M{n}"), vec![])).collect())];
    refused(definitions(PARTS_MAX + 1), &["100000 definitions"]);
    let files = |count: usize| (0..count).map(|n| file(&format!("{n}.proto"), vec![])).collect::<Vec<_>>();
    Schema::decode(&encode(files(FILES_MAX))).unwrap();
    refused(files(FILES_MAX + 1), &["2000 files"]);
    let nested = |levels: usize| {
        let start = message("M", vec![]);
        vec![file(
            "a.proto",
            vec![
                (1..levels)
                    .fold(start, |inner, _| DescriptorProto { nested_type: vec![inner], ..message("M", vec![]) }),
            ],
        )]
    };
    Schema::decode(&encode(nested(NESTING_MAX))).unwrap();
    refused(nested(NESTING_MAX + 1), &["32 levels"]);
    // The package and the dot are part of it.
    let name = |length: usize| vec![file("a.proto", vec![message(&"M".repeat(length), vec![])])];
    Schema::decode(&encode(name(NAME_BYTES_MAX - 2))).unwrap();
    refused(name(NAME_BYTES_MAX - 1), &["512 bytes in a name"]);
    refused(vec![file(&"f".repeat(NAME_BYTES_MAX + 1), vec![])], &["longer than 512"]);
    let long = "L".repeat(400);
    let many =
        (0..NAMES_BYTES_MAX / 400).map(|n| int32(&format!("f{n}"), i32::try_from(n).unwrap() + 20_000)).collect();
    refused(vec![file("a.proto", vec![message(&long, many)])], &["bytes of names"]);
    let default = |length: usize| {
        let field =
            FieldDescriptorProto { default_value: Some("x".repeat(length)), ..field("x", 1, Type::String, None) };
        vec![file("a.proto", vec![message("M", vec![field])])]
    };
    Schema::decode(&encode(default(DEFAULT_BYTES_MAX))).unwrap();
    refused(default(DEFAULT_BYTES_MAX + 1), &["default value is too long"]);
    let json_name = FieldDescriptorProto { json_name: Some("x".repeat(NAME_BYTES_MAX + 1)), ..int32("x", 1) };
    refused(vec![file("a.proto", vec![message("M", vec![json_name])])], &["in JSON is too long"]);
    let oneof = |count: usize| {
        let member = |n: usize| FieldDescriptorProto {
            oneof_index: Some(0),
            ..int32(&format!("f{n}"), i32::try_from(n).unwrap() + 1)
        };
        let declaration = OneofDescriptorProto { name: Some("o".to_owned()), options: None };
        vec![file(
            "a.proto",
            vec![DescriptorProto { oneof_decl: vec![declaration], ..message("M", (0..count).map(member).collect()) }],
        )]
    };
    Schema::decode(&encode(oneof(ONEOF_FIELDS_MAX))).unwrap();
    refused(oneof(ONEOF_FIELDS_MAX + 1), &["fields in a oneof"]);
    let error = Schema::decode(&vec![0; SET_BYTES_MAX + 1]).unwrap_err();
    assert!(error.to_string().contains("bytes"), "{error}");
    assert!(rules(&vec![0; SET_BYTES_MAX + 1]).is_err());
}

#[test]
fn options_have_a_size() {
    let with = |options: Vec<u8>| {
        let method = proto::Method {
            name: "Do".to_owned(),
            input: ".p.M".to_owned(),
            output: ".p.M".to_owned(),
            options: Some(options),
            ..proto::Method::default()
        };
        let service = proto::Service { name: "S".to_owned(), methods: vec![method], options: None };
        let messages = vec![proto::Msg { name: "M".to_owned(), ..proto::Msg::default() }];
        let file = proto::File {
            name: "a.proto".to_owned(),
            package: "p".to_owned(),
            messages,
            services: vec![service],
            ..proto::File::default()
        };
        proto::Set { files: vec![file] }.encode_to_vec()
    };
    // A field that nobody knows, many times over.
    Schema::decode(&with([0xc0, 0x3e, 1].repeat(OPTIONS_BYTES_MAX / 3))).unwrap();
    let large = with([0xc0, 0x3e, 1].repeat(OPTIONS_BYTES_MAX / 3 + 1));
    for error in [Schema::decode(&large).unwrap_err(), rules(&large).unwrap_err()] {
        assert!(error.to_string().contains("bytes of options"), "{error}");
    }
    // Uninterpreted options are dropped: the library would look for what they mean.
    Schema::decode(&with(b"\xba\x3e\x0b\x12\x07\x0a\x03foo\x10\x01\x20\x05".to_vec())).unwrap();
}

#[test]
fn comments_beyond_the_limit_are_dropped() {
    let location = proto::Location { path: vec![4, 0], leading: Some("c".to_owned()), trailing: None };
    let mut file = proto::File { name: "a.proto".to_owned(), ..proto::File::default() };
    file.source = Some(proto::SourceInfo { locations: vec![location; COMMENTS_MAX + 1] }.encode_to_vec());
    let schema = Schema::decode(&proto::Set { files: vec![file] }.encode_to_vec()).unwrap();
    let file = schema.pool().get_file_by_name("a.proto").unwrap();
    assert_eq!(file.file_descriptor_proto().source_code_info.as_ref().unwrap().location.len(), COMMENTS_MAX);
}
