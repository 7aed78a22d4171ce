//! The settings that were typed, by name, still text.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::setting::Setting;

/// Values of flags in the order in which they were typed. A switch that is on has the value `true`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CliSettings {
    values: BTreeMap<Setting, Vec<String>>,
    /// `DIR`, which need not be UTF-8.
    pub directory: Option<PathBuf>,
}

impl CliSettings {
    /// The values typed for `setting`; empty when its flag was not given.
    pub fn get(&self, setting: Setting) -> &[String] {
        self.values.get(&setting).map_or(&[], Vec::as_slice)
    }

    /// Adds a value, as if the flag had been typed.
    pub fn push(&mut self, setting: Setting, value: impl Into<String>) {
        self.values.entry(setting).or_default().push(value.into());
    }

    pub(super) fn one(&mut self, setting: Setting, value: Option<&String>) {
        if let Some(value) = value {
            self.push(setting, value);
        }
    }

    pub(super) fn list(&mut self, setting: Setting, values: &[String]) {
        for value in values {
            self.push(setting, value);
        }
    }

    pub(super) fn switch(&mut self, setting: Setting, on: bool) {
        if on {
            self.push(setting, "true");
        }
    }
}
