//! Which process did something, so that a later one finds out whether it still runs.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// A process of a machine, `BOOT.NAMESPACE.PID.START`: the boot of the kernel, the namespace in which the number counts, the number, and
/// when it started, since numbers are used again (proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessId(String);

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Runs,
    Ended,
    /// It is, or was, of another machine or container.
    Unknown,
}

impl ProcessId {
    /// This process; without `/proc` its life is not known to others.
    pub fn own() -> Self {
        let known = || {
            let pid = rustix::process::getpid().as_raw_nonzero().get();
            Some(format!("{}.{pid}.{}", here()?, start_of(pid)?))
        };
        Self(known().unwrap_or_else(|| "unknown".to_owned()))
    }

    /// As it was written by [`as_str`](Self::as_str).
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn life(&self) -> Life {
        let known = || {
            let mut parts = self.0.rsplitn(3, '.');
            let (start, pid, place) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
            if here()? != place {
                return None;
            }
            match start_of(pid) {
                Some(found) if found == start => Some(Life::Runs),
                Some(_) => Some(Life::Ended),
                // `/proc` may hide processes of other users (`hidepid`).
                None => (test_kill_process(Pid::from_raw(pid)?) == Err(Errno::SRCH)).then_some(Life::Ended),
            }
        };
        known().unwrap_or(Life::Unknown)
    }
}

/// The boot and the namespace of this process.
fn here() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let number: String = namespace.to_str()?.chars().filter(char::is_ascii_digit).collect();
    Some(format!("{}.{number}", boot.trim()))
}

/// Field 22 of `/proc/PID/stat`. The name before it may have spaces and brackets. A zombie has ended, and so has no start of this kind.
fn start_of(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { Some(state.to_owned()) } else { fields.nth(18).map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_more_than_its_number() {
        let own = ProcessId::own();
        assert_eq!(own.life(), Life::Runs, "{own:?}");
        let parts: Vec<&str> = own.as_str().split('.').collect();
        let [boot, namespace, pid, start] = parts[..] else { panic!("{own:?}") };
        for (text, life) in [
            (format!("{boot}.{namespace}.{pid}.{start}1"), Life::Ended),
            (format!("{boot}.{namespace}.2147483647.1"), Life::Ended),
            (format!("{boot}.1.{pid}.{start}"), Life::Unknown),
            (format!("x.{namespace}.{pid}.{start}"), Life::Unknown),
            ("true".to_owned(), Life::Unknown),
            (String::new(), Life::Unknown),
        ] {
            assert_eq!(ProcessId::parse(&text).life(), life, "{text}");
        }
    }
}
