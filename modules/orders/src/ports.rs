//! The services an order is made of, as traits: real ones over gRPC, and in the tests ones that break where they are
//! told to. Errors are gRPC statuses; what they mean for an order is decided in [`crate::placing`].

mod catalog;
mod payments;

pub(crate) use catalog::GrpcCatalog;
pub(crate) use payments::GrpcPayments;
use tonic::Status;

use crate::order::{Line, Wanted};

/// What a person has in their cart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cart {
    pub(crate) lines: Vec<Wanted>,
    pub(crate) version: u64,
}

/// Stock that was reserved.
#[derive(Clone, Debug)]
pub(crate) struct Reserved {
    pub(crate) lines: Vec<Line>,
    pub(crate) currency: String,
}

/// How the payment of an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    None,
    Pending,
    Charged,
    Declined,
    Refunded,
}

/// The service `catalog`. All of it can be repeated.
#[tonic::async_trait]
pub(crate) trait Catalog: Send + Sync {
    async fn cart(&self, user_id: &str) -> Result<Cart, Status>;
    async fn clear_cart(&self, user_id: &str, version: u64) -> Result<(), Status>;
    async fn reserve(&self, order_id: &str, wanted: &[Wanted]) -> Result<Reserved, Status>;
    async fn release(&self, order_id: &str) -> Result<(), Status>;
    async fn commit(&self, order_id: &str) -> Result<(), Status>;
}

/// The service `payments`. All of it can be repeated.
#[tonic::async_trait]
pub(crate) trait Payments: Send + Sync {
    async fn charge(
        &self,
        order_id: &str,
        amount_cents: i64,
        currency: &str,
        card_token: &str,
    ) -> Result<Payment, Status>;
    async fn refund(&self, order_id: &str) -> Result<(), Status>;
    async fn payment(&self, order_id: &str) -> Result<Payment, Status>;
}
