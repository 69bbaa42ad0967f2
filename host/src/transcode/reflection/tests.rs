mod clashes;
mod client;
mod fuzz;
mod limits;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::FileDescriptorProto;

use self::client::{Client, asked, compile, index};
use super::wire::{Asked, Request};
use super::*;

const MONEY: (&str, &str) = (
    "shop/money.proto",
    r#"syntax = "proto3";
    package shop;
    import public "google/protobuf/timestamp.proto";
    // An amount.
    message Money { int64 units = 1; Currency currency = 2; google.protobuf.Timestamp at = 3; }
    enum Currency { CURRENCY_UNSPECIFIED = 0; EUR = 1; }"#,
);

const ORDERS: (&str, &str) = (
    "shop/orders.proto",
    r#"syntax = "proto3";
    package shop.orders.v1;
    import "shop/money.proto";
    message Order {
      string id = 1;
      message Line { string product = 1; message Note { string text = 1; } repeated Note notes = 2; }
      repeated Line lines = 2;
      oneof price { shop.Money money = 3; string free = 4; }
      map<string, Line> by_product = 5;
      optional string comment = 6;
      enum State { NEW = 0; PAID = 1; }
      State state = 7;
    }
    service Orders {
      rpc Place(Order) returns (shop.Money);
      rpc Watch(Order) returns (stream Order);
    }"#,
);

const OLD: (&str, &str) = (
    "old.proto",
    r#"syntax = "proto2";
    package old;
    message Base { extensions 100 to 200; required int32 id = 1; }
    message Search {
      repeated group Result = 1 { required string url = 2; }
      extend Base { optional Search in_search = 120; }
    }
    extend Base { optional string note = 100; repeated int32 marks = 150; }
    service Searches { rpc Find(Base) returns (Search); }"#,
);

const HOST_SERVICES: [&str; 3] =
    ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

#[test]
fn a_client_finds_everything_it_needs_to_call() {
    let orders = compile(&[ORDERS]);
    let old = compile(&[OLD]);
    let index = index(&[("orders", &orders, &["shop.orders.v1.Orders"]), ("old", &old, &["old.Searches"])]);
    assert_eq!(index.clashes(), []);
    assert_eq!(index.unread(), []);

    let mut client = Client::new(&index);
    let services = client.list();
    let expected: Vec<_> = HOST_SERVICES.into_iter().chain(["old.Searches", "shop.orders.v1.Orders"]).collect();
    assert_eq!(services, expected);
    let pool = client.walk();
    let methods = |service: &str| -> Vec<String> {
        let service = pool.get_service_by_name(service).unwrap();
        service.methods().map(|method| method.name().to_owned()).collect()
    };
    assert_eq!(methods("shop.orders.v1.Orders"), ["Place", "Watch"]);
    assert_eq!(methods("old.Searches"), ["Find"]);
    assert_eq!(methods("grpc.health.v1.Health"), ["Check", "List", "Watch"]);
    let place = pool.get_service_by_name("shop.orders.v1.Orders").unwrap().methods().next().unwrap();
    assert!(place.input().get_field_by_name("by_product").unwrap().is_map());
    assert_eq!(pool.get_message_by_name("old.Base").unwrap().extensions().count(), 3);
    assert!(pool.get_message_by_name("old.Search").unwrap().get_field_by_name("result").unwrap().is_group());
}

#[test]
fn every_kind_of_symbol_leads_to_its_file() {
    let orders = compile(&[ORDERS]);
    let old = compile(&[OLD]);
    let index = index(&[("orders", &orders, &["shop.orders.v1.Orders"]), ("old", &old, &[])]);
    for (symbol, file) in [
        ("shop.orders.v1.Orders", "shop/orders.proto"),
        ("shop.orders.v1.Orders.Place", "shop/orders.proto"),
        ("shop.orders.v1.Order", "shop/orders.proto"),
        (".shop.orders.v1.Order", "shop/orders.proto"),
        ("shop.orders.v1.Order.id", "shop/orders.proto"),
        ("shop.orders.v1.Order.Line", "shop/orders.proto"),
        ("shop.orders.v1.Order.Line.Note.text", "shop/orders.proto"),
        ("shop.orders.v1.Order.ByProductEntry", "shop/orders.proto"),
        ("shop.orders.v1.Order.price", "shop/orders.proto"),
        ("shop.orders.v1.Order._comment", "shop/orders.proto"),
        ("shop.orders.v1.Order.State", "shop/orders.proto"),
        ("shop.orders.v1.Order.PAID", "shop/orders.proto"),
        ("shop.Money", "shop/money.proto"),
        ("shop.Currency", "shop/money.proto"),
        ("shop.EUR", "shop/money.proto"),
        ("old.note", "old.proto"),
        ("old.Search.in_search", "old.proto"),
        ("old.Search.Result.url", "old.proto"),
        ("google.protobuf.Timestamp.seconds", "google/protobuf/timestamp.proto"),
        ("google.protobuf.FieldOptions", "google/protobuf/descriptor.proto"),
        ("grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"),
        ("grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo", "grpc/reflection/v1alpha/reflection.proto"),
    ] {
        let files = Client::new(&index).symbol(symbol).unwrap_or_else(|error| panic!("{symbol}: {error:?}"));
        assert_eq!(files[0].name(), file, "{symbol}");
    }
    for missing in [
        "",
        ".",
        "shop",
        "shop.orders.v1",
        "shop.orders.v1.Orders.Cancel",
        "shop.orders.v1.Order.State.PAID",
        "shop.Currency.EUR",
        "Order",
        "shop.orders.v1.Order.",
        "..shop.Money",
    ] {
        let (code, message) = Client::new(&index).symbol(missing).unwrap_err();
        assert_eq!((code, &*message), (5, &*format!("no module has a symbol `{missing}`")));
    }
}

#[test]
fn an_answer_has_all_imports_after_the_file_and_each_once() {
    let orders = compile(&[ORDERS]);
    let index = index(&[("orders", &orders, &[])]);
    let expected = ["shop/orders.proto", "shop/money.proto", "google/protobuf/timestamp.proto"];
    let names =
        |files: Vec<FileDescriptorProto>| -> Vec<String> { files.iter().map(|file| file.name().to_owned()).collect() };
    let mut client = Client::new(&index);
    assert_eq!(names(client.symbol("shop.orders.v1.Orders").unwrap()), expected);
    assert_eq!(names(client.file("shop/orders.proto").unwrap()), expected);
    // Nothing is left out because it was sent before.
    assert_eq!(names(client.file("shop/orders.proto").unwrap()), expected);
    assert_eq!(names(client.file("google/protobuf/timestamp.proto").unwrap()), expected[2..]);
    let (code, message) = client.file("orders.proto").unwrap_err();
    assert_eq!((code, &*message), (5, "no module has a file `orders.proto`"));
}

#[test]
fn extensions_are_found_by_number() {
    let old = compile(&[OLD]);
    let more = compile(&[
        OLD,
        (
            "more.proto",
            r#"syntax = "proto2"; package more; import "old.proto"; extend old.Base { optional bool hot = 160; }"#,
        ),
    ]);
    let index = index(&[("old", &old, &[]), ("other", &more, &[])]);
    assert_eq!(index.clashes(), []);
    let mut client = Client::new(&index);
    assert_eq!(client.numbers("old.Base").unwrap(), [100, 120, 150, 160]);
    assert_eq!(client.numbers(".old.Base").unwrap(), [100, 120, 150, 160]);
    assert_eq!(client.numbers("old.Search").unwrap(), [0; 0]);
    assert_eq!(client.numbers("old.Nothing").unwrap_err().0, 5);
    assert_eq!(client.extension("old.Base", 120).unwrap()[0].name(), "old.proto");
    let names: Vec<_> = client.extension("old.Base", 160).unwrap().iter().map(|file| file.name().to_owned()).collect();
    assert_eq!(names, ["more.proto", "old.proto"]);
    let (code, message) = client.extension("old.Base", 101).unwrap_err();
    assert_eq!((code, &*message), (5, "no module has an extension 101 of `old.Base`"));
}

#[test]
fn requests_are_sent_back_with_their_answers() {
    let index = index(&[]);
    let mut request = asked("here.example", Asked::ListServices("*".to_owned()));
    // A field of a version to come.
    request.extend([0xf8, 0x3f, 1]);
    let answer = index.answer(&request).unwrap();
    let response = wire::Response::decode(&*answer).unwrap();
    assert_eq!(response.valid_host, "here.example");
    assert_eq!(response.original_request.unwrap(), request);

    let nothing = Request { host: "h".to_owned(), asked: None }.encode_to_vec();
    let response = wire::Response::decode(&*index.answer(&nothing).unwrap()).unwrap();
    assert!(matches!(response.answer, Some(wire::Answer::Error(error)) if error.code == 3));
    assert!(matches!(index.answer(&[0xff]), Err(error @ RequestError::Malformed { .. }) if error.code() as i32 == 3));
}

#[test]
fn what_is_answered_fits_what_is_described() {
    let orders = compile(&[ORDERS]);
    let index = index(&[("orders", &orders, &["shop.orders.v1.Orders"])]);
    let mut client = Client::new(&index);
    let pool = client.walk();
    for version in ["v1", "v1alpha"] {
        let typed = |name: &str| pool.get_message_by_name(&format!("grpc.reflection.{version}.{name}")).unwrap();
        let json = |bytes: &[u8]| {
            let message = DynamicMessage::decode(typed("ServerReflectionResponse"), bytes).unwrap();
            assert_eq!(message.unknown_fields().count(), 0);
            serde_json::to_value(message).unwrap()
        };
        for (asked, field) in [
            (Asked::ListServices(String::new()), "listServicesResponse"),
            (Asked::FileContainingSymbol("shop.Money".to_owned()), "fileDescriptorResponse"),
            (Asked::AllExtensionNumbersOfType("shop.Money".to_owned()), "allExtensionNumbersResponse"),
            (Asked::FileByFilename("x".to_owned()), "errorResponse"),
        ] {
            let request = client::asked("h", asked);
            let answer = json(&index.answer(&request).unwrap());
            assert!(answer.get(field).is_some(), "{field}: {answer}");
            assert_eq!(answer["validHost"], "h");
            assert_eq!(answer["originalRequest"]["host"], "h");
        }
    }
}

/// The host's own descriptors are written in code: they are what the compiler makes of the text.
#[test]
fn the_descriptors_of_the_host_are_those_of_protobuf_text() {
    let health = compile(&[(
        "grpc/health/v1/health.proto",
        r#"syntax = "proto3";
        package grpc.health.v1;
        message HealthCheckRequest { string service = 1; }
        message HealthCheckResponse {
          enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
          ServingStatus status = 1;
        }
        message HealthListRequest {}
        message HealthListResponse { map<string, HealthCheckResponse> statuses = 1; }
        service Health {
          rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
          rpc List(HealthListRequest) returns (HealthListResponse);
          rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
        }"#,
    )]);
    let written = prost_types::FileDescriptorSet::decode(&*health).unwrap().file.remove(0);
    let mut written = FileDescriptorProto { source_code_info: None, ..written };
    let index = index(&[]);
    let mut own = Client::new(&index).symbol("grpc.health.v1.Health").unwrap().remove(0);
    for file in [&mut own, &mut written] {
        for method in &mut file.service[0].method {
            method.client_streaming = Some(method.client_streaming());
            method.server_streaming = Some(method.server_streaming());
        }
    }
    assert_eq!(own, written);
}

#[test]
fn descriptors_pass_as_they_are() {
    // Edition 2023, of which the libraries of this host know nothing, and fields of editions to come.
    let mut file = FileDescriptorProto {
        name: Some("new.proto".to_owned()),
        package: Some("new".to_owned()),
        syntax: Some("editions".to_owned()),
        message_type: vec![prost_types::DescriptorProto { name: Some("M".to_owned()), ..Default::default() }],
        ..Default::default()
    }
    .encode_to_vec();
    prost::encoding::int32::encode(14, &1000, &mut file);
    prost::encoding::bytes::encode(1234, &b"to come".to_vec(), &mut file);
    let mut set = Vec::new();
    prost::encoding::bytes::encode(1, &file, &mut set);
    let index = index(&[("new", &set, &[])]);
    let mut client = Client::new(&index);
    client.symbol("new.M").unwrap();
    assert_eq!(client.last, [file]);
}

#[test]
fn modules_may_leave_out_what_the_host_has() {
    let file = prost_types::FileDescriptorSet::decode(&*compile(&[MONEY])).unwrap();
    let own: Vec<_> = file.file.into_iter().filter(|file| file.name() == MONEY.0).collect();
    assert_eq!(own.len(), 1);
    let set = prost_types::FileDescriptorSet { file: own }.encode_to_vec();
    let index = index(&[("money", &set, &[])]);
    let mut client = Client::new(&index);
    client.symbol("shop.Money").unwrap();
    let mut pool = DescriptorPool::new();
    for file in client.last.iter().rev() {
        pool.decode_file_descriptor_proto(&**file).unwrap();
    }
    assert!(pool.get_message_by_name("shop.Money").is_some());
}

#[test]
fn a_service_is_listed_once_and_whether_or_not_it_is_described() {
    let orders = compile(&[ORDERS]);
    let index = index(&[
        ("b", &orders, &["shop.orders.v1.Orders", "grpc.health.v1.Health"]),
        ("a", &orders, &["shop.orders.v1.Orders", "gone.Service"]),
    ]);
    let services: Vec<_> = index.services().collect();
    let expected: Vec<_> = ["gone.Service"].into_iter().chain(HOST_SERVICES).chain(["shop.orders.v1.Orders"]).collect();
    assert_eq!(services, expected);
    assert_eq!(Client::new(&index).symbol("gone.Service").unwrap_err().0, 5);
    assert_eq!(index.clashes(), []);
}
