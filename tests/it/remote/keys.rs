//! Keys of gossip that are replaced while hosts run.

use std::time::Duration;

use hostel::peer::pki::keys;

use crate::harness::cluster::Cluster;
use crate::harness::host::Host;
use crate::harness::http::{Client, get};
use crate::harness::load::Load;
use crate::harness::tiny::answering;
use crate::harness::wait::eventually;

/// Hosts look at the file every two seconds.
const READ_AGAIN: &str = "the cluster's certificate and keys were read again";

/// Step by step, as the manual says. Nobody notices, and in the end the old key is good for nothing.
#[tokio::test]
async fn keys_are_rotated_while_calls_go_on() {
    let node = |name| Host::builder().module(name, &answering(name));
    let mut cluster = Cluster::start([("one", node("one")), ("two", node("two"))]).await;
    let before = keys::list(cluster.ca()).unwrap();
    let load = {
        let one = cluster.host("one");
        let (client, url) = (Client::h1(one.edge), one.url("/two/"));
        Load::start(2, Duration::from_millis(20), move |_| {
            let (client, url) = (client.clone(), url.clone());
            async move {
                let reply = client.try_send(get(&url)).await.map_err(|error| error.to_string())?;
                (reply.status == 200).then_some(()).ok_or_else(|| reply.to_string())
            }
        })
    };
    for number in 0..3 {
        match number {
            0 => keys::add(cluster.ca()),
            1 => keys::promote(cluster.ca()),
            _ => keys::drop_others(cluster.ca()),
        }
        .unwrap();
        for (name, host) in cluster.running() {
            let what = format!("{name} uses the keys of step {number}");
            eventually(&what, Duration::from_secs(20), async || {
                let times = host.logs.matching(|event| event.contains(READ_AGAIN)).len();
                (times > number).then_some(()).ok_or_else(|| format!("read {times} times"))
            })
            .await;
        }
        for (viewer, other) in [("one", "two"), ("two", "one")] {
            let member = cluster.host(viewer).member(other).await;
            assert_eq!(member["state"], "alive", "{viewer} says of {other} after step {number}: {member}");
        }
    }
    load.stop().await.expect_no_failure();
    let after = keys::list(cluster.ca()).unwrap();
    assert!(after.len() == 1 && after != before, "{before:?}, {after:?}");
    // Who comes now has the new key only, and finds those that were there.
    cluster.add("three", node("three")).await;
    cluster.settled().await;
    for viewer in ["one", "two"] {
        let metrics = cluster.host(viewer).metrics().await;
        assert_eq!(metrics.sum("hostel_cluster_rejoins_total", &[]), 0.0, "{viewer} was held for down");
    }
}
