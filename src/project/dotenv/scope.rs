//! The variables that references can see, and the limits of replacing them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::DotenvVariable;

/// Bytes of all expanded values, in addition to the size of the file.
const EXPANSION: usize = 4 * 1024 * 1024;
/// Bytes that are copied while references are replaced.
const WORK: usize = 64 * 1024 * 1024;
/// Cost of a reference, in addition to the text that is copied.
const REFERENCE_COST: usize = 64;

/// Why a file has no variables. The limits complete "`file` is too large: …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    #[error("it sets more than {} variables", super::MOST_VARIABLES)]
    Variables,
    #[error("its values exceed {} MiB when their references are replaced", EXPANSION >> 20)]
    Expansion,
    /// The package overflows its stack, and Next.js goes on without the file.
    #[error("the references in its values lead back to themselves")]
    Circle,
    /// An exception of the package before Next.js 14, which goes on without the file.
    #[error("a value has a `$` without a name behind it")]
    LoneDollar,
}

impl DotenvError {
    /// Beyond what any legitimate file has.
    pub(crate) fn is_limit(self) -> bool {
        matches!(self, Self::Variables | Self::Expansion)
    }
}

/// One assignment as it is written, without quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Variables of the process: those that were given, and those of files that were read before.
    process: HashMap<String, String>,
    /// Variables of the open file in order; a name that is set twice has its last value.
    file: Vec<Assignment>,
    by_name: HashMap<String, usize>,
    /// By name, what the value refers to in vain.
    unknown: HashMap<String, BTreeSet<String>>,
    /// The same for the value in the making.
    current: BTreeSet<String>,
    work: usize,
    size: usize,
}

impl Scope {
    /// `process` are names that every process has, with a value that only the container knows.
    pub fn new(given: &BTreeMap<String, String>, process: &[&str]) -> Self {
        let later = |name: &&str| ((*name).to_owned(), BTreeSet::from([(*name).to_owned()]));
        let unknown = process.iter().filter(|name| !given.contains_key(**name)).map(later).collect();
        let empty = process.iter().map(|name| ((*name).to_owned(), String::new()));
        let given = given.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self { process: empty.chain(given).collect(), unknown, ..Self::default() }
    }

    /// Begins a file of `length` bytes.
    pub fn open(&mut self, assignments: Vec<Assignment>, length: usize) {
        self.file = Vec::new();
        self.by_name = HashMap::new();
        self.work = WORK;
        self.size = EXPANSION + length;
        for assignment in assignments {
            if let Some(at) = self.by_name.get(&assignment.name) {
                self.file[*at] = assignment;
            } else {
                self.by_name.insert(assignment.name.clone(), self.file.len());
                self.file.push(assignment);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.file.len()
    }

    /// The text that variable `at` is expanded from.
    pub fn begin(&mut self, at: usize) -> String {
        let Assignment { name, value } = &self.file[at];
        self.current = if self.process.contains_key(name) {
            self.unknown.get(name).cloned().unwrap_or_default()
        } else {
            BTreeSet::new()
        };
        self.process.get(name).unwrap_or(value).clone()
    }

    pub fn end(&mut self, at: usize, value: String) -> Result<(), DotenvError> {
        self.size = self.size.checked_sub(value.len()).ok_or(DotenvError::Expansion)?;
        let variable = &mut self.file[at];
        self.unknown.insert(variable.name.clone(), std::mem::take(&mut self.current));
        variable.value = value;
        Ok(())
    }

    /// Ends the file: its variables are those of the process from now on.
    pub fn close(&mut self) -> Vec<DotenvVariable> {
        self.by_name = HashMap::new();
        let variables = std::mem::take(&mut self.file).into_iter().map(|Assignment { name, value }| {
            self.process.insert(name.clone(), value.clone());
            let unknown = self.unknown.get(&name).into_iter().flatten().cloned().collect();
            DotenvVariable { name, value, unknown }
        });
        variables.collect()
    }

    pub fn of_process(&self, name: &str) -> Option<&str> {
        self.process.get(name).map(String::as_str)
    }

    pub fn of_file(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(|at| self.file[*at].value.as_str())
    }

    /// Records that the value in the making has the value of `name` in it.
    pub fn refers_to(&mut self, name: &str) {
        if name.is_empty() {
            return;
        }
        if self.of_process(name).is_none() && self.of_file(name).is_none() {
            self.current.insert(name.to_owned());
        } else if let Some(unknown) = self.unknown.get(name) {
            self.current.extend(unknown.iter().cloned());
        }
    }

    /// The first `pattern` in `text` replaced, as `String.prototype.replace` of JavaScript does it.
    pub fn replace(&mut self, text: &str, pattern: &str, replacement: &str) -> Result<String, DotenvError> {
        let cost = text.len() + replacement.len() + REFERENCE_COST;
        self.work = self.work.checked_sub(cost).ok_or(DotenvError::Expansion)?;
        let Some((before, after)) = text.split_once(pattern) else { return Ok(text.to_owned()) };
        let mut result = before.to_owned();
        let mut rest = replacement;
        while let Some(at) = rest.find('$') {
            result.push_str(&rest[..at]);
            let (inserted, length) = match rest.as_bytes().get(at + 1) {
                Some(b'$') => ("$", 2),
                Some(b'&') => (pattern, 2),
                Some(b'`') => (before, 2),
                Some(b'\'') => (after, 2),
                _ => ("$", 1),
            };
            if result.len() + inserted.len() > WORK / 8 {
                return Err(DotenvError::Expansion);
            }
            result.push_str(inserted);
            rest = &rest[at + length..];
        }
        Ok(result + rest + after)
    }
}
