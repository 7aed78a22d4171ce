//! A cache in the user's folder for small results that are slow to compute. Losing it costs time and nothing else.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::SystemTime;

use super::environment::Environment;

/// The oldest are removed first.
const ENTRIES: usize = 200;

/// Values by the digest of what they are about, so that none is ever out of date.
#[derive(Debug, Clone)]
pub struct Cache {
    /// `None` keeps nothing.
    folder: Option<PathBuf>,
}

impl Cache {
    /// `nextdeploy/KIND` in the user's cache folder (XDG base directory specification); without one nothing is kept.
    pub fn new(environment: &Environment, kind: &str) -> Self {
        let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
        let user = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        Self { folder: user.map(|folder| folder.join("nextdeploy").join(kind)) }
    }

    /// `digest` as `sha256:…`.
    pub fn get(&self, digest: &str) -> Option<Vec<u8>> {
        fs::read(self.path(digest)?).ok()
    }

    /// Keeps `value` when that is possible.
    pub fn put(&self, digest: &str, value: &[u8]) {
        let Some((folder, path)) = self.folder.as_ref().zip(self.path(digest)) else { return };
        let written = || -> std::io::Result<()> {
            // XDG base directory specification: folders that are missing get the mode 0700.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(value)?;
            file.persist(path)?;
            Ok(())
        };
        if written().is_ok() {
            self.prune();
        }
    }

    /// `None` if it is not a digest.
    fn path(&self, digest: &str) -> Option<PathBuf> {
        let (_, hex) = digest.split_once(':')?;
        is_name(hex).then(|| Some(self.folder.as_ref()?.join(hex)))?
    }

    fn prune(&self) {
        let Some(Ok(entries)) = self.folder.as_ref().map(fs::read_dir) else { return };
        let aged = |entry: fs::DirEntry| {
            entry.file_name().to_str().filter(|name| is_name(name))?;
            Some((entry.metadata().ok()?.modified().ok()?, entry.path()))
        };
        let mut entries: Vec<(SystemTime, PathBuf)> = entries.flatten().filter_map(aged).collect();
        entries.sort();
        let surplus = entries.len().saturating_sub(ENTRIES);
        for (_, path) in entries.drain(..surplus) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The digits of a digest; nothing else in the folder is ours.
fn is_name(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> String {
        format!("sha256:{number:064x}")
    }

    #[test]
    fn values_are_kept_and_the_oldest_is_removed() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::from_pairs([("HOME", home.path().to_str().unwrap())]);
        let cache = Cache::new(&environment, "images");
        assert_eq!(cache.get(&digest(0)), None);
        let theirs = home.path().join(".cache/nextdeploy/images/notes");
        fs::create_dir_all(theirs.parent().unwrap()).unwrap();
        fs::write(&theirs, "").unwrap();
        for number in 0..=ENTRIES {
            cache.put(&digest(number), format!("{number}").as_bytes());
            let path = home.path().join(format!(".cache/nextdeploy/images/{number:064x}"));
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64);
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        assert_eq!(cache.get(&digest(0)), None);
        assert_eq!(cache.get(&digest(1)).unwrap(), b"1");
        let kept = fs::read_dir(home.path().join(".cache/nextdeploy/images")).unwrap().count();
        assert!(theirs.exists() && kept == ENTRIES + 1, "{kept}");
    }

    #[test]
    fn nothing_is_kept_without_a_folder_and_no_key_leaves_it() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        for pairs in [&[][..], &[("HOME", "relative")], &[("HOME", file.to_str().unwrap())]] {
            let cache = Cache::new(&Environment::from_pairs(pairs.iter().copied()), "images");
            cache.put(&digest(1), b"x");
            assert_eq!(cache.get(&digest(1)), None);
        }
        let cache = Cache::new(&Environment::from_pairs([("HOME", home.path().to_str().unwrap())]), "images");
        for key in ["", "sha256:", "sha256:../../../../../../etc/passwd", "x", &format!("sha256:{}/", "a".repeat(64))] {
            cache.put(key, b"x");
            assert_eq!(cache.get(key), None, "{key}");
        }
        assert!(!home.path().join(".cache").exists());
    }
}
