//! A store in memory, for native tests: it really compares and swaps, so threads contend as instances do, and it can
//! fail at a chosen write, so a test can stop a service between any two steps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Step, Store, StoreError};

/// Several buckets that fail together, like the one store of a service.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    crash: Arc<Crash>,
}

#[derive(Debug)]
struct Crash {
    /// Writes left before everything fails; negative for never.
    writes_left: AtomicI64,
    struck: AtomicBool,
}

impl Default for Crash {
    fn default() -> Self {
        Self { writes_left: AtomicI64::new(-1), struck: AtomicBool::new(false) }
    }
}

impl Memory {
    /// A new, empty bucket.
    pub fn bucket(&self) -> Arc<dyn Store> {
        Arc::new(Bucket { crash: self.crash.clone(), values: Mutex::default() })
    }

    /// Fails everything once `writes` more writes have gone through, as if the instance had been killed there.
    pub fn crash_after(&self, writes: u32) {
        self.crash.writes_left.store(writes.into(), Ordering::SeqCst);
    }

    /// Ends the failure. True if it struck.
    pub fn recover(&self) -> bool {
        self.crash.writes_left.store(-1, Ordering::SeqCst);
        self.crash.struck.swap(false, Ordering::SeqCst)
    }
}

impl Crash {
    fn check(&self) -> Result<(), StoreError> {
        match self.writes_left.load(Ordering::SeqCst) {
            0 => {
                self.struck.store(true, Ordering::SeqCst);
                Err(StoreError::Failed("crashed".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn count_write(&self) {
        let count = |left: i64| (left > 0).then(|| left - 1);
        // An error means that no failure is planned.
        let _ = self.writes_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count);
    }
}

struct Bucket {
    crash: Arc<Crash>,
    values: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Bucket {
    fn values(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Bucket {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.crash.check()?;
        Ok(self.values().get(key).cloned())
    }

    fn get_many(&self, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.crash.check()?;
        let values = self.values();
        let pairs = keys.iter().filter_map(|key| values.get_key_value(key));
        Ok(pairs.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn keys(&self) -> Result<Vec<String>, StoreError> {
        self.crash.check()?;
        Ok(self.values().keys().cloned().collect())
    }

    fn update(&self, key: &str, change: &mut dyn FnMut(Option<Vec<u8>>) -> Step) -> Result<(), StoreError> {
        loop {
            self.crash.check()?;
            let seen = self.values().get(key).cloned();
            let Step::Put(value) = change(seen.clone()) else {
                return Ok(());
            };
            let mut values = self.values();
            if values.get(key) == seen.as_ref() {
                values.insert(key.to_owned(), value);
                self.crash.count_write();
                return Ok(());
            }
        }
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.crash.check()?;
        self.values().remove(key);
        self.crash.count_write();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;

    #[test]
    fn one_of_many_creates_and_no_increment_is_lost() {
        let table = Table::<u32>::new(Memory::default().bucket());
        let created = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..100 {
                            let add = |n: Option<u32>| Ok((Some(n.unwrap_or(0) + 1), ()));
                            table.update::<_, StoreError>("n", add).unwrap();
                        }
                        u32::from(table.create("mine", &1).unwrap())
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum::<u32>()
        });
        assert_eq!(created, 1);
        assert_eq!(table.get("n").unwrap(), Some(800));
    }

    #[test]
    fn a_planned_crash_strikes_between_two_writes() {
        let memory = Memory::default();
        let table = Table::<u32>::new(memory.bucket());
        memory.crash_after(1);
        assert!(table.create("a", &1).unwrap());
        assert!(table.create("b", &1).is_err());
        assert!(table.get("a").is_err());
        assert!(memory.recover());
        assert_eq!(table.keys().unwrap(), ["a"]);
        assert!(!memory.recover());
    }
}
