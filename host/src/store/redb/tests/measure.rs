//! Numbers, not a test: `cargo test --release -p hostel --lib store::redb::tests::measure -- --ignored --nocapture`

use super::*;

/// A directory on the disk under test: the variable, or where temporary files go.
fn directory() -> tempfile::TempDir {
    match std::env::var_os("HOSTEL_MEASURE_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

fn print_latencies(what: &str, took: Duration, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
    let per_second = latencies.len() as f64 / took.as_secs_f64();
    println!("{what}: {per_second:.0}/s, p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
}

#[ignore = "measures and asserts nothing; run it with --release -- --ignored --nocapture"]
#[test]
fn measure() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let dir = directory();
        let store = Arc::new(RedbStore::open(&config(dir.path())).unwrap());
        for writers in [1, 64, 512] {
            let before = store.snapshot();
            let started = Instant::now();
            let tasks: Vec<_> = (0..writers)
                .map(|writer| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move {
                        let mut latencies = Vec::new();
                        while started.elapsed() < Duration::from_secs(5) {
                            let key = format!("{writer}-{}", latencies.len() % 1000);
                            let begun = Instant::now();
                            set(&store, &key, vec![7; 100]).await.unwrap();
                            latencies.push(begun.elapsed());
                        }
                        latencies
                    })
                })
                .collect();
            let mut latencies = Vec::new();
            for task in tasks {
                latencies.extend(task.await.unwrap());
            }
            print_latencies(&format!("set, {writers} writers"), started.elapsed(), latencies);
            let after = store.snapshot();
            let commits = after.commits_total - before.commits_total;
            println!(
                "  {commits} commits, {:.1} batches each, mean {} us",
                (after.applied_total - before.applied_total) as f64 / commits as f64,
                (after.commit_us_total - before.commit_us_total) / commits,
            );
        }

        for begin in (0..100_000).step_by(500) {
            let b = bucket();
            let batch = (begin..begin + 500).map(|i| Op::set(&b, format!("bulk{i:06}"), vec![7; 100]));
            apply(&*store, batch.collect()).await.unwrap();
        }
        let (n, count) = (space("n"), 200_000);
        let mut latencies = Vec::with_capacity(count);
        let started = Instant::now();
        for i in 0..count {
            let key = format!("bulk{:06}", i * 7919 % 100_000);
            let begun = Instant::now();
            assert!(store.get(&n, "b", &key).unwrap().is_some());
            latencies.push(begun.elapsed());
        }
        print_latencies("get, 100,000 keys", started.elapsed(), latencies);

        let started = Instant::now();
        let mut latencies = Vec::new();
        let mut after = None;
        loop {
            let begun = Instant::now();
            let page = store.list_keys(&n, "b", after.as_deref(), 1000).unwrap();
            latencies.push(begun.elapsed());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        print_latencies("list, pages of 1,000 keys", started.elapsed(), latencies);
        store.close().await;
    });
}
