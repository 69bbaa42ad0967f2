//! `wasi:keyvalue@0.2.0-draft`: numeric cursors, unsigned counters, no compare-and-swap.

use wasmtime::component::{Access, Linker, Resource};

use super::fault::Fault;
use super::space::Bucket;
use super::{View, Views, host};
use crate::engine::State;
use bindings::wasi::keyvalue::{atomics, batch, store};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit/deps/keyvalue-draft",
        world: "wasi:keyvalue/imports",
        imports: {
            "wasi:keyvalue/store.[method]bucket.set": async | store | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | store | trappable,
            "wasi:keyvalue/atomics.increment": async | store | trappable,
            "wasi:keyvalue/batch": async | store | trappable,
            default: store | trappable,
        },
        with: {
            "wasi:keyvalue/store.bucket": crate::capability::keyvalue::space::Bucket,
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
        match fault {
            Fault::AccessDenied => Ok(store::Error::AccessDenied),
            Fault::Other(text) => Ok(store::Error::Other(text.into_owned())),
            Fault::Trap(error) => Err(error),
        }
    }
}

impl store::HostBucket for View<'_> {}
impl atomics::Host for View<'_> {}
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
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, Fault> {
        let after = cursor.map(|cursor| host::find_cursor(&mut host, &bucket, cursor)).transpose()?;
        let page = host::list_keys(&mut host, &bucket, after.as_deref())?;
        let cursor = page.next.map(|after| host::add_cursor(&mut host, &bucket, after)).transpose()?;
        Ok(store::KeyResponse { keys: page.keys, cursor })
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
        delta: u64,
    ) -> Result<u64, Fault> {
        let sum = host::increment(host, bucket, key, signed(delta)?).await?;
        unsigned(sum)
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

/// Counters are signed in the store, because those of the second draft are.
fn signed(delta: u64) -> Result<i64, Fault> {
    i64::try_from(delta).map_err(|_| "an increment is at most 9223372036854775807".into())
}

/// A counter can be below zero only when the value was set to that, or by a guest that speaks the second draft.
fn unsigned(sum: i64) -> Result<u64, Fault> {
    u64::try_from(sum)
        .map_err(|_| "the counter was incremented but is below zero, which wasi:keyvalue@0.2.0-draft cannot say".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_keep_to_what_both_drafts_can_say() {
        assert_eq!(signed(7).unwrap(), 7);
        assert_eq!(signed(i64::MAX as u64).unwrap(), i64::MAX);
        assert!(matches!(signed(i64::MAX as u64 + 1), Err(Fault::Other(_))));
        assert_eq!(unsigned(7).unwrap(), 7);
        assert!(matches!(unsigned(-1), Err(Fault::Other(_))));
    }
}
