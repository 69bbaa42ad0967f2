//! Membership and the service catalogue: who is there, and who serves what.
//!
//! Nodes find and watch each other by gossip (`swim`, in sealed packets: [`seal`]), and tell each other what they
//! serve ([`catalogue`]). What gossip loses, exchange of full state brings ([`exchange`]). All of that is decided in
//! [`Core`], which knows no clock and no socket; [`driver`] runs it on a runtime with a [`transport`], and
//! [`simulation`] runs a thousand of them in virtual time.
//!
//! A caller starts a node with [`driver::start`], reads the catalogue with [`Handle::reader`], and carries exchange
//! messages over its peer links ([`Exchange`]).

pub mod catalogue;
mod core;
mod counters;
pub mod driver;
pub mod exchange;
mod node;
pub mod seal;
mod settings;
pub mod simulation;
mod swim;
pub mod transport;
mod wire;

pub use self::core::{Action, Core, MemberState, MemberStatus, Notice, Now, Status};
pub use self::counters::Counters;
pub use self::driver::Handle;
pub use self::exchange::{Exchange, ExchangeError};
pub use self::node::{NODE_NAME_BYTES_MAX, Node, NodeError, NodeId, Presence, ZONE_BYTES_MAX};
pub use self::settings::Settings;
pub use self::wire::WireError;
