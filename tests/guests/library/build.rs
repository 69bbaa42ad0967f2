//! Compiles the protos, and keeps their descriptors for the custom section.

use std::{env, error::Error, fs, path::Path};

use prost::Message;

const PROTOS: &str = "../proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTOS}");
    let compiled = protox::Compiler::new([PROTOS])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(["library/v1/library.proto", "google/rpc/status.proto"])?
        .encode_file_descriptor_set();
    let descriptors = prost_types::FileDescriptorSet::decode(compiled.as_slice())?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("descriptors.bin"), compiled)?;
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(descriptors)?;
    Ok(())
}
