//! What people see of `catalog`: JSON over HTTP.

mod cart;
mod products;

use axum::Router;

use crate::Service;

/// The routes under `/catalog/`.
pub(crate) fn routes(service: Service) -> Router {
    products::routes().merge(cart::routes()).with_state(service)
}

#[cfg(test)]
mod tests;
