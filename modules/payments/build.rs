//! Generates the gRPC server from the shop's protos, and the descriptors that travel in the module.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../proto");
    let mut own = protox::Compiler::new(["../proto"])?;
    own.include_source_info(true).open_file("shop/payments/v1/payments.proto")?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), own.encode_file_descriptor_set())?;
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(own.file_descriptor_set())?;
    Ok(())
}
