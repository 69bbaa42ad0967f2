//! Orders as people see them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use shop_common::clock;
use shop_common::problem::Problem;

use crate::order::{Order, Reason};

#[derive(Serialize)]
pub(super) struct View {
    id: String,
    /// `pending`, `paid`, `shipped` or `failed`.
    state: &'static str,
    /// Why it failed; null unless it did.
    failure: Option<FailureView>,
    items: Vec<ItemView>,
    /// Null until the prices are known.
    total_cents: Option<i64>,
    currency: Option<String>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct FailureView {
    reason: &'static str,
    detail: String,
}

#[derive(Serialize)]
struct ItemView {
    product_id: String,
    name: Option<String>,
    quantity: u32,
    unit_price_cents: Option<i64>,
}

impl From<Order> for View {
    fn from(order: Order) -> Self {
        let failure = order
            .failure()
            .map(|failure| FailureView { reason: failure.reason.word(), detail: failure.detail.clone() });
        let priced = !order.lines.is_empty();
        let items = if priced {
            let lines = order.lines.iter().map(|line| ItemView {
                product_id: line.product_id.clone(),
                name: Some(line.name.clone()),
                quantity: line.quantity,
                unit_price_cents: Some(line.unit_price_cents),
            });
            lines.collect()
        } else {
            let wanted = order.wanted.iter().map(|wanted| ItemView {
                product_id: wanted.product_id.clone(),
                name: None,
                quantity: wanted.quantity,
                unit_price_cents: None,
            });
            wanted.collect()
        };
        Self {
            state: order.state(),
            failure,
            items,
            total_cents: priced.then_some(order.total_cents),
            currency: priced.then_some(order.currency),
            created_at: clock::rfc3339(order.created_ms),
            updated_at: clock::rfc3339(order.updated_ms),
            id: order.id,
        }
    }
}

/// The answer to placing an order: 201 paid, 202 still being undone, or the problem it failed for.
///
/// A failed order exists and can be read; a repeat of the request gets the same answer. That is why even a failure of
/// another service is a 409 here and not a 5xx: this answer is final, and no client should retry for a better one.
pub(super) fn placed(order: Order) -> Result<Response, Problem> {
    if let Some(failure) = order.failure() {
        let (status, title) = match failure.reason {
            Reason::NoProduct => (StatusCode::UNPROCESSABLE_ENTITY, "No such product"),
            Reason::OutOfStock => (StatusCode::CONFLICT, "Not enough stock"),
            Reason::PaymentDeclined => (StatusCode::PAYMENT_REQUIRED, "The payment was declined"),
            Reason::PaymentUnavailable => (StatusCode::CONFLICT, "The payment did not come about"),
            Reason::CatalogUnavailable | Reason::TimedOut => (StatusCode::CONFLICT, "The order did not come about"),
        };
        return Err(Problem::new(status, failure.reason.word(), title)
            .detail(failure.detail.clone())
            .member("order_id", order.id));
    }
    let status = match order.state() {
        "pending" => StatusCode::ACCEPTED,
        _ => StatusCode::CREATED,
    };
    Ok((status, Json(View::from(order))).into_response())
}
