//! Storage that fails: afterwards the store works again, and what it said was true.

use std::collections::BTreeMap;
use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::disk::{Disk, Faults};
use super::*;

/// Sets a key as soon as that works again.
async fn set_in_time(store: &RedbStore, key: &str) {
    until("the store works again", async || match set(store, key, "v").await {
        Ok(()) => true,
        Err(error) => {
            assert!(error.is_retryable(), "{error:?}");
            false
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_fails_writes_and_nothing_else() {
    let disk = Disk::default();
    let store = open_on(&disk, &Config::default()).unwrap();
    set(&store, "before", "v").await.unwrap();
    let full = Faults { full: true, ..Faults::default() };
    for round in 0..3 {
        disk.set(full);
        for _ in 0..3 {
            let error = set(&store, "during", vec![7; 100_000]).await.unwrap_err();
            assert!(matches!(error, Error::Full { .. }), "round {round}: {error:?}");
            assert!(error.is_retryable());
            assert!(holds(&store, "before"));
            assert!(!holds(&store, "during"));
        }
        disk.set(Faults::default());
        set_in_time(&store, &format!("after {round}")).await;
    }
    let snapshot = store.snapshot();
    assert_eq!((snapshot.usage.keys, snapshot.state), (4, State::Open));
    assert!(snapshot.failed_total >= 9 && snapshot.reopened_total >= 3, "{snapshot:?}");
    drop(store);
    assert_eq!(usage(&open_on(&disk, &Config::default()).unwrap()).0, 4);
}

#[tokio::test]
async fn a_failed_read_brings_the_database_back() {
    let disk = Disk::default();
    let config = Config { cache_bytes_max: 1 << 20, ..Config::default() };
    let store = open_on(&disk, &config).unwrap();
    for i in 0..4 {
        // More than the cache holds.
        set(&store, &i.to_string(), vec![7; 1 << 20]).await.unwrap();
    }
    let get = |i: i32| store.get(&space("n"), "b", &i.to_string());
    disk.set(Faults { reads_fail: true, ..Faults::default() });
    assert!((0..4).any(|i| get(i).is_err()));
    // Reads and writes fail meanwhile, and say that it will pass.
    until("the database is given up", async || store.snapshot().state == State::Recovering).await;
    let error = get(0).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let error = set(&store, "0", "").await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");

    // No write is needed to bring it back.
    disk.set(Faults::default());
    until("reads work again", async || (0..4).all(|i| get(i).is_ok())).await;
    set_in_time(&store, "new").await;
    assert_eq!(usage(&store).0, 5);
}

#[tokio::test]
async fn a_failed_flush_leaves_the_outcome_open() {
    let disk = Disk::default();
    let store = open_on(&disk, &Config::default()).unwrap();
    disk.set(Faults { flushes_fail: true, ..Faults::default() });
    let error = set(&store, "k", "v").await.unwrap_err();
    assert!(matches!(error, Error::Unsettled { .. }), "{error:?}");
    assert!(!error.is_retryable());
    disk.set(Faults::default());
    set_in_time(&store, "new").await;
}

/// Writers on a disk that goes bad at a random moment. Returns what each key's value must be, or may be.
async fn write_until_it_breaks(store: Arc<RedbStore>, keys: usize) -> BTreeMap<String, Vec<i64>> {
    let tasks: Vec<_> = (0..keys)
        .map(|i| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let key = format!("{i}");
                let mut possible = vec![0];
                for number in 1..20 {
                    let b = bucket();
                    let padding = vec![7; (i * 997 + number as usize * 331) % 3000];
                    let batch = vec![
                        Op::increment(&b, key.clone(), 1),
                        Op::set(&b, format!("{key} padding {number}"), padding),
                        Op::increment(&b, format!("{key} twin"), 1),
                    ];
                    match apply(&*store, batch).await {
                        Ok(_) => possible = vec![number],
                        Err(Error::Unsettled { .. }) => {
                            possible = vec![number - 1, number];
                            break;
                        }
                        Err(error) => {
                            assert!(error.is_retryable(), "{error:?}");
                            break;
                        }
                    }
                }
                (key, possible)
            })
        })
        .collect();
    let mut expected = BTreeMap::new();
    for task in tasks {
        let (key, possible) = task.await.unwrap();
        expected.insert(key, possible);
    }
    expected
}

fn verify(store: &RedbStore, expected: &BTreeMap<String, Vec<i64>>, seed: u64) {
    let number = |key: &str| -> i64 {
        let entry = store.get(&space("n"), "b", key).unwrap();
        entry.map_or(0, |entry| str::from_utf8(&entry.value).unwrap().parse().unwrap())
    };
    let mut keys = 0;
    for (key, possible) in expected {
        let found = number(key);
        assert!(possible.contains(&found), "seed {seed}: {key} is {found}, not in {possible:?}");
        assert_eq!(number(&format!("{key} twin")), found, "seed {seed}: a torn batch");
        keys += if found > 0 { 2 + found as u64 } else { 0 };
    }
    assert_eq!(usage(store).0, keys, "seed {seed}");
}

/// A store on a disk that dies at some operation out of those that a sound run takes, for `len` operations.
fn doomed(rng: &mut StdRng, len: u64) -> (Disk, Arc<RedbStore>) {
    let disk = Disk::default();
    let store = Arc::new(open_on(&disk, &Config::default()).unwrap());
    let from = disk.operations() + rng.random_range(1..400);
    disk.set(Faults { dead: (from, from.saturating_add(len)), ..Faults::default() });
    (disk, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_power_cut() {
    for seed in 0..150 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (disk, store) = doomed(&mut rng, u64::MAX);
        let expected = write_until_it_breaks(store, 5).await;
        let disk = disk.after_power_cut(&mut rng);
        let store = open_on(&disk, &Config::default()).unwrap();
        verify(&store, &expected, seed);
        assert_eq!(store.snapshot().corrected_total, 0, "seed {seed}");
        set(&store, "more", "v").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_not_to_be_applied_is_not() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let len = rng.random_range(1..30);
        let (disk, store) = doomed(&mut rng, len);
        let expected = write_until_it_breaks(Arc::clone(&store), 5).await;
        disk.set(Faults::default());
        until("the store works again", async || {
            store.snapshot().state == State::Open && store.usage(&space("n")).is_ok()
        })
        .await;
        verify(&store, &expected, seed);
    }
}

/// The same on a real file system that is really full.
#[tokio::test]
async fn a_full_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "hostel-test"]).arg(dir.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a small tmpfs needs root");
        return;
    }
    struct Mount<'a>(&'a Path);
    impl Drop for Mount<'_> {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(self.0).status();
        }
    }
    let mount = Mount(dir.path());
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![7; 4 << 20]).unwrap();

    let store = RedbStore::open(&config(dir.path())).unwrap();
    let mut written = 0;
    let error = loop {
        match set(&store, &written.to_string(), vec![7; 100_000]).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100, "never full");
    };
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("no space left") && text.contains("kv.redb"), "{text}");
    for _ in 0..5 {
        set(&store, "more", vec![7; 1 << 20]).await.unwrap_err();
        assert_eq!(usage(&store).0, written, "reads go on");
    }
    std::fs::remove_file(&ballast).unwrap();
    set_in_time(&store, "after").await;
    assert_eq!(usage(&store).0, written + 1);
    drop(store);
    let store = RedbStore::open(&config(dir.path())).unwrap();
    assert_eq!(usage(&store).0, written + 1);
    drop(store);
    drop(mount);
}
