//! The host's log, as JSON lines on its standard error.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::Lines;
use super::wait::eventually;

/// One event.
#[derive(Clone, PartialEq)]
pub struct Event(pub Value);

impl Event {
    /// A line that is no JSON object is an event with the text as `not_json`.
    pub fn parse(line: &str) -> Self {
        match serde_json::from_str(line) {
            Ok(value @ Value::Object(_)) => Self(value),
            _ => Self(json!({ "not_json": line })),
        }
    }

    /// A field as text; empty when it is not there.
    pub fn field(&self, name: &str) -> String {
        match &self.0[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    pub fn message(&self) -> String {
        self.field("msg")
    }

    pub fn level(&self) -> String {
        self.field("level")
    }

    /// Whether the event is about this service.
    pub fn is_about(&self, service: &str) -> bool {
        self.field("service") == service
    }

    pub fn contains(&self, text: &str) -> bool {
        self.0.to_string().contains(text)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The log from some point on.
#[derive(Clone)]
pub struct Logs {
    lines: Lines,
    start: usize,
}

impl Logs {
    pub fn new(lines: Lines) -> Self {
        Self { lines, start: 0 }
    }

    /// The log from here on.
    pub fn onward(&self) -> Self {
        Self { lines: self.lines.clone(), start: self.lines.len() }
    }

    pub fn events(&self) -> Vec<Event> {
        let lines = self.lines.from(self.start);
        lines.iter().map(|line| Event::parse(line)).collect()
    }

    pub fn matching(&self, mut want: impl FnMut(&Event) -> bool) -> Vec<Event> {
        self.events().into_iter().filter(|e| want(e)).collect()
    }

    /// Waits for the first event that `want` wants.
    pub async fn wait_for(&self, what: &str, limit: Duration, mut want: impl FnMut(&Event) -> bool) -> Event {
        eventually(what, limit, async || {
            let events = self.events();
            let found = events.iter().find(|event| want(event)).cloned();
            found.ok_or_else(|| format!("{} lines: {:#?}", events.len(), tail(&events)))
        })
        .await
    }
}

fn tail(events: &[Event]) -> &[Event] {
    &events[events.len().saturating_sub(20)..]
}
