//! gRPC's health: of the host, of each of its services, and of each gRPC service of those.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::StreamBody;

use super::{Shared, leaving, not_one, ok, response, trailers};
use crate::call::grpc::Code;
use crate::call::{Body, CallError, Response};
use crate::transcode::adapter::framed;
use crate::transcode::compression::Encoding;
use crate::transcode::failure::Failure;
use crate::transcode::frame::{Dialect, FrameLimits};
use crate::transcode::health::{Health, HealthError, Watch};
use crate::transcode::messages::{Item, Messages};

pub(super) async fn answer(
    shared: &Arc<Shared>,
    method: &str,
    body: Body,
    limits: FrameLimits,
) -> Result<Response, Failure> {
    let request = one(body, limits).await?;
    let refused = |error: HealthError| Failure::status(error.code(), error.to_string());
    let answer = match method {
        "Check" => health(shared).check(&request).map_err(refused)?,
        "List" => health(shared).list(&request).map_err(refused)?,
        "Watch" => return Ok(watch(shared.clone(), Watch::new(&request).map_err(refused)?)),
        _ => return Err(Failure::status(Code::Unimplemented, "there is no such method")),
    };
    Ok(response(Body::full(framed(0, &answer), Some(trailers(&ok())))))
}

/// The one message of a request.
async fn one(body: Body, limits: FrameLimits) -> Result<Bytes, Failure> {
    let mut messages = Messages::new(body, Dialect::Grpc, Encoding::Identity, limits);
    let Item::Message(first) = messages.next().await? else { return Err(not_one("none")) };
    match messages.next().await? {
        Item::End(_) => Ok(first),
        Item::Message(_) => Err(not_one("another one")),
    }
}

/// What is ready now. A service that is replaced is ready all the time; one whose module has failed has none.
fn health(shared: &Shared) -> Health {
    let mut health = Health::new(!shared.platform.leaving.is_cancelled());
    let table = shared.deployments.table();
    for (service, grpc) in table.served() {
        health.insert(service, true);
        for name in grpc {
            health.insert(name, true);
        }
    }
    health
}

fn watch(shared: Arc<Shared>, watch: Watch) -> Response {
    let changes = shared.deployments.watch();
    let steps = stream::unfold(Some((shared, watch, changes)), |state| async move {
        let (shared, mut watch, mut changes) = state?;
        loop {
            changes.mark_unchanged();
            if let Some(news) = watch.update(&health(&shared)) {
                return Some((Ok::<_, CallError>(Frame::data(framed(0, &news))), Some((shared, watch, changes))));
            }
            if shared.platform.leaving.is_cancelled() {
                // What it had to say about that has been said.
                return Some((Ok(Frame::trailers(trailers(&leaving()))), None));
            }
            tokio::select! {
                () = shared.platform.leaving.cancelled() => {}
                changed = changes.changed() => if changed.is_err() {
                    return Some((Ok(Frame::trailers(trailers(&leaving()))), None));
                },
            }
        }
    });
    response(Body::stream(StreamBody::new(Box::pin(steps))))
}
