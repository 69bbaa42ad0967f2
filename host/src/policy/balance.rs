//! Which endpoint gets a call.
//!
//! Three questions, one file each: how near ([`locality`]), how loaded ([`p2c`] over [`peak_ewma`], with [`slow_start`]
//! for those that are new), or, when a route names a hash key ([`hash_key`]), whose key it is ([`ring`]).

pub mod hash_key;
pub mod locality;
pub mod p2c;
pub mod peak_ewma;
pub mod ring;
pub mod slow_start;

pub use locality::Locality;
