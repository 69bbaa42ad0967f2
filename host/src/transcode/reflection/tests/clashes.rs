use prost_types::{FileDescriptorProto, FileDescriptorSet};

use super::*;

/// A file `common.proto`, and one that has a service of it.
fn module(package: &str, common: &str) -> Vec<u8> {
    let common = format!("syntax = \"proto3\"; package {package}; {common}");
    let service = format!(
        "syntax = \"proto3\"; package {package}; import \"common.proto\"; service Api {{ rpc Get(Common) returns (Common); }}"
    );
    compile(&[("common.proto", &common), (&format!("{package}.proto"), &service)])
}

fn names(files: &[FileDescriptorProto]) -> Vec<&str> {
    files.iter().map(FileDescriptorProto::name).collect()
}

fn reports(index: &Index) -> Vec<String> {
    index.clashes().iter().map(ToString::to_string).collect()
}

#[test]
fn files_with_nothing_but_a_name_in_common_are_shown_under_two() {
    let a = module("a", "message Common { string of_a = 1; }");
    let b = module("b", "message Common { string of_b = 1; }");
    let index = index(&[("beta", &b, &["b.Api"]), ("alpha", &a, &["a.Api"])]);
    assert_eq!(
        reports(&index),
        ["the modules `alpha` and `beta` have different files with the name `common.proto`; reflection shows that of \
             `beta` as `beta/common.proto`"]
    );
    // All in one pool.
    for mut client in [Client::new(&index), Client::that_forgets(&index)] {
        let pool = client.walk();
        for (service, field) in [("a.Api", "of_a"), ("b.Api", "of_b")] {
            let method = pool.get_service_by_name(service).unwrap().methods().next().unwrap();
            assert!(method.input().get_field_by_name(field).is_some());
        }
    }

    let mut client = Client::new(&index);
    assert_eq!(names(&client.symbol("b.Api").unwrap()), ["b.proto", "beta/common.proto"]);
    assert_eq!(client.symbol("b.Api").unwrap()[0].dependency, ["beta/common.proto"]);
    assert_eq!(names(&client.file("beta/common.proto").unwrap()), ["beta/common.proto"]);
    // By its own name it is the one of the module asked about, and has that name.
    let common = client.file("common.proto").unwrap();
    assert_eq!((names(&common), common[0].package()), (vec!["common.proto"], "b"));
    assert_eq!(names(&client.symbol("a.Api.Get").unwrap()), ["a.proto", "common.proto"]);
    assert_eq!(client.file("common.proto").unwrap()[0].package(), "a");
    assert_eq!(Client::new(&index).file("common.proto").unwrap()[0].package(), "a");
}

#[test]
fn versions_of_a_file_are_those_of_the_module_asked_about() {
    let a = module("shop", "message Common { string first = 1; }");
    let b = compile(&[
        ("common.proto", "syntax = \"proto3\"; package shop; message Common { string second = 1; }"),
        (
            "b.proto",
            "syntax = \"proto3\"; package b; import \"common.proto\"; service Api { rpc Get(shop.Common) returns (shop.Common); }",
        ),
    ]);
    let index = index(&[("a", &a, &["shop.Api"]), ("b", &b, &["b.Api"])]);
    assert_eq!(
        reports(&index),
        [
            "the modules `a` and `b` have different versions of the file `common.proto`; reflection shows a client that \
             of the module it asked about before",
            "the modules `a` and `b` define `shop.Common` differently; reflection shows a client the definition of the \
             module it asked about before",
        ]
    );
    let field = |file: &FileDescriptorProto| file.message_type[0].field[0].name().to_owned();
    let mut client = Client::new(&index);
    assert_eq!(field(&client.file("common.proto").unwrap()[0]), "first");
    for (service, expected) in [("b.Api", "second"), ("shop.Api", "first"), ("b.Api.Get", "second")] {
        let files = client.symbol(service).unwrap();
        assert_eq!(files[1].name(), "common.proto");
        assert_eq!(field(&files[1]), expected);
        assert_eq!(field(&client.file("common.proto").unwrap()[0]), expected);
        assert_eq!(field(&client.symbol("shop.Common").unwrap()[0]), expected);
        // What is only in another module does not change what was asked about before, as long as it is a file.
        client.file("google/protobuf/any.proto").unwrap();
        assert_eq!(field(&client.file("common.proto").unwrap()[0]), expected);
    }
    // What a service needs is in one answer.
    for (service, expected) in [("b.Api", "second"), ("shop.Api", "first")] {
        assert_eq!(field(&Client::that_forgets(&index).symbol(service).unwrap()[1]), expected);
    }
    // Conversations do not know of each other.
    assert_eq!(field(&Client::new(&index).symbol("shop.Common").unwrap()[0]), "first");
}

#[test]
fn the_module_that_serves_a_service_describes_it() {
    // `a` calls `b`, and has an old description of it.
    let old =
        compile(&[("b.proto", "syntax = \"proto3\"; package b; message M {} service Api { rpc Get(M) returns (M); }")]);
    let new = compile(&[(
        "b.proto",
        "syntax = \"proto3\"; package b; message M {} service Api { rpc Get(M) returns (M); rpc Put(M) returns (M); }",
    )]);
    let index = index(&[("a", &old, &[]), ("b", &new, &["b.Api"])]);
    let mut client = Client::new(&index);
    for symbol in ["b.Api", "b.Api.Get", "b.M"] {
        assert_eq!(client.symbol(symbol).unwrap()[0].service[0].method.len(), 2, "{symbol}");
    }
    // `M` is the same in both.
    let symbols: Vec<_> = index.clashes().iter().map(|clash| (&*clash.name, &clash.what)).collect();
    assert_eq!(symbols, [("b.proto", &What::File), ("b.Api", &What::Symbol)]);
}

#[test]
fn comments_and_advice_to_compilers_make_no_clash() {
    let file = "syntax = \"proto3\"; package shop; message Common { string id = 1; }";
    let commented = "// Comments.\nsyntax = \"proto3\";\npackage shop;\noption java_package = \"com.example\";\n\
                     // More.\nmessage Common { string id = 1; }";
    let (a, b) = (compile(&[("common.proto", file)]), compile(&[("common.proto", commented)]));
    assert_eq!(index(&[("a", &a, &[]), ("b", &b, &[])]).clashes(), []);

    // Unlike options that others may look at.
    let mut set = FileDescriptorSet::decode(&*a).unwrap();
    let mut file = set.file.remove(0).encode_to_vec();
    let mut options = Vec::new();
    prost::encoding::bytes::encode(50, &b"\x08\x02".to_vec(), &mut options);
    prost::encoding::bytes::encode(8, &options, &mut file);
    let mut featured = Vec::new();
    prost::encoding::bytes::encode(1, &file, &mut featured);
    let index = index(&[("a", &a, &[]), ("b", &featured, &[])]);
    assert_eq!(index.clashes().len(), 1);
    assert_eq!(index.clashes()[0].what, What::File);
}

#[test]
fn other_ages_of_what_the_host_has_are_no_clash() {
    // As it was before `List`.
    let old = compile(&[(
        "grpc/health/v1/health.proto",
        "syntax = \"proto3\"; package grpc.health.v1; message HealthCheckRequest { string service = 1; }
         service Health { rpc Check(HealthCheckRequest) returns (HealthCheckRequest); }",
    )]);
    let index_of_old = index(&[("a", &old, &["grpc.health.v1.Health"])]);
    assert_eq!(index_of_old.clashes(), []);
    // The host answers, and so describes it.
    let files = Client::new(&index_of_old).symbol("grpc.health.v1.Health").unwrap();
    assert_eq!(files[0].service[0].method.len(), 3);

    // Something else under that name is.
    let other = compile(&[("grpc/health/v1/health.proto", "syntax = \"proto3\"; package mine; message M {}")]);
    let index = index(&[("a", &other, &[])]);
    let shown = "a/grpc/health/v1/health.proto".to_owned();
    assert_eq!(index.clashes()[0].what, What::Namesake { shown: shown.clone() });
    assert_eq!(Client::new(&index).symbol("mine.M").unwrap()[0].name(), shown);
}

#[test]
fn one_symbol_in_files_of_two_names_is_reported_once() {
    let a = compile(&[("a.proto", "syntax = \"proto3\"; package shop; message Money { message In { int32 x = 1; } }")]);
    let b = compile(&[("b.proto", "syntax = \"proto3\"; package shop; message Money { message In { int64 x = 1; } }")]);
    // A message of the package `shop.Money` is one in the message `shop.Money`.
    let c = compile(&[("c.proto", "syntax = \"proto3\"; package shop.Money; message In { string y = 1; }")]);
    let ab = index(&[("a", &a, &[]), ("b", &b, &[]), ("again", &a, &[])]);
    let clash =
        Clash { what: What::Symbol, name: "shop.Money".to_owned(), first: "a".to_owned(), second: "b".to_owned() };
    assert_eq!(ab.clashes(), [clash]);
    let ac = index(&[("a", &a, &[]), ("c", &c, &[])]);
    let clash =
        Clash { what: What::Symbol, name: "shop.Money.In".to_owned(), first: "a".to_owned(), second: "c".to_owned() };
    assert_eq!(ac.clashes(), [clash]);
}

#[test]
fn namesakes_of_many_modules_are_grouped_by_what_they_define() {
    let set = |package: &str, field: &str| {
        let text = format!("syntax = \"proto3\"; package {package}; message M {{ string {field} = 1; }}");
        compile(&[("common.proto", &text)])
    };
    let sets = [set("p", "x"), set("q", "x"), set("p", "y"), set("q", "y"), set("r", "x"), set("q", "x")];
    let names = ["a", "b", "c", "d", "e", "f"];
    let modules: Vec<(&str, &[u8], &[&str])> =
        names.iter().zip(&sets).map(|(name, set)| (*name, &**set, &[] as &[&str])).collect();
    let index = index(&modules);
    let files: Vec<_> = index
        .clashes()
        .iter()
        .filter(|clash| clash.what != What::Symbol)
        .map(|clash| (&*clash.first, &*clash.second, matches!(clash.what, What::Namesake { .. })))
        .collect();
    assert_eq!(files, [("a", "b", true), ("a", "c", false), ("b", "d", false), ("a", "e", true)]);
    for (symbol, shown) in [("p.M", "common.proto"), ("q.M", "b/common.proto"), ("r.M", "e/common.proto")] {
        assert_eq!(Client::new(&index).symbol(symbol).unwrap()[0].name(), shown);
    }
}

#[test]
fn a_name_that_is_taken_is_not_given() {
    let a = compile(&[("x.proto", "syntax = \"proto3\"; package a; message M {}")]);
    let b = compile(&[
        ("x.proto", "syntax = \"proto3\"; package b; message M {}"),
        ("b/x.proto", "syntax = \"proto3\"; package b.b; message M {}"),
    ]);
    let index = index(&[("a", &a, &[]), ("b", &b, &[])]);
    assert_eq!(Client::new(&index).symbol("b.M").unwrap()[0].name(), "b/b/x.proto");
    assert_eq!(Client::new(&index).file("b/x.proto").unwrap()[0].package(), "b.b");
}

#[test]
fn a_conversation_goes_on_with_the_next_index() {
    let a = module("a", "message Common { string one = 1; }");
    let b = module("b", "message Common { string two = 1; }");
    let before = index(&[("a", &a, &["a.Api"]), ("b", &b, &["b.Api"])]);
    let mut client = Client::new(&before);
    client.symbol("b.Api").unwrap();
    // Modules have other numbers in this one.
    let after = index(&[("a", &a, &["a.Api"]), ("aa", &a, &[]), ("b", &b, &["b.Api"])]);
    client.index = &after;
    assert_eq!(client.file("common.proto").unwrap()[0].package(), "b");
    let without = index(&[("a", &a, &["a.Api"])]);
    client.index = &without;
    assert_eq!(client.file("common.proto").unwrap()[0].package(), "a");
    assert_eq!(client.symbol("b.Api").unwrap_err().0, 5);
}
