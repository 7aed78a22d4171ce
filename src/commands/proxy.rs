//! `nextdeploy proxy`.

use super::{Session, block_on};
use crate::config::cli::{Caddy, CaddyFormat, ProxyArgs, ProxyCommand};
use crate::config::metadata::ConfigFiles;
use crate::config::{CliSettings, Setting, settings};
use crate::deploy::proxy::{
    CaddyAdmin, CaddyfileScope, Site, SiteChange, SiteInput, SwitchRoot, render_caddyfile, render_json,
};
use crate::diagnostic::ExitCode;
use crate::error::Error;
use crate::repo::GitDetail;

/// The default port of an app.
const DEFAULT_PORT: u16 = 3000;

pub fn run(session: &Session, verb: &ProxyArgs, words: &CliSettings) -> Result<ExitCode, Error> {
    match &verb.command {
        ProxyCommand::Caddy(verb) => caddy(session, verb, words),
    }
}

/// The app to be proxied.
struct ProxiedApp {
    name: String,
    port: u16,
    base_path: Option<String>,
    health_path: Option<String>,
}

fn caddy(session: &Session, verb: &Caddy, words: &CliSettings) -> Result<ExitCode, Error> {
    let admin = CaddyAdmin::new(&verb.admin)?;
    let app = proxied_app(session, verb, words)?;
    if verb.remove {
        return remove(session, &admin, &app.name);
    }
    let upstream = verb.upstream.clone().unwrap_or_else(|| format!("127.0.0.1:{}", app.port));
    let site = Site::new(&SiteInput {
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
        CaddyFormat::Caddyfile => {
            session.data(render_caddyfile(&site, CaddyfileScope::Whole { admin: &listen }).trim_end())?;
        }
        CaddyFormat::Site => session.data(render_caddyfile(&site, CaddyfileScope::Site).trim_end())?,
        CaddyFormat::Json => session.json(&render_json(&site, &listen)?)?,
    }
    Ok(ExitCode::Ok)
}

/// From flags and variables alone if they suffice, else from the repository.
fn proxied_app(session: &Session, verb: &Caddy, words: &CliSettings) -> Result<ProxiedApp, Error> {
    let needs_project = words.directory.is_some() || !words.get(Setting::App).is_empty();
    let enough = !needs_project && (verb.upstream.is_some() || verb.remove);
    if let (true, [name]) = (enough, words.get(Setting::Name)) {
        let resolved = settings::resolve(words, &session.environment, &ConfigFiles::default())?;
        session.warn(&resolved.warnings);
        return Ok(ProxiedApp {
            name: name.clone(),
            port: resolved.settings.port.map_or(DEFAULT_PORT, |port| port.value),
            base_path: None,
            health_path: resolved.settings.health_path.map(|path| path.value),
        });
    }
    let project = session.open(words, GitDetail::Tracking)?;
    let plan = project.plan()?;
    session.warn(&project.warnings);
    Ok(ProxiedApp {
        name: plan.name.value,
        port: plan.runtime.port.value,
        base_path: plan.runtime.base_path.map(|path| path.value),
        health_path: plan.runtime.health_path.map(|path| path.value),
    })
}

fn load(session: &Session, verb: &Caddy, admin: &CaddyAdmin, site: &Site) -> Result<ExitCode, Error> {
    session.warn(admin.exposure_warning().as_slice());
    let root = SwitchRoot::new(verb.switch_dir.as_deref(), &session.environment);
    let change = block_on(async {
        let (folder, warning) = admin.switch_folder(&root, site.app()).await?;
        session.warn(warning.as_slice());
        admin.ensure_site(site, folder.as_ref()).await
    })?;
    let (word, did) = match change? {
        SiteChange::Created => ("created", "now serves"),
        SiteChange::Changed => ("changed", "serves from now on"),
        SiteChange::Unchanged => ("unchanged", "already serves"),
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

fn remove(session: &Session, admin: &CaddyAdmin, app: &str) -> Result<ExitCode, Error> {
    session.warn(admin.exposure_warning().as_slice());
    let word = if block_on(admin.remove_site(app))?? { "removed" } else { "unchanged" };
    session.data(word)?;
    Ok(ExitCode::Ok)
}
