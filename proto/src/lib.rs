//! Generated messages, clients and server traits of the `baton.v1` gRPC package, and its descriptor set.
//!
//! Services in Rust depend on this crate for stubs, and with the feature `client` for a ready connection; every other language generates its own from `proto/baton/v1`.

#[cfg(feature = "client")]
pub mod client;

/// Messages, clients (`*_client`) and server traits (`*_server`).
#[allow(clippy::all, missing_docs, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("baton.v1");
}

/// The encoded `FileDescriptorSet` of `baton.v1` and what it imports, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/baton_descriptor.bin"));
