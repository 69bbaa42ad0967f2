//! Products: public to read, the operator's to change.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_common::admin::Admin;
use shop_common::clock;
use shop_common::extract::{self, Params, Segment};
use shop_common::problem::{Checks, Problem};

use crate::Service;
use crate::product::{Draft, Edit, Product};

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;

pub(crate) fn routes() -> Router<Service> {
    Router::new()
        .route("/products", get(list).post(create))
        .route("/products/{id}", get(read).patch(edit))
        .route("/products/{id}/stock", post(adjust))
}

/// A product, without what is on hold for whom.
#[derive(Serialize)]
struct View {
    id: String,
    name: String,
    description: String,
    price_cents: i64,
    currency: String,
    stock: u32,
    created_at: String,
    updated_at: String,
}

impl View {
    fn new(product: Product, currency: &str) -> Self {
        Self {
            id: product.id,
            name: product.name,
            description: product.description,
            price_cents: product.price_cents,
            currency: currency.to_owned(),
            stock: product.stock,
            created_at: clock::rfc3339(product.created_ms),
            updated_at: clock::rfc3339(product.updated_ms),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Serialize)]
struct ListResponse {
    products: Vec<View>,
    /// What to give as `after` for the next page; null on the last one.
    next: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdjustRequest {
    delta: i64,
}

async fn list(
    State(service): State<Service>,
    Params(params): Params<ListParams>,
) -> Result<Json<ListResponse>, Problem> {
    let limit = params.limit.unwrap_or(LIMIT_DEFAULT);
    let mut checks = Checks::default();
    checks.check((1..=LIMIT_MAX).contains(&limit), "limit", "must be from 1 to 100");
    checks.finish()?;
    let page = service.shelf.list(params.after.as_deref(), limit)?;
    let currency = service.settings.currency();
    let views = page.products.into_iter().map(|product| View::new(product, &currency));
    Ok(Json(ListResponse { products: views.collect(), next: page.next }))
}

async fn read(State(service): State<Service>, Segment(id): Segment) -> Result<Json<View>, Problem> {
    let product = service.shelf.get(&id)?;
    Ok(Json(View::new(product, &service.settings.currency())))
}

async fn create(
    State(service): State<Service>,
    _: Admin,
    extract::Json(draft): extract::Json<Draft>,
) -> Result<Response, Problem> {
    draft.check().finish()?;
    let taken = format!("`{}` is the id of another product.", draft.id);
    let product = service.shelf.create(draft, clock::now_ms())?;
    let product = product.ok_or_else(|| Problem::conflict("product-exists", "The product exists", taken))?;
    // Relative to the request's own path, since the module does not know under which prefix it is published.
    let location = format!("products/{}", product.id);
    let view = View::new(product, &service.settings.currency());
    Ok((StatusCode::CREATED, [("location", location)], Json(view)).into_response())
}

async fn edit(
    State(service): State<Service>,
    _: Admin,
    Segment(id): Segment,
    extract::Json(edit): extract::Json<Edit>,
) -> Result<Json<View>, Problem> {
    edit.check().finish()?;
    let product = service.shelf.edit(&id, &edit, clock::now_ms())?;
    Ok(Json(View::new(product, &service.settings.currency())))
}

async fn adjust(
    State(service): State<Service>,
    _: Admin,
    Segment(id): Segment,
    extract::Json(body): extract::Json<AdjustRequest>,
) -> Result<Json<View>, Problem> {
    let product = service.shelf.adjust(&id, body.delta, clock::now_ms())?;
    Ok(Json(View::new(product, &service.settings.currency())))
}
