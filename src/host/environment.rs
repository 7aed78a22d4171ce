//! What the machine provides: environment variables, the clock, random words, free ports, limits of this process.
//!
//! An [`Environment`] is a snapshot, so that everything that takes one is pure.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

/// Environment variables by name. Variables that are not UTF-8 are left out. Its Debug shows names only: values may be credentials.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// The environment of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The same with these variables set.
    #[must_use]
    pub fn with<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.0.extend(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Set and neither empty nor `0`, `false`, `no`, `off`.
    pub fn is_truthy(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off"))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Seconds since the epoch; 0 if the clock is before it.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// 32 hexadecimal digits: 128 bits of the kernel's random numbers.
pub fn random_word() -> String {
    let mut bytes = [0; 16];
    // getrandom(2): up to 256 bytes come whole, and fail only on kernels before 3.17 and under filters that forbid the call.
    let count = getrandom(&mut bytes, GetRandomFlags::empty()).expect("the kernel gives random numbers");
    debug_assert_eq!(count, bytes.len());
    format!("{:032x}", u128::from_ne_bytes(bytes))
}

/// How many are tried.
const ATTEMPTS: usize = 100;

/// A random port of `range` that is free at 127.0.0.1 at this moment; a taken one if all that were tried are taken.
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

/// How many this process may have; `None` is without limit.
pub fn descriptor_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ() {
        let words: std::collections::BTreeSet<String> = (0..100).map(|_| random_word()).collect();
        assert_eq!(words.len(), 100);
        assert!(words.iter().all(|word| word.len() == 32));
    }

    #[test]
    fn a_taken_port_is_not_chosen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap().port();
        let range = taken..taken.saturating_add(8);
        for _ in 0..20 {
            let port = free_port(range.clone());
            assert!(port != taken && range.contains(&port), "{port}");
        }
    }
}
