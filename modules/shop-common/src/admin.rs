//! The operator's token, from the configuration key `admin_token`.
//!
//! There is no default: as long as nobody sets it, the routes of the operator answer 403 to everyone.

use axum::extract::{FromRef, FromRequestParts};
use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::bearer;
use crate::problem::Problem;
use crate::settings::Settings;

/// Extracted by routes that are the operator's: 401 without a token, 403 with another one or when none is configured.
/// Comes before the body in a handler's parameters, so that nobody else's body is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Admin;

impl<S: Sync> FromRequestParts<S> for Admin
where
    Settings: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        check(&parts.headers, &Settings::from_ref(state))
    }
}

fn check(headers: &HeaderMap, settings: &Settings) -> Result<Admin, Problem> {
    let Some(expected) = settings.get("admin_token") else {
        return Err(Problem::forbidden("No admin token is configured."));
    };
    let given = bearer::token(headers)?;
    // Compared as digests, in constant time: neither the length nor a common prefix shows in the timing.
    let same = Sha256::digest(given).ct_eq(&Sha256::digest(expected));
    if bool::from(same) { Ok(Admin) } else { Err(Problem::forbidden("This takes the admin token.")) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AUTHORIZATION;

    use super::*;

    fn status(configured: Option<&str>, given: Option<&'static str>) -> u16 {
        let settings = Settings::fixed(configured.iter().map(|token| ("admin_token", *token)));
        let mut headers = HeaderMap::new();
        if let Some(value) = given {
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        }
        check(&headers, &settings).map_or_else(|p| p.status().as_u16(), |_| 200)
    }

    #[test]
    fn only_the_configured_token_passes() {
        assert_eq!(status(Some("sesame"), Some("Bearer sesame")), 200);
        assert_eq!(status(Some("sesame"), Some("bearer sesame")), 200);
        assert_eq!(status(Some("sesame"), Some("Bearer sesam")), 403);
        assert_eq!(status(Some("sesame"), Some("Basic sesame")), 401);
        assert_eq!(status(Some("sesame"), Some("Bearer ")), 401);
        assert_eq!(status(Some("sesame"), None), 401);
    }

    #[test]
    fn without_configuration_nobody_passes() {
        assert_eq!(status(None, Some("Bearer ")), 403);
        assert_eq!(status(None, Some("Bearer sesame")), 403);
        assert_eq!(status(Some(""), Some("Bearer ")), 403);
    }
}
