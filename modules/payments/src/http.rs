//! What the operator sees of `payments`: JSON over HTTP, for the admin token only.

use axum::extract::{FromRef, State as Shared};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use shop_common::admin::Admin;
use shop_common::clock;
use shop_common::extract::Segment;
use shop_common::problem::Problem;
use shop_common::settings::Settings;

use crate::ledger::{Error, Ledger, Payment, State};

#[derive(Clone)]
struct Service {
    ledger: Ledger,
    settings: Settings,
}

impl FromRef<Service> for Settings {
    fn from_ref(service: &Service) -> Self {
        service.settings.clone()
    }
}

/// The routes under `/payments/`.
pub(crate) fn routes(ledger: Ledger, settings: Settings) -> Router {
    Router::new()
        .route("/{order_id}", get(read))
        .route("/{order_id}/refund", post(refund))
        .with_state(Service { ledger, settings })
}

#[derive(Serialize)]
struct View {
    order_id: String,
    state: State,
    amount_cents: i64,
    currency: String,
    created_at: String,
    updated_at: String,
}

impl From<Payment> for View {
    fn from(payment: Payment) -> Self {
        Self {
            order_id: payment.order_id,
            state: payment.state,
            amount_cents: payment.amount_cents,
            currency: payment.currency,
            created_at: clock::rfc3339(payment.created_ms),
            updated_at: clock::rfc3339(payment.updated_ms),
        }
    }
}

async fn read(Shared(service): Shared<Service>, _: Admin, Segment(order_id): Segment) -> Result<Json<View>, Problem> {
    Ok(Json(service.find(&order_id)?.into()))
}

async fn refund(Shared(service): Shared<Service>, _: Admin, Segment(order_id): Segment) -> Result<Json<View>, Problem> {
    // An operator who mistypes an order must not forbid its payment.
    service.find(&order_id)?;
    let currency = service.settings.currency();
    let refunded = service.ledger.refund(&order_id, &currency, clock::now_ms());
    let payment = refunded.map_err(|error| match error {
        Error::Store(error) => Problem::from(error),
        _ => Problem::not_found("payment"),
    })?;
    Ok(Json(payment.into()))
}

impl Service {
    fn find(&self, order_id: &str) -> Result<Payment, Problem> {
        let payment = self.ledger.find(order_id)?;
        payment.ok_or_else(|| Problem::not_found("payment"))
    }
}

#[cfg(test)]
mod tests;
