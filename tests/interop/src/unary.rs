//! One message, one answer.

use futures_util::future::try_join_all;
use tonic::Request;

use crate::check::{Outcome, Wrong, equal, is_large, large};
use crate::pb::{Empty, Payload, SimpleRequest};
use crate::{Target, Transport};

pub(crate) async fn empty_unary<T: Transport>(target: &Target<T>) -> Outcome {
    let answer = target.client().empty_call(Empty {}).await?;
    equal("the answer", answer.into_inner(), Empty {})
}

/// Between this client and the service nobody keeps answers, and gRPC's clients send no `GET`. What is left is that both calls
/// succeed, and that the answer says that it may be kept.
pub(crate) async fn cacheable_unary<T: Transport>(target: &Target<T>) -> Outcome {
    for _ in 0..2 {
        let payload = Payload { body: b"1700000000000000000".to_vec(), ..Default::default() };
        let mut request = Request::new(SimpleRequest { payload: Some(payload), ..Default::default() });
        request.metadata_mut().insert("x-user-ip", tonic::metadata::MetadataValue::from_static("1.2.3.4"));
        let answer = target.client().cacheable_unary_call(request).await?;
        let kept = answer.metadata().get("cache-control").map(|value| value.as_encoded_bytes().to_vec());
        equal("`cache-control`", kept.as_deref(), Some(&b"max-age=60, public"[..]))?;
        let body = answer.into_inner().payload.unwrap_or_default().body;
        if body.is_empty() || !body.iter().all(u8::is_ascii_digit) {
            return Err(Wrong(format!("{body:?} is no time")));
        }
    }
    Ok(())
}

pub(crate) async fn large_unary<T: Transport>(target: &Target<T>) -> Outcome {
    is_large(target.client().unary_call(large()).await?)
}

pub(crate) async fn concurrent_large_unary<T: Transport>(target: &Target<T>) -> Outcome {
    let calls = (0..16).map(|_| large_unary(target));
    try_join_all(calls).await.map(drop)
}

/// Shorter than the one of the description, which looks for leaks and takes minutes.
pub(crate) async fn rpc_soak<T: Transport>(target: &Target<T>) -> Outcome {
    let mut client = target.client();
    for _ in 0..20 {
        is_large(client.unary_call(large()).await?)?;
    }
    Ok(())
}
