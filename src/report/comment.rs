//! The comment on a pull request as Markdown: what came out, in one table.
//!
//! Everything from outside (names, references, messages) stands inside `<code>`, so that neither mentions nor quick actions can come of
//! it.

use std::fmt::Write as _;

use super::markdown;
use super::progress::size;
use crate::secret::redact;

/// What the comment tells.
#[derive(Debug, Clone, Default)]
pub struct Comment<'a> {
    pub app: &'a str,
    pub commit: Option<&'a str>,
    /// Page of the run, `http` or `https`.
    pub run_url: Option<&'a str>,
    pub environment_url: Option<&'a str>,
    pub result: CommentResult<'a>,
}

#[derive(Debug, Clone)]
pub enum CommentResult<'a> {
    Built {
        /// Complete references; the first one is the primary.
        references: &'a [String],
        /// Of the manifest in the registry; `None` when nothing was pushed.
        digest: Option<&'a str>,
        /// Sum of the uncompressed layers in bytes.
        bytes: u64,
        platform: &'a str,
        seconds: f64,
        cached_steps: usize,
        counted_steps: usize,
        /// Messages.
        warnings: &'a [String],
    },
    Failed {
        code: &'a str,
        message: &'a str,
        hints: &'a [String],
    },
}

impl Default for CommentResult<'_> {
    fn default() -> Self {
        Self::Failed { code: "", message: "", hints: &[] }
    }
}

/// More are counted, not shown.
const SHOWN: usize = 10;

/// The comment; ends with a newline.
pub fn render_comment(comment: &Comment<'_>) -> String {
    let mut text = String::new();
    match &comment.result {
        CommentResult::Built {
            references,
            digest,
            bytes,
            platform,
            seconds,
            cached_steps,
            counted_steps,
            warnings,
        } => {
            let done = if digest.is_some() { "built and pushed" } else { "built" };
            let _ = writeln!(text, "### ✅ {} is {done}\n", code(comment.app));
            let mut rows =
                vec![("Image", references.iter().take(SHOWN).map(|r| code(r)).collect::<Vec<_>>().join("<br>"))];
            rows.extend(digest.map(|digest| ("Digest", code(digest))));
            rows.push(("Size", format!("{} ({})", size(*bytes), code(platform))));
            rows.push(("Build", format!("{seconds:.1} s, {cached_steps} of {counted_steps} steps cached")));
            rows.extend(context_rows(comment));
            write_table(&mut text, &rows);
            if let (Some(digest), Some(reference)) = (digest, references.first()) {
                write_pull_command(&mut text, &pinned(reference, digest));
            }
            write_list(&mut text, "warning", warnings);
        }
        CommentResult::Failed { code: id, message, hints } => {
            let _ = writeln!(text, "### ❌ {} is not built\n", code(comment.app));
            let mut rows = vec![("Error", format!("{} {}", code(message), code(id)))];
            rows.extend(hints.iter().take(SHOWN).map(|hint| ("What to do", code(hint))));
            rows.extend(context_rows(comment));
            write_table(&mut text, &rows);
        }
    }
    text
}

fn context_rows(comment: &Comment<'_>) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    rows.extend(comment.environment_url.and_then(link).map(|url| ("Address", url)));
    rows.extend(comment.commit.map(|commit| ("Commit", code(commit.get(..12).unwrap_or(commit)))));
    rows.extend(comment.run_url.and_then(link).map(|url| ("Run", url)));
    rows
}

fn write_table(text: &mut String, rows: &[(&str, String)]) {
    text.push_str("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
}

/// A fenced block, which readers can copy with one click; references have no character that could end it.
fn write_pull_command(text: &mut String, reference: &str) {
    if reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/@".contains(&b)) {
        let _ = writeln!(text, "\n```sh\ndocker pull {reference}\n```");
    }
}

fn write_list(text: &mut String, what: &str, messages: &[String]) {
    if messages.is_empty() {
        return;
    }
    let (count, plural) = (messages.len(), if messages.len() == 1 { "" } else { "s" });
    let _ = writeln!(text, "\n<details><summary>{count} {what}{plural}</summary>\n");
    for message in messages.iter().take(SHOWN) {
        let _ = writeln!(text, "- {}", code(message));
    }
    if count > SHOWN {
        let _ = writeln!(text, "- and {} more", count - SHOWN);
    }
    text.push_str("\n</details>\n");
}

/// `repository@digest`, which no later push can change.
fn pinned(reference: &str, digest: &str) -> String {
    let slash = reference.rfind('/').map_or(0, |at| at + 1);
    let name = reference[slash..].find(':').map_or(reference, |at| &reference[..slash + at]);
    format!("{name}@{digest}")
}

/// Text from outside: shown as it is, on one line, and nothing else.
fn code(text: &str) -> String {
    const LIMIT: usize = 300;
    let text = redact(text);
    let shown: String = text.chars().take(LIMIT).collect();
    markdown::code(&if shown.len() < text.len() { shown + "…" } else { shown })
}

/// An address that is clicked; one that could be anything else is not shown.
fn link(url: &str) -> Option<String> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#=&%+@,;!".contains(&b));
    (web && plain).then(|| format!("<{url}>"))
}

#[cfg(test)]
mod tests;
