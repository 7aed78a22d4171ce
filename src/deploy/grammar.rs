//! The grammar of each value, the same for flags and documents. Text in, value or [`Problem`] out.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Problem;
use super::wishes::Publish;
use crate::config::settings::parse;
use crate::diagnostic::shown;
use crate::docker::{Access, ContainerName, Mount, Protocol, RestartPolicy};

fn problem(code: &'static str, message: String, hint: &str) -> Problem {
    Problem { code, message, hint: hint.to_owned() }
}

pub(super) fn name(text: &str) -> Result<ContainerName, Problem> {
    ContainerName::parse(text).map_err(|invalid| {
        let message = format!("`{}` is no name of a container, network or volume", shown(text));
        problem("launch/name", message, &invalid.to_string())
    })
}

/// A network that containers join. The daemon's `host` and `none` are none.
pub(super) fn network(text: &str) -> Result<ContainerName, Problem> {
    let missing = match text {
        "host" => "in the network of the machine itself no port can be published, and two versions cannot run at once",
        "none" => "without a network nobody reaches the app",
        _ => return name(text),
    };
    let message = format!("the network `{text}` is not possible: {missing}");
    Err(problem(
        "launch/network",
        message,
        "leave it out, or name a network of containers; it is made when it is missing",
    ))
}

/// `[ADDRESS:]PORT` for the app's own port, `[ADDRESS:]PORT:CONTAINER_PORT`, each with an optional `/tcp` or `/udp`. PORT 0 is a free one.
pub(super) fn publish(text: &str) -> Result<Publish, Problem> {
    let wrong = || {
        let message = format!("`{}` is no port to publish", shown(text));
        problem(
            "launch/publish",
            message,
            "give `[ADDRESS:]PORT` or `[ADDRESS:]PORT:CONTAINER_PORT`, such as `8080` or `127.0.0.1:8080:3000`",
        )
    };
    let (ports, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((ports, "tcp")) => (ports, Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some(_) => return Err(wrong()),
    };
    let (address, ports) = address(ports).ok_or_else(wrong)?;
    let number = |text: &str| match text {
        "0" => Ok(0),
        text => parse::port(text),
    };
    let (host, container) = match ports.split_once(':') {
        None => (number(ports), None),
        Some((host, container)) => (number(host), Some(parse::port(container).map_err(|_| wrong())?)),
    };
    Ok(Publish { address, host_port: host.map_err(|_| wrong())?, container_port: container, protocol })
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
pub(super) fn mount(text: &str, folder: &Path) -> Result<Mount, Problem> {
    let wrong = || {
        let message = format!("`{}` is no mount", shown(text));
        problem(
            "launch/volume",
            message,
            "give `VOLUME:TARGET`, `/PATH:TARGET` or `./PATH:TARGET`, with `:ro` to forbid writing",
        )
    };
    let mut parts = text.split(':');
    let (Some(source), Some(target), access, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let access = match access {
        None | Some("rw") => Access::ReadWrite,
        Some("ro") => Access::ReadOnly,
        Some(_) => return Err(wrong()),
    };
    mount_of(source, target_path(target)?, access, folder)
}

/// A source with a slash, or a dot in front, is a path of the daemon's machine, read from `folder`; anything else a named volume.
pub(super) fn mount_of(source: &str, target: String, access: Access, folder: &Path) -> Result<Mount, Problem> {
    if source.contains('/') || source.starts_with(['.', '~']) {
        return Ok(Mount::Bind { source: source_path(source, folder)?, target, access });
    }
    Ok(Mount::Volume { name: name(source)?, target, access })
}

/// A place in the container.
pub(super) fn target_path(text: &str) -> Result<String, Problem> {
    let plain = text.trim_end_matches('/');
    let fits = plain.starts_with('/')
        && !plain.chars().any(char::is_control)
        && plain.split('/').all(|part| !matches!(part, "." | ".."));
    if fits {
        return Ok(plain.to_owned());
    }
    let message = format!("`{}` is no absolute path in the container", shown(text));
    Err(problem("launch/path", message, "give an absolute path without `..`, and not `/` itself"))
}

/// A path of the daemon's machine; what is relative starts from `folder`.
pub(super) fn source_path(text: &str, folder: &Path) -> Result<String, Problem> {
    let wrong = |hint| problem("launch/path", format!("`{}` is no path of the machine", shown(text)), hint);
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(wrong("give a path"));
    }
    if text == "~" || text.starts_with("~/") {
        return Err(wrong("write the folder out: no shell replaces `~` here"));
    }
    let joined = folder.join(text);
    if !joined.is_absolute() {
        return Err(wrong("give an absolute path"));
    }
    // The daemon takes no `..`; links stay as they are, since the machine may be another one.
    let mut clean = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean.into_os_string().into_string().map_err(|_| wrong("use a path in UTF-8"))
}

/// `TARGET[:size=64m,mode=1777]`.
pub(super) fn tmpfs(text: &str) -> Result<Mount, Problem> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let (mut size, mut mode) = (None, None);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => size = Some(parse::size(value)?),
            Some(("mode", value)) => mode = Some(file_mode(value)?),
            _ => {
                let message = format!("`{}` is no option of a tmpfs", shown(option));
                return Err(problem("launch/tmpfs", message, "give `TARGET`, or `TARGET:size=64m,mode=1777`"));
            }
        }
    }
    Ok(Mount::Tmpfs { target: target_path(target)?, size, mode, owner: None })
}

/// Octal, as `chmod` takes it.
pub(super) fn file_mode(text: &str) -> Result<u32, Problem> {
    let digits = (3..=4).contains(&text.len());
    digits.then(|| u32::from_str_radix(text, 8).ok()).flatten().ok_or_else(|| {
        problem(
            "launch/mode",
            format!("`{}` is no file mode", shown(text)),
            "give three or four octal digits, such as 1777",
        )
    })
}

/// `no`, `always`, `unless-stopped`, `on-failure[:TIMES]`.
pub(super) fn restart(text: &str) -> Result<RestartPolicy, Problem> {
    let times = |text: &str| text.parse::<u32>().ok().filter(|times| *times > 0);
    match text.split_once(':') {
        None if text == "no" => Some(RestartPolicy::No),
        None if text == "always" => Some(RestartPolicy::Always),
        None if text == "unless-stopped" => Some(RestartPolicy::UnlessStopped),
        None if text == "on-failure" => Some(RestartPolicy::OnFailure(None)),
        Some(("on-failure", number)) => times(number).map(|times| RestartPolicy::OnFailure(Some(times))),
        _ => None,
    }
    .ok_or_else(|| {
        let message = format!("`{}` is no restart policy", shown(text));
        problem("launch/restart", message, "give no, always, unless-stopped, on-failure or on-failure:TIMES")
    })
}

/// `none` lifts the limit.
pub(super) fn memory(text: &str) -> Result<Option<u64>, Problem> {
    if text == "none" { Ok(None) } else { Ok(Some(parse::memory(text)?)) }
}

/// `none` lifts the limit.
pub(super) fn cpus(text: &str) -> Result<Option<f64>, Problem> {
    if text == "none" {
        return Ok(None);
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && (0.01..=1024.0).contains(number));
    number.map(Some).ok_or_else(|| {
        let message = format!("`{}` is no number of processors", shown(text));
        problem("launch/cpus", message, "give a number such as 1.5, or `none`")
    })
}

/// `none` lifts the limit.
pub(super) fn pids(text: &str) -> Result<Option<u64>, Problem> {
    if text == "none" {
        return Ok(None);
    }
    let number = text.parse::<u64>().ok().filter(|number| (1..=4_194_304).contains(number));
    number.map(Some).ok_or_else(|| {
        let message = format!("`{}` is no number of processes", shown(text));
        problem("launch/pids", message, "give a whole number such as 200, or `none`")
    })
}

/// `HOST:ADDRESS`; the address may be `host-gateway`, the daemon's machine.
pub(super) fn extra_host(text: &str) -> Result<String, Problem> {
    let is_host = |host: &str| {
        !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let is_address =
        |address: &str| address == "host-gateway" || address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    match text.split_once(':') {
        Some((host, address)) if is_host(host) && is_address(address) => {
            Ok(format!("{host}:{}", address.trim_matches(['[', ']'])))
        }
        _ => {
            let message = format!("`{}` is no host with its address", shown(text));
            Err(problem("launch/host", message, "give `HOST:ADDRESS`, such as `db:10.0.0.5` or `db:host-gateway`"))
        }
    }
}

/// `USER`, `UID`, `UID:GID`.
pub(super) fn user(text: &str) -> Result<String, Problem> {
    let part = |part: &str| {
        !part.is_empty() && part.len() <= 64 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    if text.split(':').count() <= 2 && text.split(':').all(part) {
        return Ok(text.to_owned());
    }
    let message = format!("`{}` is no user", shown(text));
    Err(problem("launch/user", message, "give a number or a name, such as `1001` or `1001:0`"))
}

/// A command as one text; no shell runs it.
pub(super) fn command(text: &str) -> Result<Vec<String>, Problem> {
    Ok(parse::words(text)?)
}

/// A time that an option takes.
pub(super) fn duration(text: &str) -> Result<Duration, Problem> {
    Ok(parse::duration(text)?)
}

/// The driver that keeps the output of the container.
pub(super) fn word(text: &str) -> Result<String, Problem> {
    Ok(parse::word(text)?)
}

/// An image that the daemon may have: reference, or id with its algorithm.
pub(super) fn image(text: &str) -> Result<String, Problem> {
    let is_id =
        text.strip_prefix("sha256:").is_some_and(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_id { Ok(text.to_owned()) } else { Ok(parse::reference(text)?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_as_people_know_them() {
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
            assert_eq!(check(text).unwrap_err().code, "launch/publish", "{text}");
        }
    }

    #[test]
    fn mounts_are_binds_or_volumes() {
        let check =
            |text: &str| mount(text, Path::new("/srv/shop")).map(|mount| format!("{mount:?}")).map_err(|p| p.message);
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
    fn the_other_values() {
        assert_eq!(
            tmpfs("/tmp:size=64m,mode=1777").unwrap(),
            Mount::Tmpfs { target: "/tmp".into(), size: Some(64 << 20), mode: Some(0o1777), owner: None }
        );
        assert!(tmpfs("/tmp:uid=3").is_err() && tmpfs("tmp").is_err() && tmpfs("/tmp:mode=99").is_err());
        assert!(matches!(tmpfs("/scratch:size=5m").unwrap(), Mount::Tmpfs { size: Some(5_242_880), .. }));
        assert!(tmpfs("/tmp:size=0").is_err() && memory("1.5g").is_err());
        assert_eq!(memory("1m").unwrap_err().code, "settings/too-little-memory");
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
