//! Cursors that are numbers.

use std::collections::VecDeque;
use std::sync::Arc;

/// Listings an instance can have going on at once.
const CURSORS_MAX: usize = 64;

/// Remembers for each numeric cursor where its page begins. The first draft has no room for a key in a cursor, and an
/// offset would skip or repeat keys whenever others come or go. The oldest is forgotten first, so a guest that gives up
/// listings half-way does not run out of them.
pub(super) struct Cursors {
    /// Oldest first.
    known: VecDeque<Cursor>,
    next: u64,
}

struct Cursor {
    number: u64,
    bucket: Arc<str>,
    after: String,
}

impl Cursors {
    /// No cursors yet. Numbers begin anywhere: a cursor that a guest kept and brings to another instance of itself
    /// should be found unknown there, not taken for that instance's own.
    pub(super) fn new() -> Self {
        Self { known: VecDeque::new(), next: rand::random() }
    }

    /// A cursor for the page of `bucket` that begins behind `after`.
    pub(super) fn add(&mut self, bucket: &Arc<str>, after: String) -> u64 {
        if self.known.len() >= CURSORS_MAX {
            self.known.pop_front();
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.known.push_back(Cursor { number, bucket: bucket.clone(), after });
        number
    }

    /// Where the page begins. A cursor stays good until it is forgotten, so that a page can be read again.
    pub(super) fn find(&self, bucket: &str, number: u64) -> Option<&str> {
        let cursor = self.known.iter().rev().find(|cursor| cursor.number == number)?;
        (*cursor.bucket == *bucket).then_some(cursor.after.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_found_in_their_bucket_until_the_oldest_is_forgotten() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut cursors = Cursors::new();
        let first = cursors.add(&a, "k1".into());
        assert_eq!(cursors.find(&a, first), Some("k1"));
        assert_eq!(cursors.find(&a, first), Some("k1"));
        assert_eq!(cursors.find(&b, first), None);
        assert_eq!(cursors.find(&a, first.wrapping_add(1)), None);
        let second = cursors.add(&b, "k2".into());
        for _ in 0..CURSORS_MAX - 1 {
            cursors.add(&b, "k".into());
        }
        assert_eq!(cursors.find(&a, first), None);
        assert_eq!(cursors.find(&b, second), Some("k2"));
    }

    #[test]
    fn numbers_may_wrap() {
        let bucket: Arc<str> = "a".into();
        let mut cursors = Cursors { known: VecDeque::new(), next: u64::MAX };
        let (last, first) = (cursors.add(&bucket, "x".into()), cursors.add(&bucket, "y".into()));
        assert_eq!((last, first), (u64::MAX, 0));
        assert_eq!((cursors.find("a", last), cursors.find("a", first)), (Some("x"), Some("y")));
    }

    #[test]
    fn cursors_of_one_instance_are_unknown_to_another() {
        let bucket: Arc<str> = "a".into();
        let number = Cursors::new().add(&bucket, "k".into());
        let mut other = Cursors::new();
        other.add(&bucket, "z".into());
        assert_eq!(other.find("a", number), None);
    }
}
