//! The data of a job summary, and each part of the page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::builder::{shorten, step_name};
use crate::config::settings::EnvFilePolicy;
use crate::diagnostic::{Diagnostic, ExitCode, Warning};
use crate::format::{count, duration, size};
use crate::image::plan::{ImagePlan, SecretUse};
use crate::image::{AppRoutes, BuiltImage, ImageLayer, PushedReference};
use crate::image_ref::ImageRef;
use crate::origin::Origin;
use crate::pipeline::{BuildRecord, StepRecord, StepResult};
use crate::project::ProjectFacts;
use crate::report::build::is_shown;
use crate::report::ci::Severity;
use crate::report::diagnostics::causes;
use crate::report::markdown::{bar, block, code, cut, folded, prose, share, table, text};
use crate::report::project::{fact_sections, render_plan};

/// Most tags that are listed.
const SHOWN_TAGS: usize = 12;
const LONGEST_MESSAGE: usize = 4_000;
const LONGEST_LOG: usize = 64 * 1024;
const SHOWN_WARNINGS: usize = 50;
const LONGEST_WARNING: usize = 1_000;
const BAR: usize = 16;
/// The Dockerfile of a project may create many layers.
const SHOWN_LAYERS: usize = 60;
const SHOWN_ROUTES: usize = 40;
const LONGEST_ROUTE: usize = 200;
const SHOWN_STEPS: usize = 60;
const TIMELINE: usize = 28;
/// Next.js inlines the values of these into the pages.
const PUBLIC: &str = "NEXT_PUBLIC_";
const SHOWN_VARIABLES: usize = 60;
/// Set by this program itself.
const OWN: [&str; 5] = ["CI", "NEXT_TELEMETRY_DISABLED", "NODE_OPTIONS", "NX_DAEMON", "TURBO_ENV_MODE"];
const OWN_PREFIXES: [&str; 2] = ["NEXT_PRIVATE_", "TURBO_TELEMETRY_"];
const LONGEST_BLOCK: usize = 128 * 1024;
const LONGEST_VALUE: usize = 300;

/// Everything that the page may show. Unknown parts are omitted.
#[derive(Clone, Copy)]
pub struct Summary<'a> {
    pub facts: Option<&'a ProjectFacts>,
    pub plan: Option<&'a ImagePlan>,
    pub dockerfile: Option<&'a str>,
    pub warnings: &'a [Warning],
    pub record: Option<&'a BuildRecord>,
    pub image: Option<&'a BuiltImage>,
    /// The image that previously had the same name.
    pub previous: Option<&'a BuiltImage>,
    pub routes: Option<&'a AppRoutes>,
    pub pushed: &'a [PushedReference],
    pub failed_step: Option<FailedStep<'a>>,
    pub ending: Ending<'a>,
}

/// The failed step of the build with the last lines of its log, already redacted.
#[derive(Clone, Copy)]
pub struct FailedStep<'a> {
    pub name: &'a str,
    pub log: &'a [String],
}

/// How the run ended.
#[derive(Clone, Copy)]
pub enum Ending<'a> {
    /// A dry run.
    Planned,
    /// Built, and pushed if requested.
    Done,
    Failed(&'a dyn Diagnostic),
    /// Interrupted by a signal.
    Stopped,
}

impl<'a> Summary<'a> {
    /// A run of which nothing else is known.
    pub fn new(ending: Ending<'a>) -> Self {
        Self {
            facts: None,
            plan: None,
            dockerfile: None,
            warnings: &[],
            record: None,
            image: None,
            previous: None,
            routes: None,
            pushed: &[],
            failed_step: None,
            ending,
        }
    }

    /// The worst message of the run; `None` for a success without warnings.
    pub fn worst_severity(&self) -> Option<Severity> {
        match self.ending {
            Ending::Failed(_) => Some(Severity::Error),
            Ending::Stopped => Some(Severity::Warning),
            Ending::Done | Ending::Planned => (!self.warnings.is_empty()).then_some(Severity::Warning),
        }
    }
}

pub(super) fn head(summary: &Summary<'_>) -> String {
    let mut text = format!("## {}\n\n", title(summary));
    if summary.image.is_some() {
        let _ = writeln!(text, "{}\n", figures(summary));
    }
    let rows = head_rows(summary);
    if !rows.is_empty() {
        text.push_str("<table>\n");
        for (name, value) in rows {
            let _ = writeln!(text, "<tr><td><b>{name}</b></td><td>{value}</td></tr>");
        }
        text.push_str("</table>\n\n");
    }
    text + &commands(summary)
}

fn title(summary: &Summary<'_>) -> String {
    let name = summary
        .plan
        .map(|plan| plan.name.value.as_str())
        .or_else(|| summary.facts.map(|facts| facts.name.value.as_str()));
    let name = name.map_or_else(|| "The image".to_owned(), code);
    match (summary.ending, summary.image, summary.pushed) {
        (Ending::Planned, ..) => format!("📝 {name}: planned, not built"),
        (Ending::Done, _, []) => format!("✅ {name} is built"),
        (Ending::Done, ..) => format!("✅ {name} is built and pushed"),
        (Ending::Failed(_), None, _) => format!("❌ {name} was not built"),
        (Ending::Failed(error), Some(_), []) if error.exit_code() == ExitCode::Unannounced => {
            format!("❌ {name} is built, but could not be reported")
        }
        (Ending::Failed(error), Some(_), _) if error.exit_code() == ExitCode::Unannounced => {
            format!("❌ {name} is built and pushed, but could not be reported")
        }
        (Ending::Failed(_), Some(_), []) => format!("❌ {name} is built, but not pushed"),
        (Ending::Failed(_), Some(_), _) => format!("❌ {name} is built, but not pushed everywhere"),
        (Ending::Stopped, ..) => format!("⏹️ {name}: the run was interrupted"),
    }
}

fn figures(summary: &Summary<'_>) -> String {
    let mut figures = Vec::new();
    if let Some(image) = summary.image {
        let change = summary.previous.map(|previous| change(previous.size, image.size)).unwrap_or_default();
        figures.push(format!("**{}**{change}", size(image.size)));
        figures.push(count(image.layers.len(), "layer"));
    }
    if let Some(record) = summary.record {
        let (hits, steps) = record.cache_hits();
        figures.push(format!("**{}**", duration(record.total)));
        figures.push(format!("{hits} of {} cached", count(steps, "step")));
    }
    figures.join(" · ")
}

/// ` (3.1 MB less than before)`.
fn change(before: u64, now: u64) -> String {
    match now.cmp(&before) {
        std::cmp::Ordering::Equal => " (unchanged)".to_owned(),
        std::cmp::Ordering::Less => format!(" (▼ {} less than before)", size(before - now)),
        std::cmp::Ordering::Greater => format!(" (▲ {} more than before)", size(now - before)),
    }
}

fn head_rows(summary: &Summary<'_>) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let tags: Vec<ImageRef> = match (summary.image, summary.plan) {
        (Some(image), _) => image.tags.clone(),
        (None, Some(plan)) => plan.tags.iter().map(|tag| tag.value.clone()).collect(),
        (None, None) => Vec::new(),
    };
    let pushed = |tag: &ImageRef| summary.pushed.iter().any(|pushed| pushed.reference == *tag);
    let partly_pushed = !summary.pushed.is_empty() && !tags.iter().all(pushed);
    let tags = tags.iter().map(|tag| {
        format!("{}{}", code(&tag.to_string()), if partly_pushed && pushed(tag) { " (pushed)" } else { "" })
    });
    let shown = at_most(SHOWN_TAGS, tags);
    if !shown.is_empty() {
        rows.push(("Image", shown.join("<br>")));
    }
    let mut digests: Vec<&str> = summary.pushed.iter().map(|pushed| pushed.digest.as_str()).collect();
    digests.dedup();
    digests.truncate(SHOWN_TAGS);
    if !digests.is_empty() {
        rows.push(("Digest", digests.iter().map(|digest| code(digest)).collect::<Vec<_>>().join("<br>")));
    }
    if let Some(image) = summary.image {
        rows.push(("Image id", code(&image.id)));
        rows.push(("Platform", code(&image.platform)));
    }
    if let (Some(facts), Some(plan)) = (summary.facts, summary.plan) {
        let built_with = [
            format!("Next.js {}", facts.next.value.text),
            format!("Node.js {}", plan.node.value.version()),
            facts.package_manager.value.to_string(),
        ];
        rows.push(("Built with", built_with.map(|part| code(&part)).join(" · ")));
    }
    rows
}

/// Commands to copy. They only contain references and a port, in characters without a meaning for a shell.
fn commands(summary: &Summary<'_>) -> String {
    let (Some(image), Ending::Done) = (summary.image, summary.ending) else { return String::new() };
    let port = summary.plan.map_or(3000, |plan| plan.runtime.port.value);
    let pushed = summary.pushed.first();
    let pull = pushed.map(PushedReference::by_digest);
    let run = pushed.map_or_else(|| image.name(), |pushed| pushed.reference.to_string());
    let mut lines = String::new();
    if let Some(pull) = pull.filter(|pull| is_plain(pull)) {
        let _ = writeln!(lines, "docker pull {pull}");
    }
    if is_plain(&run) {
        let _ = writeln!(lines, "docker run --rm -p {port}:{port} {run}");
    }
    if lines.is_empty() { lines } else { block("sh", &lines) }
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/:@[]".contains(&b))
}

pub(super) fn failure(summary: &Summary<'_>) -> String {
    let Ending::Failed(error) = summary.ending else { return String::new() };
    let mut text = format!("**Error:** {}", prose(&cut(&error.to_string(), LONGEST_MESSAGE)));
    let _ = writeln!(text, " ({})\n", code(error.code()));
    if let Some(location) = error.location() {
        let _ = writeln!(text, "**Where:** {}\n", code(&location.to_string()));
    }
    for cause in causes(error) {
        let _ = writeln!(text, "**Cause:** {}\n", prose(&cut(&cause, LONGEST_MESSAGE)));
    }
    for hint in error.hints() {
        let _ = writeln!(text, "**What to do:** {}\n", prose(&cut(&hint, LONGEST_MESSAGE)));
    }
    if let Some(step) = summary.failed_step.filter(|step| !step.log.is_empty()) {
        text.push_str(&log_tail(step));
    }
    text
}

fn log_tail(step: FailedStep<'_>) -> String {
    let lines = block("text", &cut(&step.log.join("\n"), LONGEST_LOG));
    format!("**Log of the step** {}\n\n{lines}", code(step.name))
}

pub(super) fn warning_table(warnings: &[Warning]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = warnings
        .iter()
        .take(SHOWN_WARNINGS)
        .map(|warning| {
            let place = warning.location.as_ref().map(|location| code(&location.to_string())).unwrap_or_default();
            let hint = warning.hint.as_deref().unwrap_or_default();
            vec![place, prose(&cut(&warning.message, LONGEST_WARNING)), prose(&cut(hint, LONGEST_WARNING))]
        })
        .collect();
    let mut text = format!("### ⚠️ {}\n\n", count(warnings.len(), "warning"));
    text.push_str(&table(&["File", "What", "What to do"], &["---", "---", "---"], &rows));
    if warnings.len() > SHOWN_WARNINGS {
        let _ = writeln!(text, "\nand {} more in the log", warnings.len() - SHOWN_WARNINGS);
    }
    text
}

pub(super) fn layers(summary: &Summary<'_>) -> String {
    let Some(image) = summary.image.filter(|image| !image.layers.is_empty()) else { return String::new() };
    let base = base_layers(image);
    let base_name = summary.plan.filter(|_| base > 0).map(|plan| plan.base.runtime.value.to_string());
    let mut rows = Vec::new();
    let (below, own) = image.layers.split_at(base);
    if let Some(name) = &base_name {
        let title = format!("Base image {} ({})", code(name), count(base, "layer"));
        let bytes = below.iter().map(|layer| layer.size).sum();
        let origin = if below.iter().all(|layer| is_in(summary.previous, layer)) { "♻️ reused" } else { "" };
        rows.push(layer_row(title, bytes, image.size, origin));
    }
    // Instructions such as `ENV` create empty layers.
    let all = if base_name.is_some() { own } else { &image.layers };
    let listed: Vec<&ImageLayer> = all.iter().filter(|layer| layer.size > 0).collect();
    for layer in listed.iter().take(SHOWN_LAYERS) {
        rows.push(layer_row(layer_title(layer), layer.size, image.size, layer_origin(summary, layer)));
    }
    let mut text = "### Layers\n\n".to_owned();
    text.push_str(&table(&["Layer", "Size", "Share", "Since the last build"], &["---", "---:", "---", "---"], &rows));
    if listed.len() > SHOWN_LAYERS {
        let _ = writeln!(text, "\nand {} more", listed.len() - SHOWN_LAYERS);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "drawn in a few characters")]
fn layer_row(title: String, bytes: u64, whole: u64, origin: &str) -> Vec<String> {
    vec![title, size(bytes), share(bytes as f64 / whole.max(1) as f64, BAR), origin.to_owned()]
}

/// Number of layers below the first one of the generated Dockerfile; 0 for the project's own Dockerfile.
fn base_layers(image: &BuiltImage) -> usize {
    let first = image.layers.iter().position(|layer| layer.created_by.starts_with("COPY launcher/ "));
    first.map_or(0, |at| {
        // The layer right before it may hold system packages.
        if at > 0 && image.layers[at - 1].created_by.starts_with("RUN : '") { at - 1 } else { at }
    })
}

fn layer_title(layer: &ImageLayer) -> String {
    let ours = [
        ("COPY launcher/ ", "Launcher"),
        ("COPY /out/node_modules/ ", "Dependencies"),
        ("COPY /out/server/ ", "Server"),
        ("COPY /out/static/ ", "Static files"),
        ("COPY /out/keys/ ", "Keys and manifests of this build"),
        ("COPY /out/ ", "Image optimiser"),
    ];
    if let Some((_, title)) = ours.iter().find(|(start, _)| layer.created_by.starts_with(start)) {
        return (*title).to_owned();
    }
    if layer.created_by.is_empty() {
        "base image".to_owned()
    } else {
        code(&shorten(&step_name(&layer.created_by), 96))
    }
}

fn is_in(image: Option<&BuiltImage>, layer: &ImageLayer) -> bool {
    image.is_some_and(|image| image.layers.iter().any(|other| other.diff_id == layer.diff_id))
}

fn layer_origin(summary: &Summary<'_>, layer: &ImageLayer) -> &'static str {
    if is_in(summary.previous, layer) || summary.record.is_some_and(|record| is_cached(record, layer)) {
        "♻️ reused"
    } else {
        "🆕 new"
    }
}

/// The image history omits the flags of a `COPY`, so only the words after them are compared.
fn is_cached(record: &BuildRecord, layer: &ImageLayer) -> bool {
    let words = layer.created_by.split_once(' ').map_or(layer.created_by.as_str(), |(_, words)| words);
    !words.is_empty()
        && record.steps.iter().any(|step| step.result == StepResult::Cached && step.name.trim_end().ends_with(words))
}

pub(super) fn routes(app: &AppRoutes) -> String {
    let kinds = [
        ("○ static", "rendered by the build", &app.prerendered),
        ("◐ ISR", "rendered by the build, revalidated later", &app.isr),
        ("ƒ dynamic", "rendered for each request", &app.dynamic),
        ("λ API", "route handlers", &app.api),
    ];
    let kinds = kinds
        .map(|(kind, how, routes)| (kind, how, routes.iter().filter(|route| !is_error(route)).collect::<Vec<_>>()));
    let mut rows: Vec<Vec<String>> = kinds
        .iter()
        .filter(|(_, _, routes)| !routes.is_empty())
        .map(|(kind, meaning, routes)| {
            vec![format!("**{kind}**"), routes.len().to_string(), route_list(routes), (*meaning).to_owned()]
        })
        .collect();
    if let Some(place) = &app.middleware {
        rows.push(vec![
            "**⇥ middleware**".to_owned(),
            String::new(),
            String::new(),
            format!("runs on {}", text(place)),
        ]);
    }
    if rows.is_empty() {
        return String::new();
    }
    let all = kinds.iter().map(|(_, _, routes)| routes.len()).sum();
    let table = table(&["Kind", "Number", "Routes", "How"], &["---", "---:", "---", "---"], &rows);
    format!("### {}\n\n{table}", count(all, "route"))
}

/// Pages that Next.js adds to every app.
fn is_error(route: &str) -> bool {
    matches!(route, "/404" | "/500")
}

fn route_list(routes: &[&String]) -> String {
    at_most(SHOWN_ROUTES, routes.iter().map(|route| code(&shorten(route, LONGEST_ROUTE)))).join(" ")
}

pub(super) fn steps(record: &BuildRecord) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for step in record.steps.iter().filter(|step| is_shown(step) && !step.is_base()).take(SHOWN_STEPS) {
        rows.push(step_row(step, record.total.as_secs_f64()));
    }
    if rows.is_empty() {
        return String::new();
    }
    format!("### Build steps\n\n{}", table(&["Stage", "Step", "Time", "When"], &["---", "---", "---:", "---"], &rows))
}

fn step_row(step: &StepRecord, whole: f64) -> Vec<String> {
    let name = step_name(&step.name);
    // `[build 3/7] build the app`
    let (stage, what) = match name.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((stage, what)) => (stage.split(' ').next().unwrap_or_default(), what),
        None => ("", name.as_str()),
    };
    let start = step.started.as_secs_f64();
    let timeline = bar(start, start + step.duration.as_secs_f64(), whole, TIMELINE);
    let (time, timeline) = match step.result {
        StepResult::Cached => ("cached".to_owned(), String::new()),
        StepResult::Failed => (format!("❌ {}", duration(step.duration)), timeline),
        StepResult::Stopped | StepResult::Running => ("stopped".to_owned(), String::new()),
        StepResult::Done => (duration(step.duration), timeline),
    };
    vec![text(stage), code(what), time, timeline]
}

pub(super) fn environment(plan: &ImagePlan, facts: Option<&ProjectFacts>) -> String {
    let build: BTreeSet<&str> =
        plan.build.environment.keys().map(String::as_str).filter(|name| !is_own(name)).collect();
    let explicit = plan.runtime.environment.iter().filter(|(_, value)| !matches!(value.origin, Origin::Default(_)));
    let image: BTreeSet<&str> = explicit.map(|(name, _)| name.as_str()).collect();
    let files: BTreeSet<&str> =
        facts.filter(|_| plan.env_files != EnvFilePolicy::Strip).map(in_files).unwrap_or_default();
    let inlined: BTreeSet<&str> =
        build.iter().chain(&image).chain(&files).copied().filter(|name| name.starts_with(PUBLIC)).collect();
    let rows: Vec<Vec<String>> = [
        ("Inlined into the pages", variable_list(&inlined)),
        ("In the image", variable_list(&image)),
        (
            "Only for the build",
            variable_list(&build.difference(&image).copied().filter(|name| !inlined.contains(name)).collect()),
        ),
        ("Build secrets", build_secrets(plan)),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| vec![format!("**{what}**"), names])
    .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("### Environment\n\n{}", table(&["Where", "Names"], &["---", "---"], &rows))
}

fn is_own(name: &str) -> bool {
    OWN.contains(&name) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Variables of the `.env` files that the build reads.
fn in_files(facts: &ProjectFacts) -> BTreeSet<&str> {
    let tracked = facts.env_files.iter().filter(|file| file.tracked);
    tracked.flat_map(|file| file.variables.iter().map(|variable| variable.name.as_str())).collect()
}

fn variable_list(names: &BTreeSet<&str>) -> String {
    at_most(SHOWN_VARIABLES, names.iter().map(|name| code(&shorten(name, 200)))).join(" ")
}

fn build_secrets(plan: &ImagePlan) -> String {
    let shown: Vec<String> = plan
        .secrets
        .iter()
        .take(SHOWN_VARIABLES)
        .map(|secret| {
            let use_as = match secret.use_as {
                SecretUse::Variable => "variable",
                SecretUse::File => "file",
                SecretUse::Npmrc => "npm configuration",
                SecretUse::CaBundle => "certificate authorities",
                SecretUse::SshKey => "key for dependencies over SSH",
                SecretUse::ReproducibleKey => "key for reproducible builds",
            };
            format!("{} ({use_as})", code(&secret.id))
        })
        .collect();
    shown.join(" ")
}

pub(super) fn folded_facts(facts: &ProjectFacts) -> String {
    let mut rows = Vec::new();
    for (_, section) in &fact_sections(facts) {
        for row in section {
            let value = code(&shorten(&row.value, LONGEST_VALUE));
            rows.push(vec![row.name.to_owned(), value, prose(&shorten(&row.origin, LONGEST_VALUE))]);
        }
    }
    folded("Facts about the project and their origin", &table(&["Fact", "Value", "Origin"], &["---"; 3], &rows))
}

pub(super) fn folded_dockerfile(dockerfile: &str) -> String {
    folded("Dockerfile", &block("dockerfile", &cut(dockerfile, LONGEST_BLOCK)))
}

pub(super) fn folded_plan(plan: &ImagePlan) -> String {
    folded("Plan", &block("text", &cut(&render_plan(plan), LONGEST_BLOCK)))
}

/// The first `limit` items, and how many were omitted.
fn at_most(limit: usize, items: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let omitted = items.len().saturating_sub(limit);
    let mut shown: Vec<String> = items.take(limit).collect();
    if omitted > 0 {
        shown.push(format!("and {omitted} more"));
    }
    shown
}
