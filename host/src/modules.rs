//! What is deployed: modules found in a directory, checked, started, and swapped without losing a call.
//!
//! [`Loader`] watches the directory and builds a [`Deployed`] version of each module aside; [`Table`] is what callers
//! see, replaced as a whole by one atomic store. Whatever goes wrong on the way leaves the table as it was. Services
//! that other hosts run are in it too, as they are described to this one ([`Description`], [`RemoteService`]).

mod deployed;
mod described;
mod description;
mod directory;
#[cfg(test)]
mod fixture;
pub mod inspect;
mod loader;
pub mod manifest;
mod remote;
mod routes;
mod settings;
mod source;
mod status;
mod table;
mod watch;

pub use deployed::{Deployed, Entered, Platform};
pub use described::Speech;
pub use description::{DESCRIPTION_BYTES_MAX, Description, DescriptionError, Rpc, Rpcs};
pub use directory::{Found, orphans, scan, select};
pub use loader::Loader;
pub use remote::RemoteService;
pub use settings::{ServiceSettings, Services, Settings};
pub use source::{Error, Source};
pub use status::{ModuleState, ModuleStatus, Status};
pub use table::{Deployments, Offer, Routed, RoutedTo, Table};
