use std::time::Duration;

use super::super::fixture::{deployed, platform, remote};
use super::*;

fn name(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn route(deployments: &Deployments, path: &str) -> Option<Routed> {
    deployments.route("x", path, &Method::GET, false, "localhost").ok()
}

/// Whether a path leads to a version here, and to whose.
fn leads_to(deployments: &Deployments, path: &str) -> Option<(bool, String)> {
    let routed = route(deployments, path)?;
    Some((matches!(routed.to, RoutedTo::Local(_)), routed.to.service().to_string()))
}

const HERE: bool = true;
const ELSEWHERE: bool = false;

fn to(place: bool, service: &str) -> Option<(bool, String)> {
    Some((place, service.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_other_hosts_are_beside_those_of_this_one() {
    let platform = platform();
    let deployments = Deployments::default();
    let orders = deployed(&platform, "orders", "[[route]]\npath = '/orders/{id}'\npolicy.timeout_ms = 7").await;
    deployments.put(&orders, None).unwrap();
    let complaints = deployments.set_remote(vec![
        remote("users", r#""routes":[{"path":"/orders/{user}"},{"path":"/orders/new"},{"path":"/users"}]"#),
        remote("orders", r#""routes":[{"path":"/only-there"}]"#),
        remote("carts", r#""routes":[{"path":"/users"}]"#),
    ]);
    assert_eq!(
        complaints,
        [
            "the route /orders/{user} of `users` is left out: `orders` has the same one",
            "the route /users of `users` is left out: `carts` has the same one",
        ]
    );
    assert_eq!(leads_to(&deployments, "/orders/1"), to(HERE, "orders"));
    assert_eq!(leads_to(&deployments, "/orders/new"), to(ELSEWHERE, "users"), "all routes are one set");
    assert_eq!(leads_to(&deployments, "/users"), to(ELSEWHERE, "carts"));
    assert_eq!(leads_to(&deployments, "/only-there"), None, "what runs here is described by what runs here");
    let treatment = route(&deployments, "/orders/1").unwrap().treatment;
    assert_eq!(treatment.timeout, Some(Duration::from_millis(7)));

    let table = deployments.table_full();
    assert!(table.remote(&name("users")).is_some() && table.get(&name("users")).is_none());
    assert!(table.remote(&name("orders")).is_none() && table.get(&name("orders")).is_some());
    assert_eq!(table.describe_routes(), [("orders".to_owned(), "/orders/{id}".to_owned())]);

    // What was left out because of it is there when it is gone.
    deployments.remove(&name("orders"));
    assert_eq!(leads_to(&deployments, "/orders/1"), to(ELSEWHERE, "users"));
    assert_eq!(leads_to(&deployments, "/only-there"), to(ELSEWHERE, "orders"));
    assert!(deployments.table().remote(&name("orders")).is_some());
    deployments.set_remote(Vec::new());
    assert_eq!(leads_to(&deployments, "/orders/1"), None);
    orders.pool().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_change_is_lost() {
    let platform = platform();
    let deployments = Deployments::default();
    let orders = deployed(&platform, "orders", "").await;
    let there = std::thread::spawn({
        let deployments = deployments.clone();
        move || {
            for _ in 0..500 {
                deployments.set_remote(Vec::new());
                assert!(deployments.table().remote(&name("users")).is_none());
                deployments.set_remote(vec![remote("users", "")]);
                assert!(deployments.table().remote(&name("users")).is_some());
            }
        }
    });
    while !there.is_finished() {
        deployments.put(&orders, None).unwrap();
        assert!(deployments.table().get(&name("orders")).is_some());
        deployments.remove(&name("orders"));
        assert!(deployments.table().get(&name("orders")).is_none());
    }
    there.join().unwrap();
    assert!(deployments.table().remote(&name("users")).is_some());
    orders.pool().kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_tell_of_what_runs_here() {
    let platform = platform();
    let deployments = Deployments::default();
    let mut changes = deployments.changes();
    let orders = deployed(&platform, "orders", "").await;
    let same = deployed(&platform, "other", "name = 'orders'").await;
    let mut changed = move || {
        let changed = changes.has_changed().unwrap();
        changes.mark_unchanged();
        changed
    };
    assert!(!changed());
    deployments.set_remote(vec![remote("users", "")]);
    assert!(!changed(), "what runs elsewhere is no change here");
    deployments.put(&orders, None).unwrap();
    assert!(changed());
    assert!(deployments.put(&same, None).is_err());
    assert!(!changed(), "nothing came of it");
    deployments.put(&same, Some(&orders)).unwrap();
    assert!(changed());
    deployments.remove(&name("orders"));
    assert!(changed());
    for version in [orders, same] {
        version.pool().kill();
    }
}
