//! The card processor: a stand-in that behaves as its test tokens say.
//!
//! A real one is an HTTP API outside, called with the order's id as idempotency key and granted in the manifest
//! (`egress = ["https://..."]`). It has the same three answers, of which the third is the one that matters: *unknown*.

/// What the processor says to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The money is on its way.
    Charged,
    /// The bank said no.
    Declined,
    /// No answer: the money may or may not move.
    Unknown,
}

/// Charges a card. `tok_ok` pays, `tok_error` breaks off, `tok_declined` and everything else is declined.
pub(crate) fn charge(card_token: &str) -> Answer {
    match card_token {
        "tok_ok" => Answer::Charged,
        "tok_error" => Answer::Unknown,
        _ => Answer::Declined,
    }
}

/// Pays back what an order was charged, if anything; may be repeated.
pub(crate) fn refund(order_id: &str) {
    tracing::info!(order_id, "the processor pays back");
}
