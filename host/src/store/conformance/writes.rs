//! What batches do.

use std::sync::Arc;

use bytes::Bytes;

use super::{apply, bucket, get, set, space, swap, text, usage};
use crate::store::{Effect, Entry, Error, Expected, Op, Outcome, Store};

pub(in crate::store) async fn set_get_delete(store: Arc<dyn Store>) {
    let store = &*store;
    assert_eq!(get(store, "k"), None);
    assert!(!store.exists(&space("n"), "b", "k").unwrap());
    let version = set(store, "k", b"one").await;
    let value = Bytes::from_static(b"one");
    assert_eq!(get(store, "k"), Some(Entry { value, version }));
    assert!(store.exists(&space("n"), "b", "k").unwrap());
    assert_eq!(usage(store), (1, 4));
    assert!(set(store, "k", b"").await > version);
    assert_eq!(text(store, "k").as_deref(), Some(""));
    assert_eq!(usage(store), (1, 1));

    for existed in [true, false] {
        let outcome = apply(store, vec![Op::delete(&bucket(), "k")]).await.unwrap();
        assert_eq!(outcome.effects, [Effect::Deleted { existed }]);
    }
    assert_eq!(get(store, "k"), None);
    assert_eq!(usage(store), (0, 0));
    assert_eq!(apply(store, vec![]).await.unwrap(), Outcome::default());
}

pub(in crate::store) async fn batches_are_atomic(store: Arc<dyn Store>) {
    let b = bucket();
    set(&*store, "word", b"x").await;
    let batch =
        vec![Op::set(&b, "a", "1"), Op::delete(&b, "word"), Op::set(&b, "word", "y"), Op::increment(&b, "word", 1)];
    let error = apply(&*store, batch).await.unwrap_err();
    assert!(matches!(error, Error::NotANumber { op: 3 }), "{error:?}");
    assert_eq!(get(&*store, "a"), None);
    assert_eq!(text(&*store, "word").as_deref(), Some("x"));
    assert_eq!(usage(&*store), (1, 5));
}

pub(in crate::store) async fn batches_apply_in_order(store: Arc<dyn Store>) {
    let b = bucket();
    let other: Arc<str> = "other".into();
    let batch = vec![
        Op::set(&b, "k", "1"),
        Op::increment(&b, "k", 4),
        Op::delete(&b, "k"),
        Op::expect(&b, "k", Expected::Absent),
        Op::increment(&b, "k", 7),
        Op::set(&other, "k", "there"),
    ];
    let effects = apply(&*store, batch).await.unwrap().effects;
    assert!(matches!(effects[1], Effect::Incremented { value: 5, .. }));
    assert_eq!(effects[2], Effect::Deleted { existed: true });
    assert_eq!(effects[3], Effect::AsExpected);
    let Effect::Incremented { value: 7, version } = effects[4] else {
        panic!("{effects:?}");
    };
    assert_eq!(get(&*store, "k").unwrap().version, version);
    assert_eq!(usage(&*store), (2, 2 + 6));
}

pub(in crate::store) async fn increments(store: Arc<dyn Store>) {
    let b = bucket();
    let add = async |key: &str, delta| {
        let outcome = apply(&*store, vec![Op::increment(&b, key, delta)]).await?;
        match outcome.effects[..] {
            [Effect::Incremented { value, .. }] => Ok(value),
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(add("n", 5).await.unwrap(), 5);
    assert_eq!(add("n", -15).await.unwrap(), -10);
    assert_eq!(text(&*store, "n").as_deref(), Some("-10"));
    assert_eq!(add("n", 0).await.unwrap(), -10);

    for limit in [i64::MAX, i64::MIN] {
        set(&*store, "edge", limit.to_string().as_bytes()).await;
        assert_eq!(add("edge", 0).await.unwrap(), limit);
        let error = add("edge", limit.signum()).await.unwrap_err();
        assert!(matches!(error, Error::Overflow { op: 0 }), "{error:?}");
        assert_eq!(text(&*store, "edge"), Some(limit.to_string()));
    }
    let huge = "1".repeat(5000);
    for word in ["", "x", "1.5", " 1", "9223372036854775808", "\u{0661}", &huge] {
        set(&*store, "word", word.as_bytes()).await;
        let error = add("word", 1).await.unwrap_err();
        assert!(matches!(error, Error::NotANumber { op: 0 }), "{word:?}");
        assert!(error.is_callers());
    }
    set(&*store, "raw", &[0xff, 0xfe]).await;
    assert!(matches!(add("raw", 1).await, Err(Error::NotANumber { .. })));
}

pub(in crate::store) async fn expectations(store: Arc<dyn Store>) {
    let store = &*store;
    swap(store, "k", Expected::Absent, "1").await.unwrap();
    let seen = get(store, "k").unwrap();
    let Err(Error::Conflict { op: 0, current }) = swap(store, "k", Expected::Absent, "2").await else {
        panic!();
    };
    assert_eq!(current.as_ref(), Some(&seen));

    let expected = Expected::observed(Some(&seen));
    swap(store, "k", expected, "2").await.unwrap();
    let lost = swap(store, "k", expected, "3").await;
    assert!(matches!(lost, Err(Error::Conflict { current: Some(ref c), .. }) if &c.value[..] == b"2"));

    apply(store, vec![Op::delete(&bucket(), "k")]).await.unwrap();
    let lost = swap(store, "k", expected, "3").await;
    assert!(matches!(lost, Err(Error::Conflict { current: None, .. })));

    // What the batch itself wrote is no answer: it will never have existed.
    let b = bucket();
    let batch = vec![Op::set(&b, "k", "4"), Op::expect(&b, "k", Expected::Absent)];
    let lost = apply(store, batch).await;
    assert!(matches!(lost, Err(Error::Conflict { op: 1, current: None })));
}

pub(in crate::store) async fn versions_never_return(store: Arc<dyn Store>) {
    let b = bucket();
    let store = &*store;
    let mut last = set(store, "other", b"x").await;
    for round in 0..20 {
        let first = set(store, "k", b"same").await;
        assert!(first > last);
        // Made and removed within a batch: the version was told, so it is used up.
        let batch = vec![Op::set(&b, "brief", "same"), Op::delete(&b, "brief")];
        let effects = apply(store, batch).await.unwrap().effects;
        let Effect::Set(brief) = effects[0] else { panic!() };
        apply(store, vec![Op::delete(&b, "k")]).await.unwrap();
        last = set(store, "k", b"same").await;
        assert!(first < brief && brief < last);
        let lost = swap(store, "k", Expected::Version(first), "new").await;
        assert!(matches!(lost, Err(Error::Conflict { .. })), "round {round}");
    }
}
