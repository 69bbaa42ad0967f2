//! Messages in JSON and back.
