//! `nextdeploy proxy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::setting::Setting;
use super::words::CliSettings;

/// Configure the proxy in front of the app.
#[derive(Debug, Clone, Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Proxy {
    #[command(subcommand)]
    pub command: ProxyCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum ProxyCommand {
    Caddy(Box<Caddy>),
}

/// Print a configuration of Caddy for the app, or load it into a running Caddy.
///
/// Name, port, base path and health path are those of the app in DIR. With --name and --upstream and without DIR no repository is
/// read: that is for servers.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Site")]
pub struct Caddy {
    #[command(flatten)]
    pub app: AppArgs,
    /// Address that the app is reached at: a domain (with TLS), `localhost`, `localhost:8080` or `:8080` (without); repeatable.
    #[arg(long, value_name = "ADDRESS", required_unless_present = "remove")]
    pub domain: Vec<String>,
    /// Where the app listens, as the proxy sees it [default: 127.0.0.1 and the port of the app].
    #[arg(long, value_name = "HOST:PORT")]
    pub upstream: Option<String>,
    /// `basePath` of the app [default: that of next.config].
    #[arg(long, value_name = "PATH")]
    pub base_path: Option<String>,
    /// Folder on the machine of the proxy with hashed files of this and of earlier versions: `DIR/_next/static/…`.
    ///
    /// It is laid out as the addresses are. What is not in it is asked of the app.
    #[arg(long, value_name = "DIR")]
    pub assets: Option<String>,
    /// What is printed: caddyfile, site (a Caddyfile to import in another one) or json.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "caddyfile",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub format: CaddyFormat,
    /// Load the site into the Caddy that runs, instead of printing it; its other sites stay.
    #[arg(long, visible_alias = "reload", conflicts_with = "format", help_heading = "Running Caddy")]
    pub load: bool,
    /// Folder that this user writes and Caddy's user reads: `run --replace` switches there without a new configuration, or `none`
    /// [default: `/var/lib/nextdeploy/proxy` as root, else `nextdeploy/proxy` in the user's state folder].
    #[arg(long, value_name = "DIR", requires = "load", help_heading = "Running Caddy")]
    pub switch_dir: Option<PathBuf>,
    /// Take the app's site out of the Caddy that runs.
    #[arg(long, conflicts_with_all = ["load", "format", "domain"], help_heading = "Running Caddy")]
    pub remove: bool,
    /// Caddy's admin API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:2019", help_heading = "Running Caddy")]
    pub admin: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CaddyFormat {
    #[default]
    Caddyfile,
    Site,
    Json,
}

/// Which app is meant, and what is told of it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Project")]
pub struct AppArgs {
    /// Repository, or a folder in it [default: the current folder].
    #[arg(value_name = "DIR", help_heading = "Arguments")]
    pub directory: Option<PathBuf>,
    /// The app in a workspace that has several, by package name or by folder.
    #[arg(long, value_name = "NAME|PATH")]
    pub app: Option<String>,
    /// File to read instead of `metadata.json` and `.nextdeploy/metadata.json`.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<String>,
    /// Name of the app.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Port that the container listens on.
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Path that the health check asks for, such as `/api/health`.
    #[arg(long, value_name = "PATH")]
    pub health_path: Option<String>,
}

impl AppArgs {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        words.directory.clone_from(&self.directory);
        words.one(Setting::App, self.app.as_ref());
        words.one(Setting::Metadata, self.metadata.as_ref());
        words.one(Setting::Name, self.name.as_ref());
        words.one(Setting::Port, self.port.as_ref());
        words.one(Setting::HealthPath, self.health_path.as_ref());
    }
}

impl Proxy {
    pub(super) fn collect(&self, words: &mut CliSettings) {
        match &self.command {
            ProxyCommand::Caddy(verb) => verb.app.collect(words),
        }
    }
}
