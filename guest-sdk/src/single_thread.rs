//! [`SingleThread`]: the claim that a value never meets a second thread.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(all(target_family = "wasm", target_feature = "atomics"))]
compile_error!("hostel-sdk relies on guests having one thread; it cannot be built with wasm threads");

/// A value that is `Send` because there is no other thread to send it to.
///
/// axum and tonic are written for thread pools and ask for `Send` futures and bodies; what WASI offers (stream ends,
/// pending calls) is not `Send`. In a guest that difference is of no consequence.
pub(crate) struct SingleThread<T>(pub(crate) T);

// SAFETY: this type is compiled for WebAssembly without the atomics feature only (the module is not built for native
// targets, and the check above refuses the rest). Such an instance has exactly one thread, so no value of it can be
// used from, or dropped on, another one.
#[allow(unsafe_code, reason = "the argument is above")]
unsafe impl<T> Send for SingleThread<T> {}

impl<F: Future> Future for SingleThread<F> {
    type Output = F::Output;

    #[allow(unsafe_code, reason = "the argument is below")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned whenever the wrapper is: the wrapper has no destructor, does not implement
        // `Unpin` by hand, and nothing moves out of a pinned one.
        unsafe { self.map_unchecked_mut(|wrapper| &mut wrapper.0) }.poll(cx)
    }
}
