//! Lines for `.gitignore` and `.dockerignore`: added where they are missing, nothing is taken away.

/// An ignore file and what should stand in it.
#[derive(Debug, Clone, Copy)]
pub struct IgnoreFile {
    pub name: &'static str,
    comment: &'static str,
    lines: &'static [&'static str],
}

pub const GITIGNORE: IgnoreFile = IgnoreFile {
    name: ".gitignore",
    comment: "# The record of the last build, which names its own commit.",
    lines: &[".nextdeploy/"],
};

pub const DOCKERIGNORE: IgnoreFile = IgnoreFile {
    name: ".dockerignore",
    comment: "# What no image needs. nextdeploy leaves out most of it by itself; other tools do not.",
    lines: &[".git", ".github", ".gitlab-ci.yml", "**/node_modules", "**/.next", "**/.env*.local"],
};

impl IgnoreFile {
    /// The new content; `None` when nothing is missing.
    pub fn completed(&self, present: Option<&str>) -> Option<String> {
        let known: Vec<&str> = present.unwrap_or_default().lines().map(plain).collect();
        let missing: Vec<&str> = self.lines.iter().copied().filter(|line| !known.contains(&plain(line))).collect();
        if missing.is_empty() {
            return None;
        }
        let mut content = present.unwrap_or_default().to_owned();
        if !content.is_empty() {
            content.push_str(if content.ends_with('\n') { "\n" } else { "\n\n" });
        }
        Some(content + self.comment + "\n" + &missing.join("\n") + "\n")
    }
}

/// `/node_modules/`, `**/node_modules` and `node_modules` ask for the same here.
fn plain(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix("**/").or_else(|| line.strip_prefix('/')).unwrap_or(line).trim_end_matches('/')
}
