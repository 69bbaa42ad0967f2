//! What other services see of `orders`: `shop.orders.v1.Orders`.

use axum::Router;
use shop_common::{caller, clock};
use tonic::{Request, Response, Status};

use crate::Service;
use crate::order::Stage;
use crate::pb::orders::orders_server::{Orders, OrdersServer};
use crate::pb::orders::{GetOrderRequest, GetOrderResponse, OrderState};

/// Adds the gRPC service to `routes`.
pub(crate) fn add_to(routes: Router, service: Service) -> Router {
    let server = OrdersServer::new(service);
    routes.route_service("/shop.orders.v1.Orders/{method}", server)
}

#[tonic::async_trait]
impl Orders for Service {
    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let order = self.placing.book.orders.get(&request.into_inner().order_id)?;
        let order = order.ok_or_else(|| Status::not_found("no such order"))?;
        let looked_after = self.placing.look_after(order, clock::now_ms()).await;
        let order = looked_after.map_err(|_| Status::unavailable("the order cannot be read"))?;
        let state = match order.stage {
            Stage::Placed | Stage::Reserved | Stage::Undoing { .. } => OrderState::Pending,
            Stage::Paid => OrderState::Paid,
            Stage::Shipped => OrderState::Shipped,
            Stage::Failed(_) => OrderState::Failed,
        };
        let failure = order.failure().map(|failure| failure.reason.word());
        Ok(Response::new(GetOrderResponse {
            state: state.into(),
            failure: failure.unwrap_or_default().to_owned(),
            order_id: order.id,
            user_id: order.user_id,
            total_cents: order.total_cents,
            currency: order.currency,
        }))
    }
}
