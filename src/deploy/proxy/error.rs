//! Why a site cannot be rendered for Caddy, or Caddy does not accept it.

use std::path::PathBuf;

use crate::diagnostic::{diagnostics, printable, shown};

diagnostics! {
    #[exit(Unhealthy)]
    pub enum ProxyError {
        /// `what` is the kind of value in words: `site address`, `upstream`, …
        #[error("invalid {what} `{}`: {reason}", shown(text))]
        #[code("proxy/invalid-value")]
        #[hint("{hint}")]
        #[exit(Usage)]
        Value { what: &'static str, text: String, reason: &'static str, hint: &'static str },

        /// The address may contain a password, so it is not part of the message.
        #[error("invalid address of Caddy's admin API: {reason}")]
        #[code("proxy/admin-address")]
        #[hint("write it as `http://127.0.0.1:2019`")]
        #[exit(Usage)]
        AdminAddress { reason: &'static str },

        #[error("cannot create an HTTP client: {reason}")]
        #[code("proxy/client")]
        #[hint("check the limit on open files (`ulimit -n`)")]
        Client { reason: String },

        #[error("cannot reach Caddy's admin API at {url}: {}", printable(reason))]
        #[code("proxy/unreachable")]
        #[hint(
            "start Caddy (`systemctl start caddy`), or set its admin API with `--admin http://127.0.0.1:PORT`; \
             `admin off` in its configuration turns it off"
        )]
        Unreachable { url: String, reason: String },

        #[error("the server at {url} is not Caddy's admin API: {}", printable(reason))]
        #[code("proxy/not-caddy")]
        #[hint("set Caddy's admin API with `--admin`; by default it listens on 127.0.0.1:2019")]
        NotCaddy { url: String, reason: String },

        #[error("Caddy at {url} rejected the configuration: {}", printable(message))]
        #[code("proxy/refused")]
        #[hint("correct what the message names; Caddy still serves its previous configuration")]
        Refused { url: String, message: String },

        #[error("Caddy already serves `{address}`, {by}")]
        #[code("proxy/address-taken")]
        #[hint("remove the site from that configuration, or choose another `--domain`")]
        #[exit(Usage)]
        Taken { address: String, by: String },

        #[error("Caddy at {url} has no site for the app `{}`", printable(app))]
        #[code("proxy/no-site")]
        #[hint("load it with `nextdeploy proxy caddy --load`")]
        #[exit(Usage)]
        NoSite { url: String, app: String },

        #[error("cannot switch sites in `{}`: {reason}", path.display())]
        #[code("proxy/switch-folder")]
        #[hint(
            "set `proxy caddy --load --switch-dir` to a folder that this user can write and Caddy's user can read, or to `none`"
        )]
        #[exit(Usage)]
        SwitchFolder { path: PathBuf, reason: String },

        #[error("another program keeps changing the configuration of Caddy at {url}")]
        #[code("proxy/contended")]
        #[hint("try again when the other program is done")]
        Contended { url: String },
    }
}
