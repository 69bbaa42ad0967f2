//! Generates code from `proto/`, without protoc, and keeps the descriptors for `descriptors!`.

use std::{env, error::Error, fs, path::Path};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let compiled = protox::Compiler::new(["proto"])?
        .include_imports(true)
        .include_source_info(true)
        .open_file("service.proto")?
        .encode_file_descriptor_set();
    let descriptors = prost_types::FileDescriptorSet::decode(compiled.as_slice())?;
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("descriptors.bin"),
        compiled,
    )?;
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}
