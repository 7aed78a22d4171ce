//! Git LFS: what a repository contains in place of a large file, and which files those are.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::locate::is_workspace_pattern;

/// Bytes; the specification of Git LFS keeps pointers below 1024.
pub(super) const LARGEST_POINTER: u64 = 1024;

/// The content of a pointer (Git LFS specification, version 1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LfsPointer {
    /// In hexadecimal digits.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

impl LfsPointer {
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value("version")?.starts_with("https://git-lfs.github.com/spec/v1").then_some(())?;
        Some(Self { sha256: value("oid")?.strip_prefix("sha256:")?.to_owned(), size: value("size")?.parse().ok()? })
    }
}

/// A line of `.gitattributes` that gives files to Git LFS.
#[derive(Debug)]
pub(super) struct LfsPattern {
    glob: GlobMatcher,
    /// Compared with the name alone: the pattern has no slash.
    is_name: bool,
}

/// Lines of one file that are read.
const MOST_PATTERNS: usize = 500;

impl LfsPattern {
    /// The patterns in the text of a `.gitattributes`.
    pub fn parse(text: &str) -> Vec<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let patterns = lines.filter_map(|line| {
            let (pattern, attributes) = line.split_once(char::is_whitespace)?;
            attributes.split_whitespace().any(|attribute| attribute == "filter=lfs").then_some(pattern)
        });
        patterns.filter(|pattern| is_workspace_pattern(pattern)).take(MOST_PATTERNS).filter_map(Self::new).collect()
    }

    fn new(pattern: &str) -> Option<Self> {
        let is_name = !pattern.contains('/');
        let glob = GlobBuilder::new(pattern.trim_start_matches('/')).literal_separator(true).build().ok()?;
        Some(Self { glob: glob.compile_matcher(), is_name })
    }

    /// `path` is relative to the folder of the `.gitattributes`.
    pub fn matches(&self, path: &Path) -> bool {
        if self.is_name {
            path.file_name().is_some_and(|name| self.glob.is_match(name))
        } else {
            self.glob.is_match(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_those_of_the_specification() {
        let text = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        assert_eq!(LfsPointer::parse(text), Some(LfsPointer { sha256: "4d7a".to_owned(), size: 12_345 }));
        assert_eq!(LfsPointer::parse(b"version 2\noid sha256:4d7a\nsize 12345\n"), None);
        assert_eq!(LfsPointer::parse(b"\xff"), None);
    }

    #[test]
    fn patterns_without_a_slash_match_names() {
        let patterns =
            LfsPattern::parse("*.png filter=lfs diff=lfs -text\n/media/** filter=lfs\n*.txt text\n#*.a filter=lfs");
        let is_large = |path: &str| patterns.iter().any(|pattern| pattern.matches(Path::new(path)));
        assert!(is_large("a.png") && is_large("public/img/a.png") && is_large("media/x/y.bin"));
        assert!(!is_large("a.txt") && !is_large("web/media/x") && !is_large("x.a"));
    }
}
