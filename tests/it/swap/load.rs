//! At least 20 swaps while at least 100,000 requests run: none fails, none is served by a half of each version.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::alone;
use crate::harness::guests::{LEAN_BARE, marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::{Client, get, with};
use crate::harness::load::Load;
use crate::harness::reply::Reply;

const REQUESTS: u64 = 100_000;
const SWAPS: u32 = 20;
const LIMIT: Duration = Duration::from_secs(420);
const WORKERS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_fail_no_request_and_mix_no_versions() {
    let _alone = alone::alone();
    let host = Host::builder().module("marked", &marked(0)).guest(&LEAN_BARE).start().await;
    let latest = Arc::new(AtomicU32::new(0));
    let load = load(&host, Arc::clone(&latest));
    let start = Instant::now();
    let mut swaps = 0;
    while load.done() < REQUESTS || swaps < SWAPS {
        assert!(start.elapsed() < LIMIT, "{} requests and {swaps} swaps in {LIMIT:?}", load.done());
        let marker = swaps + 1;
        // Before it is installed: from here on it may be seen.
        latest.store(marker, Ordering::SeqCst);
        let done = load.done();
        host.install("marked", &marked(marker));
        host.answers("/marked/whole", 200, &marker_text(marker)).await;
        swaps = marker;
        assert!(load.done() > done, "no request ran while a version was replaced");
    }
    let outcome = load.stop().await;
    println!("{} requests, {swaps} swaps, p99 {:?}", outcome.done, outcome.percentile(99.0));
    outcome.expect_no_failure();
    assert!(outcome.done >= REQUESTS && swaps >= SWAPS);

    let metrics = host.metrics().await;
    let swapped = metrics.sum("hostel_module_swaps_total", &[("service", "marked"), ("result", "ok")]);
    assert_eq!(swapped, f64::from(swaps + 1), "every version served, the first included");
    let errors = host.logs.matching(|event| ["error", "warn"].contains(&&*event.level()));
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Most workers ask for whole answers over HTTP/1.1, some for streams with trailers over HTTP/2, some through another
/// service.
fn load(host: &Host, latest: Arc<AtomicU32>) -> Load {
    let edge = host.edge;
    let (h1, h2) = (Client::h1(edge), Client::h2(edge));
    // What each worker saw last: a version that was replaced does not come back.
    let seen: Arc<Vec<AtomicU32>> = Arc::new((0..WORKERS).map(|_| AtomicU32::new(0)).collect());
    Load::start(WORKERS, Duration::ZERO, move |worker| {
        let (h1, h2, latest, seen) = (h1.clone(), h2.clone(), Arc::clone(&latest), Arc::clone(&seen));
        async move {
            let (client, path, pieces) = match worker % 6 {
                0 => (h2, "/marked/stream/4/1", 4),
                1 => (h2, "/lean-bare/call/marked/stream/3/1", 3),
                2 => (h1, "/lean-bare/call/marked/whole", 64),
                _ => (h1, "/marked/whole", 64),
            };
            let request = with(get(&format!("http://{edge}{path}")), "te", "trailers");
            let reply = client.try_send(request).await.map_err(|error| error.to_string())?;
            let marker = check(&reply, pieces).map_err(|what| format!("{path}: {what}: {reply}"))?;
            let before = seen[worker].swap(marker, Ordering::SeqCst);
            if marker < before {
                return Err(format!("version {before}, and then {marker} again"));
            }
            let latest = latest.load(Ordering::SeqCst);
            (marker <= latest).then_some(()).ok_or_else(|| format!("version {marker} of {latest}"))
        }
    })
}

/// All parts of the reply have to be of one version; says which.
fn check(reply: &Reply, pieces: usize) -> Result<u32, &'static str> {
    if reply.status != 200 {
        return Err("the status");
    }
    let marker = reply.header("x-marker");
    let number = marker.strip_prefix("marker:").and_then(|rest| rest.strip_suffix(';'));
    let number = number.and_then(|number| number.parse().ok()).ok_or("no marker")?;
    if reply.text() != marker.repeat(pieces) {
        return Err("the body is of another version than the headers, or not whole");
    }
    if pieces < 64 && reply.trailer("x-marker") != marker {
        return Err("the trailers are of another version");
    }
    Ok(number)
}
