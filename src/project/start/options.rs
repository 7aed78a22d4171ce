//! What the options of a server say: its port, and what `next start` has a variable for.

use super::super::error::ProjectError;
use super::super::facts::{NamedScript, NextVersion};
use super::super::package_json::PackageJson;
use super::super::scripts::{ScriptCommand, default_of};
use crate::origin::Sourced;
use crate::repo::SourceTree;

/// The port that the server listens on, as far as its command says.
pub(super) fn port(
    tree: &SourceTree,
    manifest: &PackageJson,
    script: &Sourced<NamedScript>,
    server: &ScriptCommand,
) -> Result<Option<Sourced<u16>>, ProjectError> {
    let Some(text) = port_text(server).as_deref().and_then(literal).map(str::to_owned) else { return Ok(None) };
    let strict = matches!(server.program(), "next" | "serve" | "http-server") || text.parse::<u64>().is_ok();
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(Sourced::new(port, script.origin.clone()))),
        // `-p` means something else to other programs.
        _ if !strict => Ok(None),
        _ => Err(ProjectError::InvalidPort {
            port: text,
            origin: script.origin.to_string(),
            location: manifest.place(tree, &["scripts", &script.value.name]),
        }),
    }
}

/// The value of an option: `${PORT:-8080}` states a default; `$PORT` leaves it to the environment.
fn literal(text: &str) -> Option<&str> {
    let text = match default_of(text) {
        Some((_, default)) => default,
        None if text.starts_with(['$', '%', '`']) => "",
        None => text,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// A flag beats the variable, as it does in Next.js.
fn port_text(server: &ScriptCommand) -> Option<String> {
    let is_serve = server.program() == "serve";
    let attached = matches!(server.program(), "next" | "serve" | "http-server");
    let mut words = server.words.iter().map(String::as_str).skip(1);
    while let Some(word) = words.next() {
        if matches!(word, "-p" | "--port") {
            return words.next().map(str::to_owned);
        }
        if is_serve && matches!(word, "-l" | "--listen") {
            return words.next().and_then(listen_port);
        }
        if let Some(value) = word.strip_prefix("--port=").or_else(|| word.strip_prefix("-p=")) {
            return Some(value.to_owned());
        }
        if let Some(value) = word.strip_prefix("--listen=").or_else(|| word.strip_prefix("-l=")).filter(|_| is_serve) {
            return listen_port(value);
        }
        let value = word.strip_prefix("-p").or_else(|| word.strip_prefix("-l").filter(|_| is_serve));
        if let Some(value) =
            value.filter(|value| attached && value.starts_with(|c: char| c.is_ascii_digit() || c == '$'))
        {
            return Some(value.to_owned());
        }
    }
    server.variables.iter().rev().find(|variable| variable.name == "PORT").map(|variable| variable.value.clone())
}

/// `8080`, `0.0.0.0:8080`, `tcp://0.0.0.0:8080`; a socket or a pipe has no port.
fn listen_port(endpoint: &str) -> Option<String> {
    if endpoint.starts_with("unix:") || endpoint.starts_with("pipe:") {
        return None;
    }
    let address = endpoint.strip_prefix("tcp://").unwrap_or(endpoint).trim_end_matches('/');
    if address.starts_with('$') {
        return Some(address.to_owned());
    }
    let port = address.rsplit_once(':').map_or(address, |(_, port)| port.trim_matches(['-', '}']));
    // A host alone listens on the default port.
    port.parse::<u64>().is_ok().then(|| port.to_owned())
}

/// What `next start` is given besides its port.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NextOptions {
    /// In milliseconds; the standalone server reads it from `KEEP_ALIVE_TIMEOUT`.
    pub keep_alive: Option<String>,
    /// Options that the image does not honour.
    pub dropped: Vec<String>,
}

/// Reads the options from word `from` on.
pub(super) fn of_next(server: &ScriptCommand, from: usize, next: &NextVersion) -> NextOptions {
    let mut found = NextOptions::default();
    let mut at = from;
    while let Some(word) = server.words.get(at) {
        at += 1;
        let (flag, value) = word.split_once('=').map_or((word.as_str(), None), |(f, v)| (f, Some(v)));
        let valued = matches!(flag, "-p" | "--port" | "-H" | "--hostname" | "--keepAliveTimeout");
        let value = value.or_else(|| server.words.get(at).filter(|_| valued).map(String::as_str));
        at += usize::from(valued && !word.contains('='));
        match flag {
            // Next.js 13.3 and later have the variable.
            "--keepAliveTimeout" => {
                let known = (next.major, next.minor) >= (13, 3);
                let time = value.and_then(literal).filter(|time| known && time.bytes().all(|b| b.is_ascii_digit()));
                match time {
                    Some(time) => found.keep_alive = Some(time.to_owned()),
                    None => found.dropped.push(flag.to_owned()),
                }
            }
            // The image listens on all addresses.
            "-H" | "--hostname" | "-p" | "--port" | "--turbo" | "--turbopack" | "--webpack" | "--" => {}
            flag if flag.starts_with("-p") || flag.starts_with("-H") => {}
            flag if flag.starts_with('-') => found.dropped.push(flag.to_owned()),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::super::scripts::commands;
    use super::*;

    #[track_caller]
    fn check_port(script: &str, expected: Option<&str>) {
        let text = port_text(&commands(script)[0]);
        assert_eq!(text.as_deref().and_then(literal), expected, "{script}");
    }

    #[test]
    fn ports_in_every_spelling() {
        for script in [
            "next start -p 8080",
            "next start -p8080",
            "next start --port=8080",
            "PORT=8080 next start",
            "PORT=1 next start -p ${PORT:-8080}",
            "serve out -l 8080",
            "serve out -l=8080",
            "serve out -l8080",
            "serve -s out --listen 8080",
            "serve out --listen=tcp://0.0.0.0:8080",
            "serve out -l tcp://0.0.0.0:${PORT:-8080}",
            "serve out -l 0.0.0.0:8080",
            "serve out -p 8080",
            "http-server out -p 8080",
            "http-server out -p8080 -c-1",
            "node server.js --port 8080",
        ] {
            check_port(script, Some("8080"));
        }
        for script in ["next start -p $PORT", "next start -p %PORT%", "serve out -l unix:/run/x.sock", "serve out -L"] {
            check_port(script, None);
        }
    }

    #[test]
    fn options_of_next() {
        let of = |script: &str, minor| {
            let next = NextVersion { major: 13, minor, patch: 0, text: String::new() };
            of_next(&commands(script)[0], 2, &next)
        };
        let found = of("next start web -p 80 -H :: --keepAliveTimeout 70000 --inspect", 4);
        let expected = NextOptions { keep_alive: Some("70000".to_owned()), dropped: vec!["--inspect".to_owned()] };
        assert_eq!(found, expected);
        assert_eq!(of("next start --keepAliveTimeout=${KEEP:-70000}", 5).keep_alive.as_deref(), Some("70000"));
        assert_eq!(of("next start --keepAliveTimeout 70000", 2).dropped, ["--keepAliveTimeout"]);
    }
}
