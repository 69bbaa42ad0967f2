//! What a version or an instance held is given back.

use std::time::Duration;

use crate::harness::alone;
use crate::harness::guests::{HOSTILE, HOSTILE_LEAN, HOSTILE2, marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::load::Load;
use crate::harness::tiny;
use crate::harness::wait::eventually;

const SWAPS: u32 = 200;
/// Until allocator and pools have what they will keep.
const WARM_UP_SWAPS: u32 = 30;
/// Few components, so that they are compiled only once; each swap maps and starts one anew all the same.
const VERSIONS: u32 = 4;

#[tokio::test]
async fn memory_is_back_after_two_hundred_swaps() {
    let _alone = alone::alone();
    let versions: Vec<Vec<u8>> = (0..VERSIONS).map(marked).collect();
    let host = Host::builder().module("marked", &versions[0]).start().await;
    let mut marker = 0;
    let mut swap = async || {
        marker = (marker + 1) % VERSIONS;
        host.install("marked", &versions[marker as usize]);
        host.answers("/marked/whole", 200, &marker_text(marker)).await;
    };
    // What the compiler leaves behind is not what is measured here.
    for _ in 0..VERSIONS {
        swap().await;
        host.runs_optimised("marked").await;
    }
    let (client, url) = (Client::h1(host.edge), host.url("/marked/whole"));
    // So that each version has something to do, and several instances.
    let load = Load::start(4, Duration::from_millis(2), move |_| {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let reply = client.try_send(crate::harness::http::get(&url)).await;
            let reply = reply.map_err(|error| error.to_string())?;
            (reply.status == 200).then_some(()).ok_or_else(|| reply.to_string())
        }
    });
    for _ in 0..WARM_UP_SWAPS {
        swap().await;
    }
    let before = held(&host);
    for _ in 0..SWAPS {
        swap().await;
    }
    load.stop().await.expect_no_failure();
    is_back(&host, &before, &format!("after {SWAPS} swaps")).await;
}

/// Nor does what never served: whatever was made of it goes with it.
#[tokio::test]
async fn versions_that_are_refused_leave_nothing_behind() {
    const ROUNDS: usize = 20;
    let _alone = alone::alone();
    let good = marked(1);
    let refused = ["start-trap", "start-eat", "unknown-import", "core-module"].map(tiny::bad);
    let host = Host::builder().module("marked", &good).start().await;
    host.runs_optimised("marked").await;
    let mut failures = 0.0;
    let mut round = async || {
        for wasm in &refused {
            failures += 1.0;
            host.install("marked", wasm);
            eventually("it is refused", Duration::from_secs(20), async || {
                let labels = [("service", "marked"), ("result", "failed")];
                let now = host.metrics().await.sum("hostel_module_swaps_total", &labels);
                (now >= failures).then_some(()).ok_or_else(|| format!("{now} of {failures}"))
            })
            .await;
        }
        host.answers("/marked/whole", 200, &marker_text(1)).await;
    };
    for _ in 0..3 {
        round().await;
    }
    let before = held(&host);
    for _ in 0..ROUNDS {
        round().await;
    }
    is_back(&host, &before, &format!("after {} refused versions", ROUNDS * refused.len())).await;
}

/// Nor do instances that end badly.
#[tokio::test]
async fn instances_that_fail_leave_nothing_behind() {
    let _alone = alone::alone();
    let manifest = "[limits]\nmemory_mib = 64\ncpu_ms = 500\n";
    let mut builder = Host::builder();
    for guest in [&HOSTILE, &HOSTILE2, &HOSTILE_LEAN] {
        builder = builder.guest(guest).manifest(guest.name, manifest);
    }
    let host = builder.start().await;
    for guest in [&HOSTILE, &HOSTILE2, &HOSTILE_LEAN] {
        host.runs_optimised(guest.name).await;
    }
    let fail = async |times: usize| {
        for path in ["/hostile/trap", "/hostile/eat", "/hostile/recurse", "/hostile2/trap", "/hostile-lean/panic"] {
            for _ in 0..times {
                let reply = host.get(path).await;
                // Those that fail all the time have to wait for a new instance.
                assert!([200, 502, 503].contains(&reply.status), "{path}: {reply}");
            }
        }
    };
    fail(20).await;
    let before = held(&host);
    fail(100).await;
    is_back(&host, &before, "after 500 failures").await;
}

/// Waits until the host holds no more than it did before, within 10 %.
async fn is_back(host: &Host, before: &Held, when: &str) {
    let what = format!("{when} the host holds what it held before, {before:?}");
    let after = eventually(&what, Duration::from_secs(60), async || {
        let now = held(host);
        let back = now.resident_kib <= before.resident_kib * 110 / 100 && now.files <= before.files + 8;
        if back { Ok(now) } else { Err(format!("{now:?}")) }
    })
    .await;
    println!("{when}: {before:?} before, {after:?} now");
}

/// What runs seldom takes no memory between, and answers all the same.
#[tokio::test]
async fn the_code_of_a_service_that_idles_is_not_kept_in_memory() {
    let manifest = "[instances]\nidle_s = 1\n";
    let host = Host::builder().module("marked", &marked(7)).manifest("marked", manifest).start().await;
    for _ in 0..2 {
        host.runs_optimised("marked").await;
        host.answers("/marked/whole", 200, &marker_text(7)).await;
        assert!(code_kib(&host) > 0, "it has just run");
        host.service_is("marked", "it idles", |service| service["instances"] == 0).await;
        eventually("its code is out of memory", Duration::from_secs(10), async || match code_kib(&host) {
            0 => Ok(()),
            kib => Err(format!("{kib} KiB")),
        })
        .await;
    }
}

/// How much compiled code of the cache the host has in memory. Memories of instances begin as parts of such files, too; those
/// can be written.
pub fn code_kib(host: &Host) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{}/smaps", host.process.pid())).unwrap();
    let (mut of_cache, mut sum) = (false, 0);
    for line in maps.lines() {
        match line.strip_prefix("Rss:") {
            Some(rest) if of_cache => sum += rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap(),
            None if line.contains(" r--p ") || line.contains(" r-xp ") => of_cache = line.ends_with(".cwasm"),
            None if line.contains("p 0") => of_cache = false,
            _ => {}
        }
    }
    sum
}

#[derive(Debug)]
struct Held {
    resident_kib: u64,
    files: usize,
}

fn held(host: &Host) -> Held {
    let proc = format!("/proc/{}", host.process.pid());
    let status = std::fs::read_to_string(format!("{proc}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Held {
        resident_kib: kib.and_then(|kib| kib.parse().ok()).expect("a size in kB"),
        files: std::fs::read_dir(format!("{proc}/fd")).unwrap().count(),
    }
}
