//! What the host itself answers: reflection, health, and the description of everything as OpenAPI. All of it is about the
//! modules there are now.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt;
use prost::Message;
use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use serde_json::{Value, json};

use crate::harness::guests::{INTEROP, LIBRARY};
use crate::harness::host::Host;
use crate::harness::http::{Client, full, next};
use crate::harness::library::{ask, lines};
use crate::harness::wait::{LONG, eventually, within};

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const LINED: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

/// Questions and answers in lines of JSON: the platform's services are spoken to as any.
async fn talk(host: &Host, questions: &[Value]) -> Vec<Value> {
    let text: String = questions.iter().map(|question| format!("{question}\n")).collect();
    lines(&host.sends("POST", REFLECTION, &LINED, text).await.expect(200).body)
}

async fn services(host: &Host) -> Vec<String> {
    let answers = talk(host, &[json!({"listServices": ""})]).await;
    let listed = answers[0]["listServicesResponse"]["service"].as_array().expect("a list").clone();
    listed.iter().map(|service| service["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn reflection_is_of_the_modules_there_are_now() {
    let host = Host::with(&[&LIBRARY]).await;
    let own = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "library.v1.Library",
    ];
    assert_eq!(services(&host).await, own);

    let questions = [json!({"fileContainingSymbol": "library.v1.Library"}), json!({"fileByFilename": "no"})];
    let answers = talk(&host, &questions).await;
    let files = answers[0]["fileDescriptorResponse"]["fileDescriptorProto"].as_array().expect("files").clone();
    let files = files.iter().map(|file| BASE64_STANDARD.decode(file.as_str().unwrap()).unwrap());
    let file = files.map(|file| FileDescriptorProto::decode(&file[..]).expect("a file")).collect();
    let pool = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file }).expect("they are complete");
    assert!(pool.get_service_by_name("library.v1.Library").unwrap().methods().any(|method| method.name() == "GetBook"));
    assert_eq!(answers[1]["errorResponse"]["errorCode"], 5, "{}", answers[1]);

    host.install("interop", &INTEROP.bytes());
    eventually("the new module is there", std::time::Duration::from_secs(30), async || {
        let services = services(&host).await;
        services.iter().any(|name| name == "grpc.testing.TestService").then_some(()).ok_or(format!("{services:?}"))
    })
    .await;
}

#[tokio::test]
async fn health_is_of_the_host_and_of_each_service() {
    let mut host = Host::with(&[&LIBRARY]).await;
    for name in ["", "library", "library.v1.Library"] {
        let reply = host.sends_json("POST", "/grpc.health.v1.Health/Check", &json!({"service": name})).await;
        assert_eq!(reply.expect(200).json::<Value>(), json!({"status": "SERVING"}), "{name}");
    }
    let reply = host.sends_json("POST", "/grpc.health.v1.Health/Check", &json!({"service": "no"})).await;
    assert_eq!(reply.expect(404).json::<Value>()["code"], "NOT_FOUND");

    let watch = |name: &str| {
        let body = full(json!({"service": name}).to_string());
        ask("POST", &host.url("/grpc.health.v1.Health/Watch"), &[("content-type", "application/json")], body)
    };
    let client = Client::h2(host.edge);
    let (mut service, mut whole) =
        (client.open(watch("library")).await.unwrap(), client.open(watch("")).await.unwrap());
    let said = async |body: &mut _| {
        let line = next(body).await.expect("it goes on").unwrap();
        serde_json::from_slice::<Value>(&line).unwrap()["status"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(said(service.body_mut()).await, "SERVING");
    assert_eq!(said(whole.body_mut()).await, "SERVING");
    host.remove("library");
    assert_eq!(said(service.body_mut()).await, "SERVICE_UNKNOWN");
    host.install("library", &LIBRARY.bytes());
    assert_eq!(said(service.body_mut()).await, "SERVING");

    // A host that stops says so, and does not wait for whoever watches.
    let watching = async {
        let rest = within("the stream ends", LONG, whole.into_body().collect()).await.unwrap().to_bytes();
        let rest = lines(&rest);
        assert_eq!((rest.len(), &rest[0]["status"]), (2, &json!("NOT_SERVING")), "{rest:?}");
        assert_eq!(rest[1]["error"]["code"], 14, "{rest:?}");
        drop((service, client));
    };
    let (status, ()) = tokio::join!(host.stop(), watching);
    assert!(status.success());
}

#[tokio::test]
async fn what_there_is_is_described_as_openapi() {
    let host = Host::with(&[&LIBRARY, &INTEROP]).await;
    let all: Value = host.get("/openapi.json").await.expect(200).json();
    assert_eq!(all["openapi"], "3.1.0");
    let (rule, method) = ("/v1/shelves", "/grpc.testing.TestService/UnaryCall");
    assert!(all["paths"].get(method).is_some(), "{:?}", all["paths"].as_object().map(serde_json::Map::len));
    assert!(all["paths"].as_object().unwrap().keys().any(|path| path.starts_with(rule)));
    let one: Value = host.get("/openapi/library.json").await.expect(200).json();
    assert!(one["paths"].get(method).is_none());
    host.get("/openapi/no.json").await.expect_problem(404, "not-found");
    host.post("/openapi.json", "").await.expect_problem(405, "method-not-allowed");
    let page = host.get("/openapi").await.expect(200);
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{page}");
    assert!(page.text().contains("openapi.json"));

    let config = "[edge]\nopenapi = false\nreflection = false\n";
    let silent = Host::builder().guest(&LIBRARY).config(config).start().await;
    silent.get("/openapi.json").await.expect_problem(404, "not-found");
    silent.sends("POST", REFLECTION, &LINED, "{\"listServices\":\"\"}\n").await.expect(501);
}
