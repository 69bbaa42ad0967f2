//! What a host finds again when it is started anew.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::alone;
use crate::harness::builder::Builder;
use crate::harness::guests::{ECHO, PYTHON_HELLO, marked, marker_text};
use crate::harness::host::Host;
use crate::harness::http::{full, request};

/// A host whose cache is its own, as it is for everybody but the tests.
fn with_a_cache_of_its_own() -> Builder {
    let builder = Host::builder();
    let cache = builder.data().join("cache");
    builder.environment("HOSTEL_ENGINE_CACHE_DIR", cache.to_str().unwrap())
}

fn entries(host: &Host) -> Vec<PathBuf> {
    let entries = fs::read_dir(host.data().join("cache")).expect("there is a cache");
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_some_and(|extension| extension == "cwasm"));
    entries
}

#[tokio::test]
async fn data_survives_an_orderly_stop() {
    let mut host = Host::with(&[&ECHO]).await;
    let url = host.url("/echo/kv/b/k");
    host.http.send(request("PUT", &url, full("kept"))).await.expect(204);
    assert_eq!(host.stop().await.code(), Some(0));
    let host = host.again().start().await;
    assert_eq!(host.get("/echo/kv/b/k").await.expect(200).text(), "kept");
}

/// Compiling Python takes seconds; loading it from the cache must not.
#[tokio::test]
async fn compiled_modules_survive_a_restart() {
    let _alone = alone::alone();
    let start = Instant::now();
    let mut host = with_a_cache_of_its_own().guest(&PYTHON_HELLO).ready_within(Duration::from_secs(180)).start().await;
    let first = start.elapsed();
    host.runs_optimised("python-hello").await;
    assert_eq!(entries(&host).len(), 1);
    host.stop().await;
    let start = Instant::now();
    let host = host.again().start().await;
    let second = start.elapsed();
    assert!(second < first / 2, "{first:?}, and then {second:?}");
    host.get("/python-hello/hello/again").await.expect(200);
    assert_eq!(entries(&host).len(), 1);
}

#[tokio::test]
async fn a_damaged_entry_is_compiled_again() {
    let mut host = with_a_cache_of_its_own().guest(&ECHO).start().await;
    host.runs_optimised("echo").await;
    host.stop().await;
    let entry = entries(&host).pop().expect("an entry");
    let good = fs::read(&entry).unwrap();
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        bad
    };
    let mut again = host.again();
    for bad in [Vec::new(), good[..good.len() / 2].to_vec(), flipped(0), flipped(good.len() / 2), vec![0; good.len()]] {
        fs::write(&entry, &bad).unwrap();
        let mut host = again.start().await;
        host.get("/echo/hello/x").await.expect(200);
        host.logs("the log says so", |event| event.level() == "warn" && event.contains("damaged")).await;
        host.runs_optimised("echo").await;
        host.stop().await;
        assert!(fs::read(&entry).unwrap() != bad, "it is replaced");
        again = host.again();
    }
    // A whole one is not touched.
    let written = fs::metadata(&entry).unwrap().len();
    let mut host = again.start().await;
    host.stop().await;
    assert_eq!(fs::metadata(&entry).unwrap().len(), written);
    assert!(!host.logs.events().iter().any(|event| event.contains("damaged")));
}

/// A cache that cannot be written makes the next start slow, and nothing else.
#[tokio::test]
async fn a_cache_that_cannot_be_written() {
    let host = with_a_cache_of_its_own().start().await;
    // A file where the folder was, so that not even root can write into it.
    let cache = host.data().join("cache");
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "a file").unwrap();
    host.install("marked", &marked(5));
    host.answers("/marked/whole", 200, &marker_text(5)).await;
    host.logs("the log says so", |event| event.level() == "warn" && event.contains("cache")).await;
}
