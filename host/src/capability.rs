//! What guests may do, one file each. A capability adds imports to the linker once, and data to each instance.

pub mod calls;
pub mod config;
pub mod egress;
pub mod keyvalue;
pub mod logging;
