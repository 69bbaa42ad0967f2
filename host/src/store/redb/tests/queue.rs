//! The queue: grouping, its bounds, callers that leave.

use super::disk::{Disk, Faults};
use super::*;

const HANG: Faults = Faults { full: false, reads_fail: false, flushes_fail: false, flushes_hang: true, dead: (0, 0) };

type Task = tokio::task::JoinHandle<Result<(), Error>>;

fn spawn_set(store: &Arc<RedbStore>, key: &str, value: Vec<u8>) -> Task {
    let (store, key) = (Arc::clone(store), key.to_owned());
    tokio::spawn(async move { set(&store, &key, value).await })
}

/// A store whose writer hangs in the commit of one batch.
async fn hanging(config: &Config) -> (Disk, Arc<RedbStore>, Task) {
    let disk = Disk::default();
    let store = Arc::new(open_on(&disk, config).unwrap());
    disk.set(HANG);
    let operations = disk.operations();
    let first = spawn_set(&store, "first", b"v".to_vec());
    until("the commit begins", async || disk.operations() > operations).await;
    (disk, store, first)
}

#[tokio::test]
async fn what_queues_during_a_commit_shares_the_next() {
    let (disk, store, first) = hanging(&config(Path::new(""))).await;
    let tasks: Vec<_> = (0..200).map(|i| spawn_set(&store, &i.to_string(), vec![])).collect();
    until("all queued", async || store.snapshot().queue_len == 201).await;
    // Nobody is told anything, and nobody sees anything, before it is on disk; reads go on.
    assert!(!first.is_finished());
    assert!(!holds(&store, "first"));
    disk.set(Faults::default());
    first.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let snapshot = store.snapshot();
    assert_eq!((snapshot.applied_total, snapshot.commits_total), (201, 2));
    assert!(snapshot.commit_us_total >= snapshot.commit_us_max && snapshot.commit_us_max > 0);
}

#[tokio::test]
async fn a_group_has_a_bound() {
    let config = Config { group_len_max: 50, ..config(Path::new("")) };
    let (disk, store, first) = hanging(&config).await;
    let tasks: Vec<_> = (0..200).map(|i| spawn_set(&store, &i.to_string(), vec![])).collect();
    until("all queued", async || store.snapshot().queue_len == 201).await;
    disk.set(Faults::default());
    first.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.snapshot().commits_total, 5);
}

/// One batch of a group that fails does not take the others with it.
#[tokio::test]
async fn a_batch_fails_alone() {
    let (disk, store, first) = hanging(&config(Path::new(""))).await;
    let before = spawn_set(&store, "a", b"x".to_vec());
    until("queued", async || store.snapshot().queue_len == 2).await;
    let bad = {
        let store = Arc::clone(&store);
        // Sees what the batch before it in the same group did.
        let batch = vec![Op::set(&bucket(), "bad", "1"), Op::increment(&bucket(), "a", 1)];
        tokio::spawn(async move { apply(&*store, batch).await })
    };
    until("queued", async || store.snapshot().queue_len == 3).await;
    let after = spawn_set(&store, "b", b"y".to_vec());
    until("queued", async || store.snapshot().queue_len == 4).await;
    assert!(!bad.is_finished());
    disk.set(Faults::default());
    first.await.unwrap().unwrap();
    before.await.unwrap().unwrap();
    after.await.unwrap().unwrap();
    let error = bad.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::NotANumber { op: 1 }), "{error:?}");
    assert!(holds(&store, "a") && holds(&store, "b") && !holds(&store, "bad"));
    let snapshot = store.snapshot();
    assert_eq!((snapshot.applied_total, snapshot.refused_total, snapshot.commits_total), (3, 1, 2));
    assert_eq!(usage(&*store), (3, 6 + 2 + 2));
}

#[tokio::test]
async fn a_full_queue_makes_writers_wait() {
    let config = Config { queue_len_max: 3, ..config(Path::new("")) };
    let (disk, store, first) = hanging(&config).await;
    let tasks: Vec<_> = (0..10).map(|i| spawn_set(&store, &i.to_string(), vec![])).collect();
    until("the queue fills", async || store.snapshot().queue_len == 3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(store.snapshot().queue_len, 3);
    disk.set(Faults::default());
    first.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.snapshot().queue_len, 0);
    assert_eq!(usage(&*store).0, 11);
}

#[tokio::test]
async fn the_queue_has_a_bound_in_bytes() {
    let config = Config { queue_bytes_max: 32 << 20, ..config(Path::new("")) };
    let (disk, store, first) = hanging(&config).await;
    let half = || vec![7; 15 << 20];
    let large = [spawn_set(&store, "1", half()), spawn_set(&store, "2", half())];
    until("the queue fills", async || store.queue_units.available_permits() < 3000).await;
    let third = spawn_set(&store, "3", half());
    let small = spawn_set(&store, "small", vec![]);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!third.is_finished());
    disk.set(Faults::default());
    for task in large.into_iter().chain([first, third, small]) {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.queue_units.available_permits(), 32 << 10);
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_is_not_served() {
    let (disk, store, first) = hanging(&config(Path::new(""))).await;
    let leaving = spawn_set(&store, "leaving", vec![]);
    let staying = spawn_set(&store, "staying", vec![]);
    until("queued", async || store.snapshot().queue_len == 3).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    // One whose batch is being committed leaves too, but that is decided.
    first.abort();
    let _ = first.await;
    disk.set(Faults::default());
    staying.await.unwrap().unwrap();
    assert!(holds(&store, "first") && holds(&store, "staying") && !holds(&store, "leaving"));
    assert_eq!(store.snapshot().abandoned_total, 1);
}

#[tokio::test]
async fn closing_answers_everyone() {
    let config = Config { queue_len_max: 3, ..config(Path::new("")) };
    let (disk, store, first) = hanging(&config).await;
    let tasks: Vec<_> = (0..6).map(|i| spawn_set(&store, &i.to_string(), vec![])).collect();
    until("the queue fills", async || store.snapshot().queue_len == 3).await;
    let closing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.close().await })
    };
    // Those that had not been let in are sent away at once, those inside are served.
    until("turned away", async || tasks.iter().filter(|task| task.is_finished()).count() == 4).await;
    assert!(!closing.is_finished());
    assert_eq!(store.snapshot().state, State::Open);
    disk.set(Faults::default());
    closing.await.unwrap();
    first.await.unwrap().unwrap();
    let mut served = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => served += 1,
            Err(error) => assert!(matches!(error, Error::Closed), "{error:?}"),
        }
    }
    assert_eq!(served, 2);
    drop(store);
    assert_eq!(usage(&open_on(&disk, &Config::default()).unwrap()).0, 3);
}
