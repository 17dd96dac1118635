//! Which methods stream, read from the descriptors: a new streaming RPC is treated as one without being listed here.

use std::collections::HashSet;

use prost::Message as _;
use prost_types::FileDescriptorSet;

use crate::reflection;

/// Request paths of the methods that stream in either direction.
#[derive(Debug)]
pub(crate) struct Streams(HashSet<String>);

impl Streams {
    /// The streaming methods of every service that this server has.
    pub(crate) fn of_every_service() -> Self {
        let sets = reflection::DESCRIPTOR_SETS.iter();
        // The sets are compiled in; a test proves that they decode.
        let sets = sets.filter_map(|bytes| FileDescriptorSet::decode(*bytes).ok());
        Self(sets.flat_map(|set| streaming_paths(&set)).collect())
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}

fn streaming_paths(set: &FileDescriptorSet) -> Vec<String> {
    let mut paths = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let methods = service.method.iter();
            let streaming = methods.filter(|method| method.server_streaming() || method.client_streaming());
            paths.extend(streaming.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name())));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_descriptor_set_decodes_and_streams_are_told_from_calls() {
        for bytes in reflection::DESCRIPTOR_SETS {
            assert!(FileDescriptorSet::decode(bytes).is_ok());
        }
        let streams = Streams::of_every_service();
        for path in [
            "/baton.v1.PlansService/WatchPlanningContexts",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(streams.has(path), "{path}");
        }
        assert!(!streams.has("/baton.v1.JobsService/CreateJob"));
        assert!(!streams.has("/grpc.health.v1.Health/Check"));
    }
}
