//! The dry run: what a build would send and ask for, as text.

use std::fmt::Write as _;

use crate::diagnostic::printable_path;
use crate::image::dockerfile::{BuildContext, ContextContent};

/// One line of the dry run about something outside this process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideCall {
    /// Whom: `docker daemon`, `file system`.
    pub target: String,
    /// What would be asked.
    pub action: String,
}

/// One path of the build context for `--json`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextLine {
    pub path: String,
    /// Bytes of content.
    pub size: u64,
    /// `file`, `generated`, `directory` or `symlink`.
    pub kind: &'static str,
}

/// The context as lines, in the order in which it is sent.
pub fn context_lines(context: &BuildContext) -> Vec<ContextLine> {
    context
        .entries
        .iter()
        .map(|entry| ContextLine {
            path: printable_path(&entry.path),
            size: entry.size(),
            kind: match entry.content {
                ContextContent::Generated(_) => "generated",
                ContextContent::File { .. } => "file",
                ContextContent::Directory => "directory",
                ContextContent::Symlink { .. } => "symlink",
            },
        })
        .collect()
}

/// A table of every path of the context with its size, and the sum.
pub fn render_context(context: &BuildContext) -> String {
    let mut text = String::new();
    for line in context_lines(context).iter().filter(|line| line.kind != "directory") {
        let mark = match line.kind {
            "generated" => "  (generated)",
            "symlink" => "  (link)",
            _ => "",
        };
        let _ = writeln!(text, "{:>12}  {}{mark}", line.size, line.path);
    }
    let _ = writeln!(text, "{:>12}  bytes in {} entries", context.size(), context.entries.len());
    text
}

/// The outside calls, numbered.
pub fn render_calls(calls: &[OutsideCall]) -> String {
    calls.iter().enumerate().fold(String::new(), |mut text, (at, call)| {
        let _ = writeln!(text, "{:>3}. {}: {}", at + 1, call.target, call.action);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::dockerfile::ContextEntry;

    #[test]
    fn every_path_is_listed_with_its_size_and_cannot_forge_a_line() {
        let entry = |path: &str, content| ContextEntry { path: path.into(), content, mode: 0o644 };
        let context = BuildContext {
            entries: vec![
                entry("app", ContextContent::Directory),
                entry("app/a\nb", ContextContent::File { disk: "/r/a".into(), size: 7 }),
                entry("app/link", ContextContent::Symlink { target: "a".into() }),
                entry("nextdeploy/plan.json", ContextContent::Generated(b"{}".to_vec())),
            ],
        };
        assert_eq!(
            render_context(&context),
            "           7  app/a\\nb\n           0  app/link  (link)\n           2  nextdeploy/plan.json  (generated)\n           9  bytes in 4 entries\n"
        );
    }
}
