//! Names, listings, and reads of several keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{apply, bucket, get, list, set, space, text, usage};
use crate::store::{Op, Quota, READ_LEN_MAX, Store};

pub(in crate::store) async fn odd_names(store: Arc<dyn Store>) {
    let mut names = vec![
        "",
        "\0",
        "\0\0",
        "a\0b",
        "a",
        "a\u{1}",
        "\u{7f}",
        "\u{e9}",
        "e\u{301}",
        "\u{1F980}",
        "\u{FFFF}",
        "\u{10FFFF}",
        "/",
        "\n",
        "..",
        " ",
    ];
    for name in &names {
        let bucket: Arc<str> = (*name).into();
        let batch = names.iter().map(|key| Op::set(&bucket, *key, format!("{name}|{key}")));
        apply(&*store, batch.collect()).await.unwrap();
    }
    names.sort_unstable();
    for bucket in &names {
        for limit in [1, 3, 100] {
            assert_eq!(list(&*store, "n", bucket, limit), names);
        }
        for key in &names {
            let entry = store.get(&space("n"), bucket, key).unwrap().unwrap();
            assert_eq!(entry.value, format!("{bucket}|{key}"));
        }
    }
}

pub(in crate::store) async fn namespaces_and_buckets_are_apart(store: Arc<dyn Store>) {
    // Pairs that run into one another when they are only strung together.
    let places = [("a", "bc"), ("ab", "c"), ("a", "b"), ("a", ""), ("abc", "")];
    for (namespace, bucket) in places {
        let batch = vec![Op::set(&bucket.into(), "k", format!("{namespace}/{bucket}"))];
        let applied = store.apply(&space(namespace), batch, Quota::default());
        applied.await.unwrap();
    }
    for (namespace, bucket) in places {
        let entry = store.get(&space(namespace), bucket, "k").unwrap().unwrap();
        assert_eq!(entry.value, format!("{namespace}/{bucket}"));
        assert_eq!(list(&*store, namespace, bucket, 10), ["k"]);
    }
    assert_eq!(store.get(&space("abc"), "c", "k").unwrap(), None);
    assert_eq!(list(&*store, "b", "", 10), [""; 0]);
    assert_eq!(store.usage(&space("a")).unwrap().keys, 3);
    assert_eq!(store.usage(&space("b")).unwrap().keys, 0);
}

pub(in crate::store) async fn paging(store: Arc<dyn Store>) {
    let b = bucket();
    let key = |i: usize| format!("{i:05}");
    let len = 2 * READ_LEN_MAX + 1;
    for begin in (0..len).step_by(500) {
        let batch = (begin..len.min(begin + 500)).map(|i| Op::set(&b, key(i), "v"));
        apply(&*store, batch.collect()).await.unwrap();
    }
    let all: Vec<_> = (0..len).map(key).collect();
    for limit in [7, 999, READ_LEN_MAX] {
        assert_eq!(list(&*store, "n", "b", limit), all);
    }
    let page = |after: Option<&str>, limit| {
        let page = store.list_keys(&space("n"), "b", after, limit).unwrap();
        (page.keys.len(), page.next)
    };
    assert_eq!(page(None, usize::MAX), (READ_LEN_MAX, Some(key(READ_LEN_MAX - 1))));
    assert_eq!(page(None, 0), (1, Some(key(0))));
    // A page that ends with the last key is the last.
    assert_eq!(page(Some(&key(len - 11)), 10), (10, None));
    assert_eq!(page(Some(&key(len - 1)), 10), (0, None));
    assert_eq!(page(Some("~"), 10), (0, None));
    assert_eq!(page(Some("00000x"), 1), (1, Some(key(1))));
}

pub(in crate::store) async fn paging_across_changes(store: Arc<dyn Store>) {
    let b = bucket();
    let key = |i: usize| format!("{i:03}");
    let batch = (0..100).map(|i| Op::set(&b, key(i), "v")).collect();
    apply(&*store, batch).await.unwrap();
    let mut seen = Vec::new();
    let mut gone = BTreeSet::new();
    let mut after = None;
    loop {
        let page = store.list_keys(&space("n"), "b", after.as_deref(), 10);
        let page = page.unwrap();
        seen.extend(page.keys.iter().cloned());
        let Some(next) = page.next else { break };
        // The key that the cursor stands on goes, one behind it too, and new ones come on both sides.
        let at: usize = next[..3].parse().unwrap();
        gone.extend([at, at + 2]);
        let batch = vec![
            Op::delete(&b, next.clone()),
            Op::delete(&b, key(at + 2)),
            Op::set(&b, format!("{next}+"), "v"),
            Op::set(&b, format!("{}-", key(at - 1)), "v"),
        ];
        apply(&*store, batch).await.unwrap();
        after = Some(next);
    }
    let unique: BTreeSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "a key was listed twice");
    assert!(gone.len() > 10);
    for i in (0..100).filter(|i| !gone.contains(i)) {
        assert!(unique.contains(&key(i)), "{i} was not listed");
    }
}

pub(in crate::store) async fn many_at_once(store: Arc<dyn Store>) {
    let b = bucket();
    let batch = (0..50).map(|i| Op::set(&b, i.to_string(), vec![i; usize::from(i) * 50]));
    apply(&*store, batch.collect()).await.unwrap();
    let keys: Vec<String> = ["3", "absent", "49", "3", ""].map(str::to_owned).to_vec();
    let found = store.get_many(&space("n"), "b", &keys).unwrap();
    let lens = found.iter().map(|e| e.as_ref().map(|e| e.value.len()));
    assert_eq!(lens.collect::<Vec<_>>(), [Some(150), None, Some(2450), Some(150), None]);
    assert_eq!(found[0], get(&*store, "3"));
    assert_eq!(store.get_many(&space("n"), "b", &[]).unwrap(), []);
    assert_eq!(store.get_many(&space("x"), "b", &keys).unwrap(), vec![None; 5]);

    let keys: Vec<String> = (0..50).map(|i| i.to_string()).collect();
    let batch = keys.iter().map(|key| Op::delete(&b, key.clone())).collect();
    apply(&*store, batch).await.unwrap();
    assert_eq!(store.get_many(&space("n"), "b", &keys).unwrap(), vec![None; 50]);
    assert_eq!(usage(&*store), (0, 0));
}

/// Around the size at which values move out of the index.
pub(in crate::store) async fn large_values(store: Arc<dyn Store>) {
    let lens = [0, 1, 1023, 1024, 1025, 4096, 300_000, 1025, 0, 1024, 1025];
    for (round, len) in lens.into_iter().enumerate() {
        let value = vec![round as u8; len];
        set(&*store, "k", &value).await;
        assert_eq!(get(&*store, "k").unwrap().value, value);
        assert_eq!(usage(&*store), (1, 1 + len as u64));
    }
    let b = bucket();
    let batch = vec![Op::increment(&b, "k", 1)];
    apply(&*store, batch).await.unwrap_err();
    apply(&*store, vec![Op::delete(&b, "k")]).await.unwrap();
    assert_eq!(text(&*store, "k"), None);
    assert_eq!(usage(&*store), (0, 0));
}
