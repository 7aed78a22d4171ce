//! A path inside the repository: relative, `/`-separated, normalised, never above the root.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// A normalised path below the repository root; the root itself is the empty path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(String);

/// The path is absolute or climbs above the root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is outside the repository")]
pub struct OutsideRoot(pub String);

impl RelPath {
    /// The repository root.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Normalises `.`, `..` and repeated or trailing slashes.
    ///
    /// # Errors
    /// [`OutsideRoot`] for an absolute path and for one that climbs above the root.
    pub fn new(path: &str) -> Result<Self, OutsideRoot> {
        if path.starts_with('/') {
            return Err(OutsideRoot(path.to_owned()));
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop().ok_or_else(|| OutsideRoot(path.to_owned()))?;
                }
                part => parts.push(part),
            }
        }
        Ok(Self(parts.join("/")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of `child` (itself relative) below this one.
    ///
    /// # Errors
    /// [`OutsideRoot`] when the result would leave the repository.
    pub fn join(&self, child: &str) -> Result<Self, OutsideRoot> {
        if child.starts_with('/') {
            return Err(OutsideRoot(child.to_owned()));
        }
        if self.is_root() { Self::new(child) } else { Self::new(&format!("{}/{child}", self.0)) }
    }

    /// A direct child whose name is known to be one plain component.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.is_root() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) }
    }

    /// The folder that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned())))
    }

    /// Last component; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// True for `self` itself and everything below it.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_root() || other.0 == self.0 || other.0.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The absolute path below `root`.
    pub fn under(&self, root: &Path) -> PathBuf {
        if self.is_root() { root.to_path_buf() } else { root.join(&self.0) }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_stay_inside() {
        assert_eq!(RelPath::new("./apps//web/").unwrap().as_str(), "apps/web");
        assert_eq!(RelPath::new("a/../b").unwrap().as_str(), "b");
        assert_eq!(RelPath::new(".").unwrap(), RelPath::root());
        assert!(RelPath::new("../x").is_err());
        assert!(RelPath::new("/etc").is_err());
        assert!(RelPath::new("a").unwrap().join("../../b").is_err());
    }

    #[test]
    fn containment_respects_component_borders() {
        let apps = RelPath::new("apps").unwrap();
        assert!(apps.contains(&RelPath::new("apps/web").unwrap()));
        assert!(!apps.contains(&RelPath::new("apps-old").unwrap()));
        assert_eq!(RelPath::new("apps/web").unwrap().parent(), Some(apps));
    }
}
