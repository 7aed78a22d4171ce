//! The head of the page: how it ended, the image, and the lines to pull and run it.

use std::fmt::Write as _;

use super::page::count;
use super::{Ending, Summary};
use crate::diagnostic::ExitCode;
use crate::image_ref::ImageRef;
use crate::report::markdown::{block, code};
use crate::report::progress::{duration, size};

/// More tags are counted only.
const TAGS: usize = 12;

pub(super) fn render(summary: &Summary<'_>) -> String {
    let mut text = format!("## {}\n\n", title(summary));
    if summary.image.is_some() {
        let _ = writeln!(text, "{}\n", figures(summary));
    }
    let rows = rows(summary);
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
            format!("❌ {name} is built, but not announced")
        }
        (Ending::Failed(error), Some(_), _) if error.exit_code() == ExitCode::Unannounced => {
            format!("❌ {name} is built and pushed, but not announced")
        }
        (Ending::Failed(_), Some(_), []) => format!("❌ {name} is built, but not pushed"),
        (Ending::Failed(_), Some(_), _) => format!("❌ {name} is built, but not pushed everywhere"),
        (Ending::Stopped, ..) => format!("⏹️ {name}: the run was stopped"),
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
        figures.push(format!("{hits} of {} from the cache", count(steps, "step")));
    }
    figures.join(" · ")
}

/// ` (3.1 MB less than before)`.
fn change(before: u64, now: u64) -> String {
    match now.cmp(&before) {
        std::cmp::Ordering::Equal => " (as before)".to_owned(),
        std::cmp::Ordering::Less => format!(" (▼ {} less than before)", size(before - now)),
        std::cmp::Ordering::Greater => format!(" (▲ {} more than before)", size(now - before)),
    }
}

fn rows(summary: &Summary<'_>) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    let tags: Vec<String> = match (summary.image, summary.plan) {
        (Some(image), _) => image.tags.clone(),
        (None, Some(plan)) => plan.tags.iter().map(|tag| tag.value.to_string()).collect(),
        (None, None) => Vec::new(),
    };
    let pushed = |tag: &str| summary.pushed.iter().any(|pushed| pushed.reference == tag);
    let partly = !summary.pushed.is_empty() && !tags.iter().all(|tag| pushed(tag));
    let mut shown: Vec<String> = tags
        .iter()
        .take(TAGS)
        .map(|tag| format!("{}{}", code(tag), if partly && pushed(tag) { " (pushed)" } else { "" }))
        .collect();
    if tags.len() > TAGS {
        shown.push(format!("and {} more", tags.len() - TAGS));
    }
    if !shown.is_empty() {
        rows.push(("Image", shown.join("<br>")));
    }
    let mut digests: Vec<&str> = summary.pushed.iter().map(|pushed| pushed.digest.as_str()).collect();
    digests.dedup();
    digests.truncate(TAGS);
    if !digests.is_empty() {
        rows.push(("Digest", digests.iter().map(|digest| code(digest)).collect::<Vec<_>>().join("<br>")));
    }
    if let Some(image) = summary.image {
        rows.push(("Image id", code(&image.id)));
        rows.push(("Platform", code(&image.platform)));
    }
    if let (Some(facts), Some(plan)) = (summary.facts, summary.plan) {
        let made_of = [
            format!("Next.js {}", facts.next.value.text),
            format!("Node.js {}", plan.node_major.value),
            facts.package_manager.value.to_string(),
        ];
        rows.push(("Made of", made_of.map(|part| code(&part)).join(" · ")));
    }
    rows
}

/// Lines to copy. They hold references and a port only, in words that a shell cannot misread.
fn commands(summary: &Summary<'_>) -> String {
    let (Some(image), Ending::Done) = (summary.image, summary.ending) else { return String::new() };
    let port = summary.plan.map_or(3000, |plan| plan.runtime.port.value);
    let pushed = summary.pushed.first();
    let pull = pushed.and_then(|pushed| {
        let repository = ImageRef::parse(&pushed.reference).ok()?.repository();
        Some(format!("{repository}@{}", pushed.digest))
    });
    let run = pushed.map(|pushed| &pushed.reference).or_else(|| image.tags.first()).unwrap_or(&image.id);
    let mut lines = String::new();
    if let Some(pull) = pull.filter(|pull| is_plain(pull)) {
        let _ = writeln!(lines, "docker pull {pull}");
    }
    if is_plain(run) {
        let _ = writeln!(lines, "docker run --rm -p {port}:{port} {run}");
    }
    if lines.is_empty() { lines } else { block("sh", &lines) }
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/:@[]".contains(&b))
}
