//! Caddy in front of an app: its configuration as a Caddyfile or as JSON (pure), and a client of its admin API that adds a site,
//! moves it to another upstream without losing a request, and takes it away again.
//!
//! In: [`Site`]. Out: texts, or the change in a running Caddy. Never touches what Caddy serves for others, and never listens itself.

mod admin;
mod caddyfile;
mod config;
mod error;
mod route;
mod site;
mod switch;

pub use admin::{CaddyAdmin, Drained, SiteChange, Switched, SwitchedBy};
pub use caddyfile::{CaddyfileScope, render_caddyfile};
pub use config::render_json;
pub use error::ProxyError;
pub use site::{Scheme, Site, SiteAddress, SiteInput, Upstream};
pub use switch::{SwitchFolder, SwitchRoot};

/// Default address of Caddy's admin API.
pub const DEFAULT_ADMIN: &str = "http://127.0.0.1:2019";

#[cfg(test)]
mod tests;
