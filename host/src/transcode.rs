//! One contract, every protocol: what a module's descriptors say, and how a gRPC method is spoken in JSON over HTTP, in
//! Connect and in gRPC-Web.
//!
//! Everything here works on bytes, messages and calls; who routes them is the business of higher layers. The middle of it
//! all is gRPC, as services speak it: whatever a client speaks is turned into that, and the answer back.

pub mod adapter;
pub mod budget;
pub mod compression;
pub mod connect;
pub mod content;
pub mod contract;
pub mod failure;
pub mod frame;
#[cfg(test)]
mod fuzz;
mod gather;
pub mod health;
pub mod json;
pub mod messages;
pub mod metadata;
pub mod openapi;
pub mod problem;
pub mod reflection;
mod request;
mod response;
pub mod rule;
pub mod schema;
pub mod settings;
pub mod spoken;
pub mod status;
mod streamed;
pub mod voice;
pub mod web;
