//! A few products for an empty shop, so that the first `curl` finds something.

use shop_common::store::StoreError;

use crate::product::Draft;
use crate::shelf::Shelf;

/// Id, name, description, price in cents, stock.
const DEMO: [(&str, &str, &str, i64, u32); 6] = [
    ("bed-linen", "Bed linen", "Cotton, for the top bunk.", 3490, 80),
    ("coffee-mug", "Coffee mug", "Holds 300 ml and a day's worth of hope.", 990, 250),
    ("ear-plugs", "Ear plugs", "For rooms with more than one bed. Ten pairs.", 450, 1000),
    ("night-light", "Night light", "Finds the door, wakes nobody.", 1290, 120),
    ("padlock", "Padlock", "Brass, two keys, fits every locker.", 1590, 60),
    ("towel", "Towel", "The most massively useful thing one can carry.", 1990, 42),
];

/// Adds what is missing. Any number of instances may do so at once, and a product that is there stays as it is.
pub(crate) fn fill(shelf: &Shelf, now_ms: u64) -> Result<(), StoreError> {
    let ids = DEMO.map(|(id, ..)| id.to_owned());
    let present = shelf.get_many(&ids)?;
    for (id, name, description, price_cents, stock) in DEMO {
        if present.contains_key(id) {
            continue;
        }
        let draft =
            Draft { id: id.to_owned(), name: name.to_owned(), description: description.to_owned(), price_cents, stock };
        shelf.create(draft, now_ms)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shop_common::store::memory::Memory;

    use super::*;
    use crate::shelf::tests::shelf;

    #[test]
    fn filling_again_changes_nothing_and_goes_on_after_a_crash() {
        let memory = Memory::default();
        let shelf = shelf(&memory);
        memory.crash_after(2);
        assert!(fill(&shelf, 1).is_err());
        memory.recover();
        fill(&shelf, 2).unwrap();
        let sold = shelf.adjust("towel", -2, 3).unwrap();
        fill(&shelf, 4).unwrap();
        assert_eq!(shelf.get("towel").unwrap(), sold);
        assert_eq!(shelf.list(None, 100).unwrap().products.len(), DEMO.len());
    }

    #[test]
    fn the_demo_products_would_be_accepted() {
        for (id, name, description, price_cents, stock) in DEMO {
            let draft = Draft { id: id.into(), name: name.into(), description: description.into(), price_cents, stock };
            draft.check().finish().unwrap();
        }
    }
}
