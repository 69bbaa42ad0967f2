//! The three macros a service's `lib.rs` calls.

/// Makes the crate a Hostel module that serves `app`, a function returning an [`axum::Router`].
///
/// The function runs once per instance; state the router carries lives as long as the instance does, which may be
/// replaced at any time: what must last belongs in [`kv`](crate::kv). Call it once, in the crate whose type is
/// `cdylib`. In native builds it does nothing, so that routers can be tested with `cargo test`.
///
/// ```
/// use hostel_sdk::axum::{Router, routing::get};
///
/// fn app() -> Router {
///     Router::new().route("/", get(|| async { "hello" }))
/// }
///
/// hostel_sdk::serve!(app);
/// ```
#[cfg(all(target_family = "wasm", not(feature = "portable")))]
#[macro_export]
macro_rules! serve {
    ($app:path $(,)?) => {
        const _: () = {
            struct Module;

            impl $crate::__private::Guest for Module {
                async fn handle(request: $crate::__private::Request) -> $crate::__private::Response {
                    $crate::__private::handle($app, request).await
                }
            }

    $crate::__private::bindings::export!(Module with_types_in $crate::__private::bindings);
        };
    };
}

/// Makes the crate a module that serves `app`, a function returning an [`axum::Router`], over `wasi:http` 0.3.
#[cfg(all(target_family = "wasm", feature = "portable"))]
#[macro_export]
macro_rules! serve {
    ($app:path $(,)?) => {
        const _: () = {
            struct Module;

            impl $crate::__private::Guest for Module {
                async fn handle(
                    request: $crate::__private::Request,
                ) -> Result<$crate::__private::Response, $crate::__private::ErrorCode> {
                    $crate::__private::handle($app, request).await
                }
            }

            $crate::__private::wasip3::http::service::export!(Module);
        };
    };
}

/// Makes the crate a Hostel module that serves `app`, a function returning an [`axum::Router`].
///
/// The function runs once per instance; state the router carries lives as long as the instance does, which may be
/// replaced at any time: what must last belongs in [`kv`](crate::kv). Call it once, in the crate whose type is
/// `cdylib`. In native builds it does nothing, so that routers can be tested with `cargo test`.
///
/// ```
/// use hostel_sdk::axum::{Router, routing::get};
///
/// fn app() -> Router {
///     Router::new().route("/", get(|| async { "hello" }))
/// }
///
/// hostel_sdk::serve!(app);
/// ```
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! serve {
    ($app:path $(,)?) => {
        const _: fn() -> $crate::axum::Router = $app;
    };
}

/// Embeds the encoded protobuf `FileDescriptorSet` found at a path, from which the host knows the
/// module's gRPC services: it routes calls from outside by them. The path is an expression as [`include_bytes!`] takes it.
///
/// ```ignore
/// hostel_sdk::descriptors!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
/// ```
#[macro_export]
macro_rules! descriptors {
    ($path:expr $(,)?) => {
        $crate::__section!("hostel:descriptors", $path);
    };
}

/// Embeds the manifest, a TOML file named relative to the crate's `Cargo.toml`. A file `NAME.toml` beside the deployed
/// `NAME.wasm` wins over it.
///
/// ```ignore
/// hostel_sdk::manifest!("manifest.toml");
/// ```
#[macro_export]
macro_rules! manifest {
    ($path:literal $(,)?) => {
        $crate::__section!("hostel:manifest", concat!(env!("CARGO_MANIFEST_DIR"), "/", $path));
    };
}

/// Puts a file into a custom section. Native object formats have their own rules for section names, and no reader.
#[doc(hidden)]
#[macro_export]
macro_rules! __section {
    ($name:literal, $path:expr) => {
        const _: () = {
            #[used]
            #[cfg_attr(target_family = "wasm", unsafe(link_section = $name))]
            static SECTION: [u8; include_bytes!($path).len()] = *include_bytes!($path);
        };
    };
}
