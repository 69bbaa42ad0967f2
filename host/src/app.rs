//! The whole host: the only place that sees all of the configuration, and the only one that wires.

mod announce;
mod check;
mod cluster;
mod config;
mod run;
mod signals;

pub use announce::Announcement;
pub use check::{Checked, Selected, check, check_edge, orphans, selected};
pub use config::{Config, Flags, load};
pub use run::{Error, build_info, run};
