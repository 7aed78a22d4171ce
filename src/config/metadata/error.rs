//! Errors of configuration files.

use crate::diagnostic::{Diagnostic, ExitCode, Location, printable_path, shown};

/// A configuration file that cannot be used. Values that may be secret are never part of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    #[error("`{}` is not valid {format}: {message}", printable_path(&location.file))]
    Syntax { location: Location, format: &'static str, message: String },
    #[error("`{}` is not UTF-8 (byte {valid_up_to})", printable_path(&location.file))]
    NotUtf8 { location: Location, valid_up_to: usize },
    #[error("`{}` is too large: {reason}", printable_path(&location.file))]
    TooLarge { location: Location, reason: String },
    #[error("`{}` cannot be read: {reason}", printable_path(&location.file))]
    Unreadable { location: Location, reason: String },
    #[error("`{}` is empty", printable_path(&location.file))]
    Empty { location: Location },
    #[error("`{}` holds {found} where an object is needed", printable_path(&location.file))]
    NotAnObject { location: Location, found: &'static str },
    #[error("the key `{}` is there twice", shown(key))]
    DuplicateKey { location: Location, key: String },
    #[error("`{}` is {found}, not {wanted}", shown(field))]
    WrongType { location: Location, field: String, wanted: &'static str, found: &'static str },
    #[error("`{}` is `{}`, which is outside the repository", shown(field), shown(path))]
    OutsideRepository { location: Location, field: String, path: String },
    #[error("`{}` is `{}`, which is no folder of the repository", shown(field), shown(path))]
    NoSuchFolder { location: Location, field: String, path: String },
    #[error("the schema version of `{}` is not known", printable_path(&location.file))]
    UnknownSchema { location: Location },
}

impl MetadataError {
    fn place(&self) -> &Location {
        match self {
            Self::Syntax { location, .. }
            | Self::NotUtf8 { location, .. }
            | Self::TooLarge { location, .. }
            | Self::Unreadable { location, .. }
            | Self::Empty { location }
            | Self::NotAnObject { location, .. }
            | Self::DuplicateKey { location, .. }
            | Self::WrongType { location, .. }
            | Self::OutsideRepository { location, .. }
            | Self::NoSuchFolder { location, .. }
            | Self::UnknownSchema { location } => location,
        }
    }
}

impl Diagnostic for MetadataError {
    fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "metadata/syntax",
            Self::NotUtf8 { .. } => "metadata/not-utf8",
            Self::TooLarge { .. } => "metadata/too-large",
            Self::Unreadable { .. } => "metadata/unreadable",
            Self::Empty { .. } => "metadata/empty",
            Self::NotAnObject { .. } => "metadata/not-an-object",
            Self::DuplicateKey { .. } => "metadata/duplicate-key",
            Self::WrongType { .. } => "metadata/wrong-type",
            Self::OutsideRepository { .. } => "metadata/outside-repository",
            Self::NoSuchFolder { .. } => "metadata/no-such-folder",
            Self::UnknownSchema { .. } => "metadata/unknown-schema",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Syntax { .. } => "correct the file at this place, or remove it".to_owned(),
            Self::NotUtf8 { .. } => "save the file as UTF-8".to_owned(),
            Self::TooLarge { .. } => "remove the file, or write only what has to be set".to_owned(),
            Self::Unreadable { .. } => "make the file readable for the user who runs this command".to_owned(),
            Self::Empty { .. } => "remove the file, or write `{}`".to_owned(),
            Self::NotAnObject { .. } => "see docs/metadata.md for the shapes that are known".to_owned(),
            Self::DuplicateKey { .. } => "keep one of the two".to_owned(),
            Self::WrongType { wanted, .. } => format!("write {wanted}"),
            Self::OutsideRepository { .. } => "write a folder inside the repository, relative to the file".to_owned(),
            Self::NoSuchFolder { .. } => "write the app's folder, relative to the file".to_owned(),
            Self::UnknownSchema { .. } => {
                "write the file anew with `nextdeploy metadata`, or use a newer version of this program".to_owned()
            }
        };
        vec![hint]
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::Project
    }

    fn location(&self) -> Option<Location> {
        Some(self.place().clone())
    }
}
