//! The pull request comment as Markdown: the result of a build in one table.
//!
//! Everything from outside (names, references, messages) is inside `<code>`, so that it can contain neither mentions nor quick actions.

use std::fmt::Write as _;

use super::markdown;
use crate::format::{count, size};
use crate::secret::redact;

/// The contents of the comment.
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

/// Most items of a list; the rest is counted.
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
            let _ = writeln!(text, "### ❌ {} was not built\n", code(comment.app));
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

/// A fenced block, which readers can copy with one click. Skipped for a reference with characters that could end it.
fn write_pull_command(text: &mut String, reference: &str) {
    if reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:/@".contains(&b)) {
        let _ = writeln!(text, "\n```sh\ndocker pull {reference}\n```");
    }
}

fn write_list(text: &mut String, what: &str, messages: &[String]) {
    if messages.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n<details><summary>{}</summary>\n", count(messages.len(), what));
    for message in messages.iter().take(SHOWN) {
        let _ = writeln!(text, "- {}", code(message));
    }
    if messages.len() > SHOWN {
        let _ = writeln!(text, "- and {} more", messages.len() - SHOWN);
    }
    text.push_str("\n</details>\n");
}

/// `repository@digest`, which no later push changes.
fn pinned(reference: &str, digest: &str) -> String {
    let slash = reference.rfind('/').map_or(0, |at| at + 1);
    let name = reference[slash..].find(':').map_or(reference, |at| &reference[..slash + at]);
    format!("{name}@{digest}")
}

/// Text from outside, shown verbatim on one line.
fn code(text: &str) -> String {
    const LIMIT: usize = 300;
    let text = redact(text);
    let shown: String = text.chars().take(LIMIT).collect();
    markdown::code(&if shown.len() < text.len() { shown + "…" } else { shown })
}

/// A clickable URL; `None` for anything that might be something else.
fn link(url: &str) -> Option<String> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#=&%+@,;!".contains(&b));
    (web && plain).then(|| format!("<{url}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built<'a>(references: &'a [String], digest: Option<&'a str>, warnings: &'a [String]) -> CommentResult<'a> {
        CommentResult::Built {
            references,
            digest,
            bytes: 182_345_678,
            platform: "linux/amd64",
            seconds: 12.34,
            cached_steps: 3,
            counted_steps: 12,
            warnings,
        }
    }

    #[test]
    fn comment_of_a_pushed_image() {
        let references = ["ghcr.io/acme/shop:pr-7".to_owned(), "ghcr.io/acme/shop:sha-0123456".to_owned()];
        let warnings = ["no lockfile".to_owned()];
        let comment = Comment {
            app: "shop",
            commit: Some("0123456789abcdef"),
            run_url: Some("https://github.com/acme/shop/actions/runs/77"),
            environment_url: Some("https://pr-7.example.com"),
            result: built(&references, Some("sha256:abc"), &warnings),
        };
        insta::assert_snapshot!(render_comment(&comment));
    }

    #[test]
    fn an_image_without_push_has_no_pull_command() {
        let references = ["localhost:5000/shop:1".to_owned()];
        let text =
            render_comment(&Comment { app: "shop", result: built(&references, None, &[]), ..Comment::default() });
        assert!(text.contains("is built\n") && !text.contains("docker pull") && !text.contains("Digest"), "{text}");
        assert_eq!(pinned(&references[0], "sha256:a"), "localhost:5000/shop@sha256:a");
        assert_eq!(pinned("localhost:5000/shop", "sha256:a"), "localhost:5000/shop@sha256:a");
    }

    #[test]
    fn comment_of_a_failed_build() {
        let hints = ["run `npm install` and commit the lockfile".to_owned()];
        let result = CommentResult::Failed { code: "project/no-lockfile", message: "no lockfile", hints: &hints };
        insta::assert_snapshot!(render_comment(&Comment { app: "shop", result, ..Comment::default() }));
    }

    #[test]
    fn outside_text_never_becomes_markup_mention_or_command() {
        const HOSTILE: &[&str] = &[
            "</code><img src=x onerror=alert(1)>",
            "`code` | cell | **bold** _it_ ~~x~~",
            "a\n\n/close\n@acme/team #12 GH-12",
            "</details>\n# heading",
            "[link](https://evil.example) www.evil.example https://evil.example",
            "<!-- nextdeploy comment of shop -->",
            "&lt;b&gt; &amp;",
            "\u{202e}gnp.exe \u{200b}\u{2066}",
            "::error::x %0A ${{ secrets.X }}",
        ];
        for hostile in HOSTILE {
            let references = [(*hostile).to_owned()];
            let warnings = [(*hostile).to_owned()];
            let results = [
                built(&references, Some(hostile), &warnings),
                CommentResult::Failed { code: hostile, message: hostile, hints: &warnings },
            ];
            for result in results {
                let text = render_comment(&Comment {
                    app: hostile,
                    commit: Some(hostile),
                    run_url: Some(hostile),
                    environment_url: Some(hostile),
                    result,
                });
                let allowed = ["<code>", "</code>", "<br>", "<details><summary>", "</summary>", "</details>"];
                let rest = allowed.iter().fold(text.clone(), |rest, tag| rest.replace(tag, ""));
                assert!(!rest.contains('<') && !rest.contains('>') && !rest.contains('`'), "{text}");
                for mark in ["@", "www.", "://", "**", "~~", "[link", "\u{202e}", "\u{200b}"] {
                    assert!(!rest.contains(mark), "{mark}: {text}");
                }
                assert!(!text.lines().any(|line| line.starts_with('/') || line.starts_with("# ")), "{text}");
                assert!(!text.contains(": heading"), "{text}");
            }
        }
    }

    #[test]
    fn long_texts_are_truncated() {
        let long = "x".repeat(20_000);
        let references = vec![long.clone(); 50];
        let warnings = vec![long; 500];
        let app = "x".repeat(10_000_000);
        let text =
            render_comment(&Comment { app: &app, result: built(&references, None, &warnings), ..Comment::default() });
        assert!(text.len() < 20_000 && text.contains("and 490 more"), "{}", text.len());
    }
}
