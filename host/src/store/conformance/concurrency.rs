//! Many writers at once, and the end of the store.

use std::sync::Arc;

use super::{apply, bucket, get, set, space, swap, text, usage};
use crate::store::{Error, Expected, Op, Quota, State, Store};

const WRITERS: usize = 32;

/// Runs `work` as [`WRITERS`] tasks at once.
async fn at_once<F, T>(work: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..WRITERS).map(|i| tokio::spawn(work(i))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

pub(in crate::store) async fn concurrent_increments(store: Arc<dyn Store>) {
    const EACH: i64 = 25;
    at_once(|i| {
        let store = Arc::clone(&store);
        async move {
            for _ in 0..EACH {
                let (b, mine) = (bucket(), format!("own-{i}"));
                let batch = vec![Op::increment(&b, "shared", 1), Op::increment(&b, mine, 1)];
                apply(&*store, batch).await.unwrap();
            }
        }
    })
    .await;
    let sum = WRITERS as i64 * EACH;
    assert_eq!(text(&*store, "shared"), Some(sum.to_string()));
    for i in 0..WRITERS {
        assert_eq!(text(&*store, &format!("own-{i}")), Some(EACH.to_string()));
    }
}

pub(in crate::store) async fn contended_swaps(store: Arc<dyn Store>) {
    const EACH: usize = 5;
    let lost = at_once(|_| {
        let store = Arc::clone(&store);
        async move {
            let mut lost = 0;
            for _ in 0..EACH {
                let mut current = get(&*store, "k");
                loop {
                    let number: usize =
                        current.as_ref().map_or(0, |entry| str::from_utf8(&entry.value).unwrap().parse().unwrap());
                    let expected = Expected::observed(current.as_ref());
                    match swap(&*store, "k", expected, &(number + 1).to_string()).await {
                        Ok(_) => break,
                        Err(Error::Conflict { current: now, .. }) => current = now,
                        Err(error) => panic!("{error:?}"),
                    }
                    lost += 1;
                }
            }
            lost
        }
    })
    .await;
    assert_eq!(text(&*store, "k"), Some((WRITERS * EACH).to_string()));
    assert_eq!(store.snapshot().refused_total, lost.iter().sum::<u64>());
}

pub(in crate::store) async fn quota_holds_under_concurrency(store: Arc<dyn Store>) {
    let quota = Quota { keys_max: 10, ..Quota::UNLIMITED };
    let results = at_once(|i| {
        let store = Arc::clone(&store);
        async move {
            let batch = vec![Op::set(&bucket(), i.to_string(), "v")];
            store.apply(&space("n"), batch, quota).await
        }
    })
    .await;
    let applied = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(applied, 10);
    for result in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(matches!(result, Error::QuotaKeys { keys: 11, .. }), "{result:?}");
    }
    assert_eq!(usage(&*store).0, 10);
}

pub(in crate::store) async fn snapshot_and_close(store: Arc<dyn Store>) {
    set(&*store, "k", b"value").await;
    swap(&*store, "k", Expected::Absent, "x").await.unwrap_err();
    let other = vec![Op::set(&bucket(), "k", "1")];
    store.apply(&space("other"), other, Quota::default()).await.unwrap();
    let snapshot = store.snapshot();
    assert_eq!(snapshot.state, State::Open);
    assert_eq!((snapshot.namespaces, snapshot.usage.keys, snapshot.usage.bytes), (2, 2, 8));
    assert_eq!((snapshot.applied_total, snapshot.refused_total), (2, 1));
    assert_eq!((snapshot.queue_len, snapshot.failed_total), (0, 0));

    store.close().await;
    store.close().await;
    assert_eq!(store.snapshot().state, State::Closed);
    let n = space("n");
    assert!(matches!(store.get(&n, "b", "k"), Err(Error::Closed)));
    assert!(matches!(store.list_keys(&n, "b", None, 1), Err(Error::Closed)));
    let late = apply(&*store, vec![Op::delete(&bucket(), "k")]).await;
    assert!(matches!(late, Err(Error::Closed)));
}
