//! New content serves with baseline code first, and with optimised code when that is compiled.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::harness::guests::{marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, next};
use crate::harness::wait::{eventually, throughout};

use super::memory::code_kib;

/// The first of ten markers that no cache has seen. They have eight digits.
fn unseen() -> u32 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    (now.as_millis() % 99_999_000) as u32 + TAKEN.fetch_add(10, Ordering::SeqCst)
}

#[tokio::test]
async fn optimised_code_takes_over_between_calls() {
    let marker = unseen();
    // They all get baseline code before any gets optimised code. One that comes then has to wait for theirs: time to see it.
    let mut builder = Host::builder();
    for other in 0..5 {
        builder = builder.module(&format!("a{other}"), &marked(marker + 1 + other));
    }
    let host = builder.start().await;
    host.install("z", &marked(marker));
    host.answers("/z/whole", 200, &marker_text(marker)).await;
    let client = Client::h2(host.edge);
    let mut streaming = client.open(get(&host.url("/z/stream/120/50"))).await.unwrap();
    let first = next(streaming.body_mut()).await.unwrap().unwrap();
    assert_eq!(host.service("z").await.unwrap()["code"], "baseline", "the test is too slow to tell");
    let version = host.service("z").await.unwrap()["version"].clone();

    let whole = marker_text(marker).repeat(64);
    let optimised = host.runs_optimised("z");
    let calls = throughout("calls are answered", Duration::from_millis(200), async || {
        let reply = host.http.get(&host.url("/z/whole")).await;
        (reply.status == 200 && reply.text() == whole).then_some(()).ok_or_else(|| reply.to_string())
    });
    let (service, ()) = tokio::join!(optimised, calls);
    assert_eq!(service["version"], version, "it is the same version");
    host.answers("/z/whole", 200, &marker_text(marker)).await;
    // What began on an instance of the old code ends there.
    let mut body = first.to_vec();
    while let Some(bytes) = next(streaming.body_mut()).await {
        body.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(String::from_utf8(body).unwrap(), marker_text(marker).repeat(120));
    // And then that instance is gone.
    host.service_is("z", "one instance is left", |service| service["instances"] == 1).await;
    let metrics = eventually("it is counted", Duration::from_secs(10), async || {
        let metrics = host.metrics().await;
        let retired = metrics.sum("hostel_instances_ended_total", &[("service", "z"), ("reason", "retired")]);
        if retired >= 1.0 { Ok(metrics) } else { Err(metrics.text) }
    });
    let metrics = metrics.await;
    assert_eq!(metrics.sum("hostel_module_swaps_total", &[("service", "z")]), 1.0, "this is no swap");

    host.install("again", &marked(marker));
    let service = host.service_is("again", "it serves", |service| service["state"] == "serving").await;
    assert_eq!(service["code"], "optimised", "the cache has it");
}

/// Some of these idle before their optimised code is there: nobody would ever run it, and it must not be kept in memory.
#[tokio::test]
async fn optimised_code_that_comes_too_late_for_an_instance_is_not_kept_in_memory() {
    let marker = unseen();
    let mut builder = Host::builder();
    for other in 0..5 {
        let name = format!("a{other}");
        builder = builder.module(&name, &marked(marker + other)).manifest(&name, "[instances]\nidle_s = 1\n");
    }
    let host = builder.start().await;
    for other in 0..5 {
        let name = format!("a{other}");
        host.runs_optimised(&name).await;
        host.service_is(&name, "it idles", |service| service["instances"] == 0).await;
    }
    eventually("the code is out of memory", Duration::from_secs(10), async || match code_kib(&host) {
        0 => Ok(()),
        kib => Err(format!("{kib} KiB")),
    })
    .await;
    host.answers("/a0/whole", 200, &marker_text(marker)).await;
}

/// An instance that has been told to finish because there is better code has to hear that its time is up as well.
#[tokio::test]
async fn what_still_runs_on_baseline_code_is_cut_off_like_the_rest() {
    let marker = unseen();
    let builder =
        Host::builder().module("marked", &marked(marker)).manifest("marked", "[policy.retry]\nretries_max = 0\n");
    let host = builder.config("[modules]\ndrain_ms = 500\n").start().await;
    let sleeping = tokio::spawn({
        let (http, url) = (host.http.clone(), host.url("/marked/sleep/30000"));
        async move { http.get(&url).await }
    });
    host.in_flight("marked", 1).await;
    host.runs_optimised("marked").await;
    host.install("marked", &marked(marker + 1));
    host.answers("/marked/whole", 200, &marker_text(marker + 1)).await;
    let reply = sleeping.await.unwrap();
    assert!([502, 503].contains(&reply.status), "{reply}");
}

#[tokio::test]
async fn the_baseline_tier_can_be_left_out() {
    let config = "[engine]\ntiered_compile = false\n";
    let host = Host::builder().module("marked", &marked(unseen())).config(config).start().await;
    assert_eq!(host.service("marked").await.unwrap()["code"], "optimised");
}
