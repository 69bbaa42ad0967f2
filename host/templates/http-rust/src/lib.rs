//! The service `{{name}}`: notes, as an example of routes, JSON, storage, configuration and logs.

use hostel_sdk::axum::http::StatusCode;
use hostel_sdk::axum::response::{IntoResponse, Response};
use hostel_sdk::axum::{Json, Router, extract::Path, routing::get};
use hostel_sdk::{config, kv, tracing};
use serde::{Deserialize, Serialize};

hostel_sdk::serve!(app);
hostel_sdk::manifest!("manifest.toml");

fn app() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(async || "ok"))
        .route("/notes", get(list).post(create))
        .route("/notes/{id}", get(read).delete(remove))
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

#[derive(Serialize)]
struct Note {
    id: String,
    text: String,
}

async fn index() -> String {
    let greeting = config::get("greeting").ok().flatten();
    let greeting = greeting.as_deref().unwrap_or("hello");
    format!("{greeting} from {{name}}\n")
}

async fn list() -> Result<Json<Vec<Note>>, Failed> {
    let notes = kv::open("notes")?;
    let found = notes.get_many(notes.list_keys()?)?;
    Ok(Json(found.into_iter().map(note).collect()))
}

async fn create(Json(new): Json<NewNote>) -> Result<(StatusCode, Json<Note>), Failed> {
    let id = kv::open("counters")?.increment("notes", 1)?.to_string();
    kv::open("notes")?.set(&id, &new.text)?;
    tracing::info!(id, "created a note");
    Ok((StatusCode::CREATED, Json(Note { id, text: new.text })))
}

async fn read(Path(id): Path<String>) -> Result<Json<Note>, Failed> {
    let text = kv::open("notes")?.get(&id)?.ok_or(Failed::NotFound)?;
    Ok(Json(note((id, text))))
}

async fn remove(Path(id): Path<String>) -> Result<StatusCode, Failed> {
    kv::open("notes")?.delete(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

fn note((id, text): (String, Vec<u8>)) -> Note {
    Note {
        id,
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

enum Failed {
    NotFound,
    Storage(kv::Error),
}

impl From<kv::Error> for Failed {
    fn from(error: kv::Error) -> Self {
        Self::Storage(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Storage(error) => {
                tracing::error!("storage: {error}");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
        .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostel_sdk::axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    /// `cargo test` runs without a host, so what needs one (storage, calls) fails there.
    #[tokio::test]
    async fn answers_at_its_root() {
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = app().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
