//! Containers that are created to read or write files and are never started. Each says which process made it, so that a later run
//! finds those whose process was killed.

use std::collections::HashMap;

use crate::host::{ProcessId, random_word};

/// Label with the [process](ProcessId) that made a helper container.
pub const HELPER_LABEL: &str = "nextdeploy.helper";
/// What the names of all helper containers begin with.
pub const HELPER_PREFIX: &str = "nextdeploy-helper-";

/// A new name.
pub fn helper_name() -> String {
    format!("{HELPER_PREFIX}{}", &random_word()[..12])
}

pub fn helper_labels() -> HashMap<String, String> {
    HashMap::from([(HELPER_LABEL.to_owned(), ProcessId::own().as_str().to_owned())])
}
