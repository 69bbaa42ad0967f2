//! What a version held is given back.

use std::time::Duration;

use crate::harness::alone;
use crate::harness::guests::{marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::Client;
use crate::harness::load::Load;
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
    let what = format!("after {SWAPS} swaps the host holds what it held before, {before:?}");
    let after = eventually(&what, Duration::from_secs(60), async || {
        let now = held(&host);
        let back = now.resident_kib <= before.resident_kib * 110 / 100 && now.files <= before.files + 8;
        if back { Ok(now) } else { Err(format!("{now:?}")) }
    })
    .await;
    println!("before {before:?}, after {after:?}");
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
