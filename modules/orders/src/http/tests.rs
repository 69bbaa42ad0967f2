//! The routes as clients, the operator and other services see them.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use shop_common::settings::Settings;
use shop_common::testing::{Ann, Client, read};

use crate::placing::tests::world::World;
use crate::{Service, router};

fn app() -> (Client, World) {
    let world = World::new();
    let service = Service {
        placing: world.placing.clone(),
        identity: Arc::new(Ann),
        settings: Settings::fixed([("admin_token", "root"), ("callers", "reports")]),
    };
    (Client::new(router(service)), world)
}

fn towels(quantity: u32, card_token: &str) -> Value {
    json!({
        "items": [{"product_id": "towel", "quantity": quantity}],
        "card_token": card_token,
    })
}

#[tokio::test]
async fn place_read_list_ship() {
    let (app, _) = app();
    let (status, order) = app.call("POST", "/", "ann", json!({"card_token": "tok_ok"})).await;
    assert_eq!((status, &order["state"]), (201, &json!("paid")));
    assert_eq!((&order["total_cents"], &order["currency"]), (&json!(3980), &json!("EUR")));
    assert_eq!(order["items"][0]["unit_price_cents"], 1990);
    let path = &format!("/{}", order["id"].as_str().unwrap());
    assert_eq!(app.call("GET", path, "ann", Value::Null).await, (200, order.clone()));
    let (_, list) = app.call("GET", "/", "ann", Value::Null).await;
    assert_eq!(list, json!({"orders": [order], "next": null}));

    let ship = format!("{path}/ship");
    assert_eq!(app.call("POST", &ship, "ann", Value::Null).await.0, 403);
    let (status, shipped) = app.call("POST", &ship, "root", Value::Null).await;
    assert_eq!((status, &shipped["state"]), (200, &json!("shipped")));
    assert_eq!(app.call("PUT", path, "ann", Value::Null).await.0, 405);
}

#[tokio::test]
async fn an_order_is_its_owners() {
    let (app, world) = app();
    for (method, path) in [("POST", "/"), ("GET", "/"), ("GET", "/ord_1")] {
        assert_eq!(app.call(method, path, "bob", Value::Null).await.0, 401);
    }
    let (_, order) = app.call("POST", "/", "ann", towels(1, "tok_ok")).await;
    let id = order["id"].as_str().unwrap();
    let of_bob = |order: &mut crate::order::Order| {
        order.user_id = "usr_bob".into();
        true
    };
    world.placing.book.update(id, 0, of_bob).unwrap();
    let (status, body) = app.call("GET", &format!("/{id}"), "ann", Value::Null).await;
    assert_eq!((status, &body["type"]), (404, &json!("urn:shop:error:not-found")));
}

#[tokio::test]
async fn failures_say_why_and_name_the_order() {
    let (app, _) = app();
    for (body, status, slug) in [
        (towels(11, "tok_ok"), 409, "out-of-stock"),
        (towels(1, "tok_declined"), 402, "payment-declined"),
        (towels(1, "tok_error"), 409, "payment-unavailable"),
    ] {
        let (given, problem) = app.call("POST", "/", "ann", body).await;
        assert_eq!((given, &problem["type"]), (status, &json!(format!("urn:shop:error:{slug}"))));
        let path = format!("/{}", problem["order_id"].as_str().unwrap());
        let (status, order) = app.call("GET", &path, "ann", Value::Null).await;
        assert_eq!((status, &order["state"]), (200, &json!("failed")));
        assert_eq!(order["failure"]["reason"], slug);
    }
}

#[tokio::test]
async fn what_does_not_validate_is_no_order() {
    let (app, _) = app();
    for (body, field) in [
        (json!({}), "card_token"),
        (json!({"card_token": "4111 1111"}), "card_token"),
        (json!({"card_token": "tok_ok", "items": []}), "items"),
        (towels(0, "tok_ok"), "items[0].quantity"),
        (towels(1001, "tok_ok"), "items[0].quantity"),
        (json!({"card_token": "tok_ok", "coupon": "FREE"}), "coupon"),
    ] {
        let (status, problem) = app.call("POST", "/", "ann", body.clone()).await;
        assert_eq!(status, 422, "{body}");
        let error = problem["errors"][0].to_string();
        assert!(error.contains(field), "{body}: {problem}");
    }
    let (_, list) = app.call("GET", "/", "ann", Value::Null).await;
    assert_eq!(list["orders"], json!([]));
    assert_eq!(app.call("GET", "/?limit=0", "ann", Value::Null).await.0, 422);
}

#[tokio::test]
async fn the_idempotency_key_is_honoured() {
    let (app, _) = app();
    let post = |key: &str, body: Value| {
        let request = Request::post("/")
            .header("authorization", "Bearer ann")
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        let request = request.body(Body::from(body.to_string())).unwrap();
        let app = app.clone();
        async move { read(app.request(request).await).await }
    };
    let first = post("k", towels(1, "tok_ok")).await;
    assert_eq!(first.0, 201);
    assert_eq!(post("k", towels(1, "tok_ok")).await, first);
    let (status, problem) = post("k", towels(2, "tok_ok")).await;
    assert_eq!(
        (status, &problem["type"], &problem["order_id"]),
        (422, &json!("urn:shop:error:idempotency-key-reused"), &first.1["id"])
    );
    let declined = post("l", towels(1, "tok_declined")).await;
    assert_eq!(post("l", towels(1, "tok_declined")).await, declined);
    assert_eq!(post("", towels(1, "tok_ok")).await.0, 400);
    assert_eq!(post(&"k".repeat(256), towels(1, "tok_ok")).await.0, 400);
}

#[tokio::test]
async fn orders_are_looked_up_by_listed_services_only() {
    let (app, _) = app();
    let method = || "/shop.orders.v1.Orders/GetOrder".to_owned();
    assert_eq!(app.grpc(method(), "edge").await, "7");
    assert_eq!(app.grpc(method(), "reports").await, "5");
}
