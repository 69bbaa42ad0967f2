//! Hostel: a host of business services that are WebAssembly components.
//!
//! The layers, lowest first, are the modules below. A module names only modules of lower layers; see
//! `ARCHITECTURE.md`, which a test holds us to.

pub mod call;

pub mod config;
pub mod observe;

pub mod cluster;
pub mod engine;
pub mod peer;
pub mod policy;
pub mod store;
pub mod transcode;

pub mod modules;

pub mod router;

pub mod capability;

pub mod admin;
pub mod edge;

pub mod app;

pub mod cli;
