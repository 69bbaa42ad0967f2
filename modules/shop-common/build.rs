//! Generates the client of `users`, which every service uses to learn whose token it was handed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../proto");
    let users = protox::compile(["shop/users/v1/users.proto"], ["../proto"])?;
    tonic_prost_build::configure().build_server(false).build_transport(false).compile_fds(users)?;
    Ok(())
}
