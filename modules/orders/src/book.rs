//! Where orders are kept and found again.

use shop_common::problem::Problem;
use shop_common::store::{StoreError, Table};

use crate::order::Order;

/// Unfinished orders looked at in one go. There are few: those being placed right now, and what crashes left.
const UNFINISHED_MAX: usize = 100;

/// All orders.
#[derive(Clone)]
pub(crate) struct Book {
    /// By order.
    pub(crate) orders: Table<Order>,
    /// By person: how many orders they have, or began to have.
    pub(crate) counters: Table<u64>,
    /// By person and number: the order. Numbers without one, or whose order bears another number, are left-overs of
    /// attempts that ended early, and are passed over.
    pub(crate) index: Table<String>,
    /// By order: when it was placed, in ms. Those among them that are old were abandoned.
    pub(crate) unfinished: Table<u64>,
}

/// Some orders of a person, newest first.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) orders: Vec<Order>,
    /// The number of the last one, when others follow.
    pub(crate) next: Option<u64>,
}

impl Book {
    /// Writes down a new order, unless its id is taken, which answers none.
    ///
    /// What leads to the order is written before the order itself: left over without it, it does no harm, while an order
    /// that nothing leads to would be lost.
    pub(crate) fn add(&self, mut order: Order) -> Result<Option<Order>, StoreError> {
        order.number = self.counters.update::<_, StoreError>(&order.user_id, |count| {
            let number = count.unwrap_or(0) + 1;
            Ok((Some(number), number))
        })?;
        let key = index_key(&order.user_id, order.number);
        self.index.create(&key, &order.id)?;
        self.unfinished.create(&order.id, &order.created_ms)?;
        Ok(self.orders.create(&order.id, &order)?.then_some(order))
    }

    /// Changes an order if `change` says so, and answers how it is then.
    ///
    /// # Errors
    /// 404 when there is no such order.
    pub(crate) fn update(
        &self,
        order_id: &str,
        now_ms: u64,
        mut change: impl FnMut(&mut Order) -> bool,
    ) -> Result<Order, Problem> {
        let order = self.orders.update::<_, Problem>(order_id, |order| {
            let mut order = order.ok_or_else(|| Problem::not_found("order"))?;
            let changed = change(&mut order);
            if changed {
                order.updated_ms = now_ms;
            }
            Ok((changed.then(|| order.clone()), order))
        })?;
        if order.is_finished() {
            self.unfinished.delete(order_id)?;
        }
        Ok(order)
    }

    /// The `limit` orders of a person that come before the one with the number `before`.
    pub(crate) fn list(&self, user_id: &str, before: Option<u64>, limit: usize) -> Result<Page, StoreError> {
        let count = self.counters.get(user_id)?.unwrap_or(0);
        let end = before.map_or(count, |before| before.saturating_sub(1).min(count));
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let start = end.saturating_sub(limit);
        let keys: Vec<String> = (start + 1..=end).map(|n| index_key(user_id, n)).collect();
        let ids: Vec<String> = self.index.get_many(&keys)?.into_values().collect();
        let found = self.orders.get_many(&ids)?.into_values();
        let mut orders: Vec<Order> = found.filter(|order| (start + 1..=end).contains(&order.number)).collect();
        orders.sort_by_key(|order| std::cmp::Reverse(order.number));
        Ok(Page { orders, next: (start > 0).then_some(start + 1) })
    }

    /// One of the orders that were placed more than `age_ms` ago and are not finished. Not always the same one, so that
    /// an order that cannot be finished for now does not stand in the way of the others.
    pub(crate) fn abandoned(&self, age_ms: u64, now_ms: u64) -> Result<Option<String>, StoreError> {
        let mut ids = self.unfinished.keys()?;
        ids.truncate(UNFINISHED_MAX);
        let placed = self.unfinished.get_many(&ids)?;
        let is_old = |placed_ms: u64| placed_ms.saturating_add(age_ms) < now_ms;
        let mut old: Vec<String> = placed.into_iter().filter(|(_, ms)| is_old(*ms)).map(|(id, _)| id).collect();
        let some = usize::try_from(now_ms).unwrap_or_default().checked_rem(old.len());
        Ok(some.map(|some| old.swap_remove(some)))
    }
}

fn index_key(user_id: &str, number: u64) -> String {
    format!("{user_id}/{number}")
}
