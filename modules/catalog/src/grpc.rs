//! What other services see of `catalog`: `shop.catalog.v1.Catalog`.

use axum::Router;
use shop_common::{caller, clock};
use tonic::{Request, Response, Status};

use crate::Service;
use crate::pb::catalog_server::{Catalog, CatalogServer};
use crate::pb::{
    ClearCartRequest, ClearCartResponse, CommitStockRequest, CommitStockResponse, GetCartRequest, GetCartResponse,
    GetProductRequest, GetProductResponse, Line, PricedLine, Product, ReleaseStockRequest, ReleaseStockResponse,
    ReserveStockRequest, ReserveStockResponse,
};
use crate::stock::Error;

/// Adds the gRPC service to `routes`.
pub(crate) fn add_to(routes: Router, service: Service) -> Router {
    let server = CatalogServer::new(service);
    routes.route_service("/shop.catalog.v1.Catalog/{method}", server)
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(_) => Self::invalid_argument(text),
            Error::NoProduct(_) | Error::NotReserved => Self::not_found(text),
            Error::Refused(_) | Error::Committed => Self::failed_precondition(text),
            Error::Conflict => Self::already_exists(text),
            Error::Store(error) => error.into(),
        }
    }
}

#[tonic::async_trait]
impl Catalog for Service {
    /// Products are public: anybody may ask.
    async fn get_product(&self, request: Request<GetProductRequest>) -> Result<Response<GetProductResponse>, Status> {
        let product = self.shelf.find(&request.into_inner().product_id)?;
        let product = product.ok_or_else(|| Status::not_found("no such product"))?;
        Ok(Response::new(GetProductResponse {
            product: Some(Product {
                id: product.id,
                name: product.name,
                description: product.description,
                price_cents: product.price_cents,
                currency: self.settings.currency(),
                stock: product.stock,
            }),
        }))
    }

    async fn reserve_stock(
        &self,
        request: Request<ReserveStockRequest>,
    ) -> Result<Response<ReserveStockResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let request = request.into_inner();
        let lines = request.lines.into_iter();
        let lines: Vec<_> = lines.map(|line| (line.product_id, line.quantity)).collect();
        let reserved = self.stock.reserve(&request.order_id, &lines, clock::now_ms())?;
        let lines = reserved.into_iter().map(|line| PricedLine {
            product_id: line.product_id,
            name: line.name,
            quantity: line.quantity,
            unit_price_cents: line.unit_price_cents,
        });
        Ok(Response::new(ReserveStockResponse { lines: lines.collect(), currency: self.settings.currency() }))
    }

    async fn release_stock(
        &self,
        request: Request<ReleaseStockRequest>,
    ) -> Result<Response<ReleaseStockResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let order_id = request.into_inner().order_id;
        self.stock.release(&order_id, clock::now_ms())?;
        Ok(Response::new(ReleaseStockResponse {}))
    }

    async fn commit_stock(
        &self,
        request: Request<CommitStockRequest>,
    ) -> Result<Response<CommitStockResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let order_id = request.into_inner().order_id;
        self.stock.commit(&order_id, clock::now_ms())?;
        Ok(Response::new(CommitStockResponse {}))
    }

    async fn get_cart(&self, request: Request<GetCartRequest>) -> Result<Response<GetCartResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let cart = self.carts.get(&request.into_inner().user_id)?;
        let lines = cart.lines.into_iter().map(|line| Line { product_id: line.product_id, quantity: line.quantity });
        Ok(Response::new(GetCartResponse { lines: lines.collect(), version: cart.version }))
    }

    async fn clear_cart(&self, request: Request<ClearCartRequest>) -> Result<Response<ClearCartResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let request = request.into_inner();
        let cleared = self.carts.clear(&request.user_id, Some(request.version))?;
        Ok(Response::new(ClearCartResponse { cleared }))
    }
}
