//! The store in one redb file: `DIR/kv.redb`.
//!
//! Reads run on the caller's thread against the last commit. Writes queue for one thread, `hostel-store`, which makes
//! them durable in groups (see `writer`). The queue is bounded by number and by bytes; beyond that, writers wait.
//!
//! A commit is redb's one-phase commit, which flushes the disk once. The alternative that makes opening after a crash
//! instant flushes twice and so halves what one writer gets done. Instead, opening after a crash reads the whole file:
//! about two seconds for a million small entries.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{Semaphore, oneshot, watch};

use self::file::{Directory, OpenDatabase, Opener, panic_cause};
use self::schema::Fault;
use self::shared::{Counters, Shared};
use self::view::ReadView;
use self::writer::{Job, Message, Writer};
use super::limits::{PageBuilder, ReadSum, check_batch, check_names, check_read};
use super::{BoxFuture, Config, Entry, Error, Namespace, Op, Outcome, Page, Quota, Snapshot, Store, Usage};

mod file;
mod schema;
mod shared;
#[cfg(test)]
mod tests;
mod view;
mod writer;

/// Queue space is counted in units of this many bytes.
const QUEUE_UNIT_BYTES: usize = 1024;

/// A [`Store`] in a directory of its own. Dropping it without [`Store::close`] does what close does, and blocks until
/// it is done.
pub struct RedbStore {
    shared: Arc<Shared>,
    queue: Mutex<Option<Sender<Message>>>,
    queue_len_max: usize,
    queue_places: Arc<Semaphore>,
    queue_units: Arc<Semaphore>,
    ended: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens the store in `config.dir`, or makes one. Blocks: after an unclean end for as long as it takes to read the
    /// whole file.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::InUse`], [`Error::Permission`], [`Error::Corrupt`], [`Error::NewerFormat`],
    /// [`Error::Full`] and [`Error::Io`].
    pub fn open(config: &Config) -> Result<Self, Error> {
        config.validate()?;
        let directory = Directory::lock(&config.dir)?;
        directory.create_data_file()?;
        let path = directory.data_file();
        let opener = Opener { cache_bytes_max: config.cache_bytes_max, open: open_file(path.clone()), path };
        Self::start(config, opener, directory)
    }

    /// Opens the database and starts the writer, which holds `held` for as long as it has the database.
    fn start(config: &Config, opener: Opener, held: impl Send + 'static) -> Result<Self, Error> {
        let path = opener.path.clone();
        let opened = opener.open()?;
        let shared = Arc::new(Shared::new(path.clone(), opened.db));
        Counters::add(&shared.counters.corrected, opened.corrected);
        let queue_places = Arc::new(Semaphore::new(config.queue_len_max));
        let (queue, receiver) = channel();
        let (ending, ended) = watch::channel(false);
        let writer = Writer::new(
            Arc::clone(&shared),
            opener,
            receiver,
            Arc::clone(&queue_places),
            config.group_len_max,
            opened.sequence,
        );
        let thread = std::thread::Builder::new()
            .name("hostel-store".to_owned())
            .spawn(move || writer.run(held, &ending))
            .map_err(|error| Error::from_io("start the writer of", &path, error))?;
        Ok(Self {
            shared,
            queue: Mutex::new(Some(queue)),
            queue_len_max: config.queue_len_max,
            queue_places,
            queue_units: Arc::new(Semaphore::new(config.queue_bytes_max / QUEUE_UNIT_BYTES)),
            ended,
            thread: Some(thread),
        })
    }

    fn read<T>(&self, read: impl FnOnce(&ReadView) -> Result<T, Fault>) -> Result<T, Error> {
        let result = {
            let slot = self.shared.slot();
            let db = self.shared.database(&slot)?;
            // redb panics on some damaged pages. That must not take the caller's task along.
            let read = AssertUnwindSafe(|| ReadView::new(db).and_then(|view| read(&view)));
            match catch_unwind(read) {
                Ok(result) => result.map_err(|fault| fault.at("read", &self.shared.path)),
                Err(panic) => Err(Error::Corrupt { path: self.shared.path.clone(), source: panic_cause(&*panic) }),
            }
        };
        if let Err(error) = &result
            && !error.is_callers()
            && !self.shared.alarmed.swap(true, Ordering::Relaxed)
        {
            // Only the writer may open the database again, and it need not have noticed. One message is enough.
            let _ = self.send(Message::Check);
        }
        result
    }

    fn send(&self, message: Message) -> Result<(), Error> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queue.as_ref().ok_or(Error::Closed)?;
        queue.send(message).map_err(|_| Error::Closed)
    }

    async fn enqueue(&self, namespace: Namespace, batch: Vec<Op>, quota: Quota) -> Result<Outcome, Error> {
        let len_bytes = check_batch(&batch, &quota)?;
        if batch.is_empty() {
            return Ok(Outcome::default());
        }
        let units = len_bytes.div_ceil(QUEUE_UNIT_BYTES).max(1);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.queue_places).acquire_owned();
        let place = place.await.map_err(|_| Error::Closed)?;
        let room = Arc::clone(&self.queue_units).acquire_many_owned(units);
        let room = room.await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.send(Message::Job(Job { namespace, batch, quota, reply, permits: [place, room] }))?;
        // The writer answers all that it was sent, unless its thread has died.
        answer
            .await
            .unwrap_or_else(|gone| Err(Error::Unsettled { path: self.shared.path.clone(), source: Arc::new(gone) }))
    }

    /// Refuses new work and lets the writer run dry.
    fn begin_close(&self) {
        self.queue_places.close();
        self.queue_units.close();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.take();
    }
}

fn open_file(path: std::path::PathBuf) -> OpenDatabase {
    Box::new(move |builder| builder.open(&path))
}

impl Store for RedbStore {
    fn get(&self, namespace: &Namespace, bucket: &str, key: &str) -> Result<Option<Entry>, Error> {
        check_names(bucket, key)?;
        self.read(|view| {
            let stored = view.find(namespace, bucket, key)?;
            stored.map(|stored| view.entry(stored)).transpose()
        })
    }

    fn get_many(&self, namespace: &Namespace, bucket: &str, keys: &[String]) -> Result<Vec<Option<Entry>>, Error> {
        check_read(bucket, keys)?;
        self.read(|view| {
            let mut sum = ReadSum::default();
            keys.iter()
                .map(|key| {
                    let Some(stored) = view.find(namespace, bucket, key)? else {
                        return Ok(None);
                    };
                    sum.add(usize::try_from(stored.len_bytes).unwrap_or(usize::MAX))?;
                    view.entry(stored).map(Some)
                })
                .collect()
        })
    }

    fn exists(&self, namespace: &Namespace, bucket: &str, key: &str) -> Result<bool, Error> {
        check_names(bucket, key)?;
        self.read(|view| Ok(view.find(namespace, bucket, key)?.is_some()))
    }

    fn list_keys(&self, namespace: &Namespace, bucket: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        check_names(bucket, after.unwrap_or_default())?;
        self.read(|view| {
            let mut page = PageBuilder::new(limit);
            view.keys(namespace, bucket, after, |key| page.push(key))?;
            Ok(page.finish())
        })
    }

    fn apply(&self, namespace: &Namespace, batch: Vec<Op>, quota: Quota) -> BoxFuture<'_, Result<Outcome, Error>> {
        Box::pin(self.enqueue(namespace.clone(), batch, quota))
    }

    fn usage(&self, namespace: &Namespace) -> Result<Usage, Error> {
        self.read(|view| view.usage(namespace))
    }

    fn snapshot(&self) -> Snapshot {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        let (namespaces, usage) = self.read(ReadView::totals).unwrap_or_default();
        let queue_free = self.queue_places.available_permits();
        Snapshot {
            state: self.shared.slot().state(),
            namespaces,
            usage,
            file_bytes: std::fs::metadata(&self.shared.path).map_or(0, |file| file.len()),
            queue_len: self.queue_len_max.saturating_sub(queue_free),
            queue_len_max: self.queue_len_max,
            applied_total: load(&counters.applied),
            refused_total: load(&counters.refused),
            abandoned_total: load(&counters.abandoned),
            failed_total: load(&counters.failed),
            commits_total: load(&counters.commits),
            commit_us_total: load(&counters.commit_us),
            commit_us_max: load(&counters.commit_us_max),
            reopened_total: load(&counters.reopened),
            corrected_total: load(&counters.corrected),
        }
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.begin_close();
        let mut ended = self.ended.clone();
        Box::pin(async move {
            // An error means that the thread is gone, which is what we wait for.
            let _ = ended.wait_for(|ended| *ended).await;
        })
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.begin_close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
