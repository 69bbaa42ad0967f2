//! The routes as clients and services see them.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use shop_common::settings::Settings;
use shop_common::testing::{Client, read};

use crate::directory::tests::directory;
use crate::router;

fn app() -> Client {
    let settings = Settings::fixed([("callers", "catalog"), ("session_ttl_s", "60")]);
    Client::new(router(directory(), settings))
}

fn ann() -> Value {
    json!({"email": "Ann@example.com", "password": "correct horse battery", "name": "Ann"})
}

#[tokio::test]
async fn from_registering_to_logging_out() {
    let app = app();
    let (status, account) = app.call("POST", "/register", "", ann()).await;
    assert_eq!((status, &account["email"]), (201, &json!("ann@example.com")));
    assert_eq!(account.as_object().unwrap().len(), 4, "nothing secret: {account}");
    let (status, body) = app.call("POST", "/register", "", ann()).await;
    assert_eq!((status, &body["type"]), (409, &json!("urn:shop:error:email-taken")));

    let credentials = json!({"email": "ann@example.com", "password": "correct horse battery"});
    let response = app.send("POST", "/login", "", credentials).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, log_in) = read(response).await;
    assert_eq!((status, &log_in["user"]), (200, &account));
    let token = log_in["token"].as_str().unwrap();
    assert_eq!(app.call("GET", "/profile", token, Value::Null).await, (200, account));

    let (_, body) = app.call("PATCH", "/profile", token, json!({"name": " Ann B. "})).await;
    assert_eq!(body["name"], "Ann B.");
    let (status, body) = app.call("PATCH", "/profile", token, json!({"name": ""})).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("name")));

    assert_eq!(app.call("POST", "/logout", token, Value::Null).await.0, 204);
    assert_eq!(app.call("POST", "/logout", token, Value::Null).await.0, 401);
    assert_eq!(app.call("GET", "/profile", token, Value::Null).await.0, 401);
}

#[tokio::test]
async fn bodies_are_checked() {
    let app = app();
    let mut admin = ann();
    admin["admin"] = true.into();
    let (status, body) = app.call("POST", "/register", "", admin).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("admin")));
    let (status, body) = app.call("POST", "/register", "", json!({"email": 1})).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("email")));
    assert_eq!(app.call("GET", "/register", "", Value::Null).await.0, 405);
    assert_eq!(app.call("POST", "/register", "", Value::Null).await.0, 415);

    let post = |body: String| {
        let request = Request::post("/register").header("content-type", "application/json");
        app.request(request.body(Body::from(body)).unwrap())
    };
    assert_eq!(read(post("{".into()).await).await.0, 400);
    assert_eq!(read(post(" ".repeat(70_000)).await).await.0, 413);
}

#[tokio::test]
async fn tokens_are_verified_for_services_only() {
    let app = app();
    let method = || "/shop.users.v1.Users/VerifyToken".to_owned();
    assert_eq!(app.grpc(method(), "edge").await, "7");
    assert_eq!(app.grpc(method(), "catalog").await, "16");
}
