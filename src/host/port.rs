//! Ports of this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use super::random::random_word;

/// How many are tried.
const ATTEMPTS: usize = 100;

/// One of `range` that nobody listens on at 127.0.0.1 at this moment, by chance; when all that were tried are taken, one that is.
pub fn free_port(range: Range<u16>) -> u16 {
    let mut port = range.start;
    for _ in 0..ATTEMPTS {
        let number = u16::from_str_radix(&random_word()[..4], 16).unwrap_or_default();
        port = range.start + number % (range.end - range.start).max(1);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            break;
        }
    }
    port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_not_chosen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap().port();
        let range = taken..taken.saturating_add(8);
        for _ in 0..20 {
            let port = free_port(range.clone());
            assert!(port != taken && range.contains(&port), "{port}");
        }
    }
}
