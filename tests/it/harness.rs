//! What the tests are written with.

pub mod admin;
pub mod alone;
pub mod builder;
pub mod cluster;
pub mod command;
pub mod frames;
pub mod grpc;
pub mod guests;
pub mod host;
pub mod http;
pub mod install;
pub mod library;
pub mod load;
pub mod logs;
pub mod network;
pub mod paths;
pub mod process;
pub mod raw;
pub mod reply;
pub mod steady;
pub mod tiny;
pub mod tls;
pub mod wait;
pub mod world;
