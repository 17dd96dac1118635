//! Compiles the protos with protox, so that no system protoc is needed.

use std::{env, error::Error, path::PathBuf};

use prost::Message as _;

const PROTOS: [&str; 5] = [
    "baton/v1/jobs.proto",
    "baton/v1/runs.proto",
    "baton/v1/runs_service.proto",
    "baton/v1/flash_sales.proto",
    "baton/v1/plans.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=baton");
    let descriptors = protox::compile(PROTOS, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?).join("baton_descriptor.bin");
    std::fs::write(out, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
