//! The records of `users`, and what their fields may hold.

use serde::{Deserialize, Serialize};
use shop_common::problem::{Checks, Problem};

/// The longest e-mail address that can be used ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321), 4.5.3.1.3).
const EMAIL_BYTES_MAX: usize = 254;
const NAME_CHARS_MAX: usize = 100;
/// Twelve characters resist guessing; 128 leave room for any passphrase and bound the work of a hash.
const PASSWORD_CHARS_MIN: usize = 12;
pub(crate) const PASSWORD_CHARS_MAX: usize = 128;

/// A customer, under the key of their e-mail address: one key, so that of two registrations one wins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) email: Email,
    pub(crate) name: String,
    /// Argon2id, as a PHC string.
    pub(crate) password: String,
    pub(crate) created_ms: u64,
    /// Open sessions, oldest first, so that their number has a bound.
    pub(crate) sessions: Vec<OpenSession>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenSession {
    /// The key of the [`Session`].
    pub(crate) digest: String,
    pub(crate) expires_ms: u64,
}

/// A log-in, under the digest of its token: whoever reads the store learns no token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) email: Email,
    pub(crate) expires_ms: u64,
}

/// An e-mail address in lower case: the name of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Email(String);

impl Email {
    /// Accepts what could be an address. Only a mail that arrives proves more.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let dot_inside = domain.split_once('.').is_some_and(|(host, rest)| !host.is_empty() && !rest.is_empty());
        let sound = !local.is_empty()
            && !local.contains('@')
            && dot_inside
            && !domain.ends_with('.')
            && !domain.contains("..")
            && text.len() <= EMAIL_BYTES_MAX
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| Self(text.to_ascii_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request to register, once it is known to be sound.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) email: Email,
    pub(crate) password: String,
    pub(crate) name: String,
}

impl Registration {
    /// # Errors
    /// 422 with every bad field.
    pub(crate) fn parse(email: &str, password: String, name: &str) -> Result<Self, Problem> {
        let mut checks = Checks::default();
        let email = Email::parse(email.trim());
        checks.check(email.is_some(), "email", "must be an e-mail address");
        let length = password.chars().count();
        checks.check(
            (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&length),
            "password",
            "must have 12 to 128 characters",
        );
        let name = check_name(name, &mut checks);
        checks.finish()?;
        // `finish` refuses a missing address; this spares a panic that cannot happen.
        let email = email.ok_or_else(|| Problem::invalid(Vec::new()))?;
        Ok(Self { email, password, name })
    }
}

/// A name as it is kept: trimmed.
pub(crate) fn check_name(name: &str, checks: &mut Checks) -> String {
    let name = name.trim();
    let sound = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    checks.check(sound, "name", "must have 1 to 100 characters");
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["a@b.co", "first.last+tag@mail.example.com"] {
            assert!(Email::parse(good).is_some(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(243));
        for bad in ["", "a", "@b.co", "a@", "a@b", "a@.co", "a@b.", "a@b..co", "a b@c.de", "a@b@c.de", "ä@b.co", &long]
        {
            assert!(Email::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Email::parse("A@B.Co"), Email::parse("a@b.co"));
    }

    #[test]
    fn every_bad_field_is_reported() {
        let problem = Registration::parse("nobody", "short".into(), " ").unwrap_err();
        let text = format!("{problem:?}");
        for field in ["email", "password", "name"] {
            assert!(text.contains(&format!("field: \"{field}\"")), "{text}");
        }
        assert!(Registration::parse("a@b.co", "a".repeat(129), "A").is_err());
        // Characters count, not bytes.
        assert!(Registration::parse("a@b.co", "ä".repeat(128), " A ").is_ok());
    }
}
