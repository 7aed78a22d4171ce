//! Versions and version ranges, parsed as npm does.
//!
//! In: texts of manifests, lockfiles and version files. Out: [`Version`] and [`Range`], `None` for what npm's `semver` 7.8
//! refuses. Own code because `node-semver` panics on some input; this one never does, and is linear in the length of the input.

use semver::{BuildMetadata, Prerelease};

pub(super) use semver::Version;

/// Largest integer that JavaScript represents exactly; npm refuses larger ones.
const MAX_NUMBER: u64 = (1 << 53) - 1;
/// Longest version that npm reads.
const MAX_VERSION_LENGTH: usize = 256;
/// Longest range that is read here.
const MAX_RANGE_LENGTH: usize = 64 * 1024;

/// Parses a version; build metadata is dropped.
pub(super) fn parse_version(text: &str) -> Option<Version> {
    let text = text.trim();
    let mut version = Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()?;
    version.build = BuildMetadata::EMPTY;
    let numbers = [version.major, version.minor, version.patch];
    (text.len() <= MAX_VERSION_LENGTH && numbers.iter().all(|number| *number <= MAX_NUMBER)).then_some(version)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparator {
    operator: Operator,
    version: Version,
}

/// A range: all comparators of at least one list must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range(Vec<Vec<Comparator>>);

impl Range {
    /// Every version that is not a prerelease.
    pub fn any() -> Self {
        Self(vec![Vec::new()])
    }

    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_RANGE_LENGTH {
            return None;
        }
        let lists = text.split("||").map(comparators).collect::<Option<Vec<_>>>()?;
        Some(if lists.iter().any(Vec::is_empty) { Self::any() } else { Self(lists) })
    }

    pub fn admits(&self, version: &Version) -> bool {
        self.0.iter().any(|list| holds(list, version))
    }

    /// The lowest version that is admitted and is not below `floor`.
    pub fn lowest_from(&self, floor: &Version) -> Option<Version> {
        let lowest = |list: &Vec<Comparator>| {
            let bounds = list.iter().filter_map(Comparator::lowest);
            let candidate = bounds.fold(floor.clone(), Ord::max);
            holds(list, &candidate).then_some(candidate)
        };
        self.0.iter().filter_map(lowest).min()
    }

    /// The lowest release of a major that is admitted.
    pub fn lowest_of_major(&self, major: u64) -> Option<Version> {
        let lowest = self.lowest_from(&Version::new(major, 0, 0))?;
        let release = Version { pre: Prerelease::EMPTY, ..lowest.clone() };
        let lowest = if lowest.pre.is_empty() { release } else { self.lowest_from(&release)? };
        (lowest.major == major && lowest.pre.is_empty()).then_some(lowest)
    }

    /// The lowest version that is admitted.
    pub fn lowest(&self) -> Option<Version> {
        self.lowest_from(&Version::new(0, 0, 0))
    }
}

impl Comparator {
    fn new(operator: Operator, version: Version) -> Self {
        Self { operator, version }
    }

    fn admits(&self, version: &Version) -> bool {
        match self.operator {
            Operator::Less => *version < self.version,
            Operator::LessOrEqual => *version <= self.version,
            Operator::Equal => *version == self.version,
            Operator::GreaterOrEqual => *version >= self.version,
            Operator::Greater => *version > self.version,
        }
    }

    fn lowest(&self) -> Option<Version> {
        let mut version = self.version.clone();
        match self.operator {
            Operator::Less | Operator::LessOrEqual => return None,
            Operator::Equal | Operator::GreaterOrEqual => {}
            Operator::Greater if version.pre.is_empty() => version.patch += 1,
            Operator::Greater => version.pre = Prerelease::new(&format!("{}.0", version.pre)).ok()?,
        }
        Some(version)
    }
}

/// A prerelease is admitted only where a comparator names a prerelease of the same version.
fn holds(list: &[Comparator], version: &Version) -> bool {
    let same = |named: &Version| {
        (named.major, named.minor, named.patch) == (version.major, version.minor, version.patch)
            && !named.pre.is_empty()
    };
    list.iter().all(|comparator| comparator.admits(version))
        && (version.pre.is_empty() || list.iter().any(|comparator| same(&comparator.version)))
}

/// The comparators between two `||`.
fn comparators(text: &str) -> Option<Vec<Comparator>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [from, "-", to] = words.as_slice()
        && let (Some(from), Some(to)) = (PartialVersion::parse(from), PartialVersion::parse(to))
    {
        return hyphen(&from, &to);
    }
    let mut list = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let rest = word.trim_start_matches(['<', '>', '=', '~', '^']);
        let operator = &word[..word.len() - rest.len()];
        // `>= 1.2` is one comparator.
        let version = if rest.is_empty() { words.next()? } else { rest };
        list.extend(simple(operator, version)?);
    }
    Some(list)
}

fn hyphen(from: &PartialVersion, to: &PartialVersion) -> Option<Vec<Comparator>> {
    let mut list = Vec::new();
    if from.major.is_some() {
        list.push(Comparator::new(Operator::GreaterOrEqual, from.lowest()));
    }
    match (to.major, to.minor, to.patch) {
        (None, ..) => {}
        (Some(_), Some(_), Some(_)) => list.push(Comparator::new(Operator::LessOrEqual, to.lowest())),
        _ => list.push(below(to.next()?)),
    }
    Some(list)
}

/// The operator at the beginning, and further signs.
fn split_operator(signs: &str) -> (&str, &str) {
    let operators = ["<=", ">=", "~>", "<", ">", "=", "~", "^"];
    let length = operators.iter().find(|operator| signs.starts_with(**operator)).map_or(0, |operator| operator.len());
    signs.split_at(length)
}

/// An operator with a version or a part of one.
fn simple(operator: &str, version: &str) -> Option<Vec<Comparator>> {
    let (operator, signs) = split_operator(operator);
    let partial = PartialVersion::parse(version)?;
    // `==20` is `=20`, but npm refuses `==20.1.2`.
    if !signs.is_empty()
        && (!signs.chars().all(|c| c == '=') || (partial.patch.is_some() && !operator.starts_with(['~', '^'])))
    {
        return None;
    }
    if partial.number_after_x && !operator.starts_with(['~', '^']) {
        return None;
    }
    let lowest = partial.lowest();
    let at_least = |version: Version| Comparator::new(Operator::GreaterOrEqual, version);
    let whole = partial.patch.is_some();
    Some(match (operator, partial.major) {
        // No version is above or below all versions.
        ("<" | ">", None) => vec![below(Version { pre: zero(), ..Version::new(0, 0, 0) })],
        ("" | "=" | ">=" | "<=" | "~" | "~>" | "^", None) => Vec::new(),
        ("" | "=", _) if whole => vec![Comparator::new(Operator::Equal, lowest)],
        ("" | "=", _) => vec![at_least(lowest), below(partial.next()?)],
        (">", _) if whole => vec![Comparator::new(Operator::Greater, lowest)],
        (">", _) => vec![at_least(partial.next()?)],
        (">=", _) => vec![at_least(lowest)],
        ("<", _) if whole => vec![Comparator::new(Operator::Less, lowest)],
        ("<", _) => vec![below(lowest)],
        ("<=", _) if whole => vec![Comparator::new(Operator::LessOrEqual, lowest)],
        ("<=", _) => vec![below(partial.next()?)],
        ("~" | "~>", _) => vec![at_least(lowest), below(PartialVersion { patch: None, ..partial }.next()?)],
        ("^", Some(0)) => {
            let fixed = match (partial.minor, partial.patch) {
                (Some(0), Some(_)) => partial,
                (Some(_), _) => PartialVersion { patch: None, ..partial },
                (None, _) => PartialVersion { minor: None, patch: None, ..partial },
            };
            vec![at_least(lowest), below(fixed.next()?)]
        }
        ("^", _) => vec![at_least(lowest), below(PartialVersion { minor: None, patch: None, ..partial }.next()?)],
        _ => return None,
    })
}

/// `<version-0`: below it, and below its prereleases.
fn below(version: Version) -> Comparator {
    let pre = if version.pre.is_empty() { zero() } else { version.pre.clone() };
    Comparator::new(Operator::Less, Version { pre, ..version })
}

fn zero() -> Prerelease {
    Prerelease::new("0").unwrap_or(Prerelease::EMPTY)
}

/// `1`, `1.2`, `1.x`, `*`, `v1.2.3-rc.1`: parts after an `x` count as `x` as well.
#[derive(Debug, Clone)]
struct PartialVersion {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    pre: Prerelease,
    /// `1.x.3`, which npm accepts only after `~` and `^`.
    number_after_x: bool,
}

impl PartialVersion {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start_matches(['v', '=']);
        if text.len() > MAX_VERSION_LENGTH {
            return None;
        }
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
        let mut parts = numbers.split('.');
        let (major, minor, patch) = (parts.next()?, parts.next(), parts.next());
        if parts.next().is_some() || (patch.is_none() && pre.is_some()) {
            return None;
        }
        if build.is_some_and(|build| BuildMetadata::new(build).is_err() || build.is_empty()) {
            return None;
        }
        let pre = match pre {
            None => Prerelease::EMPTY,
            Some("") => return None,
            Some(pre) => Prerelease::new(pre).ok()?,
        };
        let part = |text: Option<&str>| match text {
            None | Some("x" | "X" | "*") => Ok(None),
            Some(text) => number(text).map(Some).ok_or(()),
        };
        let (Ok(major), Ok(minor), Ok(patch)) = (part(Some(major)), part(minor), part(patch)) else { return None };
        let number_after_x = (major.is_none() && minor.is_some()) || (minor.is_none() && patch.is_some());
        let minor = minor.filter(|_| major.is_some());
        let patch = patch.filter(|_| minor.is_some());
        let pre = if patch.is_some() { pre } else { Prerelease::EMPTY };
        Some(Self { major, minor, patch, pre, number_after_x })
    }

    fn lowest(&self) -> Version {
        let part = |part: Option<u64>| part.unwrap_or(0);
        Version { pre: self.pre.clone(), ..Version::new(part(self.major), part(self.minor), part(self.patch)) }
    }

    /// The first version after all that this matches.
    fn next(&self) -> Option<Version> {
        let (major, minor, patch) = match (self.major?, self.minor, self.patch) {
            (major, Some(minor), Some(patch)) => (major, minor, patch + 1),
            (major, Some(minor), None) => (major, minor + 1, 0),
            (major, None, _) => (major + 1, 0, 0),
        };
        [major, minor, patch].iter().all(|part| *part <= MAX_NUMBER).then(|| Version::new(major, minor, patch))
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    let number = text.parse().ok().filter(|number| *number <= MAX_NUMBER)?;
    (digits && !leading_zero).then_some(number)
}

#[cfg(test)]
mod tests;
