//! Who may be served where: what is not loopback can be reached by others than this machine.

use std::net::SocketAddr;

use super::ServeError;

/// `authenticated`: callers prove who they are. `sealed`: nobody on the way can read what they send.
pub(super) fn check(address: SocketAddr, authenticated: bool, sealed: bool) -> Result<(), ServeError> {
    // `::ffff:127.0.0.1` is 127.0.0.1.
    if address.ip().to_canonical().is_loopback() {
        Ok(())
    } else if !authenticated {
        Err(ServeError::NotLoopback(address))
    } else if !sealed {
        Err(ServeError::ClearText(address))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [&str; 4] = ["127.0.0.1:1", "127.8.9.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"];
    const ELSEWHERE: [&str; 4] = ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"];

    fn outcome(address: &str, authenticated: bool, sealed: bool) -> Result<(), ServeError> {
        check(address.parse().expect("an address"), authenticated, sealed)
    }

    #[test]
    fn loopback_is_always_served() {
        for address in LOOPBACK {
            for (authenticated, sealed) in [(false, false), (false, true), (true, false), (true, true)] {
                assert!(outcome(address, authenticated, sealed).is_ok(), "{address}");
            }
        }
    }

    #[test]
    fn elsewhere_callers_prove_who_they_are_and_nobody_listens_in() {
        for address in ELSEWHERE {
            for sealed in [false, true] {
                let refused = outcome(address, false, sealed);
                assert!(matches!(refused, Err(ServeError::NotLoopback(_))), "{address}");
            }
            assert!(
                matches!(outcome(address, true, false), Err(ServeError::ClearText(_))),
                "{address}"
            );
            assert!(outcome(address, true, true).is_ok(), "{address}");
        }
    }
}
