//! What a namespace may hold, and how large requests may be.

use std::sync::Arc;

use super::{apply, bucket, space, usage};
use crate::store::{
    BATCH_BYTES_MAX, BATCH_LEN_MAX, BUCKET_BYTES_MAX, Error, KEY_BYTES_MAX, Namespace, Op, Quota, READ_BYTES_MAX,
    READ_LEN_MAX, Store, VALUE_BYTES_MAX,
};

pub(in crate::store) async fn quota_of_keys(store: Arc<dyn Store>) {
    let (b, quota) = (bucket(), Quota { keys_max: 2, ..Quota::UNLIMITED });
    let n = space("n");
    let apply = async |batch| store.apply(&n, batch, quota).await;
    apply(vec![Op::set(&b, "1", "")]).await.unwrap();
    let two_more = vec![Op::set(&b, "2", ""), Op::increment(&b, "3", 1)];
    let error = apply(two_more).await.unwrap_err();
    assert!(matches!(error, Error::QuotaKeys { keys: 3, keys_max: 2 }), "{error:?}");
    assert_eq!(usage(&*store), (1, 1));
    apply(vec![Op::set(&b, "2", "")]).await.unwrap();
    apply(vec![Op::set(&b, "2", "again")]).await.unwrap();
    assert!(apply(vec![Op::set(&b, "3", "")]).await.is_err());
    apply(vec![Op::set(&b, "3", ""), Op::delete(&b, "1")]).await.unwrap();
    assert_eq!(usage(&*store).0, 2);
}

pub(in crate::store) async fn quota_of_bytes(store: Arc<dyn Store>) {
    let (b, quota) = (bucket(), Quota { bytes_max: 10, ..Quota::UNLIMITED });
    let n = space("n");
    let apply = async |batch| store.apply(&n, batch, quota).await;
    apply(vec![Op::set(&b, "key", "1234567")]).await.unwrap();
    assert_eq!(usage(&*store), (1, 10));
    let one_over = apply(vec![Op::set(&b, "key", "12345678")]).await;
    assert!(matches!(one_over, Err(Error::QuotaBytes { bytes: 11, bytes_max: 10 })));
    assert!(apply(vec![Op::set(&b, "x", "")]).await.is_err());
    apply(vec![Op::set(&b, "key", "123")]).await.unwrap();
    apply(vec![Op::set(&b, "x", "123")]).await.unwrap();
    assert_eq!(usage(&*store), (2, 10));
    apply(vec![Op::delete(&b, "key")]).await.unwrap();
    apply(vec![Op::set(&b, "x", "123456789")]).await.unwrap();
    assert_eq!(usage(&*store), (1, 10));
    // An increment that needs one digit more.
    apply(vec![Op::set(&b, "x", "99999999")]).await.unwrap();
    apply(vec![Op::increment(&b, "x", 1)]).await.unwrap();
    apply(vec![Op::set(&b, "x", "999999999")]).await.unwrap();
    assert!(apply(vec![Op::increment(&b, "x", 1)]).await.is_err());
}

pub(in crate::store) async fn quota_lowered(store: Arc<dyn Store>) {
    let b = bucket();
    let batch = (0..5).map(|i| Op::set(&b, i.to_string(), "123")).collect();
    apply(&*store, batch).await.unwrap();
    let quota = Quota { keys_max: 2, bytes_max: 5, ..Quota::UNLIMITED };
    let n = space("n");
    let apply = async |batch| store.apply(&n, batch, quota).await;
    apply(vec![Op::set(&b, "0", "321")]).await.unwrap();
    apply(vec![Op::set(&b, "0", "1")]).await.unwrap();
    apply(vec![Op::delete(&b, "1")]).await.unwrap();
    assert!(apply(vec![Op::set(&b, "0", "12")]).await.is_err());
    assert!(apply(vec![Op::set(&b, "new", ""), Op::delete(&b, "2")]).await.is_ok());
    assert_eq!(usage(&*store).0, 4);
}

pub(in crate::store) async fn sizes(store: Arc<dyn Store>) {
    let (b, n) = (bucket(), space("n"));
    let long_key = "k".repeat(KEY_BYTES_MAX);
    let too_long_key = "k".repeat(KEY_BYTES_MAX + 1);
    let long_bucket: Arc<str> = "b".repeat(BUCKET_BYTES_MAX).into();
    let too_long_bucket: Arc<str> = "b".repeat(BUCKET_BYTES_MAX + 1).into();
    let one = async |op| apply(&*store, vec![op]).await;

    one(Op::set(&long_bucket, long_key.clone(), "v")).await.unwrap();
    assert!(store.exists(&n, &long_bucket, &long_key).unwrap());
    let page = store.list_keys(&n, &long_bucket, None, 10).unwrap();
    assert_eq!(page.keys, [long_key]);
    let error = one(Op::delete(&b, too_long_key.clone())).await.unwrap_err();
    assert!(matches!(error, Error::KeyTooLong { len_bytes: 1025, max_bytes: 1024 }));
    let error = one(Op::delete(&too_long_bucket, "k")).await.unwrap_err();
    assert!(matches!(error, Error::BucketTooLong { len_bytes: 257, max_bytes: 256 }));
    assert!(store.get(&n, "b", &too_long_key).is_err());
    assert!(store.exists(&n, &too_long_bucket, "k").is_err());
    assert!(store.list_keys(&n, "b", Some(&too_long_key), 1).is_err());

    // A quota cannot lift the store's own limit.
    let greedy = Quota { value_bytes_max: usize::MAX, ..Quota::UNLIMITED };
    let value = vec![7; VALUE_BYTES_MAX];
    let batch = vec![Op::set(&b, "large", value.clone())];
    store.apply(&n, batch, greedy).await.unwrap();
    assert_eq!(store.get(&n, "b", "large").unwrap().unwrap().value, value);
    let batch = vec![Op::set(&b, "large", vec![7; VALUE_BYTES_MAX + 1])];
    let error = store.apply(&n, batch, greedy).await.unwrap_err();
    assert!(matches!(error, Error::ValueTooLarge { op: 0, .. }));
    let small = Quota { value_bytes_max: 3, ..Quota::UNLIMITED };
    let batch = |value: &str| vec![Op::delete(&b, "x"), Op::set(&b, "y", value.to_owned())];
    store.apply(&n, batch("123"), small).await.unwrap();
    let error = store.apply(&n, batch("1234"), small).await.unwrap_err();
    assert!(matches!(error, Error::ValueTooLarge { op: 1, len_bytes: 4, max_bytes: 3 }));

    let batch = |len: usize| -> Vec<Op> { (0..len).map(|i| Op::delete(&b, i.to_string())).collect() };
    apply(&*store, batch(BATCH_LEN_MAX)).await.unwrap();
    let error = apply(&*store, batch(BATCH_LEN_MAX + 1)).await.unwrap_err();
    assert!(matches!(error, Error::BatchTooLong { .. }));
    let third = vec![7; BATCH_BYTES_MAX / 3 - 1];
    let batch = |len: usize| -> Vec<Op> { (0..len).map(|i| Op::set(&b, i.to_string(), third.clone())).collect() };
    apply(&*store, batch(3)).await.unwrap();
    let error = apply(&*store, batch(4)).await.unwrap_err();
    assert!(matches!(error, Error::BatchTooLarge { .. }));

    let keys = vec!["large".to_owned(); READ_BYTES_MAX / VALUE_BYTES_MAX];
    assert_eq!(store.get_many(&n, "b", &keys).unwrap().len(), keys.len());
    let keys = vec!["large".to_owned(); keys.len() + 1];
    let error = store.get_many(&n, "b", &keys).unwrap_err();
    assert!(matches!(error, Error::ReadTooLarge { .. }));
    let keys = vec![String::new(); READ_LEN_MAX + 1];
    let error = store.get_many(&n, "b", &keys).unwrap_err();
    assert!(matches!(error, Error::ReadTooLong { .. }));

    for bad in ["", "a\0b", "a\nb", &"n".repeat(129)] {
        assert!(Namespace::new(bad).is_err(), "{bad:?}");
    }
    Namespace::new(&"n".repeat(128)).unwrap();
}
