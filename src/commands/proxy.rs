//! `nextdeploy proxy`.

use std::path::PathBuf;

use super::{Session, block_on};
use crate::config::cli::{Caddy, CaddyFormat, Proxy, ProxyCommand, Words};
use crate::config::metadata::ConfigFiles;
use crate::config::settings;
use crate::deploy::proxy::{
    Admin, Ensured, ProxyError, Scope, Site, SiteWords, SwitchFolder, render_caddyfile, render_json,
};
use crate::diagnostic::{ExitCode, Warning};
use crate::error::Error;
use crate::host::Environment;
use crate::repo::GitDetail;

/// The port of the app when nothing says another one.
const DEFAULT_PORT: u16 = 3000;

pub fn run(session: &Session, verb: &Proxy, words: &Words) -> Result<ExitCode, Error> {
    match &verb.command {
        ProxyCommand::Caddy(verb) => caddy(session, verb, words),
    }
}

/// What the proxy wants to know of the app.
struct AppFacts {
    name: String,
    port: u16,
    base_path: Option<String>,
    health_path: Option<String>,
}

fn caddy(session: &Session, verb: &Caddy, words: &Words) -> Result<ExitCode, Error> {
    let admin = Admin::new(&verb.admin)?;
    let app = app_facts(session, verb, words)?;
    if verb.remove {
        return remove(session, &admin, &app.name);
    }
    let upstream = verb.upstream.clone().unwrap_or_else(|| format!("127.0.0.1:{}", app.port));
    let site = Site::new(&SiteWords {
        app: &app.name,
        addresses: &verb.domain,
        upstream: &upstream,
        base_path: verb.base_path.as_deref().or(app.base_path.as_deref()),
        health_path: app.health_path.as_deref(),
        assets: verb.assets.as_deref(),
    })?;
    if verb.load {
        return load(session, verb, &admin, &site);
    }
    let listen = admin.listen_address()?;
    match verb.format {
        CaddyFormat::Caddyfile => session.data(render_caddyfile(&site, Scope::Whole { admin: &listen }).trim_end())?,
        CaddyFormat::Site => session.data(render_caddyfile(&site, Scope::Site).trim_end())?,
        CaddyFormat::Json => session.json(&render_json(&site, &listen)?)?,
    }
    Ok(ExitCode::Ok)
}

/// From flags and variables alone when they say all that is needed, else from the repository.
fn app_facts(session: &Session, verb: &Caddy, words: &Words) -> Result<AppFacts, Error> {
    let enough = verb.app.directory.is_none() && verb.app.app.is_none() && (verb.upstream.is_some() || verb.remove);
    if let (true, Some(name)) = (enough, &verb.app.name) {
        let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
        session.warn(&resolved.warnings);
        return Ok(AppFacts {
            name: name.clone(),
            port: resolved.settings.port.map_or(DEFAULT_PORT, |port| port.value),
            base_path: None,
            health_path: resolved.settings.health_path.map(|path| path.value),
        });
    }
    let project = session.open(words, GitDetail::Tracking)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    Ok(AppFacts {
        name: plan.name.value,
        port: plan.runtime.port.value,
        base_path: plan.runtime.base_path.map(|path| path.value),
        health_path: plan.runtime.health_path.map(|path| path.value),
    })
}

fn load(session: &Session, verb: &Caddy, admin: &Admin, site: &Site) -> Result<ExitCode, Error> {
    warn_of_distance(session, admin);
    let ensured = block_on(async {
        let folder = switch_folder(session, verb, admin, site.app()).await?;
        admin.ensure_site(site, folder.as_ref()).await
    })?;
    let (word, did) = match ensured? {
        Ensured::Created => ("created", "now serves"),
        Ensured::Changed => ("changed", "serves from now on"),
        Ensured::Unchanged => ("unchanged", "already serves"),
    };
    let addresses: Vec<String> = site.addresses().iter().map(ToString::to_string).collect();
    session.tell(&format!(
        "Caddy at {} {did} {} at {} ({})",
        admin.address(),
        addresses.join(", "),
        site.upstream(),
        site.app()
    ));
    session.data(word)?;
    Ok(ExitCode::Ok)
}

/// Where the site is switched; `None`, with a warning unless that was asked for, when a configuration has to do it.
async fn switch_folder(
    session: &Session,
    verb: &Caddy,
    admin: &Admin,
    app: &str,
) -> Result<Option<SwitchFolder>, ProxyError> {
    let asked = verb.switch_dir.as_ref();
    if asked.is_some_and(|folder| folder.as_os_str() == "none") {
        return Ok(None);
    }
    let root = match asked {
        Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| folder.clone()),
        None => default_switch_root(&session.environment, rustix::process::geteuid().is_root()),
    };
    let folder = SwitchFolder::of(&root, app)?;
    let seen = match folder.make() {
        Ok(()) => admin.sees(&folder).await,
        Err(error) => Err(error),
    };
    if !matches!(seen, Ok(true)) {
        folder.remove_if_empty();
    }
    let reason = match seen {
        Ok(true) => return Ok(Some(folder)),
        Ok(false) => "Caddy does not see it".to_owned(),
        Err(ProxyError::SwitchFolder { reason, .. }) => reason,
        Err(error) => return Err(error),
    };
    let path = folder.path().to_path_buf();
    if asked.is_some() {
        return Err(ProxyError::SwitchFolder { path, reason });
    }
    let message = format!("the site is not switched in `{}` ({reason})", path.display());
    session.warn(&[Warning::new("proxy/no-switch", message).with_hint(
        "`run --replace` will load a configuration, which closes idle connections; `--switch-dir` names a folder that Caddy's user \
         can read, `none` is this without a warning",
    )]);
    Ok(None)
}

/// Another user's Caddy must get there, and a restart of the machine must not empty it.
fn default_switch_root(environment: &Environment, is_root: bool) -> PathBuf {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME").filter(|_| !is_root)?.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from("/var/lib")).join("nextdeploy/proxy")
}

fn remove(session: &Session, admin: &Admin, app: &str) -> Result<ExitCode, Error> {
    warn_of_distance(session, admin);
    let word = if block_on(admin.remove_site(app))?? { "removed" } else { "unchanged" };
    session.data(word)?;
    Ok(ExitCode::Ok)
}

fn warn_of_distance(session: &Session, admin: &Admin) {
    if !admin.is_on_loopback() {
        let message =
            format!("Caddy's admin API at {} is not on this machine, and it has no password", admin.address());
        session.warn(&[Warning::new("proxy/admin-exposed", message).with_hint(
            "let it listen on loopback, and reach it through a tunnel: `ssh -L 2019:127.0.0.1:2019 SERVER`",
        )]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_has_a_place_that_caddy_can_read() {
        for (pairs, is_root, expected) in [
            (&[("HOME", "/root")][..], true, "/var/lib/nextdeploy/proxy"),
            (&[("HOME", "/home/a")], false, "/home/a/.local/state/nextdeploy/proxy"),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/root")], true, "/x/nextdeploy/proxy"),
            (&[], false, "/var/lib/nextdeploy/proxy"),
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(default_switch_root(&environment, is_root), PathBuf::from(expected));
        }
    }
}
