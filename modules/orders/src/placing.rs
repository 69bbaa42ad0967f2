//! How an order gets from placed to paid or failed, whatever breaks on the way.
//!
//! Every step first acts (reserve, charge, release, ...) and then moves the order one stage on. What it does can be
//! repeated, since `catalog` and `payments` know orders by their id; so after a crash between the two, whoever comes
//! next does the step again: the client who reads the order or repeats the request, or the next order placed by anyone,
//! which looks after one that was left behind ([`Placing::look_after_another`]).
//!
//! Who comes next has no card to charge. It asks `payments` what happened, and either finishes the order or undoes it.
//! Undoing starts by forbidding: a refund also refuses a charge that is still on its way, a release also refuses a
//! reservation that is.

mod steps;

use std::sync::Arc;

use http::StatusCode;
use shop_common::id;
use shop_common::problem::Problem;

use crate::book::Book;
use crate::order::{Order, PLACING_MS_MAX, Stage, Wanted};
use crate::ports::{Catalog, Payment, Payments};

/// What it takes to place orders.
#[derive(Clone)]
pub(crate) struct Placing {
    pub(crate) book: Book,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) payments: Arc<dyn Payments>,
}

/// A request for an order, once it is known to be sound.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) user_id: String,
    /// Of two requests of one person with the same key, the second gets the order of the first.
    pub(crate) idempotency_key: Option<String>,
    /// None for what is in the cart.
    pub(crate) items: Option<Vec<Wanted>>,
    pub(crate) card_token: String,
}

impl Request {
    fn order_id(&self) -> Result<String, Problem> {
        match &self.idempotency_key {
            // The key becomes the id, so that creating the order is also what decides between two requests at once.
            Some(key) => Ok(id::derived("ord", &[&self.user_id, key])),
            None => id::random("ord"),
        }
    }

    fn fingerprint(&self) -> String {
        let items = serde_json::to_string(&self.items).unwrap_or_default();
        id::digest(&[&self.card_token, &items])
    }
}

impl Placing {
    /// Places an order, or finds the one that the same request has placed before.
    ///
    /// The order comes back paid or failed; still pending only when it could not be undone yet.
    ///
    /// # Errors
    /// 422 for an empty cart or a key that was used for another request, 409 while the first request is under way,
    /// 503 when the cart cannot be read or the order not be written.
    pub(crate) async fn place(&self, request: Request, now_ms: u64) -> Result<Order, Problem> {
        let order_id = request.order_id()?;
        let fingerprint = request.fingerprint();
        if let Some(order) = self.book.orders.get(&order_id)? {
            return self.replay(order, &fingerprint, now_ms).await;
        }
        let (wanted, cart_version) = match request.items {
            Some(items) => (items, None),
            None => self.cart(&request.user_id).await?,
        };
        let order = Order {
            id: order_id.clone(),
            user_id: request.user_id,
            number: 0,
            fingerprint: fingerprint.clone(),
            stage: Stage::Placed,
            wanted,
            cart_version,
            lines: Vec::new(),
            total_cents: 0,
            currency: String::new(),
            settled: false,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        match self.book.add(order)? {
            Some(order) => self.drive(order, Some(&request.card_token), now_ms).await,
            // The same request at the same time was faster.
            None => {
                let order = self.find(&order_id)?;
                self.replay(order, &fingerprint, now_ms).await
            }
        }
    }

    /// An order.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn find(&self, order_id: &str) -> Result<Order, Problem> {
        let order = if id::is_sound(order_id) { self.book.orders.get(order_id)? } else { None };
        order.ok_or_else(|| Problem::not_found("order"))
    }

    /// Finishes an order if it was left behind; any other comes back as it is.
    ///
    /// # Errors
    /// 503 when the store fails.
    pub(crate) async fn look_after(&self, order: Order, now_ms: u64) -> Result<Order, Problem> {
        let left_behind = match order.stage {
            Stage::Placed | Stage::Reserved => order.is_abandoned(now_ms),
            // It is decided how these end; doing it twice at once does no harm.
            Stage::Undoing { .. } => true,
            Stage::Paid | Stage::Shipped => !order.settled,
            Stage::Failed(_) => false,
        };
        if left_behind { self.drive(order, None, now_ms).await } else { Ok(order) }
    }

    /// Finishes some order that was left behind, if there is one: nobody may ever ask for it again, and it keeps stock
    /// from others. What goes wrong is only logged, as whoever is being served has nothing to do with it.
    pub(crate) async fn look_after_another(&self, now_ms: u64) {
        let helped = async {
            let Some(order_id) = self.book.abandoned(PLACING_MS_MAX, now_ms)? else {
                return Ok(());
            };
            match self.book.orders.get(&order_id)? {
                Some(order) => {
                    let order = self.look_after(order, now_ms).await?;
                    if order.is_finished() {
                        self.book.unfinished.delete(&order_id)?;
                    }
                    tracing::info!(order_id, state = order.state(), "was left behind");
                }
                None => self.book.unfinished.delete(&order_id)?,
            }
            Ok::<_, Problem>(())
        };
        if let Err(problem) = helped.await {
            tracing::warn!(slug = problem.slug(), "cannot look after orders left behind");
        }
    }

    /// Notes that a paid order was sent. Repeating it changes nothing.
    ///
    /// # Errors
    /// 404; 409 when it is not paid, or was paid back; 503 when `payments` cannot tell.
    pub(crate) async fn ship(&self, order_id: &str, now_ms: u64) -> Result<Order, Problem> {
        let order = self.look_after(self.find(order_id)?, now_ms).await?;
        match order.stage {
            Stage::Shipped => return Ok(order),
            Stage::Paid => {}
            _ => {
                let detail = format!("The order is {}.", order.state());
                return Err(Problem::conflict("not-paid", "The order is not paid", detail));
            }
        }
        let payment = self.payments.payment(order_id).await;
        match payment.map_err(|status| steps::unavailable("payment service", &status))? {
            Payment::Charged => {}
            _ => {
                let detail = "Its payment was refunded.";
                return Err(Problem::conflict("not-paid", "The order is not paid", detail));
            }
        }
        let order = self.book.update(order_id, now_ms, |order| {
            let paid = order.stage == Stage::Paid;
            if paid {
                order.stage = Stage::Shipped;
            }
            paid
        })?;
        tracing::info!(order_id, "shipped");
        Ok(order)
    }

    async fn cart(&self, user_id: &str) -> Result<(Vec<Wanted>, Option<u64>), Problem> {
        let cart = self.catalog.cart(user_id).await;
        let cart = cart.map_err(|status| steps::unavailable("catalog", &status))?;
        if cart.lines.is_empty() {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "cart-empty", "The cart is empty"));
        }
        Ok((cart.lines, Some(cart.version)))
    }

    async fn replay(&self, order: Order, fingerprint: &str, now_ms: u64) -> Result<Order, Problem> {
        if order.fingerprint != fingerprint {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key was used for another request",
            )
            .member("order_id", order.id));
        }
        let order = self.look_after(order, now_ms).await?;
        match order.stage {
            Stage::Placed | Stage::Reserved if !order.is_abandoned(now_ms) => Err(Problem::conflict(
                "order-in-progress",
                "The order is being placed",
                "The first request with this idempotency key is still under way.",
            )
            .member("order_id", order.id)
            .retry_after_s(1)),
            _ => Ok(order),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
