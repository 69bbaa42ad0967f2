//! `kill -9` in the middle of writing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use rand::Rng;

use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::{full, request};
use crate::harness::wait::eventually;

const WRITERS: u64 = 32;

/// What was acknowledged: the number each key was last set to. A key belongs to one writer.
type Acknowledged = Arc<Mutex<BTreeMap<u64, u64>>>;

/// Every write that was answered is there after the crash; and a value is one that somebody wrote, or was about to.
#[tokio::test]
async fn ten_thousand_acknowledged_writes_survive_a_kill() {
    survive(10_000).await;
}

/// Earlier in the life of the store, where files are made and grow.
#[tokio::test]
async fn a_few_writes_survive_many_kills() {
    for _ in 0..5 {
        survive(rand::random_range(1..200)).await;
    }
}

async fn survive(writes: u64) {
    let mut host = Host::with(&[&ECHO]).await;
    let acknowledged = Acknowledged::default();
    let count = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(host.http.clone(), host.edge, writer, acknowledged.clone(), count.clone())))
        .collect();
    // Not at a round number, nor when the host happens to be idle.
    let end = writes + rand::rng().random_range(0..=writes / 10 + 1);
    eventually("the writes are acknowledged", Duration::from_secs(120), async || {
        let now = count.load(Ordering::Relaxed);
        (now >= end).then_some(()).ok_or_else(|| now.to_string())
    })
    .await;
    host.process.kill();
    join_all(writers).await;

    let host = host.again().start().await;
    let acknowledged = acknowledged.lock().unwrap().clone();
    let total = count.load(Ordering::Relaxed);
    assert!(total >= writes, "{total} writes");
    let lost: Vec<String> = futures::stream::iter(acknowledged)
        .map(|(key, value)| {
            let host = &host;
            async move {
                let found = host.value("echo", "crash", &key.to_string()).await;
                // The next write to the key may have been done without its answer getting out.
                let good = [value, value + 1].map(|value| Some(text(key, value)));
                (!good.contains(&found)).then(|| format!("{key}: {value} became {found:?}"))
            }
        })
        .buffer_unordered(32)
        .filter_map(async |lost| lost)
        .collect()
        .await;
    assert!(lost.is_empty(), "of {total} writes: {lost:?}");
}

/// Sets keys of its own, some of them again and again, until the host is gone.
async fn write(
    http: crate::harness::http::Client,
    edge: std::net::SocketAddr,
    writer: u64,
    acknowledged: Acknowledged,
    count: Arc<AtomicU64>,
) {
    for round in 0.. {
        // Nine new keys, and then the first of all once more.
        let key = writer + WRITERS * if round % 10 == 9 { 0 } else { round };
        let value = acknowledged.lock().unwrap().get(&key).map_or(0, |last| last + 1);
        let url = format!("http://{edge}/echo/kv/crash/{key}");
        let reply = http.try_send(request("PUT", &url, full(text(key, value)))).await;
        match reply {
            Ok(reply) => {
                reply.expect(204);
                acknowledged.lock().unwrap().insert(key, value);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => return,
        }
    }
}

fn text(key: u64, value: u64) -> String {
    format!("{key}={value} {}", "x".repeat(50))
}
