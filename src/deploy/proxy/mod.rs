//! Caddy in front of an app: its configuration as a Caddyfile or as JSON (pure), and a client of its admin API that adds a site,
//! moves it to another upstream without losing a request, and takes it away again.
//!
//! In: [`Site`]. Out: texts, or the change in a running Caddy. Never touches what Caddy serves for others, and never listens itself.

mod address;
mod admin;
mod caddyfile;
mod config;
mod error;
mod exchange;
mod route;
mod site;
mod switch;

pub use address::{Scheme, SiteAddress};
pub use admin::{Admin, Drained, Ensured, Switched, SwitchedBy};
pub use caddyfile::{Scope, render_caddyfile};
pub use config::render_json;
pub use error::ProxyError;
pub use site::{Site, SiteWords, Upstream};
pub use switch::SwitchFolder;

/// Where Caddy's admin API listens unless it is told otherwise.
pub const DEFAULT_ADMIN: &str = "http://127.0.0.1:2019";

/// Next.js names these files by their content (`headers` of its own server say the same).
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// What browsers are told unless the app says otherwise.
const DEFAULT_HEADERS: &[(&str, &str)] =
    &[("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "strict-origin-when-cross-origin")];
/// The same where there is TLS.
const TRANSPORT_SECURITY: (&str, &str) = ("Strict-Transport-Security", "max-age=31536000");
/// Headers that only tell attackers what runs.
const REMOVED_HEADERS: &[&str] = &["Server", "X-Powered-By"];
/// Types that get smaller. Only answers of a known length are compressed here: Caddy's encoder holds back what is streamed.
const COMPRESSED_TYPES: &[&str] = &[
    "text/*",
    "application/javascript*",
    "application/json*",
    "application/manifest+json*",
    "application/wasm*",
    "application/xml*",
    "image/svg+xml*",
];
/// How long a request waits for an upstream that takes no connections, in milliseconds, and how often it tries.
const TRY_DURATION_MS: u64 = 5_000;
const TRY_INTERVAL_MS: u64 = 100;
const DIAL_TIMEOUT_MS: u64 = 2_000;
/// Below the five seconds after which Node.js closes an idle connection: else a request may meet one that is just being closed.
const KEEP_ALIVE_MS: u64 = 4_000;
const HEALTH_INTERVAL_MS: u64 = 5_000;
const HEALTH_TIMEOUT_MS: u64 = 4_000;

#[cfg(test)]
mod tests;
