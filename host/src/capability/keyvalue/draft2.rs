//! `wasi:keyvalue@0.2.0-draft2`: cursors that are text, signed counters, compare-and-swap.

use wasmtime::component::{Access, Linker, Resource};

use super::fault::Fault;
use super::space::{Bucket, Cas};
use super::{View, Views, host};
use crate::engine::State;
use bindings::wasi::keyvalue::{atomics, batch, store};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit/deps/keyvalue-draft2",
        world: "wasi:keyvalue/imports",
        imports: {
            "wasi:keyvalue/store.[method]bucket.set": async | store | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | store | trappable,
            "wasi:keyvalue/atomics.increment": async | store | trappable,
            "wasi:keyvalue/atomics.swap": async | store | trappable,
            "wasi:keyvalue/batch": async | store | trappable,
            default: store | trappable,
        },
        with: {
            "wasi:keyvalue/store.bucket": crate::capability::keyvalue::space::Bucket,
            "wasi:keyvalue/atomics.cas": crate::capability::keyvalue::space::Cas,
        },
        trappable_error_type: {
            "wasi:keyvalue/store.error" => crate::capability::keyvalue::fault::Fault,
        },
    });
}

/// Adds the draft's interfaces.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, Views>(linker, |state| View(state))?;
    atomics::add_to_linker::<_, Views>(linker, |state| View(state))?;
    batch::add_to_linker::<_, Views>(linker, |state| View(state))
}

impl store::Host for View<'_> {
    fn convert_error(&mut self, fault: Fault) -> wasmtime::Result<store::Error> {
        explain(fault)
    }
}

fn explain(fault: Fault) -> wasmtime::Result<store::Error> {
    match fault {
        Fault::AccessDenied => Ok(store::Error::AccessDenied),
        Fault::Other(text) => Ok(store::Error::Other(text.into_owned())),
        Fault::Trap(error) => Err(error),
    }
}

impl store::HostBucket for View<'_> {}
impl atomics::Host for View<'_> {}
impl atomics::HostCas for View<'_> {}
impl batch::Host for View<'_> {}

impl store::HostWithStore<State> for Views {
    fn open(host: Access<'_, State, Self>, identifier: String) -> Result<Resource<Bucket>, Fault> {
        host::open(host, &identifier)
    }
}

impl store::HostBucketWithStore<State> for Views {
    fn get(host: Access<'_, State, Self>, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, Fault> {
        host::get(host, &bucket, &key)
    }

    async fn set(
        host: Access<'_, State, Self>,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Fault> {
        host::set(host, bucket, key, value).await
    }

    async fn delete(host: Access<'_, State, Self>, bucket: Resource<Bucket>, key: String) -> Result<(), Fault> {
        host::delete(host, bucket, key).await
    }

    fn exists(host: Access<'_, State, Self>, bucket: Resource<Bucket>, key: String) -> Result<bool, Fault> {
        host::exists(host, &bucket, &key)
    }

    fn list_keys(
        mut host: Access<'_, State, Self>,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Result<store::KeyResponse, Fault> {
        // The cursor is the last key of the page before, which needs no memory of the host and is good for ever.
        let page = host::list_keys(&mut host, &bucket, cursor.as_deref())?;
        Ok(store::KeyResponse { keys: page.keys, cursor: page.next })
    }

    fn drop(host: Access<'_, State, Self>, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        host::close(host, bucket)
    }
}

impl atomics::HostWithStore<State> for Views {
    async fn increment(
        host: Access<'_, State, Self>,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> Result<i64, Fault> {
        host::increment(host, bucket, key, delta).await
    }

    async fn swap(
        host: Access<'_, State, Self>,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        Ok(match host::swap(host, cas, value).await {
            Ok(None) => Ok(()),
            Ok(Some(newer)) => Err(atomics::CasError::CasFailed(newer)),
            Err(fault) => Err(atomics::CasError::StoreError(explain(fault)?)),
        })
    }
}

impl atomics::HostCasWithStore<State> for Views {
    fn new(host: Access<'_, State, Self>, bucket: Resource<Bucket>, key: String) -> Result<Resource<Cas>, Fault> {
        host::observe(host, &bucket, key)
    }

    fn current(host: Access<'_, State, Self>, cas: Resource<Cas>) -> Result<Option<Vec<u8>>, Fault> {
        host::observed(host, &cas)
    }

    fn drop(host: Access<'_, State, Self>, cas: Resource<Cas>) -> wasmtime::Result<()> {
        host::forget(host, cas)
    }
}

impl batch::HostWithStore<State> for Views {
    async fn get_many(
        host: Access<'_, State, Self>,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, Fault> {
        host::get_many(host, bucket, keys).await
    }

    async fn set_many(
        host: Access<'_, State, Self>,
        bucket: Resource<Bucket>,
        key_values: Vec<(String, Vec<u8>)>,
    ) -> Result<(), Fault> {
        host::set_many(host, bucket, key_values).await
    }

    async fn delete_many(
        host: Access<'_, State, Self>,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<(), Fault> {
        host::delete_many(host, bucket, keys).await
    }
}
