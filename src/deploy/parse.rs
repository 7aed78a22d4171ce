//! Parsing of single values, the same for flags and container documents. Text in, value or [`InvalidOption`] out.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use crate::config::settings::{InvalidValue, parse};
use crate::diagnostic::{diagnostics, shown};
use crate::docker::{ContainerName, Mount, MountAccess, Protocol, RestartPolicy};

diagnostics! {
    /// What is wrong with one value.
    #[exit(Usage)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum InvalidOption {
        /// Parsed like a setting.
        #[transparent]
        #[code(invalid.code())]
        #[hint("{}", invalid.hint())]
        Setting(invalid: InvalidValue),

        #[error("invalid name `{text}` for a container, network or volume")]
        #[code("launch/name")]
        #[hint("{rule}")]
        Name { text: String, rule: String },

        #[error("unsupported network `{name}`: {reason}")]
        #[code("launch/network")]
        #[hint("remove it, or name a container network; it is created if it does not exist")]
        Network { name: String, reason: &'static str },

        #[error("invalid port `{text}`")]
        #[code("launch/publish")]
        #[hint("use `[ADDRESS:]PORT` or `[ADDRESS:]PORT:CONTAINER_PORT`, such as `8080` or `127.0.0.1:8080:3000`")]
        Port { text: String },

        #[error("`none` cannot be combined with a port")]
        #[code("launch/publish")]
        #[hint("use either `--publish none` or ports")]
        PortBesideNone,

        #[error("invalid IP address `{text}`")]
        #[code("launch/address")]
        #[hint("use an address of this machine, such as 127.0.0.1")]
        Address { text: String },

        #[error("invalid mount `{text}`")]
        #[code("launch/volume")]
        #[hint("use `VOLUME:TARGET`, `/PATH:TARGET` or `./PATH:TARGET`, with `:ro` for read-only")]
        Mount { text: String },

        #[error("a named volume cannot be a path")]
        #[code("launch/volume")]
        #[hint("list host paths under `volumes`")]
        PathAsVolume,

        #[error("two mounts at `{target}`")]
        #[code("launch/mount-twice")]
        #[hint("mount each path of the container once")]
        MountTwice { target: String },

        #[error("invalid container path `{text}`")]
        #[code("launch/path")]
        #[hint("use an absolute path without `..`, other than `/`")]
        TargetPath { text: String },

        #[error("invalid host path `{text}`")]
        #[code("launch/path")]
        #[hint("{fix}")]
        SourcePath { text: String, fix: &'static str },

        #[error("unknown tmpfs option `{text}`")]
        #[code("launch/tmpfs")]
        #[hint("use `TARGET` or `TARGET:size=64m,mode=1777`")]
        TmpfsOption { text: String },

        #[error("invalid file mode `{text}`")]
        #[code("launch/mode")]
        #[hint("use three or four octal digits, such as 1777")]
        FileMode { text: String },

        #[error("invalid restart policy `{text}`")]
        #[code("launch/restart")]
        #[hint("use no, always, unless-stopped, on-failure or on-failure:TIMES")]
        Restart { text: String },

        #[error("invalid number of CPUs `{text}`")]
        #[code("launch/cpus")]
        #[hint("use a number such as 1.5, or `none`")]
        Cpus { text: String },

        #[error("invalid number of processes `{text}`")]
        #[code("launch/pids")]
        #[hint("use a whole number such as 200, or `none`")]
        Pids { text: String },

        #[error("invalid host entry `{text}`")]
        #[code("launch/host")]
        #[hint("use `HOST:ADDRESS`, such as `db:10.0.0.5` or `db:host-gateway`")]
        HostEntry { text: String },

        #[error("invalid user `{text}`")]
        #[code("launch/user")]
        #[hint("use a number or a name, such as `1001` or `1001:0`")]
        User { text: String },

        /// `parent` and `field` as in the document.
        #[error("`{parent}` has no `{field}`")]
        #[code("launch/missing-field")]
        #[hint("add `{field}`: {expected}")]
        MissingField { parent: String, field: &'static str, expected: &'static str },
    }
}

impl From<InvalidValue> for InvalidOption {
    fn from(invalid: InvalidValue) -> Self {
        Self::Setting(invalid)
    }
}

/// A port to publish; what is `None` is decided by the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortConfig {
    pub address: Option<IpAddr>,
    /// 0 lets the daemon choose a free one.
    pub host_port: u16,
    /// `None` is the port that the app listens on.
    pub container_port: Option<u16>,
    pub protocol: Protocol,
}

pub(super) fn name(text: &str) -> Result<ContainerName, InvalidOption> {
    ContainerName::parse(text).map_err(|invalid| InvalidOption::Name { text: shown(text), rule: invalid.to_string() })
}

/// A network that containers can join, which excludes the daemon's `host` and `none`.
pub(super) fn network(text: &str) -> Result<ContainerName, InvalidOption> {
    let reason = match text {
        "host" => "it publishes no ports, and two versions cannot run side by side",
        "none" => "the app would be unreachable",
        _ => return name(text),
    };
    Err(InvalidOption::Network { name: text.to_owned(), reason })
}

/// `[ADDRESS:]PORT` for the app's own port, `[ADDRESS:]PORT:CONTAINER_PORT`, each with an optional `/tcp` or `/udp`. PORT 0 is a free one.
pub(super) fn publish(text: &str) -> Result<PortConfig, InvalidOption> {
    parse_port(text).ok_or_else(|| InvalidOption::Port { text: shown(text) })
}

fn parse_port(text: &str) -> Option<PortConfig> {
    let (ports, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((ports, "tcp")) => (ports, Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some(_) => return None,
    };
    let (address, ports) = address(ports)?;
    let (host, container) = ports.split_once(':').map_or((ports, None), |(host, container)| (host, Some(container)));
    Some(PortConfig {
        address,
        host_port: host_port(host).ok()?,
        container_port: container.map(parse::port).transpose().ok()?,
        protocol,
    })
}

/// A port of the host; 0 is a free one.
pub(super) fn host_port(text: &str) -> Result<u16, InvalidValue> {
    if text == "0" { Ok(0) } else { parse::port(text) }
}

/// The address in front, and what follows its colon.
fn address(text: &str) -> Option<(Option<IpAddr>, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once("]:")?;
        return Some((Some(address.parse().ok()?), rest));
    }
    match text.split_once(':') {
        Some(("localhost", rest)) => Some((Some(Ipv4Addr::LOCALHOST.into()), rest)),
        Some((address, rest)) if address.contains('.') => Some((Some(address.parse().ok()?), rest)),
        _ => Some((None, text)),
    }
}

/// `SOURCE:TARGET[:ro]`.
pub(super) fn mount(text: &str, folder: &Path) -> Result<Mount, InvalidOption> {
    let invalid = || InvalidOption::Mount { text: shown(text) };
    let mut parts = text.split(':');
    let (Some(source), Some(target), access, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(invalid());
    };
    let access = match access {
        None | Some("rw") => MountAccess::ReadWrite,
        Some("ro") => MountAccess::ReadOnly,
        Some(_) => return Err(invalid()),
    };
    mount_of(source, target_path(target)?, access, folder)
}

/// A source that contains a slash or starts with a dot is a host path, relative to `folder`; anything else is a named volume.
pub(super) fn mount_of(
    source: &str,
    target: String,
    access: MountAccess,
    folder: &Path,
) -> Result<Mount, InvalidOption> {
    if source.contains('/') || source.starts_with(['.', '~']) {
        return Ok(Mount::Bind { source: source_path(source, folder)?, target, access });
    }
    Ok(Mount::Volume { name: name(source)?, target, access })
}

/// A path in the container, without a slash at the end.
pub(super) fn target_path(text: &str) -> Result<String, InvalidOption> {
    let plain = text.trim_end_matches('/');
    let fits = plain.starts_with('/')
        && !plain.chars().any(char::is_control)
        && plain.split('/').all(|part| !matches!(part, "." | ".."));
    if fits { Ok(plain.to_owned()) } else { Err(InvalidOption::TargetPath { text: shown(text) }) }
}

/// A path of the daemon's machine; a relative one starts from `folder`.
fn source_path(text: &str, folder: &Path) -> Result<String, InvalidOption> {
    let invalid = |fix| InvalidOption::SourcePath { text: shown(text), fix };
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(invalid("use a path"));
    }
    if text == "~" || text.starts_with("~/") {
        return Err(invalid("write the folder out: no shell replaces `~` here"));
    }
    let joined = folder.join(text);
    if !joined.is_absolute() {
        return Err(invalid("use an absolute path"));
    }
    // The daemon rejects `..`. Symbolic links are kept, since the daemon may be on another machine.
    let mut clean = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean.into_os_string().into_string().map_err(|_| invalid("use a path in UTF-8"))
}

/// `TARGET[:size=64m,mode=1777]`.
pub(super) fn tmpfs(text: &str) -> Result<Mount, InvalidOption> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let (mut size, mut mode) = (None, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => size = Some(parse::size(value)?),
            Some(("mode", value)) => mode = Some(file_mode(value)?),
            _ => return Err(InvalidOption::TmpfsOption { text: shown(option) }),
        }
    }
    Ok(Mount::Tmpfs { target: target_path(target)?, size, mode, owner: None })
}

/// Octal, as for `chmod`.
pub(super) fn file_mode(text: &str) -> Result<u32, InvalidOption> {
    let mode = (3..=4).contains(&text.len()).then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.ok_or_else(|| InvalidOption::FileMode { text: shown(text) })
}

/// `no`, `always`, `unless-stopped`, `on-failure[:TIMES]`.
pub(super) fn restart(text: &str) -> Result<RestartPolicy, InvalidOption> {
    let times = |text: &str| text.parse::<u32>().ok().filter(|times| *times > 0);
    let policy = match text.split_once(':') {
        None if text == "no" => Some(RestartPolicy::No),
        None if text == "always" => Some(RestartPolicy::Always),
        None if text == "unless-stopped" => Some(RestartPolicy::UnlessStopped),
        None if text == "on-failure" => Some(RestartPolicy::OnFailure(None)),
        Some(("on-failure", number)) => times(number).map(|times| RestartPolicy::OnFailure(Some(times))),
        _ => None,
    };
    policy.ok_or_else(|| InvalidOption::Restart { text: shown(text) })
}

/// Bytes; `none` lifts the limit.
pub(super) fn memory(text: &str) -> Result<Option<u64>, InvalidValue> {
    unless_none(text, parse::memory)
}

/// `none` lifts the limit.
pub(super) fn cpus(text: &str) -> Result<Option<f64>, InvalidOption> {
    unless_none(text, |text| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && (0.01..=1024.0).contains(number));
        number.ok_or_else(|| InvalidOption::Cpus { text: shown(text) })
    })
}

/// `none` lifts the limit.
pub(super) fn pids(text: &str) -> Result<Option<u64>, InvalidOption> {
    unless_none(text, |text| {
        let number = text.parse::<u64>().ok().filter(|number| (1..=4_194_304).contains(number));
        number.ok_or_else(|| InvalidOption::Pids { text: shown(text) })
    })
}

fn unless_none<T, E>(text: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, E> {
    if text == "none" { Ok(None) } else { parse(text).map(Some) }
}

/// `HOST:ADDRESS`; the address may be `host-gateway`, the daemon's machine.
pub(super) fn extra_host(text: &str) -> Result<String, InvalidOption> {
    let is_host = |host: &str| {
        !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let is_address =
        |address: &str| address == "host-gateway" || address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    match text.split_once(':') {
        Some((host, address)) if is_host(host) && is_address(address) => {
            Ok(format!("{host}:{}", address.trim_matches(['[', ']'])))
        }
        _ => Err(InvalidOption::HostEntry { text: shown(text) }),
    }
}

/// `USER`, `UID`, `UID:GID`.
pub(super) fn user(text: &str) -> Result<String, InvalidOption> {
    let part = |part: &str| {
        !part.is_empty() && part.len() <= 64 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    if text.split(':').count() <= 2 && text.split(':').all(part) {
        return Ok(text.to_owned());
    }
    Err(InvalidOption::User { text: shown(text) })
}

/// An image that the daemon may have: a reference, or an id with its algorithm.
pub(super) fn image(text: &str) -> Result<String, InvalidValue> {
    let is_id =
        text.strip_prefix("sha256:").is_some_and(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_id { Ok(text.to_owned()) } else { parse::reference(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    #[test]
    fn ports_have_the_syntax_of_docker() {
        let check = |text: &str| {
            publish(text).map(|p| {
                let address = p.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
                let container = p.container_port.map_or_else(|| "app".to_owned(), |port| port.to_string());
                format!("{address} {} {container} {:?}", p.host_port, p.protocol)
            })
        };
        for (text, expected) in [
            ("8080", "- 8080 app Tcp"),
            ("0", "- 0 app Tcp"),
            ("8080:3000", "- 8080 3000 Tcp"),
            ("0.0.0.0:80:3000/tcp", "0.0.0.0 80 3000 Tcp"),
            ("localhost:53:53/udp", "127.0.0.1 53 53 Udp"),
            ("10.0.0.1:8080", "10.0.0.1 8080 app Tcp"),
            ("[::1]:8080:3000", "::1 8080 3000 Tcp"),
        ] {
            assert_eq!(check(text).unwrap(), expected, "{text}");
        }
        for text in
            ["", "x", "70000", "1:2:3", "8080:0", "::1:80", "8080/sctp", "1.2.3:80", "-1", "80-90:80-90", "[::1]80"]
        {
            assert_eq!(check(text).unwrap_err().code(), "launch/publish", "{text}");
        }
    }

    #[test]
    fn mounts_are_binds_or_volumes() {
        let check = |text: &str| {
            mount(text, Path::new("/srv/shop")).map(|mount| format!("{mount:?}")).map_err(|invalid| invalid.to_string())
        };
        assert!(check("data:/data").unwrap().starts_with("Volume"));
        assert!(
            check("./a/../b:/data:ro")
                .unwrap()
                .contains("source: \"/srv/shop/b\", target: \"/data\", access: ReadOnly")
        );
        assert!(check("/etc/x:/x/").unwrap().contains("source: \"/etc/x\", target: \"/x\""));
        assert!(check(".hidden:/x").unwrap().contains("source: \"/srv/shop/.hidden\""));
        for text in
            ["data", "data:x", "data:/x:rwx", "a:/x:ro:z", "/x:/", "/x:/a/../b", ":/x", "é:/x", "~/x:/x", "~:/x"]
        {
            assert!(check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_values_are_parsed() {
        assert_eq!(
            tmpfs("/tmp:size=64m,mode=1777").unwrap(),
            Mount::Tmpfs { target: "/tmp".into(), size: Some(64 << 20), mode: Some(0o1777), owner: None }
        );
        assert!(tmpfs("/tmp:uid=3").is_err() && tmpfs("tmp").is_err() && tmpfs("/tmp:mode=99").is_err());
        assert!(matches!(tmpfs("/scratch:size=5m").unwrap(), Mount::Tmpfs { size: Some(5_242_880), .. }));
        assert!(tmpfs("/tmp:size=0").is_err() && memory("1.5g").is_err());
        assert_eq!(memory("1m").unwrap_err().code(), "settings/too-little-memory");
        assert!(network("front").is_ok() && network("host").is_err() && network("none").is_err());
        assert_eq!(restart("on-failure:3").unwrap(), RestartPolicy::OnFailure(Some(3)));
        assert!(restart("sometimes").is_err() && restart("always:2").is_err() && restart("on-failure:0").is_err());
        assert_eq!((memory("512m").unwrap(), memory("none").unwrap()), (Some(512 << 20), None));
        assert_eq!((cpus("1.5").unwrap(), cpus("none").unwrap()), (Some(1.5), None));
        assert!(cpus("-1").is_err() && cpus("NaN").is_err() && cpus("0").is_err() && pids("0").is_err());
        assert_eq!(extra_host("db:[fd00::1]").unwrap(), "db:fd00::1");
        assert!(extra_host("db").is_err() && extra_host("d b:1.2.3.4").is_err());
        assert!(user("1001:0").is_ok() && user("a b").is_err() && user("1:2:3").is_err() && user("").is_err());
        assert!(
            image("ghcr.io/a/b:1").is_ok()
                && image("a b").is_err()
                && image(&format!("sha256:{}", "a".repeat(64))).is_ok()
        );
    }
}
