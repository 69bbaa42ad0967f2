use prost_types::method_options::IdempotencyLevel;
use prost_types::{
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions as FullOptions, ServiceDescriptorProto,
};

use super::*;

fn method(name: &str, level: Option<IdempotencyLevel>, streaming: (bool, bool)) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.into()),
        input_type: Some(".a.In".into()),
        client_streaming: Some(streaming.0),
        server_streaming: Some(streaming.1),
        options: level.map(|level| FullOptions {
            deprecated: Some(true),
            idempotency_level: Some(level.into()),
            ..FullOptions::default()
        }),
        ..MethodDescriptorProto::default()
    }
}

fn file(package: &str, service: &str, methods: Vec<MethodDescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(format!("{service}.proto")),
        package: Some(package.into()),
        service: vec![ServiceDescriptorProto {
            name: Some(service.into()),
            method: methods,
            ..ServiceDescriptorProto::default()
        }],
        ..FileDescriptorProto::default()
    }
}

fn set(files: Vec<FileDescriptorProto>) -> Vec<u8> {
    FileDescriptorSet { file: files }.encode_to_vec()
}

#[test]
fn methods_are_described() {
    let bytes = set(vec![file(
        "shop.v1",
        "Catalog",
        vec![
            method("Get", Some(IdempotencyLevel::NoSideEffects), (false, false)),
            method("Put", Some(IdempotencyLevel::Idempotent), (false, true)),
            method("Chat", None, (true, true)),
        ],
    )]);
    let expected = |name: &str, idempotency, client_streaming, server_streaming| GrpcMethod {
        name: name.into(),
        client_streaming,
        server_streaming,
        idempotency,
    };
    assert_eq!(
        services(&bytes).unwrap(),
        [GrpcService {
            name: "shop.v1.Catalog".into(),
            methods: vec![
                expected("Get", Idempotency::NoSideEffects, false, false),
                expected("Put", Idempotency::Idempotent, false, true),
                expected("Chat", Idempotency::Unknown, true, true),
            ],
        }]
    );
}

#[test]
fn sets_one_after_the_other_are_one_set() {
    let one = set(vec![file("", "B", vec![])]);
    let two = set(vec![file("a", "A", vec![]), file("", "B", vec![])]);
    let names =
        |bytes: &[u8]| -> Vec<String> { services(bytes).unwrap().into_iter().map(|service| service.name).collect() };
    assert_eq!(names(&[one, two].concat()), ["B", "a.A"]);
    assert_eq!(names(&[]), [""; 0]);
}

#[test]
fn contradictions_are_refused() {
    let bytes = set(vec![file("a", "A", vec![]), file("a", "A", vec![method("Get", None, (false, false))])]);
    let reason = services(&bytes).unwrap_err();
    assert_eq!(reason, "the service `a.A` is described twice, and differently");
}

#[test]
fn other_bytes_are_refused() {
    let good = set(vec![file("a", "A", vec![])]);
    for bytes in [&good[..good.len() - 1], b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"hello"] {
        let reason = services(bytes).unwrap_err();
        assert!(reason.starts_with("not a FileDescriptorSet: "), "{reason}");
    }
}

#[test]
fn names_and_services_have_a_bound() {
    let long = set(vec![file(&"a".repeat(512), "A", vec![])]);
    assert_eq!(services(&long).unwrap_err(), "a service's name is longer than 512 bytes");
    let many = set(vec![file("a", "A", vec![])]).repeat(10_001);
    assert_eq!(services(&many).unwrap_err(), "more than 10000 services");
}

#[test]
fn unknown_fields_are_passed_over() {
    let mut bytes = vec![0x10, 0x05];
    bytes.extend(set(vec![file("a", "A", vec![])]));
    assert_eq!(services(&bytes).unwrap().len(), 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = services(&bytes);
    }
}
