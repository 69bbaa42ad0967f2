//! Reservations: the stock of an order, taken for all of its lines or for none.
//!
//! Two kinds of records take part. The product holds the stock and who has taken some of it (one compare-and-swap moves
//! units from one to the other, so stock never goes below zero and no unit is lost). The reservation says how far the
//! order as a whole has come, and that, too, changes by compare-and-swap only:
//!
//! ```text
//!  (none) ──reserve──▶ Open ──all lines taken──▶ Held ──commit──▶ Committed
//!     │                  │                        │
//!     └─────release──────┴──────────release───────┴──▶ Released
//! ```
//!
//! A release writes `Released` first and gives back the units afterwards; a reservation takes the units first and asks
//! afterwards whether it still may. Whichever comes last sees the other and gives the units back; giving back twice is
//! no change, because the hold is gone. A crash in the middle leaves units on hold that nobody will claim: repeating
//! the call puts them right, and so does the next reservation that finds too little of the product
//! ([`Stock::sweep`]).

mod units;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shop_common::id;
use shop_common::store::{StoreError, Table};

use crate::product::Product;
use crate::shelf::Shelf;

pub(crate) const LINES_MAX: usize = 50;
pub(crate) const QUANTITY_MAX: u32 = 1000;

/// How far the reservation of one order has come, under the order's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) state: State,
    /// Units by product.
    pub(crate) wanted: BTreeMap<String, u32>,
    /// What was taken, at which price; complete once held.
    pub(crate) lines: Vec<PricedLine>,
    pub(crate) updated_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Units are being taken.
    Open,
    Held,
    /// Sold.
    Committed,
    /// Given back, or refused; the text says why, for the answer to a repeat.
    Released(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PricedLine {
    pub(crate) product_id: String,
    pub(crate) name: String,
    pub(crate) quantity: u32,
    pub(crate) unit_price_cents: i64,
}

/// Why stock was not reserved, released or committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("bad {0}")]
    Invalid(&'static str),
    #[error("there is no product `{0}`")]
    NoProduct(String),
    /// Refused for good: too little is left, or the order was released.
    #[error("{0}")]
    Refused(String),
    #[error("other lines were reserved for this order")]
    Conflict,
    #[error("nothing is reserved for this order")]
    NotReserved,
    #[error("the order is committed")]
    Committed,
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Products and what is reserved of them.
#[derive(Clone)]
pub(crate) struct Stock {
    pub(crate) shelf: Shelf,
    /// By order.
    pub(crate) reservations: Table<Reservation>,
}

impl Stock {
    /// Takes `lines` (product, quantity) for an order: all of them, or none and an error.
    pub(crate) fn reserve(
        &self,
        order_id: &str,
        lines: &[(String, u32)],
        now_ms: u64,
    ) -> Result<Vec<PricedLine>, Error> {
        let wanted = check(order_id, lines)?;
        let reservation = self.open(order_id, wanted, now_ms)?;
        if reservation.state != State::Open {
            return answer(reservation);
        }
        let mut taken = Vec::with_capacity(reservation.wanted.len());
        for (product_id, quantity) in &reservation.wanted {
            match self.take(order_id, product_id, *quantity, now_ms)? {
                Some(product) => taken.push(PricedLine {
                    product_id: product.id,
                    name: product.name,
                    quantity: *quantity,
                    unit_price_cents: product.price_cents,
                }),
                None => {
                    let why = format!("not enough of `{product_id}` is left");
                    self.release_because(order_id, &why, now_ms)?;
                    return Err(Error::Refused(why));
                }
            }
        }
        let reservation = self.hold(order_id, &taken, now_ms)?;
        if matches!(reservation.state, State::Released(_)) {
            self.put_back_all(order_id, &reservation, now_ms)?;
        }
        answer(reservation)
    }

    /// Gives back what an order has taken; a reservation that comes later is refused.
    pub(crate) fn release(&self, order_id: &str, now_ms: u64) -> Result<(), Error> {
        self.release_because(order_id, "the order was released", now_ms)
    }

    /// Sells what an order holds: nothing can give it back any more.
    pub(crate) fn commit(&self, order_id: &str, now_ms: u64) -> Result<(), Error> {
        if !id::is_sound(order_id) {
            return Err(Error::Invalid("order_id"));
        }
        let reservation = self.reservations.update(order_id, |reservation| {
            let mut reservation = reservation.ok_or(Error::NotReserved)?;
            match reservation.state {
                State::Held => {
                    reservation.state = State::Committed;
                    reservation.updated_ms = now_ms;
                    Ok((Some(reservation.clone()), reservation))
                }
                // A repeat, perhaps after a crash: sell what is not sold yet.
                State::Committed => Ok((None, reservation)),
                State::Open => Err(Error::NotReserved),
                State::Released(why) => Err(Error::Refused(why)),
            }
        })?;
        for product_id in reservation.wanted.keys() {
            self.sell(order_id, product_id, now_ms)?;
        }
        Ok(())
    }

    /// Writes an open reservation, or finds the one there is.
    fn open(&self, order_id: &str, wanted: BTreeMap<String, u32>, now_ms: u64) -> Result<Reservation, Error> {
        if self.reservations.get(order_id)?.is_none() {
            // Before anything is written: an order for what does not exist leaves no trace.
            let ids: Vec<String> = wanted.keys().cloned().collect();
            let products = self.shelf.get_many(&ids)?;
            if let Some(id) = ids.into_iter().find(|id| !products.contains_key(id)) {
                return Err(Error::NoProduct(id));
            }
        }
        self.reservations.update(order_id, |reservation| {
            let Some(reservation) = reservation else {
                let reservation =
                    Reservation { state: State::Open, wanted: wanted.clone(), lines: Vec::new(), updated_ms: now_ms };
                return Ok((Some(reservation.clone()), reservation));
            };
            let released = matches!(reservation.state, State::Released(_));
            if released || reservation.wanted == wanted { Ok((None, reservation)) } else { Err(Error::Conflict) }
        })
    }

    /// Notes that everything is taken, unless the order was released meanwhile or somebody else noted it.
    fn hold(&self, order_id: &str, taken: &[PricedLine], now_ms: u64) -> Result<Reservation, Error> {
        self.reservations.update(order_id, |reservation| {
            let mut reservation = reservation.ok_or(Error::NotReserved)?;
            if reservation.state != State::Open {
                return Ok((None, reservation));
            }
            reservation.state = State::Held;
            reservation.lines = taken.to_vec();
            reservation.updated_ms = now_ms;
            Ok((Some(reservation.clone()), reservation))
        })
    }

    fn release_because(&self, order_id: &str, why: &str, now_ms: u64) -> Result<(), Error> {
        if !id::is_sound(order_id) {
            return Err(Error::Invalid("order_id"));
        }
        let reservation = self.reservations.update(order_id, |reservation| {
            let mut reservation = reservation.unwrap_or_else(|| Reservation {
                state: State::Open,
                wanted: BTreeMap::new(),
                lines: Vec::new(),
                updated_ms: now_ms,
            });
            match reservation.state {
                State::Committed => Err(Error::Committed),
                State::Released(_) => Ok((None, reservation)),
                State::Open | State::Held => {
                    reservation.state = State::Released(why.to_owned());
                    reservation.updated_ms = now_ms;
                    Ok((Some(reservation.clone()), reservation))
                }
            }
        })?;
        self.put_back_all(order_id, &reservation, now_ms)
    }

    fn put_back_all(&self, order_id: &str, reservation: &Reservation, now_ms: u64) -> Result<(), Error> {
        for product_id in reservation.wanted.keys() {
            self.put_back(order_id, product_id, now_ms)?;
        }
        Ok(())
    }

    /// Puts right what crashes left: holds of released orders go back, those of committed ones are sold.
    fn sweep(&self, product: &Product, now_ms: u64) -> Result<(), Error> {
        let held = product.holds.iter().filter(|(_, hold)| hold.sold_ms.is_none());
        for (order_id, _) in held {
            match self.reservations.get(order_id)?.map(|found| found.state) {
                Some(State::Released(_)) => self.put_back(order_id, &product.id, now_ms)?,
                Some(State::Committed) => self.sell(order_id, &product.id, now_ms)?,
                Some(State::Open | State::Held) | None => {}
            }
        }
        Ok(())
    }
}

/// What to tell whoever reserves, given where the reservation stands.
fn answer(reservation: Reservation) -> Result<Vec<PricedLine>, Error> {
    match reservation.state {
        State::Held | State::Committed => Ok(reservation.lines),
        State::Released(why) => Err(Error::Refused(why)),
        State::Open => Err(Error::NotReserved),
    }
}

/// Units by product, with lines of the same product added up.
fn check(order_id: &str, lines: &[(String, u32)]) -> Result<BTreeMap<String, u32>, Error> {
    if !id::is_sound(order_id) {
        return Err(Error::Invalid("order_id"));
    }
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(Error::Invalid("number of lines"));
    }
    let mut wanted = BTreeMap::<String, u32>::new();
    for (product_id, quantity) in lines {
        let total = wanted.entry(product_id.clone()).or_default();
        *total = total.saturating_add(*quantity);
        if *quantity == 0 || *total > QUANTITY_MAX {
            return Err(Error::Invalid("quantity"));
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests;
