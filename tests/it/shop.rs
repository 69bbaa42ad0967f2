//! The example shop from end to end: somebody buys something, and fifty want the last one.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::harness::guests::shop;
use crate::harness::host::Host;
use crate::harness::http::{full, get, request, with};
use crate::harness::reply::Reply;
use crate::harness::wait::eventually;
use crate::harness::world::{Place, World};

const ADMIN: &str = "the-operator";
const PASSWORD: &str = "correct horse battery";

crate::both_ways! {
    somebody_buys_something,
    an_order_that_fails_leaves_nothing_behind,
    repeating_an_order_buys_once,
    the_insides_are_closed_to_the_outside,
    fifty_clients_want_the_last_one,
}

async fn open_shop(place: Place) -> World {
    let mut plan = place.plan().caller_module("orders", &shop("orders"));
    for name in ["users", "catalog", "payments"] {
        plan = plan.callee_module(name, &shop(name));
    }
    let tokens =
        ["catalog", "orders", "payments"].map(|name| format!("[services.{name}.config]\nadmin_token = '{ADMIN}'\n"));
    plan.config(&tokens.concat()).start().await
}

impl Host {
    async fn ask(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Reply {
        let content = body.map(|body| body.to_string()).unwrap_or_default();
        let request = request(method, &self.url(path), full(content));
        let request = with(request, "content-type", "application/json");
        let request = match token {
            "" => request,
            token => with(request, "authorization", &format!("Bearer {token}")),
        };
        self.http.send(request).await
    }

    /// Registers somebody and logs them in; the token.
    async fn customer(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        let account = json!({ "email": email, "password": PASSWORD, "name": name });
        self.ask("POST", "/users/register", "", Some(account)).await.expect(201);
        let login = json!({ "email": email, "password": PASSWORD });
        let reply = self.ask("POST", "/users/login", "", Some(login)).await.expect(200);
        reply.json::<Value>()["token"].as_str().expect("a token").to_owned()
    }

    async fn stock(&self, product: &str) -> u64 {
        let reply = self.get(&format!("/catalog/products/{product}")).await.expect(200);
        reply.json::<Value>()["stock"].as_u64().expect("a number")
    }

    async fn add_product(&self, id: &str, price_cents: u64, stock: u64) {
        let product = json!({ "id": id, "name": id, "description": id, "price_cents": price_cents, "stock": stock });
        self.ask("POST", "/catalog/products", ADMIN, Some(product)).await.expect(201);
    }
}

async fn somebody_buys_something(place: Place) {
    let world = open_shop(place).await;
    let products: Value = world.get("/catalog/products").await.expect(200).json();
    assert!(products["products"].as_array().is_some_and(|products| !products.is_empty()), "{products}");
    let ann = world.customer("ann").await;
    let profile: Value = world.ask("GET", "/users/profile", &ann, None).await.expect(200).json();
    assert_eq!(profile["email"], "ann@example.com");

    let before = world.stock("towel").await;
    let item = json!({ "product_id": "towel", "quantity": 2 });
    world.ask("POST", "/catalog/cart/items", &ann, Some(item)).await.expect(200);
    let cart: Value = world.ask("GET", "/catalog/cart", &ann, None).await.expect(200).json();
    let total = cart["total_cents"].as_u64().expect("a total");
    assert_eq!(cart["items"][0]["quantity"], 2, "{cart}");

    let order = world.ask("POST", "/orders/", &ann, Some(json!({ "card_token": "tok_ok" }))).await;
    let order: Value = order.expect(201).json();
    assert_eq!(order["state"], "paid", "{order}");
    assert_eq!(order["total_cents"], total, "{order}");
    let id = order["id"].as_str().expect("an id").to_owned();
    assert_eq!(world.stock("towel").await, before - 2);
    let cart: Value = world.ask("GET", "/catalog/cart", &ann, None).await.expect(200).json();
    assert_eq!(cart["items"], json!([]), "the cart is empty");

    let payment: Value = world.ask("GET", &format!("/payments/{id}"), ADMIN, None).await.expect(200).json();
    assert_eq!((&payment["state"], &payment["amount_cents"]), (&json!("charged"), &json!(total)), "{payment}");
    world.ask("POST", &format!("/orders/{id}/ship"), ADMIN, None).await.expect(200);
    let path = format!("/orders/{id}");
    let order: Value = world.ask("GET", &path, &ann, None).await.expect(200).json();
    assert_eq!(order["state"], "shipped", "{order}");
    // It is nobody else's business.
    let bob = world.customer("bob").await;
    world.ask("GET", &path, &bob, None).await.expect(404);
    world.ask("GET", &path, "", None).await.expect(401);
    world.ask("GET", &format!("/payments/{id}"), &ann, None).await.expect(403);
}

async fn an_order_that_fails_leaves_nothing_behind(place: Place) {
    let world = open_shop(place).await;
    let ann = world.customer("ann").await;
    world.add_product("lamp", 2500, 3).await;
    let order = |token: &str, quantity: u32| json!({ "card_token": token, "items": [{ "product_id": "lamp", "quantity": quantity }] });
    let declined = world.ask("POST", "/orders/", &ann, Some(order("tok_declined", 1))).await.expect(402);
    assert_eq!(declined.header("content-type"), "application/problem+json");
    let document: Value = declined.json();
    assert_eq!(document["type"], "urn:shop:error:payment-declined", "{document}");
    let too_many = world.ask("POST", "/orders/", &ann, Some(order("tok_ok", 4))).await.expect(409);
    assert_eq!(too_many.json::<Value>()["type"], "urn:shop:error:out-of-stock");
    assert_eq!(world.stock("lamp").await, 3, "what was reserved is back");
    // Malformed requests name what is wrong.
    let nonsense = world.ask("POST", "/orders/", &ann, Some(order("tok_ok", 0))).await.expect(422);
    assert!(nonsense.text().contains("items[0].quantity"), "{nonsense}");
    world.ask("POST", "/users/register", "", Some(json!({ "email": "x" }))).await.expect(422);
}

/// A client that repeats its order with the same key gets the same order.
async fn repeating_an_order_buys_once(place: Place) {
    let world = open_shop(place).await;
    let ann = world.customer("ann").await;
    world.add_product("lamp", 2500, 10).await;
    let order = json!({ "card_token": "tok_ok", "items": [{ "product_id": "lamp", "quantity": 1 }] });
    let place = || {
        let request = request("POST", &world.url("/orders/"), full(order.to_string()));
        let request = with(request, "content-type", "application/json");
        let request = with(request, "authorization", &format!("Bearer {ann}"));
        world.http.send(with(request, "idempotency-key", "once"))
    };
    let mut ids = std::collections::BTreeSet::new();
    for reply in join_all((0..5).map(|_| place())).await {
        // Somebody else may be at it at the same moment.
        if reply.status != 409 {
            ids.insert(reply.expect(201).json::<Value>()["id"].to_string());
        }
    }
    ids.insert(place().await.expect(201).json::<Value>()["id"].to_string());
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(world.stock("lamp").await, 9);
}

/// Nobody outside may call what services offer each other.
async fn the_insides_are_closed_to_the_outside(place: Place) {
    let world = open_shop(place).await;
    for path in ["/shop.payments.v1.Payments/Charge", "/shop.catalog.v1.Catalog/ReserveStock"] {
        let request = request("POST", &world.url(path), full(&b"\0\0\0\0\0"[..]));
        let request = with(request, "content-type", "application/grpc");
        let request = with(request, "te", "trailers");
        let reply = crate::harness::http::Client::h2(world.edge).send(request).await;
        let status = match reply.header("grpc-status") {
            "" => reply.trailer("grpc-status"),
            status => status,
        };
        assert_eq!(status, "7", "{path}: PERMISSION_DENIED: {reply}");
    }
    world.ask("POST", "/catalog/products", "a-guess", Some(json!({}))).await.expect(403);
}

async fn fifty_clients_want_the_last_one(place: Place) {
    let world = open_shop(place).await;
    world.add_product("last", 9900, 1).await;
    // Logging in is slow on purpose, and not what this is about: five people, ten clients each.
    let mut tokens = Vec::new();
    for name in ["ann", "bob", "cyd", "dee", "eve"] {
        tokens.push(world.customer(name).await);
    }
    let order = json!({ "card_token": "tok_ok", "items": [{ "product_id": "last", "quantity": 1 }] });
    let clients = (0..50).map(|client| {
        let (world, token, order) = (&world, &tokens[client % tokens.len()], order.clone());
        async move { world.ask("POST", "/orders/", token, Some(order)).await }
    });
    let replies = join_all(clients).await;
    let mut statuses = BTreeMap::<u16, u32>::new();
    for reply in &replies {
        *statuses.entry(reply.status).or_default() += 1;
        assert!([201, 202, 409].contains(&reply.status), "{reply}");
    }
    assert_eq!(statuses.get(&201), Some(&1), "exactly one is paid: {statuses:?}");
    assert_eq!(world.stock("last").await, 0);

    // What was still being undone ends, too; and then the books agree: one order paid, all others failed.
    eventually("all orders end", Duration::from_secs(30), async || {
        let mut states = BTreeMap::<String, u32>::new();
        for token in &tokens {
            let request = get(&world.url("/orders/?limit=100"));
            let request = with(request, "authorization", &format!("Bearer {token}"));
            let list: Value = world.http.send(request).await.expect(200).json();
            for order in list["orders"].as_array().expect("a list") {
                *states.entry(order["state"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
            }
        }
        let expected = BTreeMap::from([("failed".to_owned(), 49), ("paid".to_owned(), 1)]);
        (states == expected).then_some(()).ok_or_else(|| format!("{states:?}"))
    })
    .await;
    assert_eq!(world.stock("last").await, 0);
}
