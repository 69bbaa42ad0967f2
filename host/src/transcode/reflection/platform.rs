//! What the host itself describes: reflection, health, and protobuf's own types.
//!
//! Source: gRPC's `grpc/reflection/v1/reflection.proto` and `grpc/health/v1/health.proto`.

use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

/// What answers in the name of the host. No module can have this name.
pub(super) const NAME: &str = "(host)";

/// The gRPC services that the host itself serves.
pub const SERVICES: [&str; 3] =
    ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/// The encoded set of their files, and of those of `google/protobuf/` that modules may leave out.
pub fn set() -> Bytes {
    static SET: LazyLock<Bytes> = LazyLock::new(|| {
        let own = FileDescriptorSet { file: vec![health(), reflection("v1"), reflection("v1alpha")] };
        // One set after the other is both of them.
        let mut set = DescriptorPool::global().encode_to_vec();
        set.extend(own.encode_to_vec());
        set.into()
    });
    SET.clone()
}

fn health() -> FileDescriptorProto {
    let package = "grpc.health.v1";
    let typed = |name: &str| format!(".{package}.{name}");
    let statuses = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
    let value = |(number, name): (i32, &&str)| EnumValueDescriptorProto {
        name: Some((*name).to_owned()),
        number: Some(number),
        options: None,
    };
    let status = EnumDescriptorProto {
        name: Some("ServingStatus".to_owned()),
        value: (0..).zip(&statuses).map(value).collect(),
        ..Default::default()
    };
    let response = DescriptorProto {
        enum_type: vec![status],
        ..message(
            "HealthCheckResponse",
            vec![field("status", 1, Type::Enum, Some(typed("HealthCheckResponse.ServingStatus")))],
        )
    };
    let entry = DescriptorProto {
        options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
        ..message(
            "StatusesEntry",
            vec![
                field("key", 1, Type::String, None),
                field("value", 2, Type::Message, Some(typed("HealthCheckResponse"))),
            ],
        )
    };
    let statuses = repeated(field("statuses", 1, Type::Message, Some(typed("HealthListResponse.StatusesEntry"))));
    let list = DescriptorProto { nested_type: vec![entry], ..message("HealthListResponse", vec![statuses]) };
    let messages = vec![
        message("HealthCheckRequest", vec![field("service", 1, Type::String, None)]),
        response,
        message("HealthListRequest", Vec::new()),
        list,
    ];
    let check = method("Check", typed("HealthCheckRequest"), typed("HealthCheckResponse"));
    let methods = vec![
        check.clone(),
        method("List", typed("HealthListRequest"), typed("HealthListResponse")),
        MethodDescriptorProto { name: Some("Watch".to_owned()), server_streaming: Some(true), ..check },
    ];
    file("grpc/health/v1/health.proto", package, messages, "Health", methods)
}

fn reflection(version: &str) -> FileDescriptorProto {
    let package = format!("grpc.reflection.{version}");
    let typed = |name: &str| Some(format!(".{package}.{name}"));
    let text = |name: &str, number: i32| field(name, number, Type::String, None);
    let part = |name: &str, number: i32, of: &str| field(name, number, Type::Message, typed(of));
    let messages = vec![
        choice(
            "ServerReflectionRequest",
            vec![text("host", 1)],
            "message_request",
            vec![
                text("file_by_filename", 3),
                text("file_containing_symbol", 4),
                part("file_containing_extension", 5, "ExtensionRequest"),
                text("all_extension_numbers_of_type", 6),
                text("list_services", 7),
            ],
        ),
        message("ExtensionRequest", vec![text("containing_type", 1), field("extension_number", 2, Type::Int32, None)]),
        choice(
            "ServerReflectionResponse",
            vec![text("valid_host", 1), part("original_request", 2, "ServerReflectionRequest")],
            "message_response",
            vec![
                part("file_descriptor_response", 4, "FileDescriptorResponse"),
                part("all_extension_numbers_response", 5, "ExtensionNumberResponse"),
                part("list_services_response", 6, "ListServiceResponse"),
                part("error_response", 7, "ErrorResponse"),
            ],
        ),
        message("FileDescriptorResponse", vec![repeated(field("file_descriptor_proto", 1, Type::Bytes, None))]),
        message(
            "ExtensionNumberResponse",
            vec![text("base_type_name", 1), repeated(field("extension_number", 2, Type::Int32, None))],
        ),
        message("ListServiceResponse", vec![repeated(part("service", 1, "ServiceResponse"))]),
        message("ServiceResponse", vec![text("name", 1)]),
        message("ErrorResponse", vec![field("error_code", 1, Type::Int32, None), text("error_message", 2)]),
    ];
    let info = MethodDescriptorProto {
        name: Some("ServerReflectionInfo".to_owned()),
        input_type: typed("ServerReflectionRequest"),
        output_type: typed("ServerReflectionResponse"),
        client_streaming: Some(true),
        server_streaming: Some(true),
        ..Default::default()
    };
    let name = format!("grpc/reflection/{version}/reflection.proto");
    file(&name, &package, messages, "ServerReflection", vec![info])
}

fn file(
    name: &str,
    package: &str,
    messages: Vec<DescriptorProto>,
    service: &str,
    methods: Vec<MethodDescriptorProto>,
) -> FileDescriptorProto {
    let service = ServiceDescriptorProto { name: Some(service.to_owned()), method: methods, ..Default::default() };
    FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some(package.to_owned()),
        message_type: messages,
        service: vec![service],
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    }
}

fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field: fields, ..Default::default() }
}

/// A message with some fields, and with others of which one is set.
fn choice(
    name: &str,
    mut fields: Vec<FieldDescriptorProto>,
    oneof: &str,
    of: Vec<FieldDescriptorProto>,
) -> DescriptorProto {
    fields.extend(of.into_iter().map(|field| FieldDescriptorProto { oneof_index: Some(0), ..field }));
    let oneof = OneofDescriptorProto { name: Some(oneof.to_owned()), options: None };
    DescriptorProto { oneof_decl: vec![oneof], ..message(name, fields) }
}

fn field(name: &str, number: i32, kind: Type, type_name: Option<String>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name,
        json_name: Some(json_name(name)),
        ..Default::default()
    }
}

fn repeated(field: FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field }
}

fn method(name: &str, input: String, output: String) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(input),
        output_type: Some(output),
        ..Default::default()
    }
}

/// `original_request` becomes `originalRequest`.
fn json_name(name: &str) -> String {
    let mut upper = false;
    let mut json = String::with_capacity(name.len());
    for c in name.chars() {
        match (c, upper) {
            ('_', _) => upper = true,
            (c, true) => {
                json.push(c.to_ascii_uppercase());
                upper = false;
            }
            (c, false) => json.push(c),
        }
    }
    json
}
