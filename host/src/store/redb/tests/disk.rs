//! A disk in memory that does what real ones do at the worst moment: fills up, fails, hangs, loses power.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use rand::Rng;
use rand::rngs::StdRng;
use redb::StorageBackend;

/// Shared with every database that is opened on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    /// What the running system sees.
    image: Vec<u8>,
    /// What is there after a power cut for certain: the image at the last flush.
    flushed: Vec<u8>,
    /// What happened since, in order.
    unflushed: Vec<Change>,
    faults: Faults,
    operations: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Len(u64),
}

/// What goes wrong, until it is set otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Faults {
    /// Growing and writing fail for want of space.
    pub(super) full: bool,
    pub(super) reads_fail: bool,
    pub(super) flushes_fail: bool,
    /// Flushes wait until this is over.
    pub(super) flushes_hang: bool,
    /// Everything fails from one operation, counted from the beginning, until before another.
    pub(super) dead: (u64, u64),
}

impl Disk {
    pub(super) fn set(&self, faults: Faults) {
        self.lock().faults = faults;
        self.state.1.notify_all();
    }

    pub(super) fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// The disk after a power cut: what was flushed, and of the rest any part, in sectors.
    pub(super) fn after_power_cut(&self, rng: &mut StdRng) -> Self {
        const SECTOR: usize = 512;
        let state = self.lock();
        let mut image = state.flushed.clone();
        for change in &state.unflushed {
            match change {
                Change::Len(len) => {
                    if rng.random() {
                        image.resize(*len as usize, 0);
                    }
                }
                Change::Write(at, data) => {
                    let whole: Option<bool> = [Some(true), Some(false), None][rng.random_range(0..3)];
                    for (i, sector) in data.chunks(SECTOR).enumerate() {
                        if whole.unwrap_or_else(|| rng.random()) {
                            put(&mut image, *at as usize + i * SECTOR, sector);
                        }
                    }
                }
            }
        }
        let cut = Self::default();
        cut.lock().flushed = image.clone();
        cut.lock().image = image;
        cut
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap()
    }

    /// Begins an operation, unless it is to fail.
    fn begin(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.operations += 1;
        let (from, until) = state.faults.dead;
        if (from..until).contains(&state.operations) {
            return Err(io::Error::other("the disk is dead"));
        }
        Ok(state)
    }
}

fn put(image: &mut Vec<u8>, at: usize, data: &[u8]) {
    let end = at + data.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(data);
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.begin()?.image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.begin()?;
        if state.faults.reads_fail {
            return Err(io::Error::other("cannot read this sector"));
        }
        let offset = offset as usize;
        let found = state.image.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.begin()?;
        if state.faults.full && len as usize > state.image.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.image.resize(len as usize, 0);
        state.unflushed.push(Change::Len(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.begin()?;
        while state.faults.flushes_hang {
            state = self.state.1.wait(state).unwrap();
        }
        if state.faults.flushes_fail {
            return Err(io::Error::other("cannot flush"));
        }
        state.flushed = state.image.clone();
        state.unflushed.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.begin()?;
        // The first pages exist, so that the header can be written: as on a disk that overwrites in place.
        if state.faults.full && offset > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        put(&mut state.image, offset as usize, data);
        state.unflushed.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }
}
