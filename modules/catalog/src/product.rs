//! The record of a product, and what its fields may hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shop_common::problem::Checks;

const NAME_CHARS_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 5000;
/// Bounds against slips of the keyboard, in cents and units.
pub(crate) const PRICE_CENTS_MAX: i64 = 10_000_000;
pub(crate) const STOCK_MAX: u32 = 1_000_000;

/// A product, under its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) price_cents: i64,
    /// Units that can be ordered. What is on hold is not among them.
    pub(crate) stock: u32,
    /// Units taken, by order. They live in the same record as the stock they were taken from, so that one
    /// compare-and-swap moves them.
    pub(crate) holds: BTreeMap<String, Hold>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
}

/// Units of a product that belong to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) quantity: u32,
    /// Since when they are sold for good. The entry stays for a while, so that a late repeat of the reservation finds
    /// it and does not take the units twice.
    pub(crate) sold_ms: Option<u64>,
}

/// What the operator says about a new product.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    pub(crate) price_cents: i64,
    #[serde(default)]
    pub(crate) stock: u32,
}

/// What the operator wants changed; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) price_cents: Option<i64>,
}

impl Draft {
    pub(crate) fn check(&self) -> Checks {
        let mut checks = Checks::default();
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        checks.check(
            (1..=64).contains(&self.id.len()) && self.id.bytes().all(word),
            "id",
            "must have 1 to 64 of a-z, 0-9 and -",
        );
        checks.check(self.stock <= STOCK_MAX, "stock", "must be at most 1000000");
        check_name(&self.name, &mut checks);
        check_description(&self.description, &mut checks);
        check_price(self.price_cents, &mut checks);
        checks
    }
}

impl Edit {
    pub(crate) fn check(&self) -> Checks {
        let mut checks = Checks::default();
        if let Some(name) = &self.name {
            check_name(name, &mut checks);
        }
        if let Some(description) = &self.description {
            check_description(description, &mut checks);
        }
        if let Some(price_cents) = self.price_cents {
            check_price(price_cents, &mut checks);
        }
        checks
    }
}

fn check_name(name: &str, checks: &mut Checks) {
    let sound = !name.trim().is_empty() && name.chars().count() <= NAME_CHARS_MAX;
    checks.check(sound, "name", "must have 1 to 200 characters");
}

fn check_description(description: &str, checks: &mut Checks) {
    let sound = description.chars().count() <= DESCRIPTION_CHARS_MAX;
    checks.check(sound, "description", "must have at most 5000 characters");
}

fn check_price(price_cents: i64, checks: &mut Checks) {
    let sound = (1..=PRICE_CENTS_MAX).contains(&price_cents);
    checks.check(sound, "price_cents", "must be from 1 to 10000000");
}
