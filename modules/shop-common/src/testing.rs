//! A client for routers, for the services' tests.
//!
//! It panics where a test should fail.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "part of tests")]

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::identity::{Identity, Person};
use crate::problem::Problem;

/// Knows one person, `usr_ann`, by the token `ann`.
#[derive(Clone, Copy, Debug)]
pub struct Ann;

#[tonic::async_trait]
impl Identity for Ann {
    async fn person(&self, token: &str) -> Result<Person, Problem> {
        match token {
            "ann" => Ok(Person { user_id: "usr_ann".to_owned() }),
            _ => Err(Problem::unauthenticated("The token is unknown.")),
        }
    }
}

/// Sends requests to a router.
#[derive(Clone, Debug)]
pub struct Client(Router);

impl Client {
    /// A client of `router`.
    pub fn new(router: Router) -> Self {
        Self(router)
    }

    /// Any request.
    pub async fn request(&self, request: Request<Body>) -> Response {
        self.0.clone().oneshot(request).await.unwrap()
    }

    /// A request with a token and a JSON body, unless they are empty and null.
    pub async fn send(&self, method: &str, path: &str, token: &str, body: Value) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        self.request(request.body(body).unwrap()).await
    }

    /// The status and the JSON body of the answer to [`Self::send`]. What is no success must be a problem document.
    pub async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> (u16, Value) {
        read(self.send(method, path, token, body).await).await
    }

    /// The `grpc-status` of a call with an empty message, on behalf of `caller`.
    pub async fn grpc(&self, path: String, caller: &'static str) -> String {
        let request = Request::post(path)
            .header("content-type", "application/grpc")
            .header("hostel-caller", caller)
            .body(Body::from(vec![0; 5]))
            .unwrap();
        let response = self.request(request).await;
        assert_eq!(response.status(), 200);
        let status = response.headers().get("grpc-status").cloned();
        let body = response.into_body().collect().await.unwrap();
        let status = status.or_else(|| body.trailers()?.get("grpc-status").cloned());
        status.unwrap().to_str().unwrap().to_owned()
    }
}

/// The status and the JSON body of a response. What is no success must be a problem document.
pub async fn read(response: Response) -> (u16, Value) {
    let status = response.status();
    let content_type = response.headers().get("content-type").cloned();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if !status.is_success() {
        assert_eq!(content_type.unwrap(), "application/problem+json");
        assert_eq!(body["status"], status.as_u16(), "{body}");
        assert!(body["type"].is_string() && body["title"].is_string(), "{body}");
    }
    (status.as_u16(), body)
}
