//! The rules of accounts and sessions.

use shop_common::id;
use shop_common::problem::Problem;
use shop_common::store::{StoreError, Table};

use crate::account::{Account, Email, OpenSession, PASSWORD_CHARS_MAX, Registration, Session};
use crate::password;

/// Sessions one account may have at a time; the oldest ends when another begins.
const SESSIONS_MAX: usize = 10;

/// All accounts and sessions.
#[derive(Clone)]
pub(crate) struct Directory {
    /// By e-mail address.
    pub(crate) accounts: Table<Account>,
    /// By digest of the token.
    pub(crate) sessions: Table<Session>,
}

/// A session that has just begun: the only moment at which its token is known.
#[derive(Debug)]
pub(crate) struct LogIn {
    pub(crate) token: String,
    pub(crate) expires_ms: u64,
    pub(crate) account: Account,
}

impl Directory {
    /// Opens an account.
    ///
    /// # Errors
    /// 409 when the address has one.
    pub(crate) fn register(&self, new: Registration, now_ms: u64) -> Result<Account, Problem> {
        let taken = || {
            Problem::conflict(
                "email-taken",
                "The e-mail address has an account",
                "Log in, or register with another address.",
            )
        };
        // Only spares the work of a hash; the creation below decides.
        if self.accounts.get(new.email.as_str())?.is_some() {
            return Err(taken());
        }
        let account = Account {
            id: id::random("usr")?,
            name: new.name,
            password: password::hash(&new.password)?,
            created_ms: now_ms,
            sessions: Vec::new(),
            email: new.email,
        };
        if !self.accounts.create(account.email.as_str(), &account)? {
            return Err(taken());
        }
        tracing::info!(user_id = account.id, "registered");
        Ok(account)
    }

    /// Begins a session that lasts `ttl_ms`.
    ///
    /// # Errors
    /// 401, and no hint whether the address or the password is at fault: neither in the text nor in the time it takes.
    pub(crate) fn log_in(&self, email: &str, password: &str, now_ms: u64, ttl_ms: u64) -> Result<LogIn, Problem> {
        let refused = || Problem::unauthenticated("The e-mail address or the password is wrong.");
        // Nobody has such a password, so refusing it early tells nothing, and bounds the work.
        if password.chars().count() > PASSWORD_CHARS_MAX {
            return Err(refused());
        }
        let account = match Email::parse(email.trim()) {
            Some(email) => self.accounts.get(email.as_str())?,
            None => None,
        };
        let Some(account) = account else {
            password::pretend(password)?;
            return Err(refused());
        };
        if !password::verify(password, &account.password)? {
            return Err(refused());
        }
        self.begin_session(account.email, now_ms, now_ms.saturating_add(ttl_ms))
    }

    fn begin_session(&self, email: Email, now_ms: u64, expires_ms: u64) -> Result<LogIn, Problem> {
        let token = id::secret("shop")?;
        let digest = id::digest(&[&token]);
        // The account learns of the session first: a session that the account does not know could not be ended by it,
        // while a session that never came to be does no harm.
        let (account, ended) = self.accounts.update::<_, Problem>(email.as_str(), |account| {
            let mut account = account.ok_or_else(|| Problem::not_found("account"))?;
            let open = std::mem::take(&mut account.sessions);
            let (mut open, mut ended): (Vec<_>, Vec<_>) = open.into_iter().partition(|s| s.expires_ms > now_ms);
            let excess = (open.len() + 1).saturating_sub(SESSIONS_MAX);
            ended.extend(open.drain(..excess));
            open.push(OpenSession { digest: digest.clone(), expires_ms });
            account.sessions = open;
            Ok((Some(account.clone()), (account, ended)))
        })?;
        for session in ended {
            self.sessions.delete(&session.digest)?;
        }
        let session = Session { user_id: account.id.clone(), email, expires_ms };
        self.sessions.create(&digest, &session)?;
        tracing::info!(user_id = account.id, "logged in");
        Ok(LogIn { token, expires_ms, account })
    }

    /// The session of a token, if it is still open.
    pub(crate) fn session(&self, token: &str, now_ms: u64) -> Result<Option<Session>, StoreError> {
        let digest = id::digest(&[token]);
        match self.sessions.get(&digest)? {
            Some(session) if session.expires_ms <= now_ms => {
                self.sessions.delete(&digest)?;
                Ok(None)
            }
            session => Ok(session),
        }
    }

    /// Ends the session of a token.
    pub(crate) fn log_out(&self, token: &str, session: &Session) -> Result<(), Problem> {
        let digest = id::digest(&[token]);
        self.sessions.delete(&digest)?;
        self.accounts.update(session.email.as_str(), |account| {
            let account = account.map(|mut account| {
                account.sessions.retain(|open| open.digest != digest);
                account
            });
            Ok((account, ()))
        })
    }

    /// Changes the name of an account.
    ///
    /// # Errors
    /// 404 when there is no such account.
    pub(crate) fn rename(&self, email: &Email, name: &str) -> Result<Account, Problem> {
        self.accounts.update(email.as_str(), |account| {
            let mut account = account.ok_or_else(|| Problem::not_found("account"))?;
            name.clone_into(&mut account.name);
            Ok((Some(account.clone()), account))
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use shop_common::store::memory::Memory;

    use super::*;

    pub(crate) fn directory() -> Directory {
        let memory = Memory::default();
        Directory { accounts: Table::new(memory.bucket()), sessions: Table::new(memory.bucket()) }
    }

    const PASSWORD: &str = "correct horse battery";

    fn ann() -> Registration {
        Registration::parse("ann@example.com", PASSWORD.into(), "Ann").unwrap()
    }

    #[test]
    fn of_many_registrations_one_wins() {
        let directory = directory();
        let won: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| directory.register(ann(), 0))).collect();
            let results = threads.into_iter().map(|thread| thread.join().unwrap());
            results
                .filter_map(|result| match result {
                    Ok(account) => Some(account.id),
                    Err(problem) => {
                        assert_eq!(problem.slug(), "email-taken");
                        None
                    }
                })
                .collect()
        });
        let stored = directory.accounts.get("ann@example.com").unwrap().unwrap();
        assert_eq!(won, [stored.id]);
    }

    #[test]
    fn wrong_password_and_unknown_address_look_alike() {
        let directory = directory();
        directory.register(ann(), 0).unwrap();
        let refusal = |email: &str, password: &str| {
            let problem = directory.log_in(email, password, 0, 1).unwrap_err();
            assert_eq!(problem.status().as_u16(), 401);
            format!("{problem:?}")
        };
        let wrong = refusal("ann@example.com", "wrong horse battery");
        assert_eq!(wrong, refusal("bob@example.com", PASSWORD));
        assert_eq!(wrong, refusal("nobody", PASSWORD));
        assert_eq!(wrong, refusal("ann@example.com", &"a".repeat(129)));
    }

    #[test]
    fn a_session_lasts_until_it_expires_or_ends() {
        let directory = directory();
        let account = directory.register(ann(), 0).unwrap();
        let log_in = directory.log_in(" ANN@example.com", PASSWORD, 1000, 500).unwrap();
        assert_eq!(log_in.expires_ms, 1500);
        let session = directory.session(&log_in.token, 1499).unwrap().unwrap();
        assert_eq!(session.user_id, account.id);
        assert!(directory.session("shop_other", 1000).unwrap().is_none());
        assert!(directory.session(&log_in.token, 1500).unwrap().is_none());
        assert!(directory.sessions.keys().unwrap().is_empty(), "swept");

        let log_in = directory.log_in("ann@example.com", PASSWORD, 2000, 500).unwrap();
        let session = directory.session(&log_in.token, 2000).unwrap().unwrap();
        directory.log_out(&log_in.token, &session).unwrap();
        assert!(directory.session(&log_in.token, 2000).unwrap().is_none());
        let account = directory.accounts.get("ann@example.com").unwrap().unwrap();
        assert!(account.sessions.is_empty());
    }

    #[test]
    fn sessions_have_a_bound_and_the_store_holds_no_token() {
        let directory = directory();
        let email = directory.register(ann(), 0).unwrap().email;
        let tokens: Vec<String> =
            (0..12).map(|now| directory.begin_session(email.clone(), now, 1000).unwrap().token).collect();
        let open: Vec<bool> = tokens.iter().map(|token| directory.session(token, 20).unwrap().is_some()).collect();
        assert_eq!(open, [vec![false; 2], vec![true; 10]].concat());
        let keys = directory.sessions.keys().unwrap();
        assert_eq!(keys.len(), 10);
        assert!(keys.iter().all(|key| !tokens.contains(key)));
    }
}
