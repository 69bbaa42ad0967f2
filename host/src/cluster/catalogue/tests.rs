use super::delta::{Change, Delta};
use super::table::Applied;
use super::*;
use crate::cluster::node::{Node, NodeId};
use crate::cluster::settings::Settings;
use proptest::prelude::*;
use std::time::Duration;

const ZERO: Duration = Duration::ZERO;
const VIA: NodeId = NodeId::from_u128(99);

fn node(id: u128) -> Arc<Node> {
    let address = format!("10.0.0.{id}:7946").parse().unwrap();
    Arc::new(Node::new(NodeId::from_u128(id), &format!("n{id}"), address, address, "").unwrap())
}

fn table(id: u128) -> Table {
    Table::new(node(id), &Settings { services_per_node_max: 20, ..Settings::default() })
}

fn offer(service: &str, version: &str) -> Service {
    let service = ServiceName::new(service).unwrap();
    Service { service, version: Arc::from(version), digest: [9; 8], weight: 1, state: ServiceState::Ready }
}

fn offers(names: &[&str]) -> Vec<Service> {
    names.iter().map(|name| offer(name, "v1")).collect()
}

/// What `table` shows, as `service/version@node`.
fn shown(table: &mut Table) -> Vec<String> {
    table.show();
    let snapshot = table.reader().snapshot();
    let mut all: Vec<_> = snapshot
        .services()
        .flat_map(|(_, endpoints)| endpoints.list())
        .map(|e| format!("{}/{}@{}", e.offer.service, e.offer.version, e.presence.node().name()))
        .collect();
    all.sort();
    assert_eq!(all.len(), snapshot.len());
    all
}

#[test]
fn what_a_node_publishes_shows_elsewhere_and_higher_numbers_win() {
    let (mut a, mut b) = (table(1), table(2));
    b.up(&node(1));
    let first = a.publish(ZERO, offers(&["orders", "users"])).unwrap().unwrap();
    assert_eq!(b.apply(ZERO, first.clone(), VIA), Applied::News);
    assert_eq!(b.apply(ZERO, first.clone(), VIA), Applied::Stale);
    assert_eq!(shown(&mut b), ["orders/v1@n1", "users/v1@n1"]);

    let mut draining = offers(&["orders", "users"]);
    draining[0].state = ServiceState::Draining;
    let second = a.publish(ZERO, draining).unwrap().unwrap();
    assert_eq!(second.changes.len(), 1, "only what changed is said");
    b.apply(ZERO, second, VIA);
    b.apply(ZERO, first, VIA);
    b.show();
    let snapshot = b.reader().snapshot();
    assert_eq!(snapshot.service("orders").unwrap().list()[0].offer.state, ServiceState::Draining);
    assert!(snapshot.service("nothing").is_none());
    assert_eq!(a.publish(ZERO, a.offers()).unwrap(), None, "the same again is no news");
}

#[test]
fn only_the_owner_speaks_for_itself_and_only_members_count() {
    let (mut a, mut b) = (table(1), table(2));
    let delta = a.publish(ZERO, offers(&["orders"])).unwrap().unwrap();
    assert_eq!(b.apply(ZERO, delta.clone(), VIA), Applied::Stranger);
    assert!(shown(&mut b).is_empty());
    let lie = Delta { to: 50, changes: vec![(50, Change::Serve(offer("evil", "v1")))], ..delta };
    assert_eq!(a.apply(ZERO, lie, VIA), Applied::Stale, "nobody tells a node what it serves");
    assert_eq!(a.offers(), offers(&["orders"]));
}

#[test]
fn nothing_is_wiped_unless_it_is_said_in_so_many_words() {
    let (mut a, mut b) = (table(1), table(2));
    b.up(&node(1));
    b.apply(ZERO, a.publish(ZERO, offers(&["orders"])).unwrap().unwrap(), VIA);
    assert_eq!(a.publish(ZERO, Vec::new()), Err(PublishError::Empty));
    let empty = Delta { node: NodeId::from_u128(1), from: 0, to: 90, full: true, emptied: false, changes: Vec::new() };
    assert_eq!(b.apply(ZERO, empty, VIA), Applied::Stale);
    assert_eq!(shown(&mut b), ["orders/v1@n1"]);
    let withdrawal = a.withdraw_all(ZERO).unwrap();
    assert_eq!(b.apply(ZERO, withdrawal, VIA), Applied::News);
    assert!(shown(&mut b).is_empty());
}

#[test]
fn additions_come_before_removals_even_when_packets_overtake_each_other() {
    let (mut a, mut b) = (table(1), table(2));
    b.up(&node(1));
    b.apply(ZERO, a.publish(ZERO, vec![offer("orders", "v1")]).unwrap().unwrap(), VIA);
    let swap = a.publish(ZERO, vec![offer("orders", "v2")]).unwrap().unwrap();
    let kinds: Vec<_> = swap.changes.iter().map(|(_, change)| matches!(change, Change::Serve(_))).collect();
    assert_eq!(kinds, [true, false]);
    let fragments = swap.fragments(1);
    assert_eq!(fragments.len(), 2);
    // The removal comes first: it has to wait.
    b.apply(ZERO, fragments[1].clone(), VIA);
    assert_eq!(shown(&mut b), ["orders/v1@n1"]);
    assert!(b.wanted().contains_key(&NodeId::from_u128(1)), "it is known that something is missing");
    b.apply(ZERO, fragments[0].clone(), VIA);
    assert_eq!(shown(&mut b), ["orders/v1@n1", "orders/v2@n1"]);
    let rest = a.since(NodeId::from_u128(1), b.synced(NodeId::from_u128(1))).unwrap();
    b.apply(ZERO, rest, VIA);
    assert_eq!(shown(&mut b), ["orders/v2@n1"]);
    assert!(b.wanted().is_empty());
}

#[test]
fn entries_go_with_their_node_and_come_back_with_it() {
    let (mut a, mut b) = (table(1), table(2));
    b.up(&node(1));
    b.apply(ZERO, a.publish(ZERO, offers(&["orders"])).unwrap().unwrap(), VIA);
    let id = NodeId::from_u128(1);
    let before = b.reader();
    b.show();
    let held = before.snapshot();
    b.down(ZERO, id, false);
    assert!(shown(&mut b).is_empty());
    assert!(!held.service("orders").unwrap().list()[0].presence.is_reachable(), "old snapshots know it too");
    b.up(&node(1));
    assert_eq!(shown(&mut b), ["orders/v1@n1"]);
    assert!(b.wanted().is_empty(), "nothing has to be fetched again");
    b.down(ZERO, id, true);
    b.up(&node(1));
    assert!(shown(&mut b).is_empty());
    assert!(b.wanted().contains_key(&id));
    b.down(ZERO, id, false);
    b.expire(Duration::from_secs(86_400));
    assert_eq!(b.synced(id), 0, "what was kept aside is forgotten");
}

#[test]
fn tombstones_expire_and_whoever_slept_gets_everything() {
    let (mut a, mut b) = (table(1), table(2));
    let id = NodeId::from_u128(1);
    b.up(&node(1));
    b.apply(ZERO, a.publish(ZERO, offers(&["orders", "users"])).unwrap().unwrap(), VIA);
    let asleep = b.synced(id);
    a.publish(ZERO, offers(&["users"])).unwrap();
    let partial = a.since(id, asleep).unwrap();
    assert!(!partial.full && matches!(partial.changes[0].1, Change::Withdraw { .. }));
    a.expire(Duration::from_secs(86_400));
    let full = a.since(id, asleep).unwrap();
    assert!(full.full && full.changes.len() == 1);
    assert_eq!(b.apply(ZERO, full, VIA), Applied::News);
    assert_eq!(shown(&mut b), ["users/v1@n1"]);
    // The same with nothing left at all.
    a.withdraw_all(ZERO);
    a.expire(Duration::from_secs(2 * 86_400));
    let emptied = a.since(id, 1).unwrap();
    assert!(emptied.full && emptied.emptied);
    b.apply(ZERO, emptied, VIA);
    assert!(shown(&mut b).is_empty());
}

#[test]
fn limits_hold_for_the_owner_and_against_others() {
    let (mut a, mut b) = (table(1), table(2));
    let many: Vec<_> = (0..21).map(|at| offer(&format!("s{at}"), "v1")).collect();
    assert_eq!(a.publish(ZERO, many.clone()), Err(PublishError::Many { count: 21, most: 20 }));
    assert!(matches!(a.publish(ZERO, vec![many[0].clone(), many[0].clone()]), Err(PublishError::Twice { .. })));
    assert!(matches!(a.publish(ZERO, vec![offer("a", "v 1")]), Err(PublishError::Version { .. })));
    b.up(&node(1));
    // Others hold twice as many, because what is new comes before what is old goes.
    let many = (0..41).map(|at| offer(&format!("s{at}"), "v1"));
    let changes = many.into_iter().zip(1..).map(|(offer, number)| (number, Change::Serve(offer))).collect();
    let greedy = Delta { node: NodeId::from_u128(1), from: 0, to: 41, full: false, emptied: false, changes };
    b.apply(ZERO, greedy, VIA);
    assert_eq!(shown(&mut b).len(), 40);
    assert_eq!(b.refused(), 1);
}

#[test]
fn a_snapshot_shares_what_did_not_change() {
    let (mut a, mut b) = (table(1), table(2));
    b.up(&node(1));
    b.apply(ZERO, a.publish(ZERO, offers(&["orders", "users"])).unwrap().unwrap(), VIA);
    b.show();
    let before = b.reader().snapshot();
    b.apply(ZERO, a.publish(ZERO, offers(&["orders", "users", "extra"])).unwrap().unwrap(), VIA);
    b.show();
    let after = b.reader().snapshot();
    assert!(before.service("extra").is_none() && after.service("extra").is_some());
    assert!(Arc::ptr_eq(before.service("orders").unwrap(), after.service("orders").unwrap()));
    assert!(after.revision() > before.revision());
}

proptest! {
    #[test]
    fn fragments_in_any_order_and_number_end_in_what_the_owner_said(
        steps in prop::collection::vec(prop::collection::btree_set(0..12_u8, 1..8), 1..8),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..60),
    ) {
        let (mut a, mut b) = (table(1), table(2));
        let id = NodeId::from_u128(1);
        b.up(&node(1));
        let mut fragments = Vec::new();
        for step in steps {
            let names: Vec<_> = step.iter().map(|at| offer(&format!("s{at}"), "v1")).collect();
            if let Some(delta) = a.publish(ZERO, names).unwrap() {
                fragments.extend(delta.fragments(120));
            }
        }
        for fragment in &fragments {
            prop_assert_eq!(Delta::decode(&fragment.encode()), Ok(fragment.clone()));
        }
        for (index, pull) in order {
            b.apply(ZERO, index.get(&fragments).clone(), VIA);
            if pull && let Some(delta) = a.since(id, b.synced(id)) {
                b.apply(ZERO, delta, VIA);
            }
        }
        if let Some(delta) = a.since(id, b.synced(id)) {
            b.apply(ZERO, delta, VIA);
        }
        let mut wanted: Vec<_> = a.offers().iter().map(|o| format!("{}/{}@n1", o.service, o.version)).collect();
        wanted.sort();
        prop_assert_eq!(shown(&mut b), wanted);
        prop_assert!(b.wanted().is_empty());
    }

    #[test]
    fn garbage_is_an_error_or_a_delta(bytes: Vec<u8>, cut in 0..200_usize) {
        let _ = Delta::decode(&bytes);
        let (mut a, _) = (table(1), ());
        let good = a.publish(ZERO, offers(&["orders", "users"])).unwrap().unwrap().encode();
        prop_assert!(Delta::decode(&good[..cut % good.len()]).is_err());
    }
}

#[test]
fn what_is_made_up_about_a_record_ends_when_its_owner_hears_of_it() {
    let (mut a, mut b) = (table(1), table(2));
    b.up(&node(1));
    let first = a.publish(ZERO, offers(&["orders", "users"])).unwrap().unwrap();
    b.apply(ZERO, first, VIA);
    // Somebody says that the owner withdrew one, changed the other, and serves a third.
    let mut changed = offer("users", "v1");
    changed.weight = 7;
    let withdraw = Change::Withdraw { service: ServiceName::new("orders").unwrap(), version: Arc::from("v1") };
    let changes = vec![(900, withdraw), (901, Change::Serve(changed)), (902, Change::Serve(offer("evil", "v1")))];
    let lie = Delta { node: NodeId::from_u128(1), from: 3, to: 1_000, full: false, emptied: false, changes };
    b.apply(ZERO, lie, VIA);
    assert_eq!(shown(&mut b), ["evil/v1@n1", "users/v1@n1"]);
    let more = a.publish(ZERO, offers(&["orders", "users", "mail"])).unwrap().unwrap();
    b.apply(ZERO, more.clone(), VIA);
    assert_eq!(shown(&mut b), ["evil/v1@n1", "users/v1@n1"], "the lie has the higher number");

    assert_eq!(a.reassert(), None, "nobody has told the owner");
    a.contest(b.synced(NodeId::from_u128(1)));
    let truth = a.reassert().unwrap();
    assert!(truth.full);
    b.apply(ZERO, Delta::decode(&truth.encode()).unwrap(), VIA);
    assert_eq!(shown(&mut b), ["mail/v1@n1", "orders/v1@n1", "users/v1@n1"]);
    let snapshot = b.reader().snapshot();
    assert_eq!(snapshot.service("users").unwrap().list()[0].offer.weight, 1);
    assert_eq!(a.reassert(), None, "once is enough");
    a.contest(b.synced(NodeId::from_u128(1)));
    assert_eq!(a.reassert(), None);
    // Gossip tells the owner as well.
    let rumour = Delta { from: 5_000, to: 5_000, full: false, changes: Vec::new(), ..more };
    a.apply(ZERO, rumour, VIA);
    assert!(a.reassert().unwrap().to > 5_000);
}

#[test]
fn a_complete_record_that_is_not_newer_removes_nothing() {
    let (mut a, mut b) = (table(1), table(2));
    b.up(&node(1));
    let first = a.publish(ZERO, offers(&["orders", "users"])).unwrap().unwrap();
    let damaged = Delta { full: true, from: 0, changes: vec![first.changes[0].clone()], ..first.clone() };
    b.apply(ZERO, first, VIA);
    assert_eq!(b.apply(ZERO, damaged, VIA), Applied::Stale);
    assert_eq!(shown(&mut b), ["orders/v1@n1", "users/v1@n1"]);
}

#[test]
fn numbers_outside_of_what_a_delta_says_it_covers_are_refused() {
    let good = Delta { node: VIA, from: 3, to: 5, full: false, emptied: false, changes: Vec::new() };
    for (number, fits) in [(3, false), (4, true), (5, true), (6, false)] {
        let changes = vec![(number, Change::Serve(offer("orders", "v1")))];
        assert_eq!(Delta::decode(&Delta { changes, ..good.clone() }.encode()).is_ok(), fits, "{number}");
    }
    assert!(Delta::decode(&Delta { to: u64::MAX, ..good }.encode()).is_err());
}
