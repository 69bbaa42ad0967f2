//! Generates the gRPC server and the clients of the services it needs from the shop's protos, and the descriptors that
//! travel in the module: those of its own service only, since they tell the host what it serves.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../proto");
    let mut own = protox::Compiler::new(["../proto"])?;
    own.include_source_info(true).open_file("shop/orders/v1/orders.proto")?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), own.encode_file_descriptor_set())?;
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(own.file_descriptor_set())?;

    let others = ["shop/catalog/v1/catalog.proto", "shop/payments/v1/payments.proto"];
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .compile_fds(protox::compile(others, ["../proto"])?)?;
    Ok(())
}
