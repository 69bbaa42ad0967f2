//! Versions that replace each other while calls run.

mod load;
mod memory;
mod tiers;

use std::time::Duration;

use crate::harness::guests::{marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, next};
use crate::harness::raw::Raw;
use crate::harness::reply::Reply;
use crate::harness::tiny;
use crate::harness::wait::throughout;

#[tokio::test]
async fn calls_in_flight_end_on_the_version_they_began_on() {
    let host = Host::builder().module("marked", &marked(1)).start().await;
    let client = Client::h2(host.edge);
    let mut streaming = client.open(get(&host.url("/marked/stream/40/50"))).await.unwrap();
    let first = next(streaming.body_mut()).await.unwrap().unwrap();
    let sleeping = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/marked/sleep/2000"));
        async move { http.get(&url).await }
    });
    host.in_flight("marked", 2).await;

    host.install("marked", &marked(2));
    host.answers("/marked/whole", 200, &marker_text(2)).await;
    assert!(!sleeping.is_finished(), "the test is too slow to tell");

    let old = marker_text(1);
    let mut body = first.to_vec();
    while let Some(bytes) = next(streaming.body_mut()).await {
        body.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(String::from_utf8(body).unwrap(), old.repeat(40));
    assert_eq!(sleeping.await.unwrap().expect(200).text(), old);
    host.in_flight("marked", 0).await;
}

/// A version has only so long to finish: then the calls that are left are ended, and told so.
#[tokio::test]
async fn draining_ends_at_its_time_limit() {
    let (host, reply) = cut_off("[policy.retry]\nretries_max = 0\n").await;
    assert!([502, 503].contains(&reply.status), "{reply}");
    reply.expect_no_internals();
    let event = host.logs("the log says so", |event| event.is_about("marked") && event.contains("cut off"));
    assert_eq!(event.await.level(), "warn");
}

/// Unless they may be sent again, to the new version.
#[tokio::test]
async fn what_is_cut_off_is_sent_again_where_that_does_no_harm() {
    let (_host, reply) = cut_off("").await;
    assert_eq!(reply.expect(200).text(), marker_text(2));
}

/// What becomes of a call that takes longer than its version, which is replaced, may take to drain.
async fn cut_off(manifest: &str) -> (Host, Reply) {
    let builder = Host::builder().module("marked", &marked(1)).manifest("marked", manifest);
    let host = builder.config("[modules]\ndrain_ms = 500\n").start().await;
    let sleeping = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/marked/sleep/4000"));
        async move { http.get(&url).await }
    });
    host.in_flight("marked", 1).await;
    host.install("marked", &marked(2));
    host.answers("/marked/whole", 200, &marker_text(2)).await;
    (host, sleeping.await.unwrap())
}

#[tokio::test]
async fn connections_outlive_versions() {
    let host = Host::builder().module("tiny", &tiny::answering("one")).start().await;
    let mut connection = Raw::connect(host.edge).await;
    assert_eq!(connection.get("/tiny/").await.body, "one");
    host.install("tiny", &tiny::answering("two"));
    host.answers("/tiny/", 200, "two").await;
    assert_eq!(connection.get("/tiny/").await.body, "two");
    host.remove("tiny");
    host.answers("/tiny/", 404, "").await;
    assert_eq!(connection.get("/tiny/").await.status, 404);
    host.install("tiny", &tiny::answering("three"));
    host.answers("/tiny/", 200, "three").await;
    assert_eq!(connection.get("/tiny/").await.body, "three");
}

/// What was only touched, or written again as it was, is not a new version.
#[tokio::test]
async fn the_same_content_does_not_swap() {
    let host = Host::builder().module("tiny", &tiny::answering("one")).start().await;
    let swaps = async || {
        let metrics = host.metrics().await;
        metrics.sum("hostel_module_swaps_total", &[("service", "tiny")])
    };
    let before = swaps().await;
    host.install("tiny", &tiny::answering("one"));
    // Something that does count, after it.
    host.install("other", &tiny::answering("other"));
    host.answers("/other/", 200, "other").await;
    throughout("nothing is swapped", Duration::from_millis(500), async || {
        let now = swaps().await;
        (now == before).then_some(()).ok_or_else(|| format!("{now} swaps"))
    })
    .await;
}

/// A new version that fails its probe never serves, not even one call.
#[tokio::test]
async fn a_version_that_is_not_healthy_does_not_take_over() {
    let probe = |path: &str| format!("[health]\npath = '{path}'\n");
    let host = Host::builder().module("marked", &marked(1)).manifest("marked", &probe("/whole")).start().await;
    host.install_manifest("marked", &probe("/no/such/route"));
    host.install("marked", &marked(2));
    host.logs("the log says why", |event| event.contains("/no/such/route")).await;
    host.answers("/marked/whole", 200, &marker_text(1)).await;
    host.install_manifest("marked", &probe("/whole"));
    host.answers("/marked/whole", 200, &marker_text(2)).await;
}
