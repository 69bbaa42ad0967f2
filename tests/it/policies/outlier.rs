//! Who fails more than the others gets no calls for a while, as long as enough others are left.

use super::{SOON, called, called_is, calls, cluster, echo, endpoint, endpoints, plan, status_text};
use crate::harness::cluster::Cluster;
use crate::harness::host::Host;
use crate::harness::wait::eventually;

async fn nodes<const N: usize>(names: [&'static str; N], outlier: &str) -> Cluster {
    let manifest =
        format!("[policy]\nbreaker.enabled = false\nretry.budget_percent = 100\n[policy.outlier]\n{outlier}");
    let nodes = names.map(|name| (name, echo(&manifest)));
    cluster([("front", Host::builder())].into_iter().chain(nodes), "/echo/hello/x").await
}

/// Calls until a node has been ejected. None of the calls fails, as others answer.
async fn until_ejected(front: &Host, node: &str) {
    eventually(&format!("{node} is ejected"), SOON, async || {
        front.get("/echo/fault/x").await.expect(200);
        let endpoint = endpoint(front, "echo", Some(node)).await;
        (endpoint["ejections"] == 1).then_some(()).ok_or_else(|| endpoint.to_string())
    })
    .await;
}

#[tokio::test]
async fn it_is_ejected_but_no_more_than_half() {
    let long = "failures = 3\nejection_ms = 3600000\nejection_ms_max = 3600000\npanic_percent = 0\n";
    let cluster = nodes(["one", "two", "three"], long).await;
    let (front, one, two) = (cluster.host("front"), cluster.host("one"), cluster.host("two"));
    plan(one, "x", "1000000 503").await;
    until_ejected(front, "one").await;
    let served = calls(one, "x").await;
    for _ in 0..20 {
        front.get("/echo/fault/x").await.expect(200);
    }
    assert_eq!(calls(one, "x").await, served, "it got calls");
    assert_eq!((endpoints(front, "echo", "ejected").await, endpoints(front, "echo", "healthy").await), (1.0, 2.0));
    let ejections = [("service", "echo"), ("node", "one")];
    assert_eq!(front.metrics().await.sum("hostel_endpoint_ejections_total", &ejections), 1.0);
    let text = status_text(front).await;
    assert!(text.contains("\necho one ejected ") && text.contains("\necho two healthy "), "{text}");
    assert_eq!(called(front, "echo").await["panics"], false);

    // One of three is what may be ejected: another one that fails goes on getting calls.
    plan(two, "x", "1000000 503").await;
    let before = calls(two, "x").await;
    eventually("the second one gets calls although it fails", SOON, async || {
        front.get("/echo/fault/x").await.expect(200);
        let more = calls(two, "x").await - before;
        (more > 6).then_some(()).ok_or_else(|| more.to_string())
    })
    .await;
    assert_eq!(endpoint(front, "echo", Some("two")).await["ejections"], 0);
}

#[tokio::test]
async fn it_comes_back() {
    let cluster = nodes(["one", "two"], "failures = 3\nejection_ms = 500\npanic_percent = 0\n").await;
    let (front, one) = (cluster.host("front"), cluster.host("one"));
    plan(one, "x", "3 503").await;
    until_ejected(front, "one").await;
    eventually("it gets calls", SOON, async || {
        front.get("/echo/fault/x").await.expect(200);
        let served = calls(one, "x").await;
        (served > 3).then_some(()).ok_or_else(|| served.to_string())
    })
    .await;
    called_is(front, "echo", "nobody is ejected", |echo| {
        let endpoints = echo["endpoints"].as_array().into_iter().flatten();
        endpoints.map(|endpoint| &endpoint["ejected_s"]).all(serde_json::Value::is_null)
    })
    .await;
}

/// With too few left who are well, all are asked.
#[tokio::test]
async fn when_too_few_are_left_ejections_do_not_count() {
    let long = "failures = 3\nejection_ms = 3600000\nejection_ms_max = 3600000\npanic_percent = 60\n";
    let cluster = nodes(["one", "two"], long).await;
    let (front, one) = (cluster.host("front"), cluster.host("one"));
    plan(one, "x", "1000000 503").await;
    until_ejected(front, "one").await;
    assert_eq!(called(front, "echo").await["panics"], true);
    let before = calls(one, "x").await;
    eventually("it gets calls all the same", SOON, async || {
        front.get("/echo/fault/x").await.expect(200);
        let more = calls(one, "x").await - before;
        (more > 0).then_some(()).ok_or_else(|| more.to_string())
    })
    .await;
    assert_eq!(endpoints(front, "echo", "ejected").await, 1.0);
}
