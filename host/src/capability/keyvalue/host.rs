//! The operations as host functions, for both drafts: handles are looked up, limits kept, failures logged and told.
//!
//! A host function that only reads is quick and does not wait, so that it costs the guest no switch of stacks.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::AsContextMut;
use wasmtime::component::{Access, Resource};

use super::fault::{Fault, text};
use super::space::{Bucket, Cas, Pair, Space, Swap};
use super::{BUCKETS_MAX, Views};
use crate::engine::{State, current_call};
use crate::observe::limiter::Admit;
use crate::store::{BUCKET_BYTES_MAX, Error, Page};

/// Keys read at once from which on the read is left to a thread that may wait: their values can be large, and the disk
/// cold.
const READ_ASIDE_LEN_MIN: usize = 16;

/// What a host function is given to get at its instance.
pub(super) type Host<'a> = Access<'a, State, Views>;

pub(super) fn open(mut host: Host<'_>, name: &str) -> Result<Resource<Bucket>, Fault> {
    let mut view = host.get();
    let (instance, table) = view.parts()?;
    if instance.space.is_none() {
        return Err(Fault::AccessDenied);
    }
    if name.len() > BUCKET_BYTES_MAX {
        let error = Error::BucketTooLong { len_bytes: name.len(), max_bytes: BUCKET_BYTES_MAX };
        return Err(Fault::Other(text(&error)));
    }
    if instance.buckets >= BUCKETS_MAX {
        return Err("too many open buckets; drop those that are not needed".into());
    }
    let handle = table.push(Bucket { name: name.into() })?;
    instance.buckets += 1;
    Ok(handle)
}

pub(super) fn close(mut host: Host<'_>, handle: Resource<Bucket>) -> wasmtime::Result<()> {
    let mut view = host.get();
    let (instance, table) = view.parts()?;
    table.delete(handle)?;
    instance.buckets = instance.buckets.saturating_sub(1);
    Ok(())
}

pub(super) fn get(mut host: Host<'_>, handle: &Resource<Bucket>, key: &str) -> Result<Option<Vec<u8>>, Fault> {
    let (space, bucket) = find(&mut host, handle)?;
    let value = space.get(&bucket, key);
    Ok(settle(&mut host, value)?.map(Vec::from))
}

pub(super) fn exists(mut host: Host<'_>, handle: &Resource<Bucket>, key: &str) -> Result<bool, Fault> {
    let (space, bucket) = find(&mut host, handle)?;
    let exists = space.exists(&bucket, key);
    settle(&mut host, exists)
}

/// A page of keys, the first or what comes behind the key `after`.
pub(super) fn list_keys(host: &mut Host<'_>, handle: &Resource<Bucket>, after: Option<&str>) -> Result<Page, Fault> {
    let (space, bucket) = find(host, handle)?;
    let page = space.list_keys(&bucket, after);
    settle(host, page)
}

/// What a numeric cursor stands for.
pub(super) fn find_cursor(host: &mut Host<'_>, handle: &Resource<Bucket>, cursor: u64) -> Result<String, Fault> {
    let mut view = host.get();
    let (instance, table) = view.parts()?;
    let bucket = table.get(handle)?;
    let after = instance.cursors.find(&bucket.name, cursor);
    after.map(str::to_owned).ok_or_else(|| "the cursor is not known any more; start the listing over".into())
}

/// A numeric cursor for what begins behind `after`.
pub(super) fn add_cursor(host: &mut Host<'_>, handle: &Resource<Bucket>, after: String) -> Result<u64, Fault> {
    let mut view = host.get();
    let (instance, table) = view.parts()?;
    let bucket = table.get(handle)?;
    Ok(instance.cursors.add(&bucket.name, after))
}

pub(super) async fn set(
    mut host: Host<'_>,
    handle: Resource<Bucket>,
    key: String,
    value: Vec<u8>,
) -> Result<(), Fault> {
    let (space, bucket) = find(&mut host, &handle)?;
    let done = space.set(&bucket, key, value).await;
    settle(&mut host, done)
}

pub(super) async fn delete(mut host: Host<'_>, handle: Resource<Bucket>, key: String) -> Result<(), Fault> {
    let (space, bucket) = find(&mut host, &handle)?;
    let done = space.delete(&bucket, key).await;
    settle(&mut host, done)
}

pub(super) async fn get_many(
    mut host: Host<'_>,
    handle: Resource<Bucket>,
    keys: Vec<String>,
) -> Result<Vec<Option<Pair>>, Fault> {
    let (space, bucket) = find(&mut host, &handle)?;
    let pairs = if keys.len() < READ_ASIDE_LEN_MIN {
        space.get_many(&bucket, keys)
    } else {
        let read = tokio::task::spawn_blocking(move || space.get_many(&bucket, keys));
        read.await.map_err(|_| Fault::from("the storage failed"))?
    };
    settle(&mut host, pairs)
}

pub(super) async fn set_many(mut host: Host<'_>, handle: Resource<Bucket>, pairs: Vec<Pair>) -> Result<(), Fault> {
    let (space, bucket) = find(&mut host, &handle)?;
    let done = space.set_many(&bucket, pairs).await;
    settle(&mut host, done)
}

pub(super) async fn delete_many(mut host: Host<'_>, handle: Resource<Bucket>, keys: Vec<String>) -> Result<(), Fault> {
    let (space, bucket) = find(&mut host, &handle)?;
    let done = space.delete_many(&bucket, keys).await;
    settle(&mut host, done)
}

pub(super) async fn increment(
    mut host: Host<'_>,
    handle: Resource<Bucket>,
    key: String,
    delta: i64,
) -> Result<i64, Fault> {
    let (space, bucket) = find(&mut host, &handle)?;
    let sum = space.increment(&bucket, key, delta).await;
    settle(&mut host, sum)?.ok_or_else(|| "the storage failed".into())
}

pub(super) fn observe(mut host: Host<'_>, handle: &Resource<Bucket>, key: String) -> Result<Resource<Cas>, Fault> {
    let (space, bucket) = find(&mut host, handle)?;
    let cas = space.observe(&bucket, key);
    let cas = settle(&mut host, cas)?;
    keep(&mut host, cas)
}

pub(super) fn observed(mut host: Host<'_>, handle: &Resource<Cas>) -> Result<Option<Vec<u8>>, Fault> {
    let mut view = host.get();
    let (_, table) = view.parts()?;
    Ok(table.get(handle)?.value().map(|value| value.to_vec()))
}

/// Uses up the handle; on a conflict there is a new one, of the key as it is now.
pub(super) async fn swap(
    mut host: Host<'_>,
    handle: Resource<Cas>,
    value: Vec<u8>,
) -> Result<Option<Resource<Cas>>, Fault> {
    let cas = release(&mut host, handle)?;
    let space = host.get().parts()?.0.space.clone().ok_or(Fault::AccessDenied)?;
    let swap = space.swap(cas, value).await;
    match settle(&mut host, swap)? {
        Swap::Done => Ok(None),
        Swap::Lost(cas) => keep(&mut host, cas).map(Some),
    }
}

pub(super) fn forget(mut host: Host<'_>, handle: Resource<Cas>) -> wasmtime::Result<()> {
    release(&mut host, handle).map(drop)
}

fn keep(host: &mut Host<'_>, cas: Cas) -> Result<Resource<Cas>, Fault> {
    let mut view = host.get();
    let (instance, table) = view.parts()?;
    if !instance.cas.add(&cas) {
        return Err("too many compare-and-swap handles, or too large values in them; drop those not needed".into());
    }
    Ok(table.push(cas)?)
}

fn release(host: &mut Host<'_>, handle: Resource<Cas>) -> wasmtime::Result<Cas> {
    let mut view = host.get();
    let (instance, table) = view.parts()?;
    let cas = table.delete(handle)?;
    instance.cas.remove(&cas);
    Ok(cas)
}

fn find(host: &mut Host<'_>, handle: &Resource<Bucket>) -> Result<(Arc<Space>, Arc<str>), Fault> {
    let mut view = host.get();
    let (instance, table) = view.parts()?;
    let bucket = table.get(handle)?.name.clone();
    let space = instance.space.clone().ok_or(Fault::AccessDenied)?;
    Ok((space, bucket))
}

/// Tells the guest what it may know of a failure, and the operator the rest.
fn settle<T>(host: &mut Host<'_>, result: Result<T, Error>) -> Result<T, Fault> {
    result.map_err(|error| {
        if !error.is_callers() {
            report(host, &error);
        }
        Fault::Other(text(&error))
    })
}

fn report(host: &mut Host<'_>, error: &Error) {
    let mut store = host.as_context_mut();
    let trace_id = current_call(&mut store).map(|call| call.context().trace.trace_id().to_string());
    let state = store.data_mut();
    let guest = state.guest().clone();
    let not_shown =
        match state.extension::<super::Instance>().map(|(instance, _)| instance.warnings.admit(Instant::now())) {
            Some(Admit::Yes) | None => None,
            Some(Admit::YesAfterDropping(failures)) => Some(failures),
            Some(Admit::No) => return,
        };
    tracing::warn!(
        service = %guest.service, version = %guest.version, trace_id, not_shown,
        error = error as &dyn std::error::Error,
        "the key-value store failed a guest"
    );
}
