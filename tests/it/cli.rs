//! The commands that start nothing: `new`, `build`, `inspect`, `check`.

mod inspect;
mod new;
