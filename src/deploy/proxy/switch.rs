//! A switch that needs no new configuration, since loading one closes connections: Caddy serves an app from either of two upstreams,
//! and looks at each request whether a file is there.
//!
//! Caddy must see the same folder as this program, which [`CaddyAdmin::sees`](super::CaddyAdmin::sees) checks.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::ProxyError;
use super::site::{Upstream, check_app, check_folder};
use crate::host::Environment;

/// The file that leads the requests to the second upstream.
pub(super) const GREEN: &str = "green";
/// Caddy's user reads them; only their owner writes.
const FOLDER_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// The folder of one app. Its path means nothing but itself to Caddy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchFolder(String);

/// Where the folders of all apps are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwitchRoot {
    /// Nothing was chosen; sites are loaded without a switch if it cannot be used.
    Default(PathBuf),
    Chosen(PathBuf),
    /// Every switch loads a configuration.
    None,
}

impl SwitchRoot {
    /// The folder of `--switch-dir`, where `none` turns switching off.
    pub fn new(chosen: Option<&Path>, environment: &Environment) -> Self {
        match chosen {
            Some(folder) if folder.as_os_str() == "none" => Self::None,
            Some(folder) => Self::Chosen(std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())),
            None => Self::Default(default_root(environment, rustix::process::geteuid().is_root())),
        }
    }
}

/// Readable by Caddy's user, and kept when the machine restarts.
fn default_root(environment: &Environment, is_root: bool) -> PathBuf {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME").filter(|_| !is_root)?.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from("/var/lib")).join("nextdeploy/proxy")
}

/// One of two upstreams, as blue-green deployments call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpstreamSide {
    /// Without the file.
    Blue,
    /// With it.
    Green,
}

impl UpstreamSide {
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

/// Two upstreams, and the folder that says which of them gets the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UpstreamPair {
    pub folder: SwitchFolder,
    pub blue: Upstream,
    pub green: Upstream,
}

impl UpstreamPair {
    pub fn new(folder: SwitchFolder, live: UpstreamSide, upstream: Upstream, spare: Upstream) -> Self {
        match live {
            UpstreamSide::Blue => Self { folder, blue: upstream, green: spare },
            UpstreamSide::Green => Self { folder, blue: spare, green: upstream },
        }
    }

    pub fn at(&self, side: UpstreamSide) -> &Upstream {
        match side {
            UpstreamSide::Blue => &self.blue,
            UpstreamSide::Green => &self.green,
        }
    }

    pub fn contains(&self, upstream: &Upstream) -> bool {
        self.blue == *upstream || self.green == *upstream
    }
}

impl SwitchFolder {
    /// `ROOT/APP`, which is not made yet.
    pub fn of(root: &Path, app: &str) -> Result<Self, ProxyError> {
        check_app(app)?;
        let path = root.join(app);
        let text = path.to_str().unwrap_or_default();
        check_folder("folder of the switch", text)?;
        Ok(Self(text.to_owned()))
    }

    /// As a configuration of Caddy names it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        check_folder("folder of the switch", text).ok()?;
        Some(Self(text.to_owned()))
    }

    pub fn path(&self) -> &Path {
        Path::new(&self.0)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub fn make(&self) -> Result<(), ProxyError> {
        let missing: Vec<&Path> = self.path().ancestors().take_while(|folder| !folder.exists()).collect();
        let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(self.path());
        // The umask may be narrower than Caddy needs.
        let made = made.and_then(|()| missing.into_iter().try_for_each(open_to_all));
        made.map_err(|error| self.unusable(&error))
    }

    /// Takes the folder away when nothing is in it: one that is in use may belong to another Caddy.
    pub fn remove_if_empty(&self) {
        let _ = fs::remove_dir(self.path());
    }

    pub(super) fn live(&self) -> Result<UpstreamSide, ProxyError> {
        let there = self.green().try_exists().map_err(|error| self.unusable(&error))?;
        Ok(if there { UpstreamSide::Green } else { UpstreamSide::Blue })
    }

    /// From the next request on.
    pub(super) fn turn(&self, to: UpstreamSide) -> Result<(), ProxyError> {
        let turned = match to {
            UpstreamSide::Green => match write_new(&self.green(), "") {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                written => written,
            },
            UpstreamSide::Blue => match fs::remove_file(self.green()) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        };
        turned.map_err(|error| self.unusable(&error))
    }

    /// Writes a file of this text, for as long as the answer lives.
    pub(super) fn probe(&self, name: &str, text: &str) -> Result<ProbeFile, ProxyError> {
        let path = self.path().join(name);
        write_new(&path, text).map_err(|error| self.unusable(&error))?;
        Ok(ProbeFile(path))
    }

    /// Takes away what this program made in it, and the folder when nothing else is there.
    pub fn remove(&self) -> Result<(), ProxyError> {
        self.turn(UpstreamSide::Blue)?;
        match fs::remove_dir(self.path()) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                Err(self.unusable(&error))
            }
            _ => Ok(()),
        }
    }

    fn green(&self) -> PathBuf {
        self.path().join(GREEN)
    }

    fn unusable(&self, error: &io::Error) -> ProxyError {
        ProxyError::SwitchFolder { path: self.path().to_path_buf(), reason: error.to_string() }
    }
}

/// No link is followed: who may write beside the folder shall not choose whose mode changes.
fn open_to_all(folder: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = fs::File::from(rustix::fs::open(folder, flags, Mode::empty())?);
    opened.set_permissions(fs::Permissions::from_mode(FOLDER_MODE))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    io::Write::write_all(&mut file, text.as_bytes())
}

/// A file that goes with this value.
pub(super) struct ProbeFile(PathBuf);

impl ProbeFile {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ProbeFile {
    fn drop(&mut self) {
        // A file that stays is never requested.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_goes_to_and_fro_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = SwitchFolder::of(&root.path().join("a/b"), "shop").unwrap();
        folder.make().unwrap();
        assert_eq!(fs::metadata(root.path().join("a")).unwrap().permissions().mode() & 0o777, FOLDER_MODE);
        assert_eq!(folder.live().unwrap(), UpstreamSide::Blue);
        for side in
            [UpstreamSide::Green, UpstreamSide::Green, UpstreamSide::Blue, UpstreamSide::Blue, UpstreamSide::Green]
        {
            folder.turn(side).unwrap();
            assert_eq!(folder.live().unwrap(), side);
        }
        let probe = folder.probe("probe", "text").unwrap();
        assert_eq!(fs::read_to_string(probe.path()).unwrap(), "text");
        assert!(folder.probe("probe", "other").is_err(), "what is there is not written over");
        drop(probe);
        folder.remove().unwrap();
        folder.remove().unwrap();
        assert!(!folder.path().exists());
    }

    #[test]
    fn the_default_folder_is_readable_by_caddy() {
        for (pairs, is_root, expected) in [
            (&[("HOME", "/root")][..], true, "/var/lib/nextdeploy/proxy"),
            (&[("HOME", "/home/a")], false, "/home/a/.local/state/nextdeploy/proxy"),
            (&[("XDG_STATE_HOME", "/x"), ("HOME", "/root")], true, "/x/nextdeploy/proxy"),
            (&[], false, "/var/lib/nextdeploy/proxy"),
        ] {
            let environment = Environment::from_pairs(pairs.iter().copied());
            assert_eq!(default_root(&environment, is_root), PathBuf::from(expected));
        }
    }

    #[test]
    fn a_folder_that_cannot_be_used_says_why() {
        let root = tempfile::NamedTempFile::new().unwrap();
        let folder = SwitchFolder::of(root.path(), "shop").unwrap();
        let error = folder.make().unwrap_err();
        assert!(matches!(&error, ProxyError::SwitchFolder { path, .. } if path == folder.path()), "{error}");
        for root in ["relative", "/a*", "/a{b}", "/a\nb"] {
            assert!(SwitchFolder::of(Path::new(root), "shop").is_err(), "{root}");
        }
        assert!(SwitchFolder::of(Path::new("/a"), "../b").is_err());
    }
}
