//! Compiles the proto that the guests use too.

use std::error::Error;

use prost::Message;

const PROTOS: &str = "../guests/proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTOS}/bench.proto");
    let compiled = protox::Compiler::new([PROTOS])?.open_file("bench.proto")?.encode_file_descriptor_set();
    let descriptors = prost_types::FileDescriptorSet::decode(compiled.as_slice())?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(descriptors)?;
    Ok(())
}
