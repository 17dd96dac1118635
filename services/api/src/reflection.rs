//! Server reflection, in both versions that clients speak: what `grpcurl list` and `describe` read.

use tonic_reflection::server::{
    Builder, Error,
    v1::{ServerReflection, ServerReflectionServer},
    v1alpha,
};

/// The descriptors of every service that this server has, and of what its errors carry.
pub(crate) const DESCRIPTOR_SETS: [&[u8]; 5] = [
    baton_proto::FILE_DESCRIPTOR_SET,
    // The details of errors, so that generic clients can show them.
    tonic_types::pb::FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// Version 1.
pub(crate) fn v1() -> Result<ServerReflectionServer<impl ServerReflection>, Error> {
    builder().build_v1()
}

/// The version before it, which some clients still ask for first.
pub(crate) fn v1alpha() -> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, Error> {
    builder().build_v1alpha()
}

fn builder() -> Builder<'static> {
    let builder = Builder::configure().include_reflection_service(false);
    DESCRIPTOR_SETS.iter().fold(builder, |builder, set| {
        builder.register_encoded_file_descriptor_set(set)
    })
}
