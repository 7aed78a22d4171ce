//! `nextdeploy proxy`.

use super::project::Project;
use super::{Session, block_on};
use crate::cli::{Caddy, CaddyFormat, Proxy, ProxyCommand, Words};
use crate::diagnostic::{ExitCode, Warning};
use crate::error::Error;
use crate::metadata::ConfigFiles;
use crate::proxy::{Admin, Ensured, Scope, Site, SiteWords, render_caddyfile, render_json};
use crate::settings;
use crate::source::GitDetail;

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
        return load(session, &admin, &site);
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
    let project = Project::open_with(session, words, GitDetail::Tracking)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    Ok(AppFacts {
        name: plan.name.value,
        port: plan.runtime.port.value,
        base_path: plan.runtime.base_path.map(|path| path.value),
        health_path: plan.runtime.health_path.map(|path| path.value),
    })
}

fn load(session: &Session, admin: &Admin, site: &Site) -> Result<ExitCode, Error> {
    warn_of_distance(session, admin);
    let (word, did) = match block_on(admin.ensure_site(site))?? {
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
