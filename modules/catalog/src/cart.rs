//! Carts: what a person intends to buy. Nothing is reserved by putting it there.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use shop_common::problem::{Checks, Problem};
use shop_common::store::{StoreError, Table};

pub(crate) const LINES_MAX: usize = 50;
pub(crate) const QUANTITY_MAX: u32 = 100;

/// The cart of one person, under their id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart {
    /// Grows with every change, so that an order can clear what it ordered and nothing newer.
    pub(crate) version: u64,
    /// In the order in which they were added; a product appears once.
    pub(crate) lines: Vec<CartLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CartLine {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
}

/// All carts.
#[derive(Clone)]
pub(crate) struct Carts {
    /// By person.
    pub(crate) carts: Table<Cart>,
}

impl Carts {
    /// The cart of a person, empty at first.
    pub(crate) fn get(&self, user_id: &str) -> Result<Cart, StoreError> {
        Ok(self.carts.get(user_id)?.unwrap_or_default())
    }

    /// Puts `quantity` more of a product into the cart.
    ///
    /// # Errors
    /// 422 for a quantity that is 0 or becomes too large, 409 when the cart is full.
    pub(crate) fn add(&self, user_id: &str, product_id: &str, quantity: u32) -> Result<Cart, Problem> {
        check_quantity(quantity)?;
        self.change(user_id, |cart| {
            let present = cart.quantity(product_id);
            cart.put(product_id, present.saturating_add(quantity))
        })
    }

    /// Makes the cart hold exactly `quantity` of a product.
    ///
    /// # Errors
    /// As for [`Self::add`].
    pub(crate) fn set(&self, user_id: &str, product_id: &str, quantity: u32) -> Result<Cart, Problem> {
        self.change(user_id, |cart| cart.put(product_id, quantity))
    }

    /// Takes a product out of the cart.
    ///
    /// # Errors
    /// 404 when it is not in it.
    pub(crate) fn remove(&self, user_id: &str, product_id: &str) -> Result<Cart, Problem> {
        self.change(user_id, |cart| {
            let before = cart.lines.len();
            cart.lines.retain(|line| line.product_id != product_id);
            if cart.lines.len() == before {
                return Err(Problem::not_found("product in the cart"));
            }
            Ok(())
        })
    }

    /// Empties the cart; if `version` is given, only if the cart still is at it. True if the cart is empty now.
    pub(crate) fn clear(&self, user_id: &str, version: Option<u64>) -> Result<bool, StoreError> {
        self.carts.update(user_id, |cart| {
            let Some(mut cart) = cart.filter(|cart| !cart.lines.is_empty()) else {
                return Ok((None, true));
            };
            if version.is_some_and(|version| version != cart.version) {
                return Ok((None, false));
            }
            cart.lines.clear();
            cart.version += 1;
            Ok((Some(cart), true))
        })
    }

    fn change(&self, user_id: &str, mut change: impl FnMut(&mut Cart) -> Result<(), Problem>) -> Result<Cart, Problem> {
        self.carts.update(user_id, |cart| {
            let mut cart = cart.unwrap_or_default();
            change(&mut cart)?;
            cart.version += 1;
            Ok((Some(cart.clone()), cart))
        })
    }
}

impl Cart {
    fn quantity(&self, product_id: &str) -> u32 {
        let line = self.lines.iter().find(|line| line.product_id == product_id);
        line.map_or(0, |line| line.quantity)
    }

    fn put(&mut self, product_id: &str, quantity: u32) -> Result<(), Problem> {
        check_quantity(quantity)?;
        let mut lines = self.lines.iter_mut();
        if let Some(line) = lines.find(|line| line.product_id == product_id) {
            line.quantity = quantity;
        } else if self.lines.len() >= LINES_MAX {
            return Err(Problem::new(StatusCode::CONFLICT, "cart-full", "The cart is full")
                .detail("It holds 50 different products."));
        } else {
            self.lines.push(CartLine { product_id: product_id.to_owned(), quantity });
        }
        Ok(())
    }
}

fn check_quantity(quantity: u32) -> Result<(), Problem> {
    let mut checks = Checks::default();
    let sound = (1..=QUANTITY_MAX).contains(&quantity);
    checks.check(sound, "quantity", "must be from 1 to 100 in all");
    checks.finish()
}

#[cfg(test)]
mod tests {
    use shop_common::store::memory::Memory;

    use super::*;

    fn carts() -> Carts {
        Carts { carts: Table::new(Memory::default().bucket()) }
    }

    #[test]
    fn quantities_add_up_and_can_be_set() {
        let carts = carts();
        carts.add("ann", "towel", 2).unwrap();
        carts.add("ann", "mug", 1).unwrap();
        let cart = carts.add("ann", "towel", 3).unwrap();
        assert_eq!((cart.version, cart.quantity("towel")), (3, 5));
        assert_eq!(carts.set("ann", "towel", 1).unwrap().quantity("towel"), 1);
        let cart = carts.remove("ann", "towel").unwrap();
        assert_eq!(cart.lines.len(), 1);
        assert_eq!(carts.remove("ann", "towel").unwrap_err().status().as_u16(), 404);
        assert_eq!(carts.get("bob").unwrap(), Cart::default());
    }

    #[test]
    fn bounds_hold_and_a_refusal_changes_nothing() {
        let carts = carts();
        for quantity in [0, 101] {
            assert_eq!(carts.add("ann", "towel", quantity).unwrap_err().slug(), "invalid");
            assert_eq!(carts.set("ann", "towel", quantity).unwrap_err().slug(), "invalid");
        }
        carts.add("ann", "towel", 100).unwrap();
        assert_eq!(carts.add("ann", "towel", 1).unwrap_err().slug(), "invalid");
        assert_eq!(carts.add("ann", "towel", u32::MAX).unwrap_err().slug(), "invalid");
        for n in 1..LINES_MAX {
            carts.add("ann", &format!("p{n}"), 1).unwrap();
        }
        assert_eq!(carts.add("ann", "more", 1).unwrap_err().slug(), "cart-full");
        assert_eq!(carts.get("ann").unwrap().version, 50);
    }

    #[test]
    fn clearing_spares_what_came_later() {
        let carts = carts();
        let ordered = carts.add("ann", "towel", 1).unwrap().version;
        carts.add("ann", "mug", 1).unwrap();
        assert!(!carts.clear("ann", Some(ordered)).unwrap());
        assert_eq!(carts.get("ann").unwrap().lines.len(), 2);
        let version = carts.get("ann").unwrap().version;
        assert!(carts.clear("ann", Some(version)).unwrap());
        // A repeat is no change.
        assert!(carts.clear("ann", Some(version)).unwrap());
        assert_eq!(carts.get("ann").unwrap().version, version + 1);
        assert!(carts.clear("bob", None).unwrap());
    }
}
