//! Whose token a request carries, as `users` knows it.

mod pb {
    #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated")]
    tonic::include_proto!("shop.users.v1");
}

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use hostel_sdk::Channel;
use http::request::Parts;
use tonic::Code;

use crate::bearer;
use crate::problem::Problem;

/// The person a request comes from. Extracted by routes that need one: 401 without a valid token, 503 when nobody can
/// tell. Comes before the body in a handler's parameters, so that a stranger's body is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their id, stable for ever.
    pub user_id: String,
}

/// Something that knows tokens.
#[tonic::async_trait]
pub trait Identity: Send + Sync {
    /// The person a token was issued to.
    ///
    /// # Errors
    /// 401 when the token is not valid, 503 when nobody can tell.
    async fn person(&self, token: &str) -> Result<Person, Problem>;
}

impl<S: Sync> FromRequestParts<S> for Person
where
    Arc<dyn Identity>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let identity = Arc::<dyn Identity>::from_ref(state);
        identity.person(bearer::token(&parts.headers)?).await
    }
}

/// The service `users`, over gRPC.
#[derive(Clone)]
pub struct Users(pb::users_client::UsersClient<Channel>);

impl Default for Users {
    fn default() -> Self {
        Self(pb::users_client::UsersClient::new(hostel_sdk::channel("users")))
    }
}

#[tonic::async_trait]
impl Identity for Users {
    async fn person(&self, token: &str) -> Result<Person, Problem> {
        let request = pb::VerifyTokenRequest { token: token.to_owned() };
        match self.0.clone().verify_token(request).await {
            Ok(response) => Ok(Person { user_id: response.into_inner().user_id }),
            Err(status) if status.code() == Code::Unauthenticated => {
                Err(Problem::unauthenticated("The token is unknown or has expired."))
            }
            Err(status) => {
                tracing::warn!(code = ?status.code(), status = status.message(), "users failed");
                Err(Problem::unavailable("user service"))
            }
        }
    }
}
