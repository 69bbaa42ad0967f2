//! The routes as the operator and other services see them.

use serde_json::{Value, json};
use shop_common::settings::Settings;
use shop_common::store::Table;
use shop_common::store::memory::Memory;
use shop_common::testing::Client;

use crate::ledger::{Charge, Ledger};
use crate::router;

fn app() -> (Client, Ledger) {
    let ledger = Ledger { payments: Table::new(Memory::default().bucket()) };
    let settings = Settings::fixed([("admin_token", "root"), ("callers", "orders")]);
    (Client::new(router(ledger.clone(), settings)), ledger)
}

#[tokio::test]
async fn payments_are_the_operators_to_read_and_refund() {
    let (app, ledger) = app();
    let charge = Charge { order_id: "ord_1", amount_cents: 1990, currency: "EUR", card_token: "tok_ok" };
    ledger.charge(charge, "EUR", 0).unwrap();
    assert_eq!(app.call("GET", "/ord_1", "", Value::Null).await.0, 401);
    assert_eq!(app.call("GET", "/ord_1", "ann", Value::Null).await.0, 403);
    let (status, body) = app.call("GET", "/ord_1", "root", Value::Null).await;
    assert_eq!((status, &body["state"]), (200, &json!("charged")));
    assert_eq!((&body["amount_cents"], &body["currency"]), (&json!(1990), &json!("EUR")));
    assert!(!body.to_string().contains("tok_ok"));
    let (_, body) = app.call("POST", "/ord_1/refund", "root", Value::Null).await;
    assert_eq!(body["state"], "refunded");
    for path in ["/ord_2", "/a%2Fb"] {
        assert_eq!(app.call("GET", path, "root", Value::Null).await.0, 404);
    }
    // A refund by hand is for what was charged; it must not forbid a payment to come.
    assert_eq!(app.call("POST", "/ord_2/refund", "root", Value::Null).await.0, 404);
    assert!(ledger.payments.get("ord_2").unwrap().is_none());
    assert_eq!(app.call("DELETE", "/ord_1", "root", Value::Null).await.0, 405);
    assert_eq!(app.call("GET", "/healthz", "", Value::Null).await.0, 200);
}

#[tokio::test]
async fn cards_are_charged_for_orders_only() {
    let (app, _) = app();
    for (method, status) in [("Charge", "3"), ("Refund", "3"), ("GetPayment", "5")] {
        let path = format!("/shop.payments.v1.Payments/{method}");
        assert_eq!(app.grpc(path.clone(), "edge").await, "7");
        assert_eq!(app.grpc(path.clone(), "catalog").await, "7");
        assert_eq!(app.grpc(path, "orders").await, status, "{method}");
    }
}
