//! What happens to the units of one product: taken for an order, put back, sold. Each is one compare-and-swap, and
//! each can be repeated.

use super::{Error, Stock};
use crate::product::{Hold, Product};

/// How long a sold hold stays as a memory of the order. A reservation that was sent before the sale and arrives after it
/// must find it, or it would take the units again; no call lives longer than a fraction of this (`wall_ms`).
const SOLD_MEMORY_MS: u64 = 60_000;

impl Stock {
    /// Takes units of a product, unless the order has them. None when too little is left.
    pub(super) fn take(
        &self,
        order_id: &str,
        product_id: &str,
        quantity: u32,
        now_ms: u64,
    ) -> Result<Option<Product>, Error> {
        let (mut product, mut taken) = self.try_take(order_id, product_id, quantity, now_ms)?;
        if !taken {
            self.sweep(&product, now_ms)?;
            (product, taken) = self.try_take(order_id, product_id, quantity, now_ms)?;
        }
        Ok(taken.then_some(product))
    }

    fn try_take(&self, order_id: &str, product_id: &str, quantity: u32, now_ms: u64) -> Result<(Product, bool), Error> {
        self.shelf.products.update(product_id, |product| {
            let mut product = product.ok_or_else(|| Error::NoProduct(product_id.to_owned()))?;
            if product.holds.contains_key(order_id) {
                return Ok((None, (product, true)));
            }
            let Some(left) = product.stock.checked_sub(quantity) else {
                return Ok((None, (product, false)));
            };
            product.holds.retain(|_, hold| !is_forgettable(hold, now_ms));
            product.stock = left;
            let hold = Hold { quantity, sold_ms: None };
            product.holds.insert(order_id.to_owned(), hold);
            Ok((Some(product.clone()), (product, true)))
        })
    }

    /// Puts the units of an order back on the shelf, unless it has none or they are sold.
    pub(super) fn put_back(&self, order_id: &str, product_id: &str, now_ms: u64) -> Result<(), Error> {
        self.change(product_id, |product| {
            let held = product.holds.get(order_id);
            let Some(quantity) = held.filter(|h| h.sold_ms.is_none()).map(|h| h.quantity) else {
                return false;
            };
            product.holds.remove(order_id);
            product.stock = product.stock.saturating_add(quantity);
            product.updated_ms = now_ms;
            true
        })
    }

    /// Makes the units of an order sold, unless it has none or they are.
    pub(super) fn sell(&self, order_id: &str, product_id: &str, now_ms: u64) -> Result<(), Error> {
        self.change(product_id, |product| {
            let held = product.holds.get_mut(order_id);
            let Some(hold) = held.filter(|hold| hold.sold_ms.is_none()) else {
                return false;
            };
            hold.sold_ms = Some(now_ms);
            product.holds.retain(|_, hold| !is_forgettable(hold, now_ms));
            true
        })
    }

    fn change(&self, product_id: &str, mut change: impl FnMut(&mut Product) -> bool) -> Result<(), Error> {
        self.shelf.products.update(product_id, |product| {
            let changed = product.and_then(|mut product| change(&mut product).then_some(product));
            Ok((changed, ()))
        })
    }
}

fn is_forgettable(hold: &Hold, now_ms: u64) -> bool {
    let age = |sold_ms: u64| now_ms.saturating_sub(sold_ms);
    hold.sold_ms.is_some_and(|sold_ms| age(sold_ms) > SOLD_MEMORY_MS)
}
