//! Which files are read, in which order, and what they say in the vocabulary of settings.

use std::path::Path;

use serde::Serialize;

use super::document::Value;
use super::document::parse_json;
use super::document::parse_yaml;
use super::error::MetadataError;
use super::nextdeploy_yml::is_yaml;
use super::reader::{Author, Reader};
use super::reader::{MetadataShape, author_of, shape_of};
use crate::config::setting::Setting;
use crate::diagnostic::{Location, Warning};
use crate::origin::{Origin, Sourced};
use crate::project::OutputMode;
use crate::rel_path::RelPath;
use crate::repo::{SourceText, SourceTree};
use crate::secret::Secret;

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

/// One file: the settings that it gives.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// As shown to the user: `nextdeploy.yml`, `.nextdeploy/metadata.json`.
    pub name: String,
    pub entries: Vec<FileEntry>,
    pub output_mode: Option<Sourced<OutputMode>>,
}

/// One value of a file.
#[derive(Debug, Clone)]
pub struct FileEntry {
    pub setting: Setting,
    pub value: FileValue,
    /// Path of the field: `config.App.Port`, `environment[2]`.
    pub field: String,
    pub location: Location,
}

#[derive(Debug, Clone)]
pub enum FileValue {
    /// In the grammar of the flag.
    Text(String),
    /// A command that is already split.
    Words(Vec<String>),
    /// One variable, label or build argument.
    Pair { name: String, value: FileEnvValue, scope: Option<EnvScope> },
}

#[derive(Debug, Clone)]
pub enum FileEnvValue {
    Plain(String),
    Secret(Secret),
}

impl FileEntry {
    /// The field as an origin: `nextdeploy.yml#app.port`.
    pub fn origin(&self, file: &ConfigFile) -> Origin {
        Origin::field(&file.name, &self.field)
    }
}

impl ConfigFile {
    /// Every value for `setting`, in file order.
    pub fn entries_of(&self, setting: Setting) -> impl Iterator<Item = &FileEntry> {
        self.entries.iter().filter(move |entry| entry.setting == setting)
    }
}

/// Who sees a variable. Without a word from the user, `Auto`: see `docs/environment.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum EnvScope {
    #[default]
    Auto,
    /// The build only.
    Build,
    /// The image's environment only.
    Image,
    /// The container only: not in the image, handed over by `run`.
    Container,
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
