//! One call, at one endpoint after another: chosen, sent within its deadline, reported on, and sent again where that is
//! allowed.
//!
//! The first attempt is made when [`send`] is called, not when its future is first polled: so the future need not carry
//! the request, unless it is kept to be sent again.

mod held;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::Either;
use http::HeaderMap;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::call::{CallError, Deadline, Request, Response, ServiceName};
use crate::policy::balance::Locality;
use crate::policy::deadline;
use crate::policy::endpoints::{Endpoints, Key, NoEndpoint, PickRequest, Picked};
use crate::policy::outcome::Outcome;
use crate::policy::retry::{self, Replay, Retries};
use crate::policy::settings::PerCall;

/// What is known of a call before it is sent.
pub struct Plan<K: Key> {
    /// The endpoints of the service.
    pub endpoints: Arc<Endpoints<K>>,
    /// Its name, for errors.
    pub service: ServiceName,
    /// How calls through the route are treated.
    pub treatment: Arc<PerCall>,
    /// Whether the description of a gRPC method says that it is idempotent. The route's word goes first.
    pub described_idempotent: Option<bool>,
    /// The address the call came from, if it came from outside.
    pub source: Option<IpAddr>,
    /// By when the answer is needed, body included. The treatment can only shorten it.
    pub deadline: Deadline,
    /// The local endpoint is known to have no room.
    pub local_is_full: bool,
    /// Dice of this call's own.
    pub rng: SmallRng,
}

/// Sends a call. `dispatch` makes one attempt at the endpoint it is given, and ends it by the deadline it is given (see
/// [`deadline::within`]): it counts what it does, and so has to know how it ended. `refused` is told when there was no
/// endpoint for the first attempt, which nobody else counts.
///
/// # Errors
///
/// What the last attempt failed with; that there is no endpoint for the first.
pub fn send<K, D, F, R>(
    mut plan: Plan<K>,
    request: Request,
    dispatch: D,
    refused: R,
) -> impl Future<Output = Result<Response, CallError>>
where
    K: Key,
    D: Fn(&K, Locality, Deadline, Request) -> F,
    F: Future<Output = Result<Response, CallError>>,
    R: FnOnce(&CallError),
{
    if let Some(timeout) = plan.treatment.timeout {
        plan.deadline = deadline::capped(plan.deadline, timeout);
    }
    let declared = plan.treatment.retry.idempotent.or(plan.described_idempotent);
    let idempotent = retry::is_idempotent(request.method(), request.headers(), declared);
    let hash = plan.hash(request.headers());
    let mut retries = Retries::new(idempotent);
    let (kept, request) = plan.keep(request, &retries, idempotent);
    let first = plan.attempt(hash, &[], request, &dispatch);
    async move {
        let (picked, calling) = match first {
            Ok(first) => first,
            Err(none) => {
                let error = none.into_error(&plan.service);
                refused(&error);
                return Err(error);
            }
        };
        let answer = calling.await;
        let Some(kept) = kept else { return held::finish(answer, picked) };
        let tried = vec![picked.key().clone()];
        let Some(pause) = plan.pause(&mut retries, &kept, &answer, &tried) else { return held::finish(answer, picked) };
        // Apart, so that the calls that are not sent again, nearly all, need not have room for it.
        Box::pin(Repeating { plan, kept, hash, retries, tried }.run(answer, picked, pause, dispatch)).await
    }
}

/// A call whose last attempt has failed and that is going to be sent again.
struct Repeating<K: Key> {
    plan: Plan<K>,
    kept: Box<Replay>,
    hash: Option<u64>,
    retries: Retries,
    tried: Vec<K>,
}

impl<K: Key> Repeating<K> {
    async fn run<D, F>(
        mut self,
        mut answer: Result<Response, CallError>,
        mut picked: Picked<K>,
        mut pause: Duration,
        dispatch: D,
    ) -> Result<Response, CallError>
    where
        D: Fn(&K, Locality, Deadline, Request) -> F,
        F: Future<Output = Result<Response, CallError>>,
    {
        loop {
            picked.record(Instant::now(), Outcome::of(&answer, picked.locality()));
            // Its place is needed by nobody during the pause.
            drop(picked);
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            // Somebody may have read on meanwhile, beyond what is kept.
            let Some(request) = self.kept.request() else { return answer };
            let Ok((again, calling)) = self.plan.attempt(self.hash, &self.tried, request, &dispatch) else {
                return answer;
            };
            picked = again;
            answer = calling.await;
            self.tried.push(picked.key().clone());
            match self.plan.pause(&mut self.retries, &self.kept, &answer, &self.tried) {
                Some(next) => pause = next,
                None => return held::finish(answer, picked),
            }
        }
    }
}

impl<K: Key> Plan<K> {
    fn hash(&self, headers: &HeaderMap) -> Option<u64> {
        self.treatment.hash.as_ref()?.hash(headers, self.source)
    }

    /// Keeps a request that may be sent again. Where one endpoint serves all, only what is idempotent ever is.
    fn keep(&self, request: Request, retries: &Retries, idempotent: bool) -> (Option<Box<Replay>>, Request) {
        let settings = &self.treatment.retry;
        if !retries.more(settings) || !idempotent && self.endpoints.len() < 2 {
            return (None, request);
        }
        match Replay::of(request, settings.body_bytes_max) {
            Ok((kept, request)) => (Some(Box::new(kept)), request),
            Err(request) => (None, *request),
        }
    }

    /// How long to wait before the call is sent again; `None` when `answer` is what its caller gets.
    fn pause(
        &mut self,
        retries: &mut Retries,
        kept: &Replay,
        answer: &Result<Response, CallError>,
        tried: &[K],
    ) -> Option<Duration> {
        if !kept.is_whole() {
            return None;
        }
        let now = Instant::now();
        let elsewhere = answer.is_err() && self.endpoints.has_other(now, tried);
        let settings = &self.treatment.retry;
        let budget = self.endpoints.budget();
        retries.after(now, answer, self.deadline, elsewhere, settings, budget, &mut self.rng).ok()
    }

    fn attempt<D, F>(
        &mut self,
        hash: Option<u64>,
        tried: &[K],
        request: Request,
        dispatch: &D,
    ) -> Result<(Picked<K>, impl Future<Output = Result<Response, CallError>> + use<K, D, F>), NoEndpoint>
    where
        D: Fn(&K, Locality, Deadline, Request) -> F,
        F: Future<Output = Result<Response, CallError>>,
    {
        let deadline = self.deadline;
        let asked = PickRequest { hash, tried, deadline: deadline.instant(), local_is_full: self.local_is_full };
        let now = Instant::now();
        let picked = self.endpoints.pick(now, &mut self.rng, &asked)?;
        let in_time = now < deadline.instant();
        let made = in_time.then(|| dispatch(picked.key(), picked.locality(), deadline, request));
        let calling = match made {
            Some(made) => Either::Left(made),
            None => Either::Right(std::future::ready(Err(CallError::timeout("the deadline passed before an attempt")))),
        };
        Ok((picked, calling))
    }
}

#[cfg(test)]
mod tests;
