//! The `Authorization: Bearer` header ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::problem::Problem;

/// The token a request carries.
///
/// # Errors
/// 401 when there is none.
pub fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Problem::unauthenticated("Send a token as `Authorization: Bearer TOKEN`."))
}
