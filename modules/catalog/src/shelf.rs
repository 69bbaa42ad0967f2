//! The products, and what the operator does with them.

use std::collections::BTreeMap;

use http::StatusCode;
use shop_common::id;
use shop_common::problem::{Checks, Problem};
use shop_common::store::{StoreError, Table};

use crate::product::{Draft, Edit, Product, STOCK_MAX};

/// All products.
#[derive(Clone)]
pub(crate) struct Shelf {
    /// By product.
    pub(crate) products: Table<Product>,
}

/// Some products, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) products: Vec<Product>,
    /// The last id of this page, when another one follows.
    pub(crate) next: Option<String>,
}

impl Shelf {
    /// The `limit` products that follow the id `after`.
    pub(crate) fn list(&self, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        let keys = self.products.keys()?;
        let after = after.unwrap_or_default();
        let mut following = keys.into_iter().filter(|key| key.as_str() > after);
        let ids: Vec<String> = following.by_ref().take(limit).collect();
        let next = following.next().and_then(|_| ids.last().cloned());
        let products = self.products.get_many(&ids)?;
        Ok(Page { products: products.into_values().collect(), next })
    }

    /// A product.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn get(&self, id: &str) -> Result<Product, Problem> {
        self.find(id)?.ok_or_else(no_product)
    }

    /// A product, if there is one with this id.
    pub(crate) fn find(&self, id: &str) -> Result<Option<Product>, StoreError> {
        // Asking the store for what is no key of ours would fail there instead of finding nothing.
        if id::is_sound(id) { self.products.get(id) } else { Ok(None) }
    }

    /// Those of the products that exist, by id.
    pub(crate) fn get_many(&self, ids: &[String]) -> Result<BTreeMap<String, Product>, StoreError> {
        let sound: Vec<String> = ids.iter().filter(|id| id::is_sound(id)).cloned().collect();
        self.products.get_many(&sound)
    }

    /// Adds a product, unless its id is taken, which answers none.
    pub(crate) fn create(&self, draft: Draft, now_ms: u64) -> Result<Option<Product>, StoreError> {
        let product = Product {
            id: draft.id,
            name: draft.name.trim().to_owned(),
            description: draft.description,
            price_cents: draft.price_cents,
            stock: draft.stock,
            holds: BTreeMap::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        let created = self.products.create(&product.id, &product)?;
        Ok(created.then_some(product))
    }

    /// Changes what is said about a product.
    ///
    /// # Errors
    /// 404.
    pub(crate) fn edit(&self, id: &str, edit: &Edit, now_ms: u64) -> Result<Product, Problem> {
        self.change(id, now_ms, |product| {
            if let Some(name) = &edit.name {
                name.trim().clone_into(&mut product.name);
            }
            if let Some(description) = &edit.description {
                description.clone_into(&mut product.description);
            }
            if let Some(price_cents) = edit.price_cents {
                product.price_cents = price_cents;
            }
            Ok(())
        })
    }

    /// Adds to the stock, or takes away from it. A difference, not a number: while the operator counts, people buy.
    ///
    /// # Errors
    /// 404, 409 when less is left than is to be taken away, 422 for more than the shelf holds.
    pub(crate) fn adjust(&self, id: &str, delta: i64, now_ms: u64) -> Result<Product, Problem> {
        self.change(id, now_ms, |product| {
            let stock = i64::from(product.stock).saturating_add(delta);
            if stock < 0 {
                let left = product.stock;
                return Err(Problem::conflict("out-of-stock", "Not enough stock", format!("{left} are left.")));
            }
            let mut checks = Checks::default();
            let sound = u32::try_from(stock).ok().filter(|n| *n <= STOCK_MAX);
            checks.check(sound.is_some(), "delta", "must keep the stock at most 1000000");
            checks.finish()?;
            product.stock = sound.unwrap_or(product.stock);
            Ok(())
        })
    }

    fn change(
        &self,
        id: &str,
        now_ms: u64,
        mut change: impl FnMut(&mut Product) -> Result<(), Problem>,
    ) -> Result<Product, Problem> {
        if !id::is_sound(id) {
            return Err(no_product());
        }
        self.products.update(id, |product| {
            let mut product = product.ok_or_else(no_product)?;
            change(&mut product)?;
            product.updated_ms = now_ms;
            Ok((Some(product.clone()), product))
        })
    }
}

fn no_product() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no-product", "No such product")
}

#[cfg(test)]
pub(crate) mod tests {
    use shop_common::store::memory::Memory;

    use super::*;

    pub(crate) fn shelf(memory: &Memory) -> Shelf {
        Shelf { products: Table::new(memory.bucket()) }
    }

    pub(crate) fn draft(id: &str, price_cents: i64, stock: u32) -> Draft {
        Draft { id: id.into(), name: id.to_uppercase(), description: String::new(), price_cents, stock }
    }

    #[test]
    fn pages_follow_one_another() {
        let shelf = shelf(&Memory::default());
        for id in ["c", "a", "e", "b", "d"] {
            shelf.create(draft(id, 1, 0), 0).unwrap().unwrap();
        }
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = shelf.list(after.as_deref(), 2).unwrap();
            seen.push(page.products.into_iter().map(|p| p.id).collect::<String>());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["ab", "cd", "e"]);
        assert!(shelf.list(Some("e"), 2).unwrap().products.is_empty());
        assert!(shelf.list(None, 5).unwrap().next.is_none());
    }

    #[test]
    fn an_id_is_given_once() {
        let shelf = shelf(&Memory::default());
        assert!(shelf.create(draft("a", 1, 0), 0).unwrap().is_some());
        assert!(shelf.create(draft("a", 2, 0), 0).unwrap().is_none());
        assert_eq!(shelf.get("a").unwrap().price_cents, 1);
    }

    #[test]
    fn stock_stays_within_its_bounds() {
        let shelf = shelf(&Memory::default());
        shelf.create(draft("a", 1, 5), 0).unwrap().unwrap();
        assert_eq!(shelf.adjust("a", -5, 1).unwrap().stock, 0);
        assert_eq!(shelf.adjust("a", -1, 1).unwrap_err().slug(), "out-of-stock");
        assert_eq!(shelf.adjust("a", 1_000_001, 1).unwrap_err().slug(), "invalid");
        assert_eq!(shelf.adjust("a", i64::MAX, 1).unwrap_err().slug(), "invalid");
        assert_eq!(shelf.adjust("b", 1, 1).unwrap_err().slug(), "no-product");
        assert_eq!(shelf.get("a").unwrap().stock, 0);
    }

    #[test]
    fn bad_drafts_name_their_fields() {
        let mut bad = draft("A b", 0, 2_000_000);
        bad.name = " ".into();
        let text = format!("{:?}", bad.check().finish().unwrap_err());
        for field in ["id", "name", "price_cents", "stock"] {
            assert!(text.contains(&format!("field: \"{field}\"")), "{text}");
        }
        assert!(draft("a-1", 1, 0).check().finish().is_ok());
    }
}
