//! The commands that start nothing: `new`, `build`, `inspect`, `check`, `cluster`.

mod cluster;
mod inspect;
mod new;
