//! The service `payments`, over gRPC.

use hostel_sdk::Channel;
use tonic::{Code, Status};

use super::{Payment, Payments};
use crate::pb::payments as pb;
use crate::pb::payments::PaymentState;
use crate::pb::payments::payments_client::PaymentsClient;

#[derive(Clone)]
pub(crate) struct GrpcPayments(PaymentsClient<Channel>);

impl Default for GrpcPayments {
    fn default() -> Self {
        Self(PaymentsClient::new(hostel_sdk::channel("payments")))
    }
}

#[tonic::async_trait]
impl Payments for GrpcPayments {
    async fn charge(
        &self,
        order_id: &str,
        amount_cents: i64,
        currency: &str,
        card_token: &str,
    ) -> Result<Payment, Status> {
        let request = pb::ChargeRequest {
            order_id: order_id.to_owned(),
            amount_cents,
            currency: currency.to_owned(),
            card_token: card_token.to_owned(),
        };
        let response = self.0.clone().charge(request).await?.into_inner();
        standing(response.payment)
    }

    async fn refund(&self, order_id: &str) -> Result<(), Status> {
        let request = pb::RefundRequest { order_id: order_id.to_owned() };
        self.0.clone().refund(request).await?;
        Ok(())
    }

    async fn payment(&self, order_id: &str) -> Result<Payment, Status> {
        let request = pb::GetPaymentRequest { order_id: order_id.to_owned() };
        match self.0.clone().get_payment(request).await {
            Ok(response) => standing(response.into_inner().payment),
            Err(status) if status.code() == Code::NotFound => Ok(Payment::None),
            Err(status) => Err(status),
        }
    }
}

fn standing(payment: Option<pb::Payment>) -> Result<Payment, Status> {
    let payment = payment.ok_or_else(|| Status::internal("an answer without a payment"))?;
    match payment.state() {
        PaymentState::Pending => Ok(Payment::Pending),
        PaymentState::Charged => Ok(Payment::Charged),
        PaymentState::Declined => Ok(Payment::Declined),
        PaymentState::Refunded => Ok(Payment::Refunded),
        PaymentState::Unspecified => Err(Status::internal("a payment in an unknown state")),
    }
}
