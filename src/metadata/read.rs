//! Which files are read, and in which order.

use super::config_file::{ConfigFile, ConfigFiles};
use super::document::Value;
use super::error::MetadataError;
use super::json::parse_json;
use super::metadata_json::{Shape, author_of, shape_of};
use super::nextdeploy_yml::is_yaml;
use super::reader::{Author, Reader};
use super::yaml::parse_yaml;
use crate::diagnostic::Location;
use crate::rel_path::RelPath;
use crate::source::{SourceText, SourceTree};

/// Files that a person writes come before the one that programs write.
const YAML_FILES: &[&str] = &["nextdeploy.yml", "nextdeploy.yaml"];
const JSON_FILES: &[&str] = &["metadata.json", ".nextdeploy/metadata.json"];

/// A file that was asked for by name; its relative paths start from `folder`.
#[derive(Debug, Clone)]
pub struct ExplicitFile {
    /// As typed.
    pub name: String,
    pub text: SourceText,
}

impl ConfigFiles {
    /// Reads the files of `folder`, or for a kind that is not there those of the repository's root. An explicit file takes the
    /// place of the files of its kind.
    ///
    /// # Errors
    /// For a file that is malformed, has a value of the wrong type, or names a folder outside the repository.
    pub fn read(tree: &SourceTree, folder: &RelPath, explicit: Option<&ExplicitFile>) -> Result<Self, MetadataError> {
        let mut files = Self::default();
        let explicit_yaml = explicit.filter(|file| is_yaml(&file.name));
        let explicit_json = explicit.filter(|file| !is_yaml(&file.name));
        for (explicit, names) in [(explicit_yaml, YAML_FILES), (explicit_json, JSON_FILES)] {
            if let Some(file) = explicit {
                files.add(tree, folder, &file.name, &file.text, Request::Explicit)?;
                continue;
            }
            for name in names {
                for place in [folder, &RelPath::root()] {
                    let Ok(path) = place.join(name) else { continue };
                    if let Some(text) = tree.text(&path) {
                        files.add(tree, place, path.as_str(), text, Request::Found)?;
                        break;
                    }
                }
            }
        }
        Ok(files)
    }

    fn add(
        &mut self,
        tree: &SourceTree,
        folder: &RelPath,
        name: &str,
        text: &SourceText,
        request: Request,
    ) -> Result<(), MetadataError> {
        let text = usable(name, text)?;
        let root = if is_yaml(name) { parse_yaml(name, text)? } else { parse_json(name, text)? };
        let file = ConfigFile { name: name.to_owned(), ..ConfigFile::default() };
        let reader = |author, root| Reader { tree, folder: folder.clone(), author, root, file, warnings: Vec::new() };
        let read = if is_yaml(name) {
            if !matches!(root.value, Value::Map(_)) {
                return Err(MetadataError::NotAnObject { location: root.location(name), found: root.kind() });
            }
            let mut reader = reader(Author::Person, &root);
            reader.nextdeploy_yml()?;
            (reader.file, reader.warnings)
        } else {
            let shape = shape_of(name, &root)?;
            if shape == Shape::Record && request == Request::Found {
                // Else yesterday's facts would win over what the repository says today.
                return Ok(());
            }
            let mut reader = reader(author_of(shape), &root);
            reader.metadata_json()?;
            (reader.file, reader.warnings)
        };
        self.files.push(read.0);
        self.warnings.extend(read.1);
        Ok(())
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
    /// More than any payload ever had; detection applies its own, narrower limits to the repository's files.
    const LARGEST: usize = 32 << 20;
    let location = Location::file(name);
    match text {
        SourceText::Text(text) if text.trim().is_empty() => Err(MetadataError::Empty { location }),
        SourceText::Text(text) if text.len() > LARGEST => {
            Err(MetadataError::TooLarge { location, size: text.len() as u64 })
        }
        SourceText::Text(text) => Ok(text),
        SourceText::Binary(_) => Err(MetadataError::NotUtf8 { location, valid_up_to: 0 }),
        SourceText::NotUtf8 { valid_up_to } => Err(MetadataError::NotUtf8 { location, valid_up_to: *valid_up_to }),
        SourceText::TooLarge { size } => Err(MetadataError::TooLarge { location, size: *size }),
        SourceText::Unreadable { reason } => Err(MetadataError::Unreadable { location, reason: reason.clone() }),
    }
}
