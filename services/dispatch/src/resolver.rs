//! Name resolution that keeps only addresses which may be called.
//!
//! reqwest dials what this returns and resolves nothing again, so a name cannot change its address between check and
//! connection. Addresses written into a URL do not come by here: the dispatcher checks those.

use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use crate::policy::EgressPolicy;

/// The system's resolver behind the egress policy.
pub(crate) struct GuardedResolver {
    policy: Arc<EgressPolicy>,
}

impl GuardedResolver {
    pub(crate) fn new(policy: Arc<EgressPolicy>) -> Self {
        Self { policy }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            // The port is put in by the connector.
            let resolved = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted = permitted(&policy, name.as_str(), resolved)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// The addresses that may be called.
///
/// # Errors
/// When there were some, and none of them may.
fn permitted(
    policy: &EgressPolicy,
    host: &str,
    resolved: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, EgressDenied> {
    let mut permitted = Vec::new();
    let mut refused = Vec::new();
    for address in resolved {
        match policy.check(address.ip()) {
            Ok(()) => permitted.push(address),
            Err(range) => refused.push((address.ip(), range)),
        }
    }
    if permitted.is_empty() && !refused.is_empty() {
        return Err(EgressDenied {
            host: host.to_owned(),
            refused,
        });
    }
    Ok(permitted)
}

/// Checks a host that is an address itself. Names pass: they are checked when they are resolved.
pub(crate) fn check_literal(policy: &EgressPolicy, host: &Host<&str>) -> Result<(), EgressDenied> {
    let address: IpAddr = match host {
        Host::Domain(_) => return Ok(()),
        Host::Ipv4(address) => (*address).into(),
        Host::Ipv6(address) => (*address).into(),
    };
    policy.check(address).map_err(|range| EgressDenied {
        host: host.to_string(),
        refused: vec![(address, range)],
    })
}

/// None of a host's addresses may be called.
#[derive(Debug)]
pub(crate) struct EgressDenied {
    host: String,
    refused: Vec<(IpAddr, &'static str)>,
}

impl fmt::Display for EgressDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} may not be called:", self.host)?;
        for (index, (address, range)) in self.refused.iter().enumerate() {
            write!(f, "{} {address} is {range}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl StdError for EgressDenied {}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of: &[&str]) -> Vec<SocketAddr> {
        of.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
    }

    fn keep(resolved: &[&str]) -> Result<Vec<SocketAddr>, String> {
        permitted(&EgressPolicy::default(), "shop.test", addresses(resolved).into_iter()).map_err(|e| e.to_string())
    }

    #[test]
    fn only_permitted_addresses_are_dialled() {
        assert_eq!(keep(&["10.0.0.1", "8.8.8.8", "::1"]), Ok(addresses(&["8.8.8.8"])));
    }

    #[test]
    fn a_refusal_names_host_and_addresses() {
        let told = keep(&["10.0.0.1", "::1"]).unwrap_err();
        assert_eq!(
            told,
            "shop.test may not be called: 10.0.0.1 is private, ::1 is loopback"
        );
    }

    #[test]
    fn a_name_without_addresses_is_no_refusal() {
        assert_eq!(keep(&[]), Ok(Vec::new()));
    }
}
