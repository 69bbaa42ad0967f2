//! Random batches against a model that shares no code with the store: a map of what each key holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Config, Error, MemoryStore, RedbStore, Store, space};
use crate::store::conformance::list;
use crate::store::{Action, Effect, Entry, Expected, Op, Quota, Usage, Version};

const NAMESPACES: [&str; 2] = ["n", "m"];
const BUCKETS: [&str; 2] = ["", "b"];
const QUOTA: Quota = Quota { keys_max: 6, bytes_max: 4000, value_bytes_max: 3000 };

#[derive(Debug, Clone)]
enum Step {
    Batch(usize, Vec<(usize, String, Act)>),
    Reopen,
}

#[derive(Debug, Clone)]
enum Act {
    Set(Vec<u8>),
    Delete,
    Increment(i64),
    ExpectAbsent,
    /// The version the key has, or had the given number of writes ago.
    ExpectVersion(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![
        4 => "[0-9]{0,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (900usize..1200).prop_map(|len| vec![7; len]),
        1 => Just(i64::MAX.to_string().into_bytes()),
    ];
    let act = prop_oneof![
        5 => value.prop_map(Act::Set),
        3 => Just(Act::Delete),
        3 => (-3i64..100).prop_map(Act::Increment),
        1 => Just(Act::ExpectAbsent),
        2 => (0usize..3).prop_map(Act::ExpectVersion),
    ];
    let key = prop_oneof![Just("\0"), Just("a"), Just("a\0"), Just("é"), Just("")];
    let op = (0..BUCKETS.len(), key.prop_map(str::to_owned), act);
    let batch = (0..NAMESPACES.len(), prop::collection::vec(op, 1..5));
    let step = prop_oneof![
        20 => batch.prop_map(|(n, batch)| Step::Batch(n, batch)),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..40)
}

type Place = (usize, usize, String);

#[derive(Debug, Clone, Default)]
struct Model {
    /// The value, and the position of the effect that made it among all effects ever.
    held: BTreeMap<Place, (Vec<u8>, Version)>,
    /// The versions a key ever had, the newest last.
    history: BTreeMap<Place, Vec<Version>>,
    newest: Option<Version>,
}

impl Model {
    fn usage(&self, namespace: usize) -> Usage {
        let held = self.held.iter().filter(|(place, _)| place.0 == namespace);
        held.fold(Usage::default(), |sum, ((_, _, key), (value, _))| Usage {
            keys: sum.keys + 1,
            bytes: sum.bytes + (key.len() + value.len()) as u64,
        })
    }

    /// What the batch asks the store.
    fn ops(&self, namespace: usize, batch: &[(usize, String, Act)]) -> Vec<Op> {
        let op = |(bucket, key, act): &(usize, String, Act)| {
            let place = (namespace, *bucket, key.clone());
            let action = match act {
                Act::Set(value) => Action::Set(value.clone().into()),
                Act::Delete => Action::Delete,
                Act::Increment(delta) => Action::Increment(*delta),
                Act::ExpectAbsent => Action::Expect(Expected::Absent),
                Act::ExpectVersion(back) => {
                    let history = self.history.get(&place).map_or(&[][..], |all| all);
                    let version = history.iter().rev().nth(*back).copied();
                    Action::Expect(Expected::Version(version.unwrap_or(Version(u64::MAX))))
                }
            };
            Op { bucket: BUCKETS[*bucket].into(), key: key.clone(), action }
        };
        batch.iter().map(op).collect()
    }

    /// Does what the store should have done; `Err` names the error it should have answered.
    fn apply(&mut self, namespace: usize, ops: &[Op], effects: &[Effect]) -> Result<(), &'static str> {
        let before = self.usage(namespace);
        // What the batch writes gets versions we learn from the effects; while it may still fail there are none.
        let mut effects = effects.iter();
        for op in ops {
            let bucket = BUCKETS.iter().position(|b| **b == *op.bucket).unwrap();
            let place = (namespace, bucket, op.key.clone());
            let effect = effects.next();
            match &op.action {
                Action::Set(value) => {
                    let version = match effect {
                        Some(Effect::Set(version)) => Some(*version),
                        other => other.map(|other| panic!("{other:?}")),
                    };
                    self.put(place, value.to_vec(), version);
                }
                Action::Delete => {
                    let existed = self.held.remove(&place).is_some();
                    if let Some(effect) = effect {
                        assert_eq!(*effect, Effect::Deleted { existed });
                    }
                }
                Action::Increment(delta) => {
                    let number = match self.held.get(&place) {
                        None => 0,
                        Some((value, _)) => String::from_utf8(value.clone())
                            .ok()
                            .and_then(|text| text.parse::<i64>().ok())
                            .ok_or("not a number")?,
                    };
                    let sum = number.checked_add(*delta).ok_or("overflow")?;
                    let version = match effect {
                        Some(Effect::Incremented { value, version }) => {
                            assert_eq!(*value, sum);
                            Some(*version)
                        }
                        other => other.map(|other| panic!("{other:?}")),
                    };
                    self.put(place, sum.to_string().into_bytes(), version);
                }
                Action::Expect(expected) => {
                    let held = self.held.get(&place).map(|(_, version)| *version);
                    let fits = match expected {
                        Expected::Absent => held.is_none(),
                        Expected::Version(version) => held == Some(*version),
                    };
                    if !fits {
                        return Err("conflict");
                    }
                }
            }
        }
        let after = self.usage(namespace);
        if after.keys > QUOTA.keys_max && after.keys > before.keys {
            return Err("keys");
        }
        if after.bytes > QUOTA.bytes_max && after.bytes > before.bytes {
            return Err("bytes");
        }
        Ok(())
    }

    fn put(&mut self, place: Place, value: Vec<u8>, version: Option<Version>) {
        // A version nobody has, while the real one is not known.
        let known = version.unwrap_or(Version(u64::MAX - 1));
        if let Some(version) = version {
            assert!(Some(version) > self.newest, "a version came twice");
            self.newest = Some(version);
            self.history.entry(place.clone()).or_default().push(version);
        }
        self.held.insert(place, (value, known));
    }

    fn compare(&self, store: &dyn Store) {
        for (n, namespace) in NAMESPACES.iter().enumerate() {
            assert_eq!(store.usage(&space(namespace)).unwrap(), self.usage(n));
            for (b, bucket) in BUCKETS.iter().enumerate() {
                let here = |place: &Place| place.0 == n && place.1 == b;
                let held = self.held.iter().filter(|(place, _)| here(place));
                let keys: Vec<_> = held.clone().map(|(place, _)| place.2.clone()).collect();
                assert_eq!(list(store, namespace, bucket, 2), keys);
                let found = store.get_many(&space(namespace), bucket, &keys).unwrap();
                let held =
                    held.map(|(_, (value, version))| Some(Entry { value: value.clone().into(), version: *version }));
                assert_eq!(found, held.collect::<Vec<_>>());
            }
        }
    }
}

fn name(error: &Error) -> &'static str {
    match error {
        Error::Conflict { .. } => "conflict",
        Error::NotANumber { .. } => "not a number",
        Error::Overflow { .. } => "overflow",
        Error::QuotaKeys { .. } => "keys",
        Error::QuotaBytes { .. } => "bytes",
        other => panic!("{other:?}"),
    }
}

fn check(steps: Vec<Step>, mut store: Arc<dyn Store>, reopen: impl Fn(Arc<dyn Store>) -> Arc<dyn Store>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Batch(n, batch) => {
                let ops = model.ops(n, &batch);
                let applied = store.apply(&space(NAMESPACES[n]), ops.clone(), QUOTA);
                match runtime.block_on(applied) {
                    Ok(outcome) => {
                        assert_eq!(outcome.effects.len(), ops.len());
                        assert_eq!(model.apply(n, &ops, &outcome.effects), Ok(()));
                    }
                    Err(error) => {
                        let expected = model.clone().apply(n, &ops, &[]);
                        assert_eq!(Err(name(&error)), expected);
                    }
                }
            }
            Step::Reopen => store = reopen(store),
        }
        model.compare(&*store);
    }
}

proptest! {
    #[test]
    fn memory_agrees(steps in steps()) {
        check(steps, Arc::new(MemoryStore::new()), |store| store);
    }
}

proptest! {
    // Each case costs some twenty flushes of the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn disk_agrees(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { dir: dir.path().to_path_buf(), ..Config::default() };
        let open = || -> Arc<dyn Store> { Arc::new(RedbStore::open(&config).unwrap()) };
        check(steps, open(), |store| {
            drop(store);
            open()
        });
    }
}
