//! Which addresses may be called: a pure decision over one address.
//!
//! Asked by the resolver for every address of a name, and by the dispatcher for addresses written into a URL. It knows no
//! names and resolves nothing.
//!
//! The default is what is reachable on the public internet. The operator punches holes with networks to allow. An address
//! that carries an IPv4 address inside needs two holes at once: its own form must be allowed by a network *within* that
//! form's range (`::/0` opens no tunnel), and the carried address must be permitted by itself.

mod ranges;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What the operator allows beyond the public internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Networks that may be called although they lie in a refused range.
    pub allow: Vec<IpNet>,
}

impl EgressPolicy {
    /// `Ok` when the address may be called, otherwise what kind of address it is.
    ///
    /// # Errors
    /// The name of the refused range.
    pub fn check(&self, address: IpAddr) -> Result<(), &'static str> {
        match address {
            IpAddr::V4(address) => self.check_v4(address),
            IpAddr::V6(address) => self.check_v6(address),
        }
    }

    fn check_v4(&self, address: Ipv4Addr) -> Result<(), &'static str> {
        match ranges::refused_v4(address) {
            Some(range) if !self.is_allowed(address.into(), 0) => Err(range),
            Some(_) | None => Ok(()),
        }
    }

    fn check_v6(&self, address: Ipv6Addr) -> Result<(), &'static str> {
        if let Some(carrier) = ranges::carrier_of(address) {
            let form_is_allowed = self.is_allowed(address.into(), carrier.min_prefix);
            let carried_is_permitted = self.check_v4((carrier.carried)(address)).is_ok();
            return if form_is_allowed && carried_is_permitted {
                Ok(())
            } else {
                Err(carrier.name)
            };
        }
        match ranges::refused_v6(address) {
            Some(range) if !self.is_allowed(address.into(), 0) => Err(range),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a network at least as narrow as `min_prefix` allows the address. IPv4 networks never contain IPv6 addresses.
    fn is_allowed(&self, address: IpAddr, min_prefix: u8) -> bool {
        self.allow
            .iter()
            .any(|network| network.prefix_len() >= min_prefix && network.contains(&address))
    }
}

#[cfg(test)]
mod tests;
