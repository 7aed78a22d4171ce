//! A [`Site`] as a Caddyfile. The grammar is that of Caddy 2.6 and later.

use super::site::{
    COMPRESSED_TYPES, DEFAULT_HEADERS, DIAL_TIMEOUT_MS, HEALTH_INTERVAL_MS, HEALTH_TIMEOUT_MS, IMMUTABLE,
    KEEP_ALIVE_MS, REMOVED_HEADERS, Scheme, Site, SiteAddress, TRANSPORT_SECURITY, TRY_DURATION_MS, TRY_INTERVAL_MS,
};

/// How much of a Caddyfile to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaddyfileScope<'a> {
    /// With the global options, among them where the admin API listens (`127.0.0.1:2019`).
    Whole { admin: &'a str },
    /// To be imported by another one.
    Site,
}

/// The text, formatted as `caddy fmt` does it.
pub fn render_caddyfile(site: &Site, scope: CaddyfileScope<'_>) -> String {
    let mut text = CaddyfileWriter::default();
    if let CaddyfileScope::Whole { admin } = scope {
        text.line("# The admin API has no password: it listens on this machine only.");
        text.block("", |text| text.line(&format!("admin {admin}")));
        text.line("");
    }
    // `bind` and the header for TLS hold for a whole block.
    let mut rest: Vec<&SiteAddress> = site.addresses.iter().collect();
    while let Some(first) = rest.first() {
        let (bind, scheme) = (first.bind(), first.scheme);
        let alike = |address: &&SiteAddress| address.bind() == bind && address.scheme == scheme;
        let (block, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(alike);
        let names: Vec<String> = block.iter().map(ToString::to_string).collect();
        text.block(&names.join(", "), |text| render_site(text, site, bind, scheme));
        rest = others;
        if !rest.is_empty() {
            text.line("");
        }
    }
    text.out
}

fn render_site(text: &mut CaddyfileWriter, site: &Site, bind: Option<&str>, scheme: Scheme) {
    if let Some(address) = bind {
        text.line(&format!("bind {address}"));
        text.line("");
    }
    for (name, value) in DEFAULT_HEADERS {
        text.line(&format!("header ?{name} {value}"));
    }
    if scheme == Scheme::Https {
        text.line(&format!("header ?{} {}", TRANSPORT_SECURITY.0, TRANSPORT_SECURITY.1));
    }
    for name in REMOVED_HEADERS {
        text.line(&format!("header -{name}"));
    }
    text.line("");
    text.line("# What has no length is streamed, and Caddy would hold it back: Next.js compresses that itself.");
    text.block("encode", |text| {
        text.line("zstd");
        text.line("gzip");
        text.block("match", |text| {
            text.line("header Content-Length *");
            for kind in COMPRESSED_TYPES {
                text.line(&format!("header Content-Type {kind}"));
            }
        });
    });
    text.line("");
    if let Some(folder) = &site.assets {
        render_assets(text, site, folder);
        text.line("");
    }
    text.block("handle", |text| render_proxy(text, site));
}

fn render_assets(text: &mut CaddyfileWriter, site: &Site, folder: &str) {
    let folder = quoted(folder);
    text.line("# Files of this and of earlier versions; the app serves what is missing.");
    text.block("@stored", |text| {
        text.line(&format!("path {}", quoted(&site.hashed_assets())));
        text.line("not path */");
        text.block("file", |text| text.line(&format!("root {folder}")));
    });
    text.block("handle @stored", |text| {
        text.line(&format!("root * {folder}"));
        text.line(&format!("header Cache-Control \"{IMMUTABLE}\""));
        text.line("file_server");
    });
}

fn render_proxy(text: &mut CaddyfileWriter, site: &Site) {
    // `flush_interval -1` is left out on purpose: what is streamed is flushed without it, and with it a reload of Caddy cuts
    // the requests that are running.
    text.block(&format!("reverse_proxy {}", site.upstream), |text| {
        if let Some(path) = &site.health_path {
            text.line(&format!("health_uri {}", quoted(path)));
            text.line(&format!("health_interval {}", duration(HEALTH_INTERVAL_MS)));
            text.line(&format!("health_timeout {}", duration(HEALTH_TIMEOUT_MS)));
        }
        text.line(&format!("lb_try_duration {}", duration(TRY_DURATION_MS)));
        text.line(&format!("lb_try_interval {}", duration(TRY_INTERVAL_MS)));
        text.block("transport http", |text| {
            text.line(&format!("dial_timeout {}", duration(DIAL_TIMEOUT_MS)));
            text.line("# Node.js closes idle connections after five seconds.");
            text.line(&format!("keepalive {}", duration(KEEP_ALIVE_MS)));
        });
        text.line("@found status 2xx");
        text.block("handle_response @found", |text| {
            text.block(&format!("header {}", quoted(&site.hashed_assets())), |text| {
                text.line(&format!("Cache-Control \"{IMMUTABLE}\""));
                text.line("defer");
            });
            text.line("copy_response");
        });
    });
}

/// As people write it.
fn duration(milliseconds: u64) -> String {
    if milliseconds.is_multiple_of(1000) { format!("{}s", milliseconds / 1000) } else { format!("{milliseconds}ms") }
}

/// One word. [`Site`] holds nothing that could end it.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Lines with the indentation of their block.
#[derive(Default)]
struct CaddyfileWriter {
    out: String,
    depth: usize,
}

impl CaddyfileWriter {
    fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.out.extend(std::iter::repeat_n('\t', self.depth));
        }
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn block(&mut self, head: &str, body: impl FnOnce(&mut Self)) {
        self.line(format!("{head} {{").trim_start());
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}");
    }
}
