//! Key-value storage, one route per operation. The bucket is the first part of the path.

use hostel_sdk::{
    axum::{
        Json, Router,
        body::Bytes,
        extract::Path,
        http::StatusCode,
        response::{IntoResponse, Response},
        routing::{get, post},
    },
    kv::{self, SwapError},
};

pub(crate) fn router() -> Router {
    Router::new()
        .route("/kv/{bucket}", get(list).post(set_many))
        .route("/kv/{bucket}/{key}", get(value).put(set).delete(delete))
        .route("/kv/{bucket}/{key}/exists", get(exists))
        .route("/kv/{bucket}/{key}/add/{delta}", post(increment))
        .route("/kv/{bucket}/{key}/append", post(append))
        .route("/kv/{bucket}/{key}/race", post(race))
}

struct Failed(kv::Error);

impl From<kv::Error> for Failed {
    fn from(error: kv::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match self.0 {
            kv::Error::NoSuchStore => StatusCode::NOT_FOUND,
            kv::Error::AccessDenied => StatusCode::FORBIDDEN,
            kv::Error::Unsupported => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.0.to_string()).into_response()
    }
}

type Key = Path<(String, String)>;

async fn list(Path(bucket): Path<String>) -> Result<Json<Vec<String>>, Failed> {
    let mut keys = kv::open(&bucket)?.list_keys()?;
    keys.sort();
    Ok(Json(keys))
}

/// Writes the pairs of a JSON object, then answers with those of its keys that are found.
async fn set_many(
    Path(bucket): Path<String>,
    Json(pairs): Json<std::collections::BTreeMap<String, String>>,
) -> Result<Json<Vec<String>>, Failed> {
    let bucket = kv::open(&bucket)?;
    let keys: Vec<String> = pairs.keys().cloned().collect();
    bucket.set_many(pairs)?;
    let found = bucket.get_many(keys.iter().map(String::as_str).chain(["no such key"]))?;
    Ok(Json(found.into_iter().map(|(key, _)| key).collect()))
}

async fn value(Path((bucket, key)): Key) -> Result<Response, Failed> {
    Ok(match kv::open(&bucket)?.get(&key)? {
        Some(value) => value.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

async fn set(Path((bucket, key)): Key, value: Bytes) -> Result<StatusCode, Failed> {
    kv::open(&bucket)?.set(&key, value)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(Path((bucket, key)): Key) -> Result<StatusCode, Failed> {
    kv::open(&bucket)?.delete_many([key])?;
    Ok(StatusCode::NO_CONTENT)
}

async fn exists(Path((bucket, key)): Key) -> Result<String, Failed> {
    Ok(kv::open(&bucket)?.exists(&key)?.to_string())
}

async fn increment(Path((bucket, key, delta)): Path<(String, String, i64)>) -> Result<String, Failed> {
    Ok(kv::open(&bucket)?.increment(&key, delta)?.to_string())
}

async fn append(Path((bucket, key)): Key, more: Bytes) -> Result<Vec<u8>, Failed> {
    kv::open(&bucket)?.update(&key, |now| {
        let mut value = now.unwrap_or_default();
        value.extend_from_slice(&more);
        Ok(value)
    })
}

/// Loses a compare-and-swap on purpose, then wins with the state it got back.
async fn race(Path((bucket, key)): Key) -> Result<String, Failed> {
    let bucket = kv::open(&bucket)?;
    let before = bucket.current(&key)?;
    bucket.set(&key, "theirs")?;
    match before.swap("ours") {
        Ok(()) => Ok("the swap should have lost".into()),
        Err(SwapError::Store(error)) => Err(error.into()),
        Err(SwapError::Lost(newer)) => {
            let seen = String::from_utf8_lossy(newer.value().unwrap_or_default()).into_owned();
            match newer.swap("ours at last") {
                Ok(()) => Ok(format!("lost to {seen}, then won")),
                Err(error) => Ok(format!("lost to {seen}, then: {error}")),
            }
        }
    }
}
