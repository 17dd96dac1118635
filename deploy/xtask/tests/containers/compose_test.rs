//! The checks on `compose.yaml`.

use std::net::SocketAddr;

use crate::binaries::{help, names_variable};
use crate::compose::Compose;
use crate::deploy;
use crate::dockerfile::Image;

#[test]
fn it_has_the_parts_of_a_deployment() {
    let compose = Compose::read();
    let names: Vec<_> = compose.services.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["migrations", "planner", "postgres", "scheduler-1", "scheduler-2"]
    );
    assert_eq!(compose.services["migrations"].command, ["baton-migrations", "up"]);
}

#[test]
fn every_command_is_accepted_by_the_real_binary() {
    for (name, service) in Compose::read().ours() {
        help(&service.command).unwrap_or_else(|error| panic!("{name} runs {:?}: {error}", service.command));
    }
}

/// What the check above stands on: help is refused after something that the binary does not know.
#[test]
fn an_unknown_flag_would_be_noticed() {
    for (name, service) in Compose::read().ours() {
        let mut command = service.command.clone();
        command.push("--no-such-flag".to_owned());
        let error = help(&command).expect_err(name);
        assert!(error.contains("--no-such-flag"), "{name}: {error}");
    }
}

#[test]
fn every_variable_is_one_that_the_binary_reads() {
    for (name, service) in Compose::read().ours() {
        let help = help(&service.command).unwrap_or_else(|error| panic!("{name}: {error}"));
        for variable in service.environment.keys() {
            assert!(
                names_variable(&help, variable),
                "{name} sets {variable}, which its help does not name:\n{help}"
            );
        }
    }
}

#[test]
fn every_program_is_in_the_image() {
    let image = Image::read();
    for (name, service) in Compose::read().ours() {
        assert!(
            image.has_program(&service.command[0]),
            "{name} runs {}",
            service.command[0]
        );
        if let Some(check) = &service.healthcheck {
            assert_eq!(check.test[0], "CMD", "{name}: the image has no shell");
            assert!(image.has_file(&check.test[1]), "{name} is checked by {}", check.test[1]);
        }
    }
}

#[test]
fn dependencies_exist_and_can_be_waited_for() {
    let compose = Compose::read();
    for (name, service) in &compose.services {
        for (needed, dependency) in &service.depends_on {
            let needed_service = compose
                .services
                .get(needed)
                .unwrap_or_else(|| panic!("{name} waits for {needed}"));
            match dependency.condition.as_str() {
                "service_healthy" => assert!(needed_service.healthcheck.is_some(), "{needed} has no health check"),
                "service_completed_successfully" => assert_eq!(needed, "migrations"),
                other => panic!("{name} waits for {needed} to be {other}"),
            }
        }
    }
}

/// What serves others than its own container wants credentials, and only this machine reaches it from outside.
#[test]
fn the_planner_and_the_probes_reach_the_schedulers_and_nobody_does_without_a_token() {
    let compose = Compose::read();
    for name in ["scheduler-1", "scheduler-2"] {
        let scheduler = &compose.services[name];
        let listen: SocketAddr = scheduler.flag("--listen").expect(name).parse().expect("host and port");
        assert!(listen.ip().is_unspecified(), "{name} listens on {listen}");
        assert_eq!(scheduler.flag("--auth"), Some("tokens"), "{name}");
        let check = scheduler.healthcheck.as_ref().expect("a health check");
        assert_eq!(check.test.last(), Some(&format!("-addr=127.0.0.1:{}", listen.port())));
        for port in &scheduler.ports {
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
    }
    let planner = &compose.services["planner"];
    assert_eq!(planner.flag("--scheduler"), Some("http://scheduler-1:50051"));
    assert_eq!(
        planner.environment["BATON_TOKEN"], None,
        "the token is passed through, never written here"
    );
}

#[test]
fn everyone_uses_the_same_database() {
    let compose = Compose::read();
    let url = |name: &str| {
        compose.services[name].environment["DATABASE_URL"]
            .clone()
            .expect("a value")
    };
    assert_eq!(url("migrations"), url("scheduler-1"));
    assert_eq!(url("migrations"), url("scheduler-2"));
    assert!(
        url("migrations").contains("@postgres:5432/"),
        "the host is the service's name"
    );
    assert!(
        !compose.services["planner"].environment.contains_key("DATABASE_URL"),
        "the planner has gRPC only"
    );
}

#[test]
fn files_volumes_and_versions_are_named() {
    let compose = Compose::read();
    for (name, service) in compose.ours() {
        let build = service.build.as_ref().expect("ours are built");
        assert!(
            deploy(&build.context).join(&build.dockerfile).is_file(),
            "{name} is built from {build:?}"
        );
    }
    for (name, service) in &compose.services {
        let tag = service.image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(
            service.build.is_some() || tag.is_some_and(|tag| tag != "latest"),
            "{name}: {}",
            service.image
        );
        for volume in &service.volumes {
            let (volume, _path) = volume.split_once(':').expect("name and path");
            assert!(compose.volumes.contains_key(volume), "{name} mounts {volume}");
        }
    }
}
