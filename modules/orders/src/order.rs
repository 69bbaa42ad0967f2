//! What an order is, and the stages it goes through.
//!
//! ```text
//!  Placed ──stock reserved──▶ Reserved ──card charged──▶ Paid ──▶ Shipped
//!    │                           │
//!    └────── anything else ──────┴──▶ Undoing ──undone──▶ Failed
//! ```
//!
//! Stages only move to the right, each by compare-and-swap on the order's record. So of two that work on an order, one
//! moves it and the other sees where it is; and whoever finds an order in any stage knows what there is to do.

use serde::{Deserialize, Serialize};

/// How long an order may take to be placed, in ms. Longer than any call may live (`wall_ms` in the manifest): whoever
/// placed an order that is older is gone, and somebody else may finish it.
pub(crate) const PLACING_MS_MAX: u64 = 15_000;

/// An order, under its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) user_id: String,
    /// Its number among the orders of this person, from 1.
    pub(crate) number: u64,
    /// Digest of the request it was placed with, to tell a repeat from another request with the same key.
    pub(crate) fingerprint: String,
    pub(crate) stage: Stage,
    pub(crate) wanted: Vec<Wanted>,
    /// The version of the cart it was placed from, which is to be cleared.
    pub(crate) cart_version: Option<u64>,
    /// With prices, once reserved.
    pub(crate) lines: Vec<Line>,
    pub(crate) total_cents: i64,
    pub(crate) currency: String,
    /// The stock is sold and the cart cleared: nothing is left to do after the payment.
    pub(crate) settled: bool,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Stock may or may not be reserved.
    Placed,
    /// Stock is reserved; the card may or may not be charged.
    Reserved,
    /// Going to fail: what was done is being undone.
    Undoing {
        failure: Failure,
        /// The card may have been charged.
        refund: bool,
    },
    Paid,
    Shipped,
    Failed(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) product_id: String,
    pub(crate) name: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price_cents: i64,
}

/// Why an order failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    /// For people.
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    NoProduct,
    OutOfStock,
    CatalogUnavailable,
    PaymentDeclined,
    PaymentUnavailable,
    /// Whoever placed it did not get to the end.
    TimedOut,
}

impl Reason {
    /// The stable word for it, in documents and messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NoProduct => "no-product",
            Self::OutOfStock => "out-of-stock",
            Self::CatalogUnavailable => "catalog-unavailable",
            Self::PaymentDeclined => "payment-declined",
            Self::PaymentUnavailable => "payment-unavailable",
            Self::TimedOut => "timed-out",
        }
    }

    pub(crate) fn because(self, detail: impl Into<String>) -> Failure {
        Failure { reason: self, detail: detail.into() }
    }
}

impl Order {
    /// The word for its stage that people see: how it is being placed is nobody's business.
    pub(crate) fn state(&self) -> &'static str {
        match self.stage {
            Stage::Placed | Stage::Reserved | Stage::Undoing { .. } => "pending",
            Stage::Paid => "paid",
            Stage::Shipped => "shipped",
            Stage::Failed(_) => "failed",
        }
    }

    /// Why it failed, if it did.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match &self.stage {
            Stage::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether whoever placed it must be gone.
    pub(crate) fn is_abandoned(&self, now_ms: u64) -> bool {
        now_ms > self.created_ms.saturating_add(PLACING_MS_MAX)
    }

    /// Whether there is nothing left to do for anybody but the operator.
    pub(crate) fn is_finished(&self) -> bool {
        match self.stage {
            Stage::Paid | Stage::Shipped => self.settled,
            Stage::Failed(_) => true,
            Stage::Placed | Stage::Reserved | Stage::Undoing { .. } => false,
        }
    }
}
