//! Password hashes: Argon2id with a random salt each.
//!
//! The parameters are the second of OWASP's equivalent recommendations (Password Storage Cheat Sheet): 19 MiB of
//! memory, 2 passes, 1 lane. That is some 35 ms of CPU time as WebAssembly. The parameters are part of each hash, so
//! they can be raised without breaking old ones.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use shop_common::problem::Problem;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A salt for work whose result is thrown away.
const NO_SALT: [u8; 16] = [0; 16];

/// Hashes a new password, as a PHC string.
///
/// # Errors
/// When memory or entropy runs out.
pub(crate) fn hash(password: &str) -> Result<String, Problem> {
    let hash = hasher()?.hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(failed)
}

/// Whether `password` is the one that `hash` was made of.
///
/// # Errors
/// When memory runs out, or what is stored is no hash.
pub(crate) fn verify(password: &str, hash: &str) -> Result<bool, Problem> {
    let hash = PasswordHash::new(hash).map_err(failed)?;
    match hasher()?.verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Takes as long as [`verify`], for nothing: a log-in must not be faster when there is no such account.
///
/// # Errors
/// When memory runs out.
pub(crate) fn pretend(password: &str) -> Result<(), Problem> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    hasher()?.hash_password_into(password.as_bytes(), &NO_SALT, &mut output).map_err(failed)?;
    // Without a use of the result the work could be optimised away.
    std::hint::black_box(output);
    Ok(())
}

fn hasher() -> Result<Argon2<'static>, Problem> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn failed(error: impl std::fmt::Display) -> Problem {
    tracing::error!(%error, "password hashing failed");
    Problem::unavailable("password service")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_its_own_hashes_only() {
        let hashed = hash("correct horse").unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_ne!(hashed, hash("correct horse").unwrap(), "salts differ");
        assert!(verify("correct horse", &hashed).unwrap());
        assert!(!verify("correct horsf", &hashed).unwrap());
        assert!(verify("correct horse", "plain").is_err());
    }
}
