//! What people see of `users`: JSON over HTTP.

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use shop_common::extract::Json;
use shop_common::problem::{Checks, Problem};
use shop_common::settings::Settings;
use shop_common::{bearer, clock};

use crate::account::{Account, Registration, Session, check_name};
use crate::directory::Directory;

/// A day, for when the configuration says nothing sensible.
const SESSION_TTL_S: u64 = 24 * 60 * 60;

#[derive(Clone)]
struct Service {
    directory: Directory,
    settings: Settings,
}

/// The routes under `/users/`.
pub(crate) fn routes(directory: Directory, settings: Settings) -> Router {
    Router::new()
        .route("/register", post(register))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/profile", get(profile).patch(edit_profile))
        .with_state(Service { directory, settings })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterRequest {
    email: String,
    password: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogInRequest {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileRequest {
    name: String,
}

/// An account, without what is secret.
#[derive(Serialize)]
struct Profile {
    id: String,
    email: String,
    name: String,
    created_at: String,
}

impl From<Account> for Profile {
    fn from(account: Account) -> Self {
        Self {
            email: account.email.as_str().to_owned(),
            created_at: clock::rfc3339(account.created_ms),
            id: account.id,
            name: account.name,
        }
    }
}

#[derive(Serialize)]
struct LogInResponse {
    token: String,
    token_type: &'static str,
    expires_at: String,
    user: Profile,
}

async fn register(State(service): State<Service>, Json(body): Json<RegisterRequest>) -> Result<Response, Problem> {
    let new = Registration::parse(&body.email, body.password, &body.name)?;
    let account = service.directory.register(new, clock::now_ms())?;
    Ok((StatusCode::CREATED, axum::Json(Profile::from(account))).into_response())
}

async fn log_in(State(service): State<Service>, Json(body): Json<LogInRequest>) -> Result<Response, Problem> {
    let configured = service.settings.get("session_ttl_s");
    let ttl_s = configured.and_then(|text| text.parse().ok());
    let ttl_ms = ttl_s.unwrap_or(SESSION_TTL_S).saturating_mul(1000);
    let directory = &service.directory;
    let log_in = directory.log_in(&body.email, &body.password, clock::now_ms(), ttl_ms)?;
    let response = LogInResponse {
        token: log_in.token,
        token_type: "Bearer",
        expires_at: clock::rfc3339(log_in.expires_ms),
        user: log_in.account.into(),
    };
    // A token must not be kept by anything on its way.
    Ok(([("cache-control", "no-store")], axum::Json(response)).into_response())
}

async fn log_out(State(service): State<Service>, LoggedIn { token, session }: LoggedIn) -> Result<StatusCode, Problem> {
    service.directory.log_out(&token, &session)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn profile(
    State(service): State<Service>,
    LoggedIn { session, .. }: LoggedIn,
) -> Result<axum::Json<Profile>, Problem> {
    let account = service.directory.accounts.get(session.email.as_str())?;
    let account = account.ok_or_else(|| Problem::not_found("account"))?;
    Ok(axum::Json(account.into()))
}

async fn edit_profile(
    State(service): State<Service>,
    LoggedIn { session, .. }: LoggedIn,
    Json(body): Json<ProfileRequest>,
) -> Result<axum::Json<Profile>, Problem> {
    let mut checks = Checks::default();
    let name = check_name(&body.name, &mut checks);
    checks.finish()?;
    let account = service.directory.rename(&session.email, &name)?;
    Ok(axum::Json(account.into()))
}

/// The open session of whoever sent the request; 401 when there is none.
struct LoggedIn {
    token: String,
    session: Session,
}

impl FromRequestParts<Service> for LoggedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Problem> {
        let token = bearer::token(&parts.headers)?.to_owned();
        let session = service.directory.session(&token, clock::now_ms())?;
        let session = session.ok_or_else(|| Problem::unauthenticated("The token is unknown or has expired."))?;
        Ok(Self { token, session })
    }
}

#[cfg(test)]
mod tests;
