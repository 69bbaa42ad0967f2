//! What people see of `orders`: JSON over HTTP.

mod view;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use shop_common::admin::Admin;
use shop_common::extract::{self, Params, Segment};
use shop_common::identity::Person;
use shop_common::problem::{Checks, Problem};
use shop_common::{clock, id};

use crate::Service;
use crate::order::Wanted;
use crate::placing::Request;

const ITEMS_MAX: usize = 50;
const QUANTITY_MAX: u32 = 1000;
const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The routes under `/orders/`.
pub(crate) fn routes(service: Service) -> Router {
    Router::new()
        .route("/", get(list).post(place))
        .route("/{order_id}", get(read))
        .route("/{order_id}/ship", post(ship))
        .with_state(service)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceRequest {
    /// What to order; what is in the cart when absent.
    items: Option<Vec<Item>>,
    card_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    product_id: String,
    quantity: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    limit: Option<usize>,
    before: Option<u64>,
}

#[derive(Serialize)]
struct ListResponse {
    /// Newest first.
    orders: Vec<view::View>,
    /// What to give as `before` for the next page; null on the last one.
    next: Option<u64>,
}

async fn place(
    State(service): State<Service>,
    person: Person,
    headers: HeaderMap,
    extract::Json(body): extract::Json<PlaceRequest>,
) -> Result<Response, Problem> {
    let request = check(person, idempotency_key(&headers)?, body)?;
    let now_ms = clock::now_ms();
    let order = service.placing.place(request, now_ms).await?;
    service.placing.look_after_another(now_ms).await;
    view::placed(order)
}

async fn read(
    State(service): State<Service>,
    person: Person,
    Segment(order_id): Segment,
) -> Result<Json<view::View>, Problem> {
    let order = service.placing.find(&order_id)?;
    // Not 403: whether an order exists is its owner's business.
    if order.user_id != person.user_id {
        return Err(Problem::not_found("order"));
    }
    let order = service.placing.look_after(order, clock::now_ms()).await?;
    Ok(Json(order.into()))
}

async fn list(
    State(service): State<Service>,
    person: Person,
    Params(params): Params<ListParams>,
) -> Result<Json<ListResponse>, Problem> {
    let limit = params.limit.unwrap_or(LIMIT_DEFAULT);
    let mut checks = Checks::default();
    checks.check((1..=LIMIT_MAX).contains(&limit), "limit", "must be from 1 to 100");
    checks.finish()?;
    let placing = &service.placing;
    let page = placing.book.list(&person.user_id, params.before, limit)?;
    let mut orders = Vec::with_capacity(page.orders.len());
    for order in page.orders {
        orders.push(placing.look_after(order, clock::now_ms()).await?.into());
    }
    Ok(Json(ListResponse { orders, next: page.next }))
}

async fn ship(
    State(service): State<Service>,
    _: Admin,
    Segment(order_id): Segment,
) -> Result<Json<view::View>, Problem> {
    let order = service.placing.ship(&order_id, clock::now_ms()).await?;
    Ok(Json(order.into()))
}

/// The header of draft-ietf-httpapi-idempotency-key-header; any printable text will do.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(Some(key.to_owned()));
    }
    Err(Problem::new(StatusCode::BAD_REQUEST, "bad-idempotency-key", "The idempotency key is malformed")
        .detail("Send 1 to 255 printable ASCII characters."))
}

fn check(person: Person, key: Option<String>, body: PlaceRequest) -> Result<Request, Problem> {
    let mut checks = Checks::default();
    checks.check(id::is_sound(&body.card_token), "card_token", "must be a token of the card processor");
    if let Some(items) = &body.items {
        let count = (1..=ITEMS_MAX).contains(&items.len());
        checks.check(count, "items", "must have 1 to 50 entries");
        for (n, item) in items.iter().enumerate() {
            let sound = (1..=QUANTITY_MAX).contains(&item.quantity);
            let field = format!("items[{n}].quantity");
            checks.check(sound, &field, "must be from 1 to 1000");
        }
    }
    checks.finish()?;
    let items = body.items.map(|items| {
        let wanted = items.into_iter().map(|item| Wanted { product_id: item.product_id, quantity: item.quantity });
        wanted.collect()
    });
    Ok(Request { user_id: person.user_id, idempotency_key: key, items, card_token: body.card_token })
}

#[cfg(test)]
mod tests;
