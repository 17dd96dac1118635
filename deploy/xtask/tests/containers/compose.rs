//! `compose.yaml` as far as the tests look at it. What has no field here is not checked; YAML's anchors are resolved.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct Compose {
    pub services: BTreeMap<String, Service>,
    pub volumes: BTreeMap<String, Option<BTreeMap<String, String>>>,
}

#[derive(Debug, Deserialize)]
pub struct Service {
    pub image: String,
    pub build: Option<Build>,
    #[serde(default)]
    pub command: Vec<String>,
    /// A variable without a value is passed through from the caller.
    #[serde(default)]
    pub environment: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub depends_on: BTreeMap<String, Dependency>,
    pub healthcheck: Option<HealthCheck>,
    #[serde(default)]
    pub ports: Vec<String>,
    #[serde(default)]
    pub volumes: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct Build {
    pub context: String,
    pub dockerfile: String,
}

#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub condition: String,
}

#[derive(Debug, Deserialize)]
pub struct HealthCheck {
    pub test: Vec<String>,
}

impl Compose {
    pub fn read() -> Self {
        let path = crate::deploy("compose.yaml");
        let text = std::fs::read_to_string(&path).expect("deploy/compose.yaml is there");
        serde_norway::from_str(&text).expect("deploy/compose.yaml is YAML with the fields that compose wants")
    }

    /// The services that run an image built here.
    pub fn ours(&self) -> impl Iterator<Item = (&str, &Service)> {
        self.services
            .iter()
            .filter(|(_, service)| service.build.is_some())
            .map(|(name, service)| (name.as_str(), service))
    }
}

impl Service {
    /// The value after a flag of the command.
    pub fn flag(&self, name: &str) -> Option<&str> {
        let position = self.command.iter().position(|word| word == name)?;
        self.command.get(position + 1).map(String::as_str)
    }
}
