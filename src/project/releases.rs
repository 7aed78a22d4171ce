//! Existing versions of Node.js, package managers and Next.js, and what needs which.
//!
//! In: `releases.json`, which `scripts/update-releases` writes from packages of the npm registry. Out: typed tables. Never queries
//! the network.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

use super::facts::PackageManagerKind;
use super::version::{Version, parse_version};

/// A Node.js release line with official images.
#[derive(Debug, Deserialize)]
pub(super) struct NodeLine {
    pub major: u32,
    /// Name of the long-term support line, once it is one.
    pub codename: Option<String>,
    /// Day from which on the line gets no fixes, as `2027-04-30`.
    pub end: String,
    /// Major version of the bundled npm.
    #[serde(rename = "npm")]
    pub npm_major: u64,
    /// Oldest first.
    #[serde(deserialize_with = "versions")]
    pub versions: Vec<Version>,
}

impl NodeLine {
    /// The newest known release.
    pub fn newest(&self) -> &Version {
        self.versions.last().expect("every line in `releases.json` has releases")
    }

    /// The line had reached its end of life when the table was written.
    pub fn has_ended(&self) -> bool {
        self.end < TABLE.date
    }
}

/// A version of a package manager with the lowest Node.js that it runs on.
#[derive(Debug, Deserialize)]
pub(super) struct KnownVersion {
    #[serde(deserialize_with = "version")]
    pub version: Version,
    #[serde(deserialize_with = "optional_version")]
    pub node: Option<Version>,
}

#[derive(Deserialize)]
struct NextFloor {
    #[serde(deserialize_with = "version")]
    from: Version,
    #[serde(deserialize_with = "version")]
    node: Version,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReleaseTable {
    /// Day on which the table was written.
    date: String,
    node: Vec<NodeLine>,
    package_managers: BTreeMap<PackageManagerKind, Vec<KnownVersion>>,
    next: Vec<NextFloor>,
}

static TABLE: LazyLock<ReleaseTable> = LazyLock::new(|| {
    serde_json::from_str(include_str!("releases.json")).expect("`releases.json` is valid, which a test checks")
});

/// Release lines, oldest first. Next.js 12 needs 12.22, so older lines are left out.
pub(super) fn node_lines() -> &'static [NodeLine] {
    &TABLE.node
}

pub(super) fn node_line(major: u32) -> Option<&'static NodeLine> {
    node_lines().iter().find(|line| line.major == major)
}

/// Major version of the npm in the official images of a line.
pub fn bundled_npm(node_major: u32) -> Option<u64> {
    node_line(node_major).map(|line| line.npm_major)
}

/// The long-term support lines, oldest first.
pub(super) fn lts_lines() -> impl DoubleEndedIterator<Item = &'static NodeLine> {
    node_lines().iter().filter(|line| line.codename.is_some())
}

/// The line that apps of this version of Next.js were made for.
///
/// Up to Next.js 14 they may depend on packages that take a server with a global `navigator` (Node.js 21) for a browser. Later ones
/// run on every supported line.
pub(super) fn node_line_of_next(next_major: u64) -> u32 {
    if next_major <= 14 {
        return 20;
    }
    lts_lines().find(|line| line.major >= 22 && !line.has_ended()).map_or(22, |line| line.major)
}

/// Oldest Node.js that a version of Next.js runs on (`engines.node` of its own package).
pub(super) fn next_node_floor(next: &Version) -> &'static Version {
    let table = &TABLE.next;
    &table.iter().rfind(|floor| floor.from <= *next).unwrap_or(&table[0]).node
}

/// The versions that are installed when the project does not pin one, newest last.
pub(super) fn known_versions(kind: PackageManagerKind) -> &'static [KnownVersion] {
    TABLE.package_managers.get(&kind).map_or(&[], Vec::as_slice)
}

/// Oldest Node.js that a version of a package manager runs on (`engines.node` of its own package).
pub(super) fn package_manager_node_floor(kind: PackageManagerKind, version: &Version) -> Option<&'static Version> {
    known_versions(kind).iter().find(|known| known.version.major == version.major)?.node.as_ref()
}

/// Majors of pnpm that install from a lockfile of this format without rewriting it, in order of preference. pnpm 6 wrote 5.3, but
/// does not run on Node.js 20.
pub(super) fn pnpm_majors(lockfile_format: &str) -> &'static [u64] {
    match lockfile_format.split_once('.') {
        Some(("5", _)) => &[7, 6],
        Some(("6", _)) => &[8, 9],
        _ => &[9, 10, 11, 12],
    }
}

/// Lines of Node.js with a maintained distroless image on Debian 13, and 20, whose last image stays available.
pub const DISTROLESS_LINES: [u32; 4] = [20, 22, 24, 26];

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_version(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a version")))
}

fn optional_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Version>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(parse_version))
}

fn versions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Version>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.split(' ').map(|text| parse_version(text).ok_or_else(|| serde::de::Error::custom(text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_sorted() {
        assert!(node_lines().is_sorted_by_key(|line| line.major));
        for line in node_lines() {
            assert!(line.versions.is_sorted(), "{}", line.major);
            assert!(line.versions.iter().all(|version| version.major == u64::from(line.major)), "{}", line.major);
            assert!(line.newest().pre.is_empty() && line.npm_major >= 6 && line.end.len() == "2027-04-30".len());
        }
        let kinds = [
            PackageManagerKind::Npm,
            PackageManagerKind::YarnClassic,
            PackageManagerKind::YarnBerry,
            PackageManagerKind::Pnpm,
            PackageManagerKind::Bun,
        ];
        for kind in kinds {
            assert!(known_versions(kind).is_sorted_by(|a, b| a.version < b.version), "{kind:?}");
            assert!(!known_versions(kind).is_empty(), "{kind:?}");
        }
        assert!(DISTROLESS_LINES.iter().all(|major| node_line(*major).is_some()));
    }

    #[test]
    fn floors_of_next() {
        let floor = |next: &str| next_node_floor(&Version::parse(next).unwrap()).to_string();
        for (next, node) in [
            ("12.3.4", "12.22.0"),
            ("13.0.0", "14.6.0"),
            ("13.4.1", "16.8.0"),
            ("13.5.6", "16.14.0"),
            ("14.2.35", "18.17.0"),
            ("15.5.9", "18.18.0"),
            ("16.4.5", "20.9.0"),
            ("99.0.0", "20.9.0"),
        ] {
            assert_eq!(floor(next), node, "{next}");
        }
    }

    #[test]
    fn lines_end() {
        assert!(node_line(18).is_some_and(NodeLine::has_ended));
        assert!(lts_lines().next_back().is_some_and(|line| !line.has_ended()));
        assert_eq!(node_line_of_next(13), 20);
        assert!(node_line_of_next(15) >= 22);
    }
}
