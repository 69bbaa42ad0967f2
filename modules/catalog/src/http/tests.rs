//! The routes as clients see them: statuses, problem documents, who may do what.

use std::sync::Arc;

use serde_json::{Value, json};
use shop_common::settings::Settings;
use shop_common::store::Table;
use shop_common::store::memory::Memory;
use shop_common::testing::{Ann, Client};

use crate::cart::Carts;
use crate::shelf::tests::{draft, shelf};
use crate::stock::Stock;
use crate::{Service, router};

fn app(settings: &[(&'static str, &'static str)]) -> Client {
    let memory = Memory::default();
    let shelf = shelf(&memory);
    for (id, price_cents, stock) in [("mug", 990, 3), ("towel", 1990, 5)] {
        shelf.create(draft(id, price_cents, stock), 0).unwrap().unwrap();
    }
    Client::new(router(Service {
        stock: Stock { shelf: shelf.clone(), reservations: Table::new(memory.bucket()) },
        carts: Carts { carts: Table::new(memory.bucket()) },
        shelf,
        identity: Arc::new(Ann),
        settings: Settings::fixed(settings.iter().copied()),
    }))
}

#[tokio::test]
async fn what_no_route_takes_is_a_problem_too() {
    let app = app(&[]);
    let (status, body) = app.call("GET", "/nothing", "", Value::Null).await;
    assert_eq!((status, &body["type"]), (404, &json!("urn:shop:error:not-found")));
    let response = app.send("DELETE", "/products", "", Value::Null).await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let response = app.send("GET", "/healthz", "", Value::Null).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn products_are_public_to_read() {
    let app = app(&[("currency", "CHF")]);
    let (status, body) = app.call("GET", "/products?limit=1", "", Value::Null).await;
    assert_eq!((status, &body["next"]), (200, &json!("mug")));
    assert_eq!(body["products"][0]["currency"], "CHF");
    assert!(body["products"][0].get("holds").is_none());
    let (_, body) = app.call("GET", "/products?limit=1&after=mug", "", Value::Null).await;
    assert_eq!((&body["products"][0]["id"], &body["next"]), (&json!("towel"), &Value::Null));
    for bad in ["limit=0", "limit=101", "limit=x", "offset=1"] {
        let path = format!("/products?{bad}");
        assert_eq!(app.call("GET", &path, "", Value::Null).await.0, 422, "{bad}");
    }
    let (status, body) = app.call("GET", "/products/unicorn", "", Value::Null).await;
    assert_eq!((status, &body["type"]), (404, &json!("urn:shop:error:no-product")));
    let endless = format!("/products/{}", "x".repeat(2000));
    for path in ["/products/%ff", "/products/a%2Fb", &endless] {
        assert_eq!(app.call("GET", path, "", Value::Null).await.0, 404);
    }
}

#[tokio::test]
async fn products_are_the_operators_to_change() {
    let new = json!({"id": "lamp", "name": "Lamp", "price_cents": 2500, "stock": 4});
    let closed = app(&[]);
    assert_eq!(closed.call("POST", "/products", "root", new.clone()).await.0, 403);
    let app = app(&[("admin_token", "root")]);
    assert_eq!(app.call("POST", "/products", "", new.clone()).await.0, 401);
    assert_eq!(app.call("POST", "/products", "ann", new.clone()).await.0, 403);
    // Who may not is not told what is wrong with the body.
    assert_eq!(app.call("POST", "/products", "ann", json!({})).await.0, 403);
    let response = app.send("POST", "/products", "root", new.clone()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["location"], "products/lamp");
    let (status, body) = app.call("POST", "/products", "root", new).await;
    assert_eq!((status, &body["type"]), (409, &json!("urn:shop:error:product-exists")));
    let (status, body) = app.call("PATCH", "/products/lamp", "root", json!({"price_cents": 0})).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("price_cents")));
    let (status, body) = app.call("PATCH", "/products/lamp", "root", json!({"stock": 9})).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("stock")));
    let (_, body) = app.call("PATCH", "/products/lamp", "root", json!({"price_cents": 1999})).await;
    assert_eq!((&body["price_cents"], &body["name"]), (&json!(1999), &json!("Lamp")));
    let (_, body) = app.call("POST", "/products/lamp/stock", "root", json!({"delta": -4})).await;
    assert_eq!(body["stock"], 0);
    let (status, body) = app.call("POST", "/products/lamp/stock", "root", json!({"delta": -1})).await;
    assert_eq!((status, &body["type"]), (409, &json!("urn:shop:error:out-of-stock")));
}

#[tokio::test]
async fn a_cart_is_its_owners() {
    let app = app(&[]);
    for token in ["", "bob"] {
        let response = app.send("GET", "/cart", token, Value::Null).await;
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    let item = json!({"product_id": "mug", "quantity": 2});
    app.call("POST", "/cart/items", "ann", item).await;
    let (status, body) = app.call("PUT", "/cart/items/towel", "ann", json!({"quantity": 9})).await;
    assert_eq!((status, &body["total_cents"]), (200, &json!(2 * 990 + 9 * 1990)));
    assert_eq!(body["items"][0]["in_stock"], true);
    assert_eq!(body["items"][1]["in_stock"], false);
    let (_, body) = app.call("DELETE", "/cart/items/mug", "ann", Value::Null).await;
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
    assert_eq!(app.call("DELETE", "/cart/items/mug", "ann", Value::Null).await.0, 404);
    assert_eq!(app.call("DELETE", "/cart", "ann", Value::Null).await.0, 204);
    let (_, body) = app.call("GET", "/cart", "ann", Value::Null).await;
    assert_eq!((&body["items"], &body["total_cents"]), (&json!([]), &json!(0)));

    let unknown = json!({"product_id": "unicorn"});
    let (status, body) = app.call("POST", "/cart/items", "ann", unknown).await;
    assert_eq!((status, &body["errors"][0]["field"]), (422, &json!("product_id")));
    let set = app.call("PUT", "/cart/items/unicorn", "ann", json!({"quantity": 1})).await;
    assert_eq!(set.0, 404);
}

#[tokio::test]
async fn grpc_is_for_services_only() {
    let app = app(&[("callers", "orders")]);
    let grpc = |method: &str, caller: &'static str| app.grpc(format!("/shop.catalog.v1.Catalog/{method}"), caller);
    assert_eq!(grpc("ReserveStock", "edge").await, "7");
    assert_eq!(grpc("ReserveStock", "orders").await, "3");
    assert_eq!(grpc("GetCart", "users").await, "7");
    assert_eq!(grpc("GetCart", "orders").await, "0");
    assert_eq!(grpc("GetProduct", "edge").await, "5");
    assert_eq!(grpc("Nothing", "orders").await, "12");
}
