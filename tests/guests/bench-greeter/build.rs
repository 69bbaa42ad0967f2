//! Compiles the proto.

use std::error::Error;

use prost::Message;

const PROTOS: &str = "../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTOS}/bench.proto");
    let compiled = protox::Compiler::new([PROTOS])?.open_file("bench.proto")?.encode_file_descriptor_set();
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), &compiled)?;
    let descriptors = prost_types::FileDescriptorSet::decode(compiled.as_slice())?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(descriptors)?;
    Ok(())
}
