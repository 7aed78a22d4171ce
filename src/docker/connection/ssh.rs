//! Daemons of other machines by `ssh://[user@]host[:port][/socket]`: each connection is `docker system dial-stdio` on that machine, as
//! with the docker command line. The `ssh` program of this machine connects, with its own configuration, keys and known hosts.
//!
//! All connections share one login (`ControlMaster`), which ends with the last of them. Never prompts for a password.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use crate::diagnostic::printable;
use crate::host::{Environment, PipedChild, find_program, run_command, spawn_piped};

/// For the whole login, as in the docker command line.
pub(super) const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// For the error message of a broken connection.
const REASON_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_REASON_BYTES: u64 = 16 * 1024;
/// Longest path of a socket (`sockaddr_un`), less the suffix that ssh adds while it makes one.
const MAX_CONTROL_PATH: usize = 108 - 18;

/// The parts of an `ssh://` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshTarget {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    /// Socket of the daemon on that machine; `None` is the default of the docker command line there.
    pub socket: Option<String>,
}

impl SshTarget {
    /// Reads what follows `ssh://`. The error is the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (authority, path) = match text.find('/') {
            Some(at) => (&text[..at], text[at..].trim_end_matches('/')),
            None => (text, ""),
        };
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority),
        };
        // `/` in a password ends what looks like the host.
        if user.is_some_and(|user| user.contains(':')) || path.contains('@') {
            return Err("passwords are not supported; use a key (`ssh-add`)".into());
        }
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let number = port.parse().ok().filter(|port| *port != 0);
                (host, Some(number.ok_or_else(|| format!("invalid port `{}`", printable(port)))?))
            }
            _ => (place, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |word: &str| {
            !word.is_empty()
                && !word.starts_with('-')
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:%".contains(&b))
        };
        if !plain(host) || !user.is_none_or(plain) {
            return Err("user and host may only contain letters, digits, `.`, `_` and `-`".into());
        }
        // The path is read by a shell on that machine.
        if !path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b)) {
            return Err("the path of the socket may only contain letters, digits, `/`, `.`, `_` and `-`".into());
        }
        let text = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
        Ok(Self { user: user.and_then(text), host: host.to_owned(), port, socket: text(path) })
    }
}

impl std::fmt::Display for SshTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(self.socket.as_deref().unwrap_or_default())
    }
}

/// Opens connections through one login.
#[derive(Debug)]
pub(super) struct SshTransport {
    program: PathBuf,
    target: SshTarget,
    environment: Environment,
    /// Folder of the socket by which the connections share the login.
    control: Option<TempDir>,
}

impl SshTransport {
    pub(super) fn new(target: &SshTarget, environment: &Environment) -> Result<Self, String> {
        let program = find_program("ssh", environment).ok_or("`ssh` is not on the PATH of this machine")?;
        let control = tempfile::Builder::new().prefix("nextdeploy-ssh-").tempdir().ok();
        let fits = |folder: &TempDir| folder.path().as_os_str().len() + "/c".len() <= MAX_CONTROL_PATH;
        let control = control.filter(fits);
        Ok(Self { program, target: target.clone(), environment: environment.clone(), control })
    }

    fn control_path(&self) -> Option<String> {
        Some(self.control.as_ref()?.path().join("c").to_str()?.to_owned())
    }

    /// Options and the target, up to the command.
    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["-T", "-o", "BatchMode=yes", "-o"].map(str::to_owned).into();
        arguments.push(format!("ConnectTimeout={}", LOGIN_TIMEOUT.as_secs()));
        if let Some(path) = self.control_path() {
            for option in ["ControlMaster=auto", "ControlPersist=15", &format!("ControlPath={path}")] {
                arguments.extend(["-o".to_owned(), option.to_owned()]);
            }
        }
        if let Some(user) = &self.target.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.target.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments.extend(["--".to_owned(), self.target.host.clone()]);
        arguments
    }

    /// Starts a connection. A failed login shows when it is used; [`SshErrors`] then has the reason.
    pub(super) fn open(&self) -> io::Result<(SshStream, SshErrors)> {
        let mut arguments = self.arguments();
        arguments.push("docker".to_owned());
        if let Some(socket) = &self.target.socket {
            arguments.extend(["--host".to_owned(), format!("unix://{socket}")]);
        }
        arguments.extend(["system", "dial-stdio"].map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = spawn_piped(&self.program, &arguments, &self.environment)?;
        let errors = SshErrors(Arc::default());
        if let Some(stderr) = child.take_stderr() {
            let kept = Arc::clone(&errors.0);
            let reader = tokio::spawn(async move {
                let mut stderr = stderr.take(MAX_REASON_BYTES);
                let mut chunk = [0; 1024];
                while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..length]);
                }
            });
            // A shared login keeps standard error open.
            drop(reader);
        }
        Ok((SshStream(child), errors))
    }
}

impl Drop for SshTransport {
    fn drop(&mut self) {
        if let (Some(path), Some(program)) = (self.control_path(), self.program.to_str()) {
            let control = format!("ControlPath={path}");
            let arguments = ["-O", "exit", "-o", &control, "--", &self.target.host];
            // Fails when no login is shared.
            let _ = run_command(program, &arguments, std::path::Path::new("/"));
        }
    }
}

/// What ssh printed on standard error.
pub(super) struct SshErrors(Arc<Mutex<Vec<u8>>>);

impl SshErrors {
    /// The last line that is not empty, once there is one.
    pub(super) async fn reason(&self) -> Option<String> {
        let line = || {
            let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let text = String::from_utf8_lossy(&bytes);
            text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(printable)
        };
        let wait = async {
            while line().is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = timeout(REASON_TIMEOUT, wait).await;
        // Further lines follow the first one.
        tokio::time::sleep(Duration::from_millis(50)).await;
        line()
    }
}

/// Standard input and output of one `dial-stdio`.
pub(super) struct SshStream(PipedChild);

impl AsyncRead for SshStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.stdin).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.stdin).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: Result<&str, &str>) {
        match (SshTarget::parse(address), expected) {
            (Ok(target), Ok(shown)) => assert_eq!(target.to_string(), shown),
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{address}: {reason}"),
            (found, expected) => panic!("{address}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn addresses_have_user_port_and_socket() {
        check("far", Ok("ssh://far"));
        check("me@far.example:2222", Ok("ssh://me@far.example:2222"));
        check("me@[fe80::1]:22", Ok("ssh://me@[fe80::1]:22"));
        check("far/", Ok("ssh://far"));
        check("far/run/user/1000/docker.sock", Ok("ssh://far/run/user/1000/docker.sock"));
    }

    #[test]
    fn addresses_cannot_contain_options_or_commands() {
        check("", Err("user and host"));
        check("-oProxyCommand=x", Err("user and host"));
        check("-x@far", Err("user and host"));
        check("me;id@far", Err("user and host"));
        check("far/run/$(id)", Err("path of the socket"));
        check("me:pass@far", Err("password"));
        check("me:pa/ss@far", Err("password"));
        check("far:0", Err("invalid port"));
    }
}
