//! Runs the cases of gRPC's interop tests against the service `interop`, from inside: `GET /case/NAME` answers 200 `ok`, or 500
//! with what was wrong.

use hostel_interop::{Target, run};
use hostel_sdk::axum::{
    Router,
    extract::Path,
    http::{StatusCode, Uri},
    routing::get,
};

fn app() -> Router {
    Router::new().route("/case/{name}", get(case))
}

hostel_sdk::serve!(app);
hostel_sdk::manifest!("manifest.toml");

async fn case(Path(name): Path<String>) -> Result<&'static str, (StatusCode, String)> {
    // Where calls go is up to the channel.
    let target = Target::new(hostel_sdk::channel("interop"), Uri::from_static("http://interop.internal"));
    match run(&name, &target).await {
        Ok(()) => Ok("ok"),
        Err(wrong) => Err((StatusCode::INTERNAL_SERVER_ERROR, wrong)),
    }
}
