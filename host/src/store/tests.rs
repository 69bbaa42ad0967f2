use std::sync::Arc;

use super::conformance::{apply, bucket, conformance, space};
use super::{Config, Error, MemoryStore, Op, RedbStore, State, Store};

mod model;

mod memory {
    use super::*;

    fn make() -> ((), Arc<dyn Store>) {
        ((), Arc::new(MemoryStore::new()))
    }

    conformance!(make);

    #[tokio::test]
    async fn fails_when_told() {
        let store = MemoryStore::new();
        let b = bucket();
        apply(&store, vec![Op::set(&b, "k", "v")]).await.unwrap();
        store.set_fault(Some(Error::Full { path: "disk".into(), source: Arc::new(std::io::Error::other("test")) }));
        assert_eq!(store.snapshot().state, State::Recovering);
        let error = apply(&store, vec![Op::delete(&b, "k")]).await.unwrap_err();
        assert!(error.is_retryable());
        store.set_fault(None);
        assert!(store.exists(&space("n"), "b", "k").unwrap());
    }
}

mod on_disk {
    use super::*;

    fn make() -> (tempfile::TempDir, Arc<dyn Store>) {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { dir: dir.path().to_path_buf(), ..Config::default() };
        (dir, Arc::new(RedbStore::open(&config).unwrap()))
    }

    conformance!(make);
}

#[test]
fn config_has_defaults_and_refuses_unknown_keys() {
    let config: Config = toml::from_str("").unwrap();
    assert_eq!(config, Config::default());
    config.validate().unwrap();
    let config: Config = toml::from_str("dir = \"/x\"\ngroup_len_max = 1").unwrap();
    assert_eq!((config.group_len_max, config.queue_len_max), (1, 1024));
    let error = toml::from_str::<Config>("grup_len_max = 1").unwrap_err();
    assert!(error.to_string().contains("grup_len_max"), "{error}");
}

#[test]
fn config_out_of_range_names_the_key() {
    for (text, key) in [
        ("queue_len_max = 0", "queue_len_max"),
        ("group_len_max = 0", "group_len_max"),
        ("cache_bytes_max = 1", "cache_bytes_max"),
        ("queue_bytes_max = 1024", "queue_bytes_max"),
        ("queue_bytes_max = 5000000000", "queue_bytes_max"),
    ] {
        let config: Config = toml::from_str(text).unwrap();
        let error = config.validate().unwrap_err();
        assert!(error.to_string().starts_with(&format!("store.{key} ")), "{error}");
        assert!(matches!(RedbStore::open(&config), Err(Error::Config { .. })));
    }
}

#[test]
fn errors_do_not_print_their_source() {
    let source = || Arc::new(std::io::Error::other("SOURCE"));
    let path = || std::path::PathBuf::from("kv.redb");
    let errors = [
        Error::Full { path: path(), source: source() },
        Error::Io { action: "write", path: path(), source: source() },
        Error::Unsettled { path: path(), source: source() },
        Error::Unavailable { path: path(), source: source() },
        Error::Permission { action: "open", path: path(), source: source() },
        Error::Corrupt { path: path(), source: source() },
    ];
    for error in errors {
        assert!(!error.to_string().contains("SOURCE"), "{error}");
        assert!(error.to_string().contains("kv.redb"), "{error}");
        let below = std::error::Error::source(&error).unwrap();
        assert_eq!(below.to_string(), "SOURCE");
        assert!(!error.is_callers());
    }
}
