//! Mistakes on the command line that clap cannot see.

/// The command was given something it cannot work with; `main` turns it into exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(String);

pub(super) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}
