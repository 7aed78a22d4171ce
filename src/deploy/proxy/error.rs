//! Why a site cannot be written down for Caddy, or Caddy does not take it.

use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, ExitCode, printable, shown};

#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// `what` is the thing in words: `site address`, `upstream`, …
    #[error("`{}` is no {what}: {reason}", shown(text))]
    Value { what: &'static str, text: String, reason: &'static str, hint: &'static str },
    /// The address may hold a password, so it is not part of this.
    #[error("the address of Caddy's admin API cannot be used: {reason}")]
    AdminAddress { reason: &'static str },
    #[error("no HTTP client can be made: {reason}")]
    Client { reason: String },
    #[error("Caddy's admin API does not answer at {url}: {}", printable(reason))]
    Unreachable { url: String, reason: String },
    #[error("what answers at {url} is not Caddy's admin API: {}", printable(reason))]
    NotCaddy { url: String, reason: String },
    #[error("Caddy at {url} refuses the configuration: {}", printable(message))]
    Refused { url: String, message: String },
    #[error("Caddy serves `{address}` already, {by}")]
    Taken { address: String, by: String },
    #[error("Caddy at {url} has no site of the app `{}`", printable(app))]
    NoSite { url: String, app: String },
    #[error("`{}` cannot be the folder of the switch: {reason}", path.display())]
    SwitchFolder { path: PathBuf, reason: String },
    #[error("the configuration of Caddy at {url} is changed by somebody else all the time")]
    Contended { url: String },
}

impl Diagnostic for ProxyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Value { .. } => "proxy/invalid-value",
            Self::AdminAddress { .. } => "proxy/admin-address",
            Self::Client { .. } => "proxy/client",
            Self::Unreachable { .. } => "proxy/unreachable",
            Self::NotCaddy { .. } => "proxy/not-caddy",
            Self::Refused { .. } => "proxy/refused",
            Self::Taken { .. } => "proxy/address-taken",
            Self::NoSite { .. } => "proxy/no-site",
            Self::SwitchFolder { .. } => "proxy/switch-folder",
            Self::Contended { .. } => "proxy/contended",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Value { hint, .. } => hint,
            Self::AdminAddress { .. } => "write it as `http://127.0.0.1:2019`",
            Self::Client { .. } => "check the limits on open files (`ulimit -n`)",
            Self::Unreachable { .. } => {
                "start Caddy (`systemctl start caddy`), or name its admin API with `--admin http://127.0.0.1:PORT`; \
                 `admin off` in its configuration turns it off"
            }
            Self::NotCaddy { .. } => "name Caddy's admin API with `--admin`; it listens on 127.0.0.1:2019 by default",
            Self::Refused { .. } => "what Caddy served before is served still: correct what its message names",
            Self::Taken { .. } => "take the site out of the configuration that has it, or choose another `--domain`",
            Self::NoSite { .. } => "load it first with `nextdeploy proxy caddy --load`",
            Self::SwitchFolder { .. } => {
                "give `proxy caddy --load --switch-dir` a folder that this user can write and Caddy's can read, or `none`"
            }
            Self::Contended { .. } => "try again when the other program is done",
        };
        vec![hint.to_owned()]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Value { .. }
            | Self::AdminAddress { .. }
            | Self::Taken { .. }
            | Self::NoSite { .. }
            | Self::SwitchFolder { .. } => ExitCode::Usage,
            _ => ExitCode::Unhealthy,
        }
    }
}
