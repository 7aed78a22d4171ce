//! Errors of configuration files.

use crate::diagnostic::{Location, diagnostics, printable_path, shown};

diagnostics! {
    /// A configuration file that cannot be used. Values that may be secret are never part of a message.
    #[exit(Project)]
    #[derive(Clone, PartialEq, Eq)]
    pub enum MetadataError {
        #[error("`{}` is not valid {format}: {message}", printable_path(&location.file))]
        #[code("metadata/syntax")]
        #[hint("correct the file at this place, or remove it")]
        #[location(Some(location.clone()))]
        Syntax { location: Location, format: &'static str, message: String },
        #[error("`{}` is not UTF-8 (byte {valid_up_to})", printable_path(&location.file))]
        #[code("metadata/not-utf8")]
        #[hint("save the file as UTF-8")]
        #[location(Some(location.clone()))]
        NotUtf8 { location: Location, valid_up_to: usize },
        #[error("`{}` is too large: {reason}", printable_path(&location.file))]
        #[code("metadata/too-large")]
        #[hint("remove the file, or write only what has to be set")]
        #[location(Some(location.clone()))]
        TooLarge { location: Location, reason: String },
        #[error("cannot read `{}`: {reason}", printable_path(&location.file))]
        #[code("metadata/unreadable")]
        #[hint("make the file readable for the user who runs this command")]
        #[location(Some(location.clone()))]
        Unreadable { location: Location, reason: String },
        #[error("`{}` is empty", printable_path(&location.file))]
        #[code("metadata/empty")]
        #[hint("remove the file, or write `{{}}`")]
        #[location(Some(location.clone()))]
        Empty { location: Location },
        #[error("`{}` holds {found}, expected an object", printable_path(&location.file))]
        #[code("metadata/not-an-object")]
        #[hint("docs/metadata.md describes the known shapes")]
        #[location(Some(location.clone()))]
        NotAnObject { location: Location, found: &'static str },
        #[error("duplicate key `{}`", shown(key))]
        #[code("metadata/duplicate-key")]
        #[hint("keep one of the two")]
        #[location(Some(location.clone()))]
        DuplicateKey { location: Location, key: String },
        #[error("`{}` is {found}, expected {expected}", shown(field))]
        #[code("metadata/wrong-type")]
        #[hint("write {expected}")]
        #[location(Some(location.clone()))]
        WrongType { location: Location, field: String, expected: &'static str, found: &'static str },
        #[error("`{}` is `{}`, which is outside the repository", shown(field), shown(path))]
        #[code("metadata/outside-repository")]
        #[hint("use a folder inside the repository, relative to the file")]
        #[location(Some(location.clone()))]
        OutsideRepository { location: Location, field: String, path: String },
        #[error("`{}` is `{}`, which is not a folder of the repository", shown(field), shown(path))]
        #[code("metadata/no-such-folder")]
        #[hint("use the app's folder, relative to the file")]
        #[location(Some(location.clone()))]
        NoSuchFolder { location: Location, field: String, path: String },
        #[error("`{}` has an unknown schema version", printable_path(&location.file))]
        #[code("metadata/unknown-schema")]
        #[hint("regenerate the file with `nextdeploy metadata`, or use a newer version of this program")]
        #[location(Some(location.clone()))]
        UnknownSchema { location: Location },
    }
}
