use std::sync::Arc;

use super::space::Swap;
use super::*;
use crate::call::ServiceName;
use crate::store::{Error, MemoryStore};

fn guest(manifest: &str) -> Guest {
    let manifest = Manifest::parse(manifest, "orders.toml", Some("orders")).unwrap();
    Guest { service: manifest.name.clone(), version: "1".into(), profile: Arc::new(manifest) }
}

fn space_on(store: &Arc<dyn Store>, manifest: &str) -> Space {
    KeyValue::new(store.clone()).space(&guest(manifest)).unwrap()
}

fn space(manifest: &str) -> Space {
    space_on(&(Arc::new(MemoryStore::new()) as Arc<dyn Store>), manifest)
}

#[test]
fn storage_is_there_unless_the_manifest_denies_it() {
    let capability = KeyValue::new(Arc::new(MemoryStore::new()));
    assert!(capability.space(&guest("")).is_some());
    assert!(capability.space(&guest("[grants]\nkv = false")).is_none());
    let service = ServiceName::new("orders").unwrap();
    let stranger = Guest { service, version: "1".into(), profile: Arc::new(()) };
    assert!(capability.space(&stranger).is_none());
}

#[tokio::test]
async fn services_share_nothing_and_versions_everything() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let bucket: Arc<str> = "b".into();
    let orders = space_on(&store, "version = '1'");
    orders.set(&bucket, "k".into(), b"v".to_vec()).await.unwrap();
    assert_eq!(space_on(&store, "version = '2'").get(&bucket, "k").unwrap().unwrap(), "v");
    assert_eq!(space_on(&store, "name = 'users'").get(&bucket, "k").unwrap(), None);
    assert_eq!(orders.get("other", "k").unwrap(), None);
}

#[tokio::test]
async fn quotas_are_those_of_the_manifest() {
    let bucket: Arc<str> = "b".into();
    let space = space("[limits]\nkv_keys_max = 2\nkv_bytes_max = 10\nkv_value_bytes_max = 5");
    let set = |key: &str, value: &[u8]| space.set(&bucket, key.to_owned(), value.to_vec());
    assert!(matches!(set("a", b"123456").await, Err(Error::ValueTooLarge { max_bytes: 5, .. })));
    set("a", b"1234").await.unwrap();
    set("b", b"1").await.unwrap();
    assert!(matches!(set("c", b"").await, Err(Error::QuotaKeys { keys_max: 2, .. })));
    assert!(matches!(set("b", b"12345").await, Err(Error::QuotaBytes { bytes_max: 10, .. })));
    space.delete(&bucket, "a".into()).await.unwrap();
    set("c", b"1").await.unwrap();
}

#[tokio::test]
async fn batches_keep_order_and_say_what_is_absent() {
    let bucket: Arc<str> = "b".into();
    let space = space("");
    space.set_many(&bucket, vec![]).await.unwrap();
    space.delete_many(&bucket, vec![]).await.unwrap();
    space.set_many(&bucket, vec![("x".into(), b"1".to_vec()), ("y".into(), b"2".to_vec())]).await.unwrap();
    let pairs = space.get_many(&bucket, vec!["y".into(), "z".into(), "x".into()]).unwrap();
    assert_eq!(pairs, [Some(("y".into(), b"2".to_vec())), None, Some(("x".into(), b"1".to_vec()))]);
    space.delete_many(&bucket, vec!["x".into(), "z".into()]).await.unwrap();
    assert!(!space.exists(&bucket, "x").unwrap());
    assert_eq!(space.list_keys(&bucket, None).unwrap().keys, ["y"]);
    assert_eq!(space.list_keys(&bucket, Some("y")).unwrap(), Default::default());
}

#[tokio::test]
async fn counters_are_signed_in_the_store() {
    let bucket: Arc<str> = "b".into();
    let space = space("");
    assert_eq!(space.increment(&bucket, "n".into(), 5).await.unwrap(), Some(5));
    assert_eq!(space.increment(&bucket, "n".into(), -7).await.unwrap(), Some(-2));
    assert_eq!(space.get(&bucket, "n").unwrap().unwrap(), "-2");
    space.set(&bucket, "n".into(), b"two".to_vec()).await.unwrap();
    assert!(matches!(space.increment(&bucket, "n".into(), 1).await, Err(Error::NotANumber { .. })));
}

#[tokio::test]
async fn a_swap_succeeds_once_and_the_loser_sees_the_winner() {
    let bucket: Arc<str> = "b".into();
    let space = space("");
    let (first, second) = (space.observe(&bucket, "k".into()).unwrap(), space.observe(&bucket, "k".into()).unwrap());
    assert_eq!(first.value(), None);
    assert!(matches!(space.swap(first, b"1".to_vec()).await.unwrap(), Swap::Done));
    let Swap::Lost(newer) = space.swap(second, b"2".to_vec()).await.unwrap() else { panic!("both were first") };
    assert_eq!(newer.value().unwrap(), "1");
    assert!(matches!(space.swap(newer, b"2".to_vec()).await.unwrap(), Swap::Done));
    assert_eq!(space.get(&bucket, "k").unwrap().unwrap(), "2");
}

#[tokio::test]
async fn the_same_value_written_again_is_a_change() {
    let bucket: Arc<str> = "b".into();
    let space = space("");
    space.set(&bucket, "k".into(), b"v".to_vec()).await.unwrap();
    let cas = space.observe(&bucket, "k".into()).unwrap();
    space.delete(&bucket, "k".into()).await.unwrap();
    space.set(&bucket, "k".into(), b"v".to_vec()).await.unwrap();
    assert!(matches!(space.swap(cas, b"w".to_vec()).await.unwrap(), Swap::Lost(_)));
}

#[tokio::test]
async fn handles_are_bounded_in_number_and_in_bytes() {
    let bucket: Arc<str> = "b".into();
    let space = space("[limits]\nkv_value_bytes_max = 16777216");
    let mut held = Held::default();
    let small = space.observe(&bucket, "k".into()).unwrap();
    assert!((0..CAS_MAX).all(|_| held.add(&small)));
    assert!(!held.add(&small));
    held.remove(&small);
    assert!(held.add(&small));

    space.set(&bucket, "k".into(), vec![0; VALUE_BYTES_MAX - 1]).await.unwrap();
    let large = space.observe(&bucket, "k".into()).unwrap();
    let mut held = Held::default();
    assert!(held.add(&large) && held.add(&large));
    assert!(!held.add(&large));
    held.remove(&large);
    held.remove(&large);
    assert_eq!((held.len, held.bytes), (0, 0));
}

#[test]
fn both_drafts_link() {
    let mut linker = Linker::new(&wasmtime::Engine::default());
    KeyValue::new(Arc::new(MemoryStore::new())).link(&mut linker).unwrap();
    crate::capability::config::ConfigValues::new().link(&mut linker).unwrap();
    crate::capability::logging::Logging::new().link(&mut linker).unwrap();
}
