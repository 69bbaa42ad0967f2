//! The steps of an order, one per stage.

use shop_common::problem::Problem;
use tonic::{Code, Status};

use super::Placing;
use crate::order::{Failure, Line, Order, Reason, Stage};
use crate::ports::{Payment, Reserved};

/// A failure of another service, for whoever asked for something that needs it.
pub(super) fn unavailable(what: &str, status: &Status) -> Problem {
    tracing::warn!(what, code = ?status.code(), status = status.message(), "does not answer");
    Problem::unavailable(what)
}

impl Placing {
    /// Moves an order on until it is finished or something that is needed does not answer.
    pub(super) async fn drive(
        &self,
        mut order: Order,
        card_token: Option<&str>,
        now_ms: u64,
    ) -> Result<Order, Problem> {
        // Ends, because stages only move forward.
        while let Some(next) = self.step(&order, card_token, now_ms).await? {
            order = next;
        }
        Ok(order)
    }

    /// Does what the stage of the order asks for. Answers the order as it is then, or none when nothing (more) can be
    /// done for it now.
    async fn step(&self, order: &Order, card_token: Option<&str>, now_ms: u64) -> Result<Option<Order>, Problem> {
        match (&order.stage, card_token) {
            (Stage::Placed, Some(_)) => self.reserve(order, now_ms).await.map(Some),
            (Stage::Placed, None) => self.begin_undo(order, timed_out(), now_ms).map(Some),
            (Stage::Reserved, Some(card)) => self.charge(order, card, now_ms).await.map(Some),
            (Stage::Reserved, None) => self.ask_payments(order, now_ms).await,
            (Stage::Undoing { failure, refund }, _) => self.undo(order, failure, *refund, now_ms).await,
            (Stage::Paid | Stage::Shipped, _) if !order.settled => self.settle(order, now_ms).await,
            (Stage::Paid | Stage::Shipped | Stage::Failed(_), _) => Ok(None),
        }
    }

    async fn reserve(&self, order: &Order, now_ms: u64) -> Result<Order, Problem> {
        match self.catalog.reserve(&order.id, &order.wanted).await {
            Ok(reserved) => self.note_reserved(order, &reserved, now_ms),
            Err(status) => self.begin_undo(order, not_reserved(&status), now_ms),
        }
    }

    fn note_reserved(&self, order: &Order, reserved: &Reserved, now_ms: u64) -> Result<Order, Problem> {
        let total_cents = total(&reserved.lines);
        self.book.update(&order.id, now_ms, |order| {
            if order.stage != Stage::Placed {
                return false;
            }
            order.stage = Stage::Reserved;
            order.lines.clone_from(&reserved.lines);
            order.currency.clone_from(&reserved.currency);
            order.total_cents = total_cents;
            true
        })
    }

    async fn charge(&self, order: &Order, card: &str, now_ms: u64) -> Result<Order, Problem> {
        let charge = self.payments.charge(&order.id, order.total_cents, &order.currency, card);
        match charge.await {
            Ok(Payment::Charged) => self.note_paid(order, now_ms),
            Ok(Payment::Declined) => self.begin_undo(order, declined(), now_ms),
            Ok(payment) => {
                tracing::warn!(order_id = order.id, ?payment, "an unexpected answer to a charge");
                self.begin_undo(order, not_charged(), now_ms)
            }
            Err(status) => self.begin_undo(order, refused(&status), now_ms),
        }
    }

    /// Without a card, and after whoever had it is gone: was it charged?
    async fn ask_payments(&self, order: &Order, now_ms: u64) -> Result<Option<Order>, Problem> {
        let order = match self.payments.payment(&order.id).await {
            Ok(Payment::Charged) => self.note_paid(order, now_ms)?,
            Ok(Payment::Declined) => self.begin_undo(order, declined(), now_ms)?,
            Ok(Payment::None | Payment::Pending | Payment::Refunded) => self.begin_undo(order, timed_out(), now_ms)?,
            Err(status) => {
                unavailable("payment service", &status);
                return Ok(None);
            }
        };
        Ok(Some(order))
    }

    fn note_paid(&self, order: &Order, now_ms: u64) -> Result<Order, Problem> {
        let order = self.book.update(&order.id, now_ms, |order| {
            let reserved = order.stage == Stage::Reserved;
            if reserved {
                order.stage = Stage::Paid;
            }
            reserved
        })?;
        tracing::info!(order_id = order.id, state = order.state(), "charged");
        Ok(order)
    }

    /// Decides that the order will fail. From here on nobody can make it paid.
    fn begin_undo(&self, order: &Order, failure: Failure, now_ms: u64) -> Result<Order, Problem> {
        self.book.update(&order.id, now_ms, |order| {
            let refund = match order.stage {
                Stage::Placed => false,
                Stage::Reserved => true,
                _ => return false,
            };
            order.stage = Stage::Undoing { failure: failure.clone(), refund };
            true
        })
    }

    async fn undo(
        &self,
        order: &Order,
        failure: &Failure,
        refund: bool,
        now_ms: u64,
    ) -> Result<Option<Order>, Problem> {
        if refund && let Err(status) = self.payments.refund(&order.id).await {
            unavailable("payment service", &status);
            return Ok(None);
        }
        if let Err(status) = self.catalog.release(&order.id).await {
            unavailable("catalog", &status);
            return Ok(None);
        }
        let order = self.book.update(&order.id, now_ms, |order| {
            let undoing = matches!(order.stage, Stage::Undoing { .. });
            if undoing {
                order.stage = Stage::Failed(failure.clone());
            }
            undoing
        })?;
        tracing::info!(order_id = order.id, reason = failure.reason.word(), "failed");
        Ok(Some(order))
    }

    /// What follows a payment. The order is paid whether it works out at once or not.
    async fn settle(&self, order: &Order, now_ms: u64) -> Result<Option<Order>, Problem> {
        if let Err(status) = self.catalog.commit(&order.id).await {
            unavailable("catalog", &status);
            return Ok(None);
        }
        if let Some(version) = order.cart_version
            && let Err(status) = self.catalog.clear_cart(&order.user_id, version).await
        {
            unavailable("catalog", &status);
            return Ok(None);
        }
        let settled = self.book.update(&order.id, now_ms, |order| !std::mem::replace(&mut order.settled, true));
        settled.map(Some)
    }
}

fn total(lines: &[Line]) -> i64 {
    lines.iter().fold(0, |total: i64, line| {
        let line_cents = line.unit_price_cents.saturating_mul(line.quantity.into());
        total.saturating_add(line_cents)
    })
}

/// `catalog` says in words what is missing; anything but a refusal is its own trouble and no client's business.
fn not_reserved(status: &Status) -> Failure {
    match status.code() {
        Code::NotFound => Reason::NoProduct.because(status.message()),
        Code::FailedPrecondition | Code::InvalidArgument => Reason::OutOfStock.because(status.message()),
        code => {
            tracing::warn!(?code, status = status.message(), "stock cannot be reserved");
            Reason::CatalogUnavailable.because("the catalog does not answer")
        }
    }
}

fn refused(status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists => {
            Reason::PaymentDeclined.because(status.message())
        }
        code => {
            tracing::warn!(?code, status = status.message(), "the card cannot be charged");
            not_charged()
        }
    }
}

fn not_charged() -> Failure {
    Reason::PaymentUnavailable.because("the card could not be charged; nothing was taken")
}

fn declined() -> Failure {
    Reason::PaymentDeclined.because("the card was declined")
}

fn timed_out() -> Failure {
    Reason::TimedOut.because("placing the order was interrupted; nothing was taken")
}
