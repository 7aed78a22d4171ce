//! Which configuration files are read, and in which order.

use std::path::Path;

use super::config_file::ConfigFile;
use super::document::{Value, parse_json, parse_yaml};
use super::error::MetadataError;
use super::nextdeploy_yml::is_yaml;
use super::reader::{Author, MetadataShape, Reader, author_of, shape_of};
use crate::diagnostic::{Location, Warning};
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};

/// The configuration files of one repository.
#[derive(Debug, Clone, Default)]
pub struct ConfigFiles {
    /// Highest precedence first.
    pub files: Vec<ConfigFile>,
    pub author: FileAuthor,
    pub warnings: Vec<Warning>,
}

/// Who may have changed the files of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileAuthor {
    /// Those who may push to it.
    #[default]
    Project,
    /// Anyone: the run is for a pull request from a fork.
    Fork,
}

/// Files that a person writes come before the one that programs write.
const YAML_FILES: &[&str] = &["nextdeploy.yml", "nextdeploy.yaml"];
const JSON_FILES: &[&str] = &["metadata.json", ".nextdeploy/metadata.json"];

impl ConfigFiles {
    /// Reads the files of `folder`, or for a kind that is not there those of the repository's root. `explicit`, a path as typed
    /// with its content, takes the place of the files of its kind; relative paths in it start from `folder`.
    ///
    /// # Errors
    /// For a file that is malformed, has a value of the wrong type, or names a folder outside the repository.
    pub fn read(tree: &SourceTree, folder: &RelPath, explicit: Option<(&Path, &[u8])>) -> Result<Self, MetadataError> {
        let mut files = Self::default();
        let explicit = explicit.map(|(path, bytes)| (path.to_string_lossy().into_owned(), text_of(bytes)));
        for (names, want_yaml) in [(YAML_FILES, true), (JSON_FILES, false)] {
            if let Some((name, text)) = explicit.as_ref().filter(|(name, _)| is_yaml(name) == want_yaml) {
                files.add(tree, &Input { name, text, folder, request: Request::Explicit })?;
                continue;
            }
            for name in names {
                for place in [folder, &RelPath::root()] {
                    let Ok(path) = place.join(name) else { continue };
                    if let Some(text) = tree.text(&path) {
                        let input = Input { name: path.as_str(), text, folder: place, request: Request::Found };
                        files.add(tree, &input)?;
                        break;
                    }
                }
            }
        }
        Ok(files)
    }

    fn add(&mut self, tree: &SourceTree, input: &Input<'_>) -> Result<(), MetadataError> {
        let name = input.name;
        let text = usable(name, input.text)?;
        let file = ConfigFile { name: name.to_owned(), ..ConfigFile::default() };
        let reader = |folder: &RelPath, author, root| Reader {
            tree,
            folder: folder.clone(),
            author,
            root,
            file,
            warnings: Vec::new(),
        };
        let (file, warnings) = if is_yaml(name) {
            let root = parse_yaml(name, text)?;
            if !matches!(root.value, Value::Map(_)) {
                return Err(MetadataError::NotAnObject { location: root.location(name), found: root.kind() });
            }
            let mut reader = reader(input.folder, Author::Person, &root);
            reader.nextdeploy_yml()?;
            (reader.file, reader.warnings)
        } else {
            let root = parse_json(name, text)?;
            let shape = shape_of(name, &root)?;
            if shape == MetadataShape::Record && input.request == Request::Found {
                // Else yesterday's facts would win over what the repository says today.
                return Ok(());
            }
            // A record is written below the app, and its paths start from the root.
            let folder = if shape == MetadataShape::Record { &RelPath::root() } else { input.folder };
            let mut reader = reader(folder, author_of(shape), &root);
            reader.metadata_json()?;
            (reader.file, reader.warnings)
        };
        self.files.push(file);
        self.warnings.extend(warnings);
        Ok(())
    }
}

/// One file to read; its relative paths start from `folder`.
struct Input<'a> {
    name: &'a str,
    text: &'a SourceText,
    folder: &'a RelPath,
    request: Request,
}

/// Bytes as UTF-8 without byte order mark.
fn text_of(bytes: &[u8]) -> SourceText {
    match std::str::from_utf8(bytes) {
        Ok(text) => SourceText::Text(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Err(error) => SourceText::NotUtf8 { valid_up_to: error.valid_up_to() },
    }
}

/// How a file came to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Found,
    Explicit,
}

/// The text of a file, or why there is none.
pub(super) fn usable<'a>(name: &str, text: &'a SourceText) -> Result<&'a str, MetadataError> {
    let location = Location::file(name);
    match text {
        SourceText::Text(text) if text.trim().is_empty() => Err(MetadataError::Empty { location }),
        SourceText::Text(text) => Ok(text),
        SourceText::Binary(_) => Err(MetadataError::NotUtf8 { location, valid_up_to: 0 }),
        SourceText::NotUtf8 { valid_up_to } => Err(MetadataError::NotUtf8 { location, valid_up_to: *valid_up_to }),
        SourceText::TooLarge { reason } => Err(MetadataError::TooLarge { location, reason: reason.clone() }),
        SourceText::Unreadable { reason } => Err(MetadataError::Unreadable { location, reason: reason.clone() }),
    }
}
