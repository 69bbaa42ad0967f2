//! Reservations under concurrency, repeats and crashes.

use shop_common::store::memory::Memory;

use super::*;
use crate::shelf::tests::{draft, shelf};

fn stock(memory: &Memory, products: &[(&str, u32)]) -> Stock {
    let shelf = shelf(memory);
    for (id, stock) in products {
        shelf.create(draft(id, 100, *stock), 0).unwrap().unwrap();
    }
    Stock { shelf, reservations: Table::new(memory.bucket()) }
}

fn lines(lines: &[(&str, u32)]) -> Vec<(String, u32)> {
    lines.iter().map(|(id, n)| ((*id).to_owned(), *n)).collect()
}

/// Units on the shelf, and units on hold that are not sold.
fn units(stock: &Stock, id: &str) -> (u32, u32) {
    let product = stock.shelf.get(id).unwrap();
    let held = product.holds.values().filter(|hold| hold.sold_ms.is_none());
    (product.stock, held.map(|hold| hold.quantity).sum())
}

#[test]
fn a_repeat_takes_nothing_and_answers_the_same() {
    let stock = stock(&Memory::default(), &[("a", 5), ("b", 5)]);
    let wanted = lines(&[("a", 2), ("b", 1), ("a", 1)]);
    let first = stock.reserve("o1", &wanted, 1).unwrap();
    assert_eq!(first.len(), 2, "lines of one product are added up");
    stock.shelf.edit("a", &serde_json::from_str(r#"{"price_cents":1}"#).unwrap(), 2).unwrap();
    assert_eq!(stock.reserve("o1", &wanted, 3).unwrap(), first);
    assert_eq!((units(&stock, "a"), units(&stock, "b")), ((2, 3), (4, 1)));
    let other = stock.reserve("o1", &lines(&[("a", 1)]), 4);
    assert!(matches!(other, Err(Error::Conflict)));
}

#[test]
fn all_lines_or_none() {
    let stock = stock(&Memory::default(), &[("a", 5), ("b", 1)]);
    let wanted = lines(&[("a", 2), ("b", 2)]);
    let refused = stock.reserve("o1", &wanted, 1).unwrap_err().to_string();
    assert_eq!(refused, "not enough of `b` is left");
    assert_eq!((units(&stock, "a"), units(&stock, "b")), ((5, 0), (1, 0)));
    // The refusal is final: what arrives meanwhile is for others.
    stock.shelf.adjust("b", 5, 2).unwrap();
    assert_eq!(stock.reserve("o1", &wanted, 3).unwrap_err().to_string(), refused);
}

#[test]
fn unknown_products_and_bad_lines_leave_no_trace() {
    let stock = stock(&Memory::default(), &[("a", 5)]);
    let unknown = stock.reserve("o1", &lines(&[("a", 1), ("x", 1)]), 1);
    assert!(matches!(unknown, Err(Error::NoProduct(id)) if id == "x"));
    for bad in [lines(&[]), lines(&[("a", 0)]), lines(&[("a", 1000), ("a", 1)])] {
        let refused = stock.reserve("o1", &bad, 1);
        assert!(matches!(refused, Err(Error::Invalid(_))), "{bad:?}");
    }
    assert!(stock.reservations.keys().unwrap().is_empty());
}

#[test]
fn released_once_refused_for_ever() {
    let stock = stock(&Memory::default(), &[("a", 5)]);
    stock.reserve("o1", &lines(&[("a", 2)]), 1).unwrap();
    stock.release("o1", 2).unwrap();
    stock.release("o1", 3).unwrap();
    assert_eq!(units(&stock, "a"), (5, 0));
    let late = stock.reserve("o1", &lines(&[("a", 2)]), 4);
    assert!(matches!(late, Err(Error::Refused(_))));
    assert!(matches!(stock.commit("o1", 5), Err(Error::Refused(_))));
    // A release may even come before its reservation.
    stock.release("o2", 6).unwrap();
    let late = stock.reserve("o2", &lines(&[("a", 2)]), 7);
    assert!(matches!(late, Err(Error::Refused(_))));
    assert_eq!(units(&stock, "a"), (5, 0));
}

#[test]
fn what_is_sold_stays_sold() {
    let stock = stock(&Memory::default(), &[("a", 5)]);
    assert!(matches!(stock.commit("o1", 1), Err(Error::NotReserved)));
    let held = stock.reserve("o1", &lines(&[("a", 2)]), 1).unwrap();
    stock.commit("o1", 2).unwrap();
    stock.commit("o1", 3).unwrap();
    assert!(matches!(stock.release("o1", 4), Err(Error::Committed)));
    assert_eq!(stock.reserve("o1", &lines(&[("a", 2)]), 5).unwrap(), held);
    assert_eq!(units(&stock, "a"), (3, 0));
    // A repeat that was under way during the sale takes nothing either.
    let late = stock.take("o1", "a", 2, 6).unwrap();
    assert!(late.is_some());
    assert_eq!(units(&stock, "a"), (3, 0));
}

#[test]
fn holds_of_sold_orders_are_forgotten_after_a_while() {
    let stock = stock(&Memory::default(), &[("a", 100)]);
    for n in 0..10 {
        let order = format!("o{n}");
        let now = n * 30_000;
        stock.reserve(&order, &lines(&[("a", 1)]), now).unwrap();
        stock.commit(&order, now).unwrap();
    }
    assert_eq!(stock.shelf.get("a").unwrap().holds.len(), 3);
}

#[test]
fn a_release_during_a_reservation_leaves_nothing_on_hold() {
    let stock = stock(&Memory::default(), &[("a", 5)]);
    let wanted = BTreeMap::from([("a".to_owned(), 2)]);
    // The reservation has been opened and has taken its units; the release comes before it is held.
    stock.open("o1", wanted, 1).unwrap();
    stock.release("o1", 2).unwrap();
    stock.take("o1", "a", 2, 3).unwrap().unwrap();
    let reservation = stock.hold("o1", &[], 4).unwrap();
    assert!(matches!(reservation.state, State::Released(_)));
    // It crashed here: the next one in need of the product puts it right.
    assert_eq!(units(&stock, "a"), (3, 2));
    stock.reserve("o2", &lines(&[("a", 5)]), 5).unwrap();
    assert_eq!(units(&stock, "a"), (0, 5));
}

#[test]
fn never_oversold_and_nothing_lost_under_concurrency() {
    let stock = stock(&Memory::default(), &[("a", 10), ("b", 1000)]);
    let reserved: usize = std::thread::scope(|scope| {
        let stock = &stock;
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                scope.spawn(move || {
                    let orders = (0..5).map(|n| format!("o{thread}-{n}"));
                    let wanted = lines(&[("b", 1), ("a", 1)]);
                    // Every order twice, as retries do.
                    let reserve = |order: &String| {
                        let first = stock.reserve(order, &wanted, 1).is_ok();
                        assert_eq!(stock.reserve(order, &wanted, 1).is_ok(), first);
                        first
                    };
                    orders.filter(|order| reserve(order)).count()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(reserved, 10);
    assert_eq!(units(&stock, "a"), (0, 10));
    assert_eq!(units(&stock, "b"), (990, 10));
}

#[test]
fn the_same_order_from_many_threads_takes_once() {
    for _ in 0..50 {
        let stock = stock(&Memory::default(), &[("a", 10), ("b", 10)]);
        let released = std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| stock.reserve("o1", &lines(&[("a", 2), ("b", 2)]), 1));
            }
            let release = scope.spawn(|| stock.release("o1", 1));
            release.join().unwrap()
        });
        released.unwrap();
        assert_eq!((units(&stock, "a"), units(&stock, "b")), ((10, 0), (10, 0)));
    }
}

#[test]
fn a_crash_anywhere_is_put_right_by_a_repeat_or_a_release() {
    let wanted = lines(&[("a", 2), ("b", 3)]);
    for writes in 0.. {
        let memory = Memory::default();
        let stock = stock(&memory, &[("a", 5), ("b", 5)]);
        memory.crash_after(writes);
        let run = stock.reserve("o1", &wanted, 1).and_then(|_| stock.commit("o1", 2));
        if !memory.recover() {
            run.unwrap();
            break;
        }
        assert!(run.is_err());
        match stock.release("o1", 3) {
            Ok(()) => assert_eq!((units(&stock, "a"), units(&stock, "b")), ((5, 0), (5, 0))),
            Err(Error::Committed) => {
                stock.commit("o1", 4).unwrap();
                assert_eq!((units(&stock, "a"), units(&stock, "b")), ((3, 0), (2, 0)));
            }
            Err(error) => panic!("{error}"),
        }
    }
}
