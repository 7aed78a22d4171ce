//! Versions of tools that are pinned for a version manager: `mise.toml`, `.prototools`, `.tool-versions`.
//!
//! In: the tree, folders and the names of a tool. Out: the first version found, with its place. Never judges the version.

use toml::de::{DeTable, DeValue};

use super::error::ProjectError;
use super::text;
use crate::diagnostic::Location;
use crate::origin::Origin;
use crate::rel_path::RelPath;
use crate::repo::{FolderAbove, SourceText, SourceTree};

/// Where mise looks for its configuration in a folder, the one that wins first.
const MISE_FILES: [&str; 6] = [
    "mise.toml",
    ".mise.toml",
    "mise/config.toml",
    ".mise/config.toml",
    ".config/mise.toml",
    ".config/mise/config.toml",
];

/// A folder in which version files count.
#[derive(Debug, Clone)]
pub(super) enum VersionFolder<'t> {
    Inside(&'t SourceTree, RelPath),
    Above(&'t FolderAbove),
}

/// A version file, with its path as seen from the root of the repository.
#[derive(Debug, Clone)]
pub(super) struct VersionFile<'t> {
    pub path: String,
    pub text: &'t str,
}

impl<'t> VersionFolder<'t> {
    /// `dir` and the folders above it, nearest first, also those above the root.
    pub fn upwards(tree: &'t SourceTree, dir: &RelPath) -> Vec<Self> {
        let inside = std::iter::successors(Some(dir.clone()), RelPath::parent).map(|dir| Self::Inside(tree, dir));
        inside.chain(tree.above.iter().map(Self::Above)).collect()
    }

    /// The file called `name`; `None` if there is none.
    pub fn read(&self, name: &str) -> Result<Option<VersionFile<'t>>, ProjectError> {
        match self {
            Self::Inside(tree, dir) => {
                let Ok(path) = dir.join(name) else { return Ok(None) };
                let text = text::read(tree, &path)?;
                Ok(text.map(|text| VersionFile { path: path.as_str().to_owned(), text }))
            }
            Self::Above(folder) => match folder.text(name) {
                Some(SourceText::Text(text)) => Ok(Some(VersionFile { path: format!("{}/{name}", folder.path), text })),
                _ => Ok(None),
            },
        }
    }
}

/// A version as written, and where.
#[derive(Debug, Clone)]
pub(super) struct ToolVersion {
    pub text: String,
    pub origin: Origin,
    pub location: Location,
}

/// The version of the tool with one of `names` (`node`, `nodejs`) in the first of `folders` that pins one.
pub(super) fn find(folders: &[VersionFolder<'_>], names: &[&str]) -> Result<Option<ToolVersion>, ProjectError> {
    let mise = MISE_FILES.map(|file| (file, Some("tools")));
    for folder in folders {
        for (file, table) in mise.into_iter().chain([(".prototools", None)]) {
            let Some(file) = folder.read(file)? else { continue };
            if let Some(found) = in_toml(&file, table, names)? {
                return Ok(Some(found));
            }
        }
        if let Some(found) = folder.read(".tool-versions")?.and_then(|file| in_tool_versions(&file, names)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// `system`, a path or a git reference is not a release.
pub(super) fn is_release(version: &str) -> bool {
    !version.is_empty() && version != "system" && !version.starts_with("path:") && !version.starts_with("ref:")
}

/// asdf and mise: `nodejs 20.1.0`; the first release of several versions is used.
fn in_tool_versions(file: &VersionFile<'_>, names: &[&str]) -> Option<ToolVersion> {
    file.text.lines().enumerate().find_map(|(at, line)| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let tool = words.next().filter(|tool| names.contains(tool))?;
        let version = words.find(|version| is_release(version))?;
        Some(ToolVersion {
            text: without_prefix(version),
            origin: Origin::field(&file.path, tool),
            location: Location::line(file.path.as_str(), at + 1),
        })
    })
}

/// A key of `table` in a TOML file, or of the file itself: `node = "22"`, `node = ["22", "20"]` or `node = { version = "22" }`.
fn in_toml(file: &VersionFile<'_>, table: Option<&str>, names: &[&str]) -> Result<Option<ToolVersion>, ProjectError> {
    let place = |at: usize| Location::at_offset(file.path.as_str(), file.text, at);
    let parsed = DeTable::parse(file.text).map_err(|error| ProjectError::Malformed {
        location: place(error.span().map_or(0, |span| span.start)),
        kind: "TOML",
        message: error.message().to_owned(),
    })?;
    let root = parsed.get_ref();
    let wrong = |keys: &[&str], at: usize, expected| ProjectError::WrongType {
        location: place(at),
        field: keys.join("."),
        expected,
    };
    let tools = match table {
        None => root,
        Some(name) => match root.get(name) {
            None => return Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => table,
                _ => return Err(wrong(&[name], value.span().start, "a table")),
            },
        },
    };
    let Some((name, value)) = names.iter().find_map(|name| Some((*name, tools.get(*name)?))) else { return Ok(None) };
    let keys: Vec<&str> = table.into_iter().chain([name]).collect();
    let at = value.span().start;
    let versions = versions(value.get_ref()).ok_or_else(|| wrong(&keys, at, "a version, or a list of versions"))?;
    Ok(versions.into_iter().find(|version| is_release(version)).map(|version| ToolVersion {
        text: without_prefix(&version),
        origin: Origin::field(&file.path, &keys.join(".")),
        location: place(at),
    }))
}

fn versions(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(text) => Some(vec![text.trim().to_owned()]),
        DeValue::Integer(number) => Some(vec![number.as_str().to_owned()]),
        DeValue::Array(items) => items.iter().map(|item| versions(item.get_ref())?.into_iter().next()).collect(),
        // Other keys, such as `postinstall`, may stand alone.
        DeValue::Table(table) => match table.get("version") {
            Some(version) => versions(version.get_ref()),
            None => Some(Vec::new()),
        },
        _ => None,
    }
}

/// `latest:22` of asdf and `prefix:22` of mise mean `22`.
fn without_prefix(version: &str) -> String {
    ["latest:", "prefix:"].iter().find_map(|prefix| version.strip_prefix(prefix)).unwrap_or(version).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    /// Version, origin and place of Node.js in `web`, else at the root; or the error with its place.
    fn found(files: &[(&str, &str)]) -> String {
        let tree = SourceTree::from_texts(files.iter().copied());
        match find(&VersionFolder::upwards(&tree, &RelPath::new("web").unwrap()), &["node", "nodejs"]) {
            Ok(None) => "none".to_owned(),
            Ok(Some(found)) => format!("{} {} {}", found.text, found.origin, found.location),
            Err(error) => format!("{}: {error}", error.location().unwrap()),
        }
    }

    #[test]
    fn every_spelling_of_mise() {
        for (text, expected) in [
            ("[tools]\nnode = \"22\"\n", "22 from `mise.toml#tools.node` mise.toml:2:8"),
            ("[tools]\nnode = 22\n", "22 from `mise.toml#tools.node` mise.toml:2:8"),
            ("tools.node = '22.1.0' # pinned", "22.1.0 from `mise.toml#tools.node` mise.toml:1:14"),
            ("tools = { nodejs = [\"system\", \"20\"] }", "20 from `mise.toml#tools.nodejs` mise.toml:1:20"),
            ("[tools.node]\nversion = \"lts\"", "lts from `mise.toml#tools.node` mise.toml:1:1"),
            (
                "[tools]\nnode = { version = 'prefix:20', postinstall = 'x' }",
                "20 from `mise.toml#tools.node` mise.toml:2:8",
            ),
            ("[tools]\nnode = 'path:/opt/node'\n[tasks.build]\nrun = 'x'", "none"),
            ("[env]\nnode = 'x'\n[tools]\npython = '3'", "none"),
            ("", "none"),
            (
                "[tools]\nnode = true",
                "mise.toml:2:8: `tools.node` in `mise.toml` must be a version, or a list of versions",
            ),
            ("tools = 5", "mise.toml:1:9: `tools` in `mise.toml` must be a table"),
        ] {
            assert_eq!(found(&[("mise.toml", text)]), expected, "{text}");
        }
    }

    #[test]
    fn broken_toml_names_the_line() {
        let error = found(&[("mise.toml", "[tools]\nnode = \"22\n")]);
        assert!(error.starts_with("mise.toml:2:"), "{error}");
        assert!(error.contains("`mise.toml` cannot be read as TOML: "), "{error}");
        let deep = found(&[("mise.toml", &format!("a = {}", "[".repeat(100_000)))]);
        assert!(deep.contains("cannot be read as TOML"), "{deep}");
    }

    #[test]
    fn other_files_and_folders() {
        assert_eq!(
            found(&[(".config/mise/config.toml", "tools.node = '22'")]),
            "22 from `.config/mise/config.toml#tools.node` .config/mise/config.toml:1:14"
        );
        assert_eq!(
            found(&[(".prototools", "node = \"~20\"\n[plugins]\nx = 'y'")]),
            "~20 from `.prototools#node` .prototools:1:8"
        );
        assert_eq!(
            found(&[(".tool-versions", "python 3\nnodejs latest:20 18 # x")]),
            "20 from `.tool-versions#nodejs` .tool-versions:2"
        );
        assert_eq!(found(&[(".tool-versions", "nodejs system")]), "none");
        let both = [("mise.toml", "tools.node = '24'"), ("web/.tool-versions", "node 20")];
        assert_eq!(found(&both), "20 from `web/.tool-versions#node` web/.tool-versions:1");
    }
}
