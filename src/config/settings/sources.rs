//! Where a setting may come from, in order of precedence: flag, `NEXTDEPLOY_*`, `INPUT_*`, files.

use super::error::{InvalidValue, SettingsError, ValueSource};
use super::parse;
use crate::config::metadata::{ConfigFiles, FileValue};
use crate::config::setting::{CliSettings, Setting, SettingKind};
use crate::diagnostic::{Warning, nearest};
use crate::host::Environment;
use crate::origin::Origin;

/// All sources of one run.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub words: &'a CliSettings,
    pub environment: &'a Environment,
    pub files: &'a ConfigFiles,
}

/// One value as it was given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub value: FileValue,
    pub source: ValueSource,
    /// Place of the source in the order of precedence, highest first.
    pub rank: usize,
    /// Line in a variable that holds a list.
    pub line: Option<usize>,
}

impl Given {
    pub fn text(text: &str, origin: Origin) -> Self {
        Self {
            value: FileValue::Text(text.to_owned()),
            source: ValueSource { origin, location: None },
            rank: 0,
            line: None,
        }
    }

    pub fn fail(&self, invalid: InvalidValue) -> SettingsError {
        SettingsError { from: Box::new(self.source.clone()), invalid }
    }

    /// The error of an entry without a value for `name`. A line of a variable that does not look like a name is part of a value of several
    /// lines, which may be secret.
    pub fn fail_without_value(&self, name: &str, invalid: InvalidValue) -> SettingsError {
        match self.line {
            Some(line) if !parse::looks_like_variable(name) => self.fail(InvalidValue::UnknownLine(line)),
            _ => self.fail(invalid),
        }
    }

    /// True if the value was passed on the command line, which every user of the machine can read.
    pub fn is_typed(&self) -> bool {
        matches!(self.source.origin, Origin::Flag(_))
    }
}

impl Sources<'_> {
    /// The values of each source that gives any, highest precedence first. A variable that is empty gives nothing.
    pub fn levels(self, setting: Setting) -> Vec<Vec<Given>> {
        let files = self.files.files.iter().map(|file| {
            file.entries_of(setting)
                .map(|entry| Given {
                    value: entry.value.clone(),
                    source: ValueSource { origin: entry.origin(file), location: Some(entry.location.clone()) },
                    rank: 0,
                    line: None,
                })
                .collect()
        });
        let mut levels: Vec<Vec<Given>> = self.outside_files(setting).into_iter().chain(files).collect();
        for (rank, values) in levels.iter_mut().enumerate() {
            for given in values {
                given.rank = rank;
            }
        }
        levels.retain(|values| !values.is_empty());
        levels
    }

    /// The values of flags, of `NEXTDEPLOY_*` and of `INPUT_*`.
    pub fn outside_files(self, setting: Setting) -> [Vec<Given>; 3] {
        let typed = self
            .words
            .get(setting)
            .iter()
            .map(|word| Given::text(word, Origin::Flag(setting.flag().to_owned())))
            .collect();
        let own = self.of_variable(setting, setting.variable());
        let inputs = setting.input_variables().map(|variable| self.of_variable(setting, variable));
        let input = inputs.into_iter().find(|values| !values.is_empty()).unwrap_or_default();
        [typed, own, input]
    }

    /// The value that counts, of a setting with one value; the last one where a source repeats it.
    pub fn one(self, setting: Setting) -> Option<Given> {
        self.levels(setting).into_iter().next().and_then(|mut values| values.pop())
    }

    fn of_variable(self, setting: Setting, variable: String) -> Vec<Given> {
        let Some(text) = self.environment.get(&variable).filter(|text| !text.trim().is_empty()) else {
            return Vec::new();
        };
        let origin = Origin::Variable(variable);
        if setting.kind() == SettingKind::List {
            let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
            lines.map(|(at, line)| Given { line: Some(at + 1), ..Given::text(line, origin.clone()) }).collect()
        } else {
            vec![Given::text(text.trim_end_matches(['\r', '\n']), origin)]
        }
    }

    /// `NEXTDEPLOY_*` variables of no setting, most likely misspelled.
    pub fn unknown_variables(self) -> Vec<Warning> {
        let known: Vec<String> = Setting::ALL.iter().map(|setting| setting.variable()).collect();
        let unknown = self
            .environment
            .iter()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("NEXTDEPLOY_") && !known.iter().any(|k| k == name))
            // Outputs of an earlier run.
            .filter(|name| !name.starts_with("NEXTDEPLOY_OUTPUT_"));
        unknown
            .map(|name| {
                let warning = Warning::new("settings/unknown-variable", format!("unknown setting `{name}` is ignored"));
                match nearest(name, known.iter().map(String::as_str)) {
                    Some(near) => warning.with_hint(format!("did you mean `{near}`?")),
                    None => warning.with_hint("the names are listed in docs/settings.md"),
                }
            })
            .collect()
    }
}
