//! Opening: what is there, what is not ours, what is damaged, who else is there.

use redb::{ReadableDatabase, ReadableTable};

use super::*;

const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
const VALUES: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("kv.values");
const USAGE: TableDefinition<'static, &'static [u8], (u64, u64)> = TableDefinition::new("kv.usage");

fn data_file(dir: &Path) -> PathBuf {
    dir.join("kv.redb")
}

fn refusal(dir: &Path) -> Error {
    match RedbStore::open(&config(dir)) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let b = bucket();
    let store = RedbStore::open(&config(dir.path())).unwrap();
    set(&store, "small", "v").await.unwrap();
    set(&store, "large", vec![7; 5000]).await.unwrap();
    set(&store, "gone", "x").await.unwrap();
    apply(&store, vec![Op::delete(&b, "gone")]).await.unwrap();
    let before = store.get(&space("n"), "b", "small").unwrap().unwrap();
    store.close().await;
    // Closing gives the directory back, even though the handle is still there.
    let again = RedbStore::open(&config(dir.path())).unwrap();
    assert_eq!(again.get(&space("n"), "b", "small").unwrap().as_ref(), Some(&before));
    let large = again.get(&space("n"), "b", "large").unwrap().unwrap();
    assert_eq!(large.value, vec![7; 5000]);
    assert!(!holds(&again, "gone"));
    assert_eq!(usage(&again), (2, 5 + 1 + 5 + 5000));
    // The sequence goes on: "gone" took two numbers after "large".
    set(&again, "new", "v").await.unwrap();
    let new = again.get(&space("n"), "b", "new").unwrap().unwrap();
    assert_eq!(new.version.get(), large.version.get() + 3);
    drop(store);
}

#[tokio::test]
async fn dropping_finishes_what_is_queued() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(RedbStore::open(&config(dir.path())).unwrap());
    let tasks: Vec<_> = (0..100)
        .map(|i| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { set(&store, &i.to_string(), "v").await })
        })
        .collect();
    until("all queued", async || store.snapshot().applied_total > 0).await;
    store.close().await;
    let mut applied = 0;
    for (i, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(()) => applied += 1,
            Err(error) => assert!(matches!(error, Error::Closed), "{i}: {error:?}"),
        }
    }
    drop(store);
    let store = RedbStore::open(&config(dir.path())).unwrap();
    assert_eq!(usage(&store).0, applied);
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = RedbStore::open(&config(dir.path())).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, Error::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains("another hostel uses the data directory"), "{text}");
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    drop(first);
    RedbStore::open(&config(dir.path())).unwrap();
}

#[test]
fn redbs_own_lock_counts_too() {
    let dir = tempfile::tempdir().unwrap();
    drop(RedbStore::open(&config(dir.path())).unwrap());
    let _other = Database::open(data_file(dir.path())).unwrap();
    assert!(matches!(refusal(dir.path()), Error::InUse { .. }));
}

#[test]
fn a_newer_format_is_refused_with_advice_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(RedbStore::open(&config(dir.path())).unwrap());
    let change = |format: u64| {
        let db = Database::open(data_file(dir.path())).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(META).unwrap().insert("format", format).unwrap();
        txn.commit().unwrap();
    };
    change(2);
    let error = refusal(dir.path());
    assert!(matches!(error, Error::NewerFormat { found: 2, known: 1, .. }));
    let text = error.to_string();
    assert!(text.contains("kv.redb") && text.contains("restore a backup"), "{text}");
    change(1);
    RedbStore::open(&config(dir.path())).unwrap();
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = data_file(dir.path());
    for content in [&b"x"[..], &b"not a database, but text\n".repeat(1000)] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(refusal(dir.path()), Error::Corrupt { .. }));
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    std::fs::remove_file(&path).unwrap();
    let db = Database::create(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap();
    txn.commit().unwrap();
    drop(db);
    let error = refusal(dir.path());
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("kv.redb"), "{error}");
}

/// Whatever is overwritten or cut off, opening and reading answer; they neither panic nor hang.
#[tokio::test]
async fn damage_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&config(dir.path())).unwrap();
    for i in 0..50 {
        set(&store, &i.to_string(), vec![7; i * 100]).await.unwrap();
    }
    drop(store);
    let path = data_file(dir.path());
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    let cuts = [1, 100, 512, 4096, 5000, whole.len() / 2, whole.len() - 1];
    let damage = cuts.map(|len| whole[..len].to_vec()).into_iter().chain((0..24).map(|page| {
        let mut damaged = whole.clone();
        damaged[page * 4096..][..4096].fill(0xA5);
        damaged
    }));
    for damaged in damage {
        std::fs::write(&path, damaged).unwrap();
        match RedbStore::open(&config(dir.path())) {
            Err(error) => {
                assert!(matches!(error, Error::Corrupt { .. } | Error::Io { .. }), "{error:?}");
                refused += 1;
            }
            Ok(store) => {
                for i in 0..50 {
                    let _ = store.get(&space("n"), "b", &i.to_string());
                }
                let _ = store.list_keys(&space("n"), "b", None, 100);
                let _ = set(&store, "new", vec![7; 2000]).await;
            }
        }
    }
    assert!(refused >= cuts.len(), "only {refused} refused");
    std::fs::write(&path, whole).unwrap();
    assert_eq!(usage(&RedbStore::open(&config(dir.path())).unwrap()).0, 50);
}

#[test]
fn a_crash_while_the_file_is_made_leaves_nothing_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kv.redb.new"), b"half").unwrap();
    drop(RedbStore::open(&config(dir.path())).unwrap());
    assert!(!dir.path().join("kv.redb.new").exists());
    // Somebody touched it.
    let empty = tempfile::tempdir().unwrap();
    std::fs::write(data_file(empty.path()), b"").unwrap();
    assert!(matches!(refusal(empty.path()), Error::Corrupt { .. }));
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_data() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    drop(RedbStore::open(&config(&dir)).unwrap());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&data_file(&dir)), 0o600);
}

#[test]
fn a_directory_that_cannot_be_made_or_read_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = refusal(&file.join("data"));
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("file/data"), "{error}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let locked = root.path().join("locked");
        std::fs::create_dir(&locked).unwrap();
        let permit = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&locked, mode).unwrap();
        };
        permit(0o500);
        if std::fs::write(locked.join("probe"), b"").is_ok() {
            println!("skipped: this user (root) may write anywhere");
        } else {
            let error = refusal(&locked);
            assert!(matches!(error, Error::Permission { .. }), "{error:?}");
            assert!(error.to_string().contains("no permission to open"), "{error}");
        }
        permit(0o700);
    }
}

/// A large value goes with its entry: overwritten, deleted, made small, or never committed.
#[tokio::test]
async fn large_values_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&config(dir.path())).unwrap();
    let b = bucket();
    for key in ["overwritten", "deleted", "shrunk", "kept"] {
        set(&store, key, vec![7; 2000]).await.unwrap();
    }
    set(&store, "overwritten", vec![8; 3000]).await.unwrap();
    set(&store, "shrunk", "small").await.unwrap();
    let brief = vec![
        Op::delete(&b, "deleted"),
        Op::set(&b, "brief", vec![9; 2000]),
        Op::set(&b, "brief", vec![9; 2001]),
        Op::delete(&b, "brief"),
    ];
    apply(&store, brief).await.unwrap();
    let refused = vec![Op::set(&b, "refused", vec![9; 2000]), Op::increment(&b, "kept", 1)];
    apply(&store, refused).await.unwrap_err();
    drop(store);
    let db = Database::open(data_file(dir.path())).unwrap();
    let values = db.begin_read().unwrap().open_table(VALUES).unwrap();
    let lens = values.iter().unwrap().map(|row| row.unwrap().1.value().len());
    assert_eq!(lens.collect::<Vec<_>>(), [2000, 3000]);
}

/// Usage that does not add up is set right when the store was not closed cleanly.
#[tokio::test]
async fn usage_is_counted_anew_after_an_unclean_end() {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::open(&config(dir.path())).unwrap();
    set(&store, "k", "value").await.unwrap();
    drop(store);
    let db = Database::open(data_file(dir.path())).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(USAGE).unwrap();
        table.insert(&b"n"[..], (70, 700)).unwrap();
        table.insert(&b"ghost"[..], (1, 1)).unwrap();
    }
    txn.commit().unwrap();
    // A copy of a file in use is what a crash leaves.
    let crashed = tempfile::tempdir().unwrap();
    std::fs::copy(data_file(dir.path()), data_file(crashed.path())).unwrap();
    drop(db);
    let store = RedbStore::open(&config(crashed.path())).unwrap();
    assert_eq!(usage(&store), (1, 6));
    let snapshot = store.snapshot();
    assert_eq!((snapshot.corrected_total, snapshot.namespaces), (2, 1));
    store.apply(&space("n"), vec![Op::delete(&bucket(), "k")], Quota::default()).await.unwrap();
    assert_eq!(usage(&store), (0, 0));
    assert_eq!(store.snapshot().state, State::Open);
}
