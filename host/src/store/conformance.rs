//! What every [`Store`] does: one case, one function. `conformance!` makes tests of them for one implementation.

use std::sync::Arc;

use super::{Effect, Entry, Error, Expected, Namespace, Op, Outcome, Quota, Store, Usage, Version};

mod concurrency;
mod quotas;
mod reads;
mod writes;

pub(super) use self::{concurrency::*, quotas::*, reads::*, writes::*};

/// Makes a module's worth of tests; `$make` is a function that returns an empty store, and whatever has to outlive it.
macro_rules! conformance {
    ($make:path) => {
        conformance!($make:
            set_get_delete, batches_are_atomic, batches_apply_in_order, increments, expectations,
            versions_never_return, quota_of_keys, quota_of_bytes, quota_lowered, sizes, odd_names,
            namespaces_and_buckets_are_apart, paging, paging_across_changes, many_at_once,
            large_values, concurrent_increments, contended_swaps, quota_holds_under_concurrency,
            snapshot_and_close
        );
    };
    ($make:path: $($case:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (_held, store) = $make();
                crate::store::conformance::$case(store).await;
            }
        )+
    };
}
pub(super) use conformance;

pub(super) fn space(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

pub(super) fn bucket() -> Arc<str> {
    "b".into()
}

pub(super) async fn apply(store: &dyn Store, batch: Vec<Op>) -> Result<Outcome, Error> {
    store.apply(&space("n"), batch, Quota::UNLIMITED).await
}

async fn set(store: &dyn Store, key: &str, value: &[u8]) -> Version {
    let op = Op::set(&bucket(), key, value.to_vec());
    match apply(store, vec![op]).await.unwrap().effects[..] {
        [Effect::Set(version)] => version,
        ref other => panic!("{other:?}"),
    }
}

fn get(store: &dyn Store, key: &str) -> Option<Entry> {
    store.get(&space("n"), "b", key).unwrap()
}

fn text(store: &dyn Store, key: &str) -> Option<String> {
    get(store, key).map(|entry| String::from_utf8(entry.value.to_vec()).unwrap())
}

pub(super) fn usage(store: &dyn Store) -> (u64, u64) {
    let Usage { keys, bytes } = store.usage(&space("n")).unwrap();
    (keys, bytes)
}

/// All keys of a bucket, in pages of `limit`.
pub(super) fn list(store: &dyn Store, namespace: &str, bucket: &str, limit: usize) -> Vec<String> {
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_keys(&space(namespace), bucket, after.as_deref(), limit);
        let page = page.unwrap();
        assert!(page.keys.len() <= limit);
        keys.extend(page.keys);
        match page.next {
            Some(next) => after = Some(next),
            None => return keys,
        }
    }
}

/// Sets `key` to `value` if it is as expected.
async fn swap(store: &dyn Store, key: &str, expected: Expected, value: &str) -> Result<Outcome, Error> {
    let b = bucket();
    let batch = vec![Op::expect(&b, key, expected), Op::set(&b, key, value.to_owned())];
    apply(store, batch).await
}
