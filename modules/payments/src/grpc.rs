//! What other services see of `payments`: `shop.payments.v1.Payments`.

use axum::Router;
use shop_common::settings::Settings;
use shop_common::{caller, clock};
use tonic::{Request, Response, Status};

use crate::ledger::{Charge, Error, Ledger, Payment, State};
use crate::pb::payments_server::{Payments, PaymentsServer};
use crate::pb::{
    ChargeRequest, ChargeResponse, GetPaymentRequest, GetPaymentResponse, PaymentState, RefundRequest, RefundResponse,
};

struct Service {
    ledger: Ledger,
    settings: Settings,
}

/// Adds the gRPC service to `routes`.
pub(crate) fn add_to(routes: Router, ledger: Ledger, settings: Settings) -> Router {
    let server = PaymentsServer::new(Service { ledger, settings });
    routes.route_service("/shop.payments.v1.Payments/{method}", server)
}

impl From<Payment> for crate::pb::Payment {
    fn from(payment: Payment) -> Self {
        let state = match payment.state {
            State::Pending => PaymentState::Pending,
            State::Charged => PaymentState::Charged,
            State::Declined => PaymentState::Declined,
            State::Refunded => PaymentState::Refunded,
        };
        Self {
            order_id: payment.order_id,
            state: state.into(),
            amount_cents: payment.amount_cents,
            currency: payment.currency,
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid(_) => Self::invalid_argument(text),
            Error::Conflict => Self::already_exists(text),
            Error::Refunded => Self::failed_precondition(text),
            Error::Unknown => Self::unavailable(text),
            Error::Store(error) => error.into(),
        }
    }
}

#[tonic::async_trait]
impl Payments for Service {
    async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<ChargeResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let request = request.into_inner();
        let charge = Charge {
            order_id: &request.order_id,
            amount_cents: request.amount_cents,
            currency: &request.currency,
            card_token: &request.card_token,
        };
        let currency = self.settings.currency();
        let payment = self.ledger.charge(charge, &currency, clock::now_ms())?;
        Ok(Response::new(ChargeResponse { payment: Some(payment.into()) }))
    }

    async fn refund(&self, request: Request<RefundRequest>) -> Result<Response<RefundResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let order_id = request.into_inner().order_id;
        let currency = self.settings.currency();
        let payment = self.ledger.refund(&order_id, &currency, clock::now_ms())?;
        Ok(Response::new(RefundResponse { payment: Some(payment.into()) }))
    }

    async fn get_payment(&self, request: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let payment = self.ledger.find(&request.into_inner().order_id)?;
        let payment = payment.ok_or_else(|| Status::not_found("the order has no payment"))?;
        Ok(Response::new(GetPaymentResponse { payment: Some(payment.into()) }))
    }
}
