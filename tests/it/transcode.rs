//! Services that speak gRPC, and clients that do not: REST by the rules of a module, JSON by the names of its methods, gRPC-Web,
//! Connect; and gRPC itself where it is compressed or in JSON.
//!
//! The guest is `library`, whose methods say back what they got.

mod compressed;
mod connect;
mod errors;
mod grpc;
mod guests;
mod hostile;
mod json;
mod metadata;
mod queries;
mod rest;
mod streams;
mod swap;
mod web;
