//! Orders against services that break at any point: whatever happens, an order ends paid, with its stock sold and its
//! card charged, or failed, with neither.

pub(crate) mod world;

use shop_common::store::memory::Memory;
use world::{Break, World};

use super::*;
use crate::order::Reason;

const NOW: u64 = 1_000_000;
const LATER: u64 = NOW + PLACING_MS_MAX + 1;

fn request(key: Option<&str>, card_token: &str) -> Request {
    Request {
        user_id: "ann".into(),
        idempotency_key: key.map(str::to_owned),
        items: Some(vec![Wanted { product_id: "towel".into(), quantity: 2 }]),
        card_token: card_token.into(),
    }
}

fn from_cart(key: &str) -> Request {
    Request { items: None, ..request(Some(key), "tok_ok") }
}

fn failure(order: &Order) -> Option<Reason> {
    order.failure().map(|failure| failure.reason)
}

#[tokio::test]
async fn a_paid_order_has_its_stock_and_its_prices() {
    let world = World::new();
    let order = world.placing.place(from_cart("k"), NOW).await.unwrap();
    assert_eq!(order.stage, Stage::Paid);
    assert!(order.settled);
    assert_eq!((order.total_cents, order.currency.as_str()), (3980, "EUR"));
    world.assert_paid(&order);
    assert!(world.cart_cleared());
    assert!(world.placing.book.unfinished.keys().unwrap().is_empty());
}

#[tokio::test]
async fn refusals_fail_the_order_and_leave_nothing() {
    for (card, reason) in [("tok_declined", Reason::PaymentDeclined), ("tok_error", Reason::PaymentUnavailable)] {
        let world = World::new();
        let order = world.placing.place(request(None, card), NOW).await.unwrap();
        assert_eq!(failure(&order), Some(reason));
        world.assert_failed(&order);
        assert!(world.placing.book.unfinished.keys().unwrap().is_empty());
    }
    let world = World::new();
    let mut greedy = request(None, "tok_ok");
    greedy.items.as_mut().unwrap()[0].quantity = 11;
    let order = world.placing.place(greedy, NOW).await.unwrap();
    assert_eq!(failure(&order), Some(Reason::OutOfStock));
    world.assert_failed(&order);
    let mut unknown = request(None, "tok_ok");
    unknown.items.as_mut().unwrap()[0].product_id = "unicorn".into();
    let order = world.placing.place(unknown, NOW).await.unwrap();
    assert_eq!(failure(&order), Some(Reason::NoProduct));
}

#[tokio::test]
async fn an_empty_cart_is_no_order() {
    let world = World::new();
    world.placing.place(from_cart("k"), NOW).await.unwrap();
    let refused = world.placing.place(from_cart("l"), NOW).await.unwrap_err();
    assert_eq!(refused.slug(), "cart-empty");
}

#[tokio::test]
async fn a_repeat_gets_the_same_order() {
    let world = World::new();
    // From the cart, which is empty by the time of the repeat.
    let first = world.placing.place(from_cart("k"), NOW).await.unwrap();
    let again = world.placing.place(from_cart("k"), NOW + 1).await.unwrap();
    assert_eq!(again, first);
    let declined = request(Some("l"), "tok_declined");
    let first = world.placing.place(declined.clone(), NOW).await.unwrap();
    assert_eq!(world.placing.place(declined, NOW).await.unwrap(), first);
    // Another request with the same key, or the same request of somebody else.
    let other = world.placing.place(request(Some("l"), "tok_ok"), NOW).await;
    assert_eq!(other.unwrap_err().slug(), "idempotency-key-reused");
    let mut bobs = request(Some("l"), "tok_ok");
    bobs.user_id = "bob".into();
    let bobs = world.placing.place(bobs, NOW).await.unwrap();
    assert_ne!(bobs.id, first.id);
}

#[tokio::test]
async fn a_repeat_during_the_first_request_is_told_to_wait() {
    let world = World::new();
    let request = request(Some("k"), "tok_ok");
    world.break_at(0, Break::KilledAfter);
    assert!(world.placing.place(request.clone(), NOW).await.is_err());
    assert!(world.mend());
    let refused = world.placing.place(request.clone(), NOW + 1).await;
    assert_eq!(refused.unwrap_err().slug(), "order-in-progress");
    let order = world.placing.place(request, LATER).await.unwrap();
    assert_eq!(failure(&order), Some(Reason::TimedOut));
    world.assert_failed(&order);
}

/// The heart of it: stop at every write of the store, then come back later.
#[tokio::test]
async fn a_crash_at_any_write_is_recovered() {
    for card in ["tok_ok", "tok_declined"] {
        for writes in 0.. {
            let memory = Memory::default();
            let world = World::with(&memory);
            memory.crash_after(writes);
            let run = world.placing.place(request(Some("k"), card), NOW).await;
            if !memory.recover() {
                world.assert_consistent(&run.unwrap());
                break;
            }
            let order = world.placing.place(request(Some("k"), card), LATER).await;
            world.assert_consistent(&order.unwrap());
        }
    }
}

/// The same for every call to another service: it fails before its effect, after it, for ever, or the caller is gone.
#[tokio::test]
async fn a_failure_of_any_call_is_recovered() {
    for kind in [Break::Before, Break::After, Break::Down, Break::KilledBefore, Break::KilledAfter] {
        for card in ["tok_ok", "tok_declined", "tok_error"] {
            for call in 0.. {
                let world = World::new();
                world.break_at(call, kind);
                let run = world.placing.place(request(Some("k"), card), NOW).await;
                if !world.mend() {
                    world.assert_consistent(&run.unwrap());
                    break;
                }
                if let Ok(order) = &run
                    && order.is_finished()
                {
                    world.assert_consistent(order);
                }
                // The client never comes back; somebody else's order looks after it.
                world.placing.look_after_another(LATER).await;
                let id = id::derived("ord", &["ann", "k"]);
                let order = world.placing.find(&id).unwrap();
                assert!(order.is_finished(), "{kind:?} at {call}: {order:?}");
                world.assert_consistent(&order);
                assert!(world.placing.book.unfinished.keys().unwrap().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn whoever_comes_back_after_all_finds_the_order_undone() {
    // The first one got as far as it could without the card being charged, and was then believed gone.
    let world = World::new();
    world.break_at(1, Break::KilledBefore);
    assert!(world.placing.place(request(Some("k"), "tok_ok"), NOW).await.is_err());
    assert!(world.mend());
    let id = id::derived("ord", &["ann", "k"]);
    let stale = world.placing.find(&id).unwrap();
    assert_eq!(stale.stage, Stage::Reserved);
    let failed = world.placing.look_after(stale.clone(), LATER).await.unwrap();
    world.assert_failed(&failed);
    // It was not gone. Its charge is refused, and it sees the order as it is.
    let back = world.placing.drive(stale, Some("tok_ok"), LATER).await.unwrap();
    assert_eq!(back, failed);
    world.assert_failed(&back);
}

#[tokio::test]
async fn orders_left_behind_before_they_were_written_are_forgotten() {
    let memory = Memory::default();
    let world = World::with(&memory);
    memory.crash_after(3);
    assert!(world.placing.place(request(Some("k"), "tok_ok"), NOW).await.is_err());
    memory.recover();
    assert_eq!(world.placing.book.unfinished.keys().unwrap().len(), 1);
    world.placing.look_after_another(LATER).await;
    assert!(world.placing.book.unfinished.keys().unwrap().is_empty());
    // The list passes over the number that leads nowhere.
    let order = world.placing.place(request(Some("k"), "tok_ok"), LATER).await.unwrap();
    let page = world.placing.book.list("ann", None, 10).unwrap();
    assert_eq!(page.orders, [order]);
}

#[tokio::test]
async fn lists_are_newest_first_and_paged() {
    let world = World::new();
    for key in ["a", "b", "c", "d", "e"] {
        let mut one = request(Some(key), "tok_ok");
        one.items.as_mut().unwrap()[0].quantity = 1;
        world.placing.place(one, NOW).await.unwrap();
    }
    let book = &world.placing.book;
    let numbers = |page: crate::book::Page| {
        let numbers: Vec<u64> = page.orders.iter().map(|order| order.number).collect();
        (numbers, page.next)
    };
    assert_eq!(numbers(book.list("ann", None, 2).unwrap()), (vec![5, 4], Some(4)));
    assert_eq!(numbers(book.list("ann", Some(4), 2).unwrap()), (vec![3, 2], Some(2)));
    assert_eq!(numbers(book.list("ann", Some(2), 2).unwrap()), (vec![1], None));
    assert_eq!(numbers(book.list("ann", Some(99), 9).unwrap()).0.len(), 5);
    assert_eq!(numbers(book.list("ann", Some(0), 9).unwrap()), (vec![], None));
    assert_eq!(numbers(book.list("bob", None, 9).unwrap()), (vec![], None));
}

#[tokio::test]
async fn only_what_is_paid_is_shipped() {
    let world = World::new();
    let paid = world.placing.place(request(None, "tok_ok"), NOW).await.unwrap();
    let shipped = world.placing.ship(&paid.id, NOW).await.unwrap();
    assert_eq!(shipped.stage, Stage::Shipped);
    assert_eq!(world.placing.ship(&paid.id, NOW + 1).await.unwrap(), shipped);
    let failed = world.placing.place(request(None, "tok_declined"), NOW).await.unwrap();
    let refused = world.placing.ship(&failed.id, NOW).await.unwrap_err();
    assert_eq!(refused.slug(), "not-paid");
    assert_eq!(world.placing.ship("ord_x", NOW).await.unwrap_err().status(), 404);

    let refunded = world.placing.place(request(None, "tok_ok"), NOW).await.unwrap();
    world.placing.payments.refund(&refunded.id).await.unwrap();
    let refused = world.placing.ship(&refunded.id, NOW).await.unwrap_err();
    assert_eq!(refused.slug(), "not-paid");
}
