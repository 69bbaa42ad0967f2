//! The cart of the person whose token the request carries.

use axum::extract::State;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_common::extract::{self, Segment};
use shop_common::identity::Person;
use shop_common::problem::{Checks, Problem};

use crate::Service;
use crate::cart::Cart;

pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/cart", get(read).delete(clear))
        .route("/cart/items", post(add))
        .route("/cart/items/{product_id}", put(set).delete(remove))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddRequest {
    product_id: String,
    #[serde(default = "one")]
    quantity: u32,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetRequest {
    quantity: u32,
}

#[derive(Serialize)]
struct View {
    items: Vec<ItemView>,
    total_cents: i64,
    currency: String,
}

/// A line at today's price. The price of an order is the one at the moment it is placed.
#[derive(Serialize)]
struct ItemView {
    product_id: String,
    name: String,
    quantity: u32,
    unit_price_cents: i64,
    total_cents: i64,
    /// Whether enough of it is left right now.
    in_stock: bool,
}

async fn read(State(service): State<Service>, person: Person) -> Result<Json<View>, Problem> {
    let cart = service.carts.get(&person.user_id)?;
    service.view(cart)
}

async fn clear(State(service): State<Service>, person: Person) -> Result<StatusCode, Problem> {
    service.carts.clear(&person.user_id, None)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn add(
    State(service): State<Service>,
    person: Person,
    extract::Json(body): extract::Json<AddRequest>,
) -> Result<Json<View>, Problem> {
    let known = service.shelf.find(&body.product_id)?.is_some();
    let mut checks = Checks::default();
    checks.check(known, "product_id", "must be the id of a product");
    checks.finish()?;
    let cart = service.carts.add(&person.user_id, &body.product_id, body.quantity)?;
    service.view(cart)
}

async fn set(
    State(service): State<Service>,
    person: Person,
    Segment(product_id): Segment,
    extract::Json(body): extract::Json<SetRequest>,
) -> Result<Json<View>, Problem> {
    service.shelf.get(&product_id)?;
    let cart = service.carts.set(&person.user_id, &product_id, body.quantity)?;
    service.view(cart)
}

async fn remove(
    State(service): State<Service>,
    person: Person,
    Segment(product_id): Segment,
) -> Result<Json<View>, Problem> {
    let cart = service.carts.remove(&person.user_id, &product_id)?;
    service.view(cart)
}

impl Service {
    fn view(&self, cart: Cart) -> Result<Json<View>, Problem> {
        let ids: Vec<String> = cart.lines.iter().map(|line| line.product_id.clone()).collect();
        let products = self.shelf.get_many(&ids)?;
        let mut total_cents = 0_i64;
        let mut items = Vec::with_capacity(cart.lines.len());
        for line in cart.lines {
            // Products are never deleted; one that cannot be found is not shown rather than an error.
            let Some(product) = products.get(&line.product_id) else {
                continue;
            };
            let line_cents = product.price_cents.saturating_mul(line.quantity.into());
            total_cents = total_cents.saturating_add(line_cents);
            items.push(ItemView {
                product_id: line.product_id,
                name: product.name.clone(),
                quantity: line.quantity,
                unit_price_cents: product.price_cents,
                total_cents: line_cents,
                in_stock: product.stock >= line.quantity,
            });
        }
        Ok(Json(View { items, total_cents, currency: self.settings.currency() }))
    }
}
