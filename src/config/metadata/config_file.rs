//! What one configuration file says in the vocabulary of settings.

use serde::Serialize;

use crate::config::setting::Setting;
use crate::diagnostic::Location;
use crate::origin::{Origin, Sourced};
use crate::project::OutputMode;
use crate::secret::Secret;

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
