//! Tables of existing versions of Node.js and package managers, and of what needs which.
//!
//! Read from the npm registry (`npm view PACKAGE versions engines`) in November 2026.

use super::facts::PackageManagerKind;
use super::version::Version;

/// A Node.js release line with official images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeLine {
    pub major: u32,
    /// Newest known release.
    pub newest: (u64, u64, u64),
    /// Name of the long-term support line, once it is one.
    pub codename: Option<&'static str>,
    /// Major version of the bundled npm.
    pub npm_major: u32,
}

const fn line(newest: (u64, u64, u64), codename: Option<&'static str>, npm_major: u32) -> NodeLine {
    #[expect(clippy::cast_possible_truncation, reason = "majors are small")]
    NodeLine { major: newest.0 as u32, newest, codename, npm_major }
}

/// Oldest first. Next.js 12 needs 12.22, so older lines are left out.
pub(super) const NODE_LINES: &[NodeLine] = &[
    line((12, 22, 12), Some("erbium"), 6),
    line((13, 14, 0), None, 6),
    line((14, 21, 3), Some("fermium"), 6),
    line((15, 14, 0), None, 7),
    line((16, 20, 2), Some("gallium"), 8),
    line((17, 9, 1), None, 8),
    line((18, 20, 8), Some("hydrogen"), 10),
    line((19, 9, 0), None, 9),
    line((20, 20, 2), Some("iron"), 10),
    line((21, 7, 3), None, 10),
    line((22, 23, 3), Some("jod"), 10),
    line((23, 11, 1), None, 10),
    line((24, 21, 0), Some("krypton"), 11),
    line((25, 9, 0), None, 11),
    line((26, 10, 0), None, 11),
];

/// The line that is used by default: supported, and the most widely used.
pub(super) const DEFAULT_NODE_LINE: u32 = 22;

/// Oldest Node.js that a version of Next.js runs on (`engines.node` of its own package).
pub(super) fn next_node_floor(major: u32, minor: u32) -> (u64, u64, u64) {
    match (major, minor) {
        (..=12, _) => (12, 22, 0),
        (13, 0..=3) => (14, 6, 0),
        (13, 4) => (16, 8, 0),
        (13, _) => (16, 14, 0),
        (14, _) => (18, 17, 0),
        (15, _) => (18, 18, 0),
        _ => (20, 9, 0),
    }
}

/// The version of each major that is installed when the project does not pin one, newest last.
pub(super) fn known_versions(kind: PackageManagerKind) -> &'static [&'static str] {
    match kind {
        PackageManagerKind::Npm => &["6.14.18", "7.24.2", "8.19.4", "9.9.4", "10.9.9", "11.21.2", "12.2.0"],
        PackageManagerKind::YarnClassic => &["1.22.22"],
        PackageManagerKind::YarnBerry => &["2.4.2", "3.8.7", "4.12.0"],
        PackageManagerKind::Pnpm => &["6.35.1", "7.33.7", "8.15.9", "9.15.9", "10.34.9", "11.28.11", "12.21.0"],
        PackageManagerKind::Bun => &["1.1.45", "1.2.23", "1.3.14"],
    }
}

/// Oldest Node.js that a version of a package manager runs on (`engines.node` of its own package).
pub(super) fn package_manager_node_floor(kind: PackageManagerKind, version: &Version) -> Option<(u64, u64, u64)> {
    match (kind, version.major) {
        (PackageManagerKind::Pnpm, 6) => Some((12, 17, 0)),
        (PackageManagerKind::Pnpm, 7) => Some((14, 6, 0)),
        (PackageManagerKind::Pnpm, 8) => Some((16, 14, 0)),
        (PackageManagerKind::Pnpm, 9 | 10) | (PackageManagerKind::YarnBerry, 4..) => Some((18, 12, 0)),
        (PackageManagerKind::Pnpm, 11) => Some((22, 13, 0)),
        (PackageManagerKind::Pnpm, 12) => Some((18, 0, 0)),
        (PackageManagerKind::Npm, 8) => Some((12, 13, 0)),
        (PackageManagerKind::Npm, 9) => Some((14, 17, 0)),
        (PackageManagerKind::Npm, 10) => Some((18, 17, 0)),
        (PackageManagerKind::Npm, 11) => Some((20, 17, 0)),
        (PackageManagerKind::Npm, 12) => Some((22, 22, 2)),
        _ => None,
    }
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
