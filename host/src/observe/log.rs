//! Logs: one event is one line on standard error, as JSON for machines or aligned text for people.
//!
//! Standard output belongs to what commands answer. A thread that logs formats its line and appends it to a
//! buffer; a thread of its own writes the buffer out, see `writer`. Levels say what an operator has to do: error,
//! act now; warn, look when there is time; info, nothing; debug and trace are for developers.

mod fields;
mod format;
mod layer;
mod time;
mod writer;

use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::access::AccessLog;
use format::Style;
use layer::Lines;
use writer::Writer;

/// Bytes that may wait to be written; lines beyond are dropped and counted.
const BUFFER_BYTES_MAX: usize = 4 << 20;
/// How long the end of the program waits for the last lines.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// The section `[log]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How lines look.
    pub format: Format,
    /// What is logged at all.
    pub filter: Filter,
    /// Which calls get a line of their own.
    pub access: AccessLog,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Pretty when standard error is a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line: `ts` (RFC 3339, UTC, milliseconds), `level`, `target`, `msg`, and the event's and its
    /// spans' fields beside them.
    Json,
    /// Aligned text; coloured on a terminal unless the environment sets `NO_COLOR`.
    Pretty,
}

/// What is logged: a level, or a level for each part of the program, as in `info,hostel::edge=debug`.
///
/// The syntax is that of `tracing_subscriber::EnvFilter`. A value of this type is known to be valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(String);

impl Default for Filter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}

impl TryFrom<String> for Filter {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        parse(&text)?;
        Ok(Self(text))
    }
}

/// What is wrong with logging.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("not a log filter, which is a level or a list such as `info,hostel::edge=debug`")]
    Filter(#[source] Option<tracing_subscriber::filter::ParseError>),
    /// The filter names a target without a level, or misspells a level.
    #[error("`{0}` is neither a log level nor `target=level`")]
    Word(String),
    /// The thread that writes could not be started.
    #[error("the log writer could not be started")]
    Thread(#[source] std::io::Error),
    /// Something in the process logs already.
    #[error("logging was set up before")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

fn parse(text: &str) -> Result<EnvFilter, Error> {
    // To EnvFilter a word that is no level is a target, so that `inof` would log nothing.
    let is_level = |word: &str| word.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    for word in words.filter(|word| !word.contains(['=', '[', ']', '}'])) {
        if !is_level(word) {
            return Err(Error::Word(word.to_owned()));
        }
    }
    if text.trim().is_empty() {
        return Err(Error::Filter(None));
    }
    EnvFilter::builder().parse(text).map_err(|error| Error::Filter(Some(error)))
}

/// Logs from here to the end of the program, panics included. Keep the [`Guard`] to the end.
///
/// # Errors
///
/// When the writer's thread cannot be started, or when something set up logging before.
pub fn init(settings: &Settings) -> Result<Guard, Error> {
    let filter = parse(&settings.filter.0)?;
    let terminal = std::io::stderr().is_terminal();
    let style = match settings.format {
        Format::Json => Style::Json,
        Format::Auto if !terminal => Style::Json,
        Format::Auto | Format::Pretty => {
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            Style::Pretty { colours: terminal && wanted }
        }
    };
    let writer =
        Writer::spawn(std::io::stderr(), BUFFER_BYTES_MAX, move |lines| style.dropped(lines)).map_err(Error::Thread)?;
    tracing_subscriber::registry()
        .with(filter)
        .with(Lines::new(style, writer.clone()))
        .try_init()
        .map_err(Error::Twice)?;
    log_panics();
    Ok(Guard(writer))
}

/// A panic outside a guest is a fault of the host: it must be in the log, and as one line.
fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let location = panic.location().map(tracing::field::display);
        let thread = std::thread::current();
        let message = panic.payload_as_str().unwrap_or("panic");
        tracing::error!(target: "hostel::panic", location, thread = thread.name(), "{message}");
        // Whoever asks for a backtrace gets the standard text too.
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            before(panic);
        }
    }));
}

/// Writes out what is still waiting when it is dropped, for at most two seconds.
#[derive(Debug)]
#[must_use = "the last lines are written when the guard is dropped"]
pub struct Guard(Writer);

impl Guard {
    /// How many lines were dropped so far because they could not be written as fast as they came.
    pub fn lines_dropped(&self) -> u64 {
        self.0.lines_dropped()
    }

    /// A function that tells the same after the guard has moved elsewhere; for a metric.
    pub fn lines_dropped_fn(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let writer = self.0.clone();
        move || writer.lines_dropped()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.flush(FLUSH_MAX);
    }
}

#[cfg(test)]
mod tests;
