//! The rules of payments: an order is charged at most once, and once refunded never again.
//!
//! A payment is written down as pending before the processor is asked, so that a crash in between leaves a trace, and
//! settled afterwards by compare-and-swap, so that a refund that came in the meantime is not overwritten.

use serde::{Deserialize, Serialize};
use shop_common::id;
use shop_common::store::{StoreError, Table};

use crate::processor::{self, Answer};

/// The most one order may cost: a mistake bound, in cents.
const AMOUNT_CENTS_MAX: i64 = 100_000_000;

/// The payment of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) order_id: String,
    pub(crate) state: State,
    /// What the order costs; 0 when it was refunded before it was charged.
    pub(crate) amount_cents: i64,
    pub(crate) currency: String,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The processor was asked and has not answered.
    Pending,
    Charged,
    Declined,
    /// Paid back, or refused before it was charged.
    Refunded,
}

/// A demand for money.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge<'a> {
    pub(crate) order_id: &'a str,
    pub(crate) amount_cents: i64,
    pub(crate) currency: &'a str,
    pub(crate) card_token: &'a str,
}

/// Why no payment came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("bad {0}")]
    Invalid(&'static str),
    #[error("another amount was charged for this order")]
    Conflict,
    #[error("the order was refunded")]
    Refunded,
    #[error("the card processor does not answer")]
    Unknown,
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// All payments.
#[derive(Clone)]
pub(crate) struct Ledger {
    /// By order.
    pub(crate) payments: Table<Payment>,
}

impl Ledger {
    /// The payment of an order, if there is one.
    pub(crate) fn find(&self, order_id: &str) -> Result<Option<Payment>, StoreError> {
        // Asking the store for what is no key of ours would fail there instead of finding nothing.
        if id::is_sound(order_id) { self.payments.get(order_id) } else { Ok(None) }
    }

    /// Charges an order in `currency`, once, however often it is asked.
    ///
    /// # Errors
    /// After [`Error::Unknown`] the payment stays pending: ask again, or refund.
    pub(crate) fn charge(&self, charge: Charge<'_>, currency: &str, now_ms: u64) -> Result<Payment, Error> {
        validate(charge, currency)?;
        let payment = self.begin(charge, now_ms)?;
        if payment.state != State::Pending {
            return Ok(payment);
        }
        let state = match processor::charge(charge.card_token) {
            Answer::Charged => State::Charged,
            Answer::Declined => State::Declined,
            Answer::Unknown => return Err(Error::Unknown),
        };
        let payment = self.settle(payment, state, now_ms)?;
        if payment.state == State::Refunded {
            // The refund came first and could not pay back what was not charged yet.
            processor::refund(charge.order_id);
            return Err(Error::Refunded);
        }
        tracing::info!(order_id = charge.order_id, state = ?payment.state, "settled");
        Ok(payment)
    }

    /// Writes a pending payment, or finds the one there is.
    fn begin(&self, charge: Charge<'_>, now_ms: u64) -> Result<Payment, Error> {
        self.payments.update(charge.order_id, |payment| {
            let Some(payment) = payment else {
                let payment = Payment {
                    order_id: charge.order_id.to_owned(),
                    state: State::Pending,
                    amount_cents: charge.amount_cents,
                    currency: charge.currency.to_owned(),
                    created_ms: now_ms,
                    updated_ms: now_ms,
                };
                return Ok((Some(payment.clone()), payment));
            };
            if payment.state == State::Refunded {
                return Err(Error::Refunded);
            }
            let same = payment.amount_cents == charge.amount_cents && payment.currency == charge.currency;
            if same { Ok((None, payment)) } else { Err(Error::Conflict) }
        })
    }

    /// Notes the processor's answer, unless something else was noted meanwhile.
    fn settle(&self, begun: Payment, state: State, now_ms: u64) -> Result<Payment, Error> {
        self.payments.update(&begun.order_id, |payment| {
            let mut payment = payment.unwrap_or_else(|| begun.clone());
            if payment.state != State::Pending {
                return Ok((None, payment));
            }
            payment.state = state;
            payment.updated_ms = now_ms;
            Ok((Some(payment.clone()), payment))
        })
    }

    /// Makes sure that the order costs nothing, now and later.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no order id, and [`Error::Store`].
    pub(crate) fn refund(&self, order_id: &str, currency: &str, now_ms: u64) -> Result<Payment, Error> {
        if !id::is_sound(order_id) {
            return Err(Error::Invalid("order_id"));
        }
        loop {
            let seen = self.payments.get(order_id)?.map(|payment| payment.state);
            if matches!(seen, Some(State::Charged | State::Pending)) {
                // Paying back comes first: a crash after it repeats it, a crash after noting it would lose it.
                processor::refund(order_id);
            }
            if let Some(payment) = self.note_refund(order_id, seen, currency, now_ms)? {
                return Ok(payment);
            }
        }
    }

    /// Notes that the order costs nothing, unless its payment is no longer in the state `seen`.
    fn note_refund(
        &self,
        order_id: &str,
        seen: Option<State>,
        currency: &str,
        now_ms: u64,
    ) -> Result<Option<Payment>, Error> {
        self.payments.update(order_id, |payment| {
            if payment.as_ref().map(|payment| payment.state) != seen {
                return Ok((None, None));
            }
            let mut payment = payment.unwrap_or_else(|| Payment {
                order_id: order_id.to_owned(),
                state: State::Pending,
                amount_cents: 0,
                currency: currency.to_owned(),
                created_ms: now_ms,
                updated_ms: now_ms,
            });
            if matches!(payment.state, State::Declined | State::Refunded) {
                return Ok((None, Some(payment)));
            }
            payment.state = State::Refunded;
            payment.updated_ms = now_ms;
            Ok((Some(payment.clone()), Some(payment)))
        })
    }
}

fn validate(charge: Charge<'_>, currency: &str) -> Result<(), Error> {
    let field = if !id::is_sound(charge.order_id) {
        "order_id"
    } else if !(1..=AMOUNT_CENTS_MAX).contains(&charge.amount_cents) {
        "amount_cents"
    } else if charge.currency != currency {
        "currency"
    } else if !id::is_sound(charge.card_token) {
        "card_token"
    } else {
        return Ok(());
    };
    Err(Error::Invalid(field))
}

#[cfg(test)]
mod tests {
    use shop_common::store::memory::Memory;

    use super::*;

    fn ledger() -> Ledger {
        Ledger { payments: Table::new(Memory::default().bucket()) }
    }

    fn demand(amount_cents: i64, card_token: &str) -> Charge<'_> {
        Charge { order_id: "ord_1", amount_cents, currency: "EUR", card_token }
    }

    #[test]
    fn an_order_is_charged_once_and_keeps_its_answer() {
        let ledger = ledger();
        let first = ledger.charge(demand(1990, "tok_ok"), "EUR", 1).unwrap();
        assert_eq!(first.state, State::Charged);
        // A repeat, even with another card, answers what happened.
        let again = ledger.charge(demand(1990, "tok_declined"), "EUR", 2).unwrap();
        assert_eq!(again, first);
        let other = ledger.charge(demand(1991, "tok_ok"), "EUR", 3);
        assert!(matches!(other, Err(Error::Conflict)));
    }

    #[test]
    fn declined_is_an_answer_and_refunding_it_changes_nothing() {
        let ledger = ledger();
        let declined = ledger.charge(demand(5, "tok_declined"), "EUR", 1).unwrap();
        assert_eq!(declined.state, State::Declined);
        assert_eq!(ledger.refund("ord_1", "EUR", 2).unwrap(), declined);
    }

    #[test]
    fn after_an_unknown_outcome_both_ways_are_open() {
        let ledger = ledger();
        let broken = ledger.charge(demand(5, "tok_error"), "EUR", 1);
        assert!(matches!(broken, Err(Error::Unknown)));
        let pending = ledger.payments.get("ord_1").unwrap().unwrap();
        assert_eq!(pending.state, State::Pending);
        let paid = ledger.charge(demand(5, "tok_ok"), "EUR", 2).unwrap();
        assert_eq!(paid.state, State::Charged);
        assert_eq!(ledger.refund("ord_1", "EUR", 3).unwrap().state, State::Refunded);
        assert_eq!(ledger.refund("ord_1", "EUR", 4).unwrap().updated_ms, 3);
    }

    #[test]
    fn a_charge_that_comes_after_the_refund_is_refused() {
        let ledger = ledger();
        let refunded = ledger.refund("ord_1", "EUR", 1).unwrap();
        assert_eq!((refunded.state, refunded.amount_cents), (State::Refunded, 0));
        let late = ledger.charge(demand(5, "tok_ok"), "EUR", 2);
        assert!(matches!(late, Err(Error::Refunded)));
        // Also when the refund comes between the two writes of the charge.
        let begun = Payment { order_id: "ord_1".into(), ..refunded };
        let settled = ledger.settle(begun, State::Charged, 3).unwrap();
        assert_eq!(settled.state, State::Refunded);
    }

    #[test]
    fn bad_demands_leave_no_trace() {
        let ledger = ledger();
        for (amount, currency, token) in [
            (0, "EUR", "tok_ok"),
            (-5, "EUR", "tok_ok"),
            (AMOUNT_CENTS_MAX + 1, "EUR", "tok_ok"),
            (5, "USD", "tok_ok"),
            (5, "EUR", ""),
        ] {
            let mut charge = demand(amount, token);
            charge.currency = currency;
            assert!(matches!(ledger.charge(charge, "EUR", 1), Err(Error::Invalid(_))));
        }
        assert!(ledger.payments.keys().unwrap().is_empty());
    }
}
