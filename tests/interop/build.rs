//! Compiles the protos that the guest `interop` is made from, and that of the service which nobody has.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use prost::Message;

const PROTOS: &str = "../guests/proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTOS}/grpc");
    let compiled = protox::Compiler::new([PROTOS])?
        .include_imports(true)
        .open_files(["grpc/testing/test.proto", "grpc/testing/unimplemented.proto"])?
        .encode_file_descriptor_set();
    let descriptors = prost_types::FileDescriptorSet::decode(compiled.as_slice())?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("descriptors.bin"), compiled)?;
    tonic_prost_build::configure().build_server(false).build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
