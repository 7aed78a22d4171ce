//! `.dockerignore`: which paths are not sent to the builder.
//!
//! In: the text of the file. Out: yes or no per path. The rules are those of Docker (moby/patternmatcher, as used by
//! Engine 23 and later and by buildx): patterns are anchored at the context root, the last match wins, a match of a
//! parent counts for everything below it, and a `!` pattern can bring back a path inside an excluded directory. Accidents of
//! Docker's translation to regular expressions (`\d`, `a^b`, `[*]`) are not repeated: such characters mean themselves.
//! Never looks at the disk.

mod pattern;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use self::pattern::IgnorePattern;
use super::texts::SourceText;
use super::tree::SourceTree;
use super::walk::{EntryKind, SourceEntry};
use crate::diagnostic::{Location, diagnostics, printable, printable_path};
use crate::rel_path::RelPath;

/// The rules of one `.dockerignore`, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreRules {
    file: PathBuf,
    patterns: Vec<IgnorePattern>,
}

/// Lines of one file; generated ones have a few hundred.
const MOST_PATTERNS: usize = 10_000;
/// Steps of matching all paths of a repository against all patterns: fifty patterns with wildcards for 100,000 long paths.
const MOST_STEPS: u64 = 4_000_000_000;

diagnostics! {
    /// Why an ignore file cannot be used.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum IgnoreError {
        #[error("pattern `{}` in `{}` {problem}", printable(pattern), printable_path(file))]
        #[code("source/ignore-pattern")]
        #[hint("fix or remove the line; `\\` before a character makes it literal")]
        #[location(Some(Location::line(file, *line)))]
        Pattern { file: PathBuf, line: usize, pattern: String, problem: &'static str },

        #[error("`{}` cannot be used: {reason}", printable_path(file))]
        #[code("source/ignore-file")]
        #[hint("make `{}` a readable UTF-8 text, or remove it", printable_path(file))]
        #[location(Some(Location::file(file)))]
        File { file: PathBuf, reason: String },
    }
}

/// The verdict on one path, kept to judge paths below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct IgnoreVerdict {
    excluded: bool,
    /// Per pattern, whether it matched the path or a parent of it.
    matched: Vec<bool>,
}

impl IgnoreRules {
    /// The rules in `text`; errors name the file `.dockerignore`.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        Self::parse_file(Path::new(".dockerignore"), text)
    }

    fn parse_file(file: &Path, text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            // Only in the first column: after spaces `#` is part of a pattern.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let pattern = IgnorePattern::parse(line.trim()).map_err(|problem| IgnoreError::Pattern {
                file: file.to_path_buf(),
                line: index + 1,
                pattern: line.trim().to_owned(),
                problem,
            })?;
            patterns.push(pattern);
            if patterns.len() > MOST_PATTERNS {
                let reason = format!("it has more than {MOST_PATTERNS} patterns");
                return Err(IgnoreError::File { file: file.to_path_buf(), reason });
            }
        }
        Ok(Self { file: file.to_path_buf(), patterns })
    }

    /// The rules that hold for `tree`: those of `<dockerfile>.dockerignore` if that exists, else of `.dockerignore`, else none.
    pub fn of_tree(tree: &SourceTree, dockerfile: Option<&RelPath>) -> Result<Self, IgnoreError> {
        let own = dockerfile.and_then(|path| RelPath::new(&format!("{}.dockerignore", path.as_str())).ok());
        let files = own.into_iter().chain([RelPath::root().child(".dockerignore")]);
        let Some((file, text)) = files.into_iter().find_map(|file| tree.text(&file).map(|text| (file, text))) else {
            return Ok(Self::default());
        };
        let file = PathBuf::from(file.as_str());
        let reason = match text {
            SourceText::Text(text) => return Self::parse_file(&file, text),
            SourceText::NotUtf8 { valid_up_to } => format!("it is not UTF-8 (at byte {valid_up_to})"),
            SourceText::TooLarge { reason } | SourceText::Unreadable { reason } => reason.clone(),
            SourceText::Binary(_) => "it is binary".to_owned(),
        };
        Err(IgnoreError::File { file, reason })
    }

    /// The entries of `tree` that are sent: those that the rules do not exclude, and the paths in `always` (as Docker does with the
    /// Dockerfile and `.dockerignore`). Excluded directories are not included.
    ///
    /// # Errors
    /// When matching takes too long.
    pub fn sent<'a>(&self, tree: &'a SourceTree, always: &[&Path]) -> Result<Vec<&'a SourceEntry>, IgnoreError> {
        let mut sent = Vec::new();
        // The directories that hold the current entry, outermost first.
        let mut above: Vec<(&Path, IgnoreVerdict)> = Vec::new();
        let top = IgnoreVerdict::default();
        let mut steps = 0;
        let mut rest = tree.entries();
        while let [entry, after @ ..] = rest {
            rest = after;
            while above.last().is_some_and(|(directory, _)| !entry.path.starts_with(directory)) {
                above.pop();
            }
            let parent = above.last().map_or(&top, |(_, verdict)| verdict);
            let verdict = self.judge(parent, &entry.path, &mut steps);
            if steps > MOST_STEPS {
                let reason = "its patterns take too long to match against all files of the repository".to_owned();
                return Err(IgnoreError::File { file: self.file.clone(), reason });
            }
            if !verdict.excluded || always.contains(&entry.path.as_path()) {
                sent.push(entry);
            }
            if entry.kind != EntryKind::Directory {
                continue;
            }
            let path = entry.path.as_path();
            if verdict.excluded && !always.iter().any(|always| always.starts_with(path)) {
                steps += self.patterns.len() as u64;
                if self.brings_back_nothing_below(path) {
                    rest = &rest[rest.partition_point(|below| below.path.starts_with(path))..];
                    continue;
                }
            }
            above.push((path, verdict));
        }
        Ok(sent)
    }

    /// True when `path` (relative to the context root) is not sent.
    pub fn is_excluded(&self, path: &Path) -> bool {
        let mut above: Vec<&Path> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
        above.reverse();
        above.into_iter().fold(IgnoreVerdict::default(), |verdict, path| self.judge(&verdict, path, &mut 0)).excluded
    }

    /// The verdict on `path`, given the one on its parent directory (the default one at the top). Adds the cost to `steps`.
    fn judge(&self, parent: &IgnoreVerdict, path: &Path, steps: &mut u64) -> IgnoreVerdict {
        let text = pattern_text(path);
        let mut verdict = IgnoreVerdict { excluded: false, matched: vec![false; self.patterns.len()] };
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.matched.get(index).copied().unwrap_or(false);
            // As in Docker, a pattern that cannot change the verdict is not tried, and does not count for paths below.
            let matches = inherited || (pattern.is_negated == verdict.excluded && pattern.matches(&text, steps));
            verdict.matched[index] = matches;
            if matches {
                verdict.excluded = !pattern.is_negated;
            }
        }
        verdict
    }

    /// True when nothing below the excluded directory `path` can be brought back, so that it need not be entered.
    pub fn can_prune_directory(&self, path: &Path) -> bool {
        self.is_excluded(path) && self.brings_back_nothing_below(path)
    }

    fn brings_back_nothing_below(&self, directory: &Path) -> bool {
        let text = pattern_text(directory);
        !self.patterns.iter().any(|pattern| pattern.is_negated && pattern.may_match_below(&text))
    }
}

/// The path as patterns see it: every byte that is not UTF-8 is one replacement character, so that `*` and `?` match it.
fn pattern_text(path: &Path) -> Cow<'_, str> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests;
