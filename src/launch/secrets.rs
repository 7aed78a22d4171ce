//! Secrets as files: in memory of the daemon's machine, mounted read-only at `/run/secrets`.
//!
//! They are written through a container that is never started, so it works with daemons of other machines too, and they outlive a crash
//! or restart of the app. Nothing of them is in the container's configuration but the folder. Never writes a secret to a disk.

use std::path::Path;

use rustix::fs::statfs;

use super::error::LaunchError;
use super::peek::Helper;
use crate::container::{Access, ArchiveContent, ArchiveEntry, Containers, Mount, pack};
use crate::host;
use crate::secret::Secret;

/// Where the app finds them.
pub const SECRETS_FOLDER: &str = "/run/secrets";
/// Label with the folder of the machine.
pub const SECRETS_LABEL: &str = "nextdeploy.secrets";
/// `f_type` of file systems in memory (statfs(2)).
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
/// In the helper container.
const INSIDE: &str = "/nextdeploy-machine";

/// One secret with its value.
#[derive(Debug, Clone)]
pub struct SecretFile {
    /// Name of the file.
    pub id: String,
    pub value: Secret<Vec<u8>>,
}

/// A folder of secrets on the daemon's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsPlace {
    /// `/run/nextdeploy`
    root: String,
    /// Name of the folder below `root/secrets`.
    name: String,
}

impl SecretsPlace {
    /// A new folder for the container `name`.
    fn choose(containers: &Containers, name: &str) -> Result<Self, LaunchError> {
        let name = format!("{name}-{}", &host::random_word()[..8]);
        Ok(Self { root: root(containers)?, name })
    }

    /// The folder that a label tells.
    pub fn of_label(label: &str) -> Option<Self> {
        let (root, name) = label.rsplit_once("/secrets/")?;
        let is_ours = root.ends_with("/nextdeploy") && !name.is_empty() && !name.contains('/') && name != "..";
        is_ours.then(|| Self { root: root.to_owned(), name: name.to_owned() })
    }

    pub fn path(&self) -> String {
        format!("{}/secrets/{}", self.root, self.name)
    }

    pub fn mount(&self) -> Mount {
        Mount::Bind { source: self.path(), target: SECRETS_FOLDER.to_owned(), access: Access::ReadOnly }
    }

    fn root_mount(&self) -> Mount {
        Mount::Folder { source: self.root.clone(), target: INSIDE.to_owned(), access: Access::ReadWrite }
    }

    /// The folder for all belongs to root alone; inside, the group of the app may read, or everyone where that is not known.
    fn entries(&self, secrets: &[SecretFile], group: Option<u32>) -> Vec<ArchiveEntry> {
        let folder =
            |path: String, mode, group| ArchiveEntry { path, mode, user: 0, group, content: ArchiveContent::Folder };
        let own = format!("secrets/{}", self.name);
        let (folder_mode, file_mode) = if group.is_some() { (0o750, 0o440) } else { (0o755, 0o444) };
        let group = group.unwrap_or(0);
        let mut entries = vec![folder("secrets".to_owned(), 0o700, 0), folder(own.clone(), folder_mode, group)];
        entries.extend(secrets.iter().map(|secret| ArchiveEntry {
            path: format!("{own}/{}", secret.id),
            mode: file_mode,
            user: 0,
            group,
            content: ArchiveContent::File(secret.value.expose().clone()),
        }));
        entries
    }
}

/// Writes the secrets of the container `name`. `image` is one that the daemon has.
pub async fn write_secrets(
    containers: &Containers,
    image: &str,
    name: &str,
    secrets: &[SecretFile],
    group: Option<u32>,
) -> Result<SecretsPlace, LaunchError> {
    let place = SecretsPlace::choose(containers, name)?;
    unpack(containers, image, &place, &place.entries(secrets, group)).await?;
    Ok(place)
}

/// Removes them: an empty file takes the place of the folder, and goes too where the daemon is on this machine.
pub async fn remove_secrets(containers: &Containers, image: &str, place: &SecretsPlace) -> Result<(), LaunchError> {
    let path = format!("secrets/{}", place.name);
    let empty = ArchiveEntry { path, mode: 0, user: 0, group: 0, content: ArchiveContent::File(Vec::new()) };
    unpack(containers, image, place, &[empty]).await?;
    if containers.engine().is_local() {
        // Only root may; nothing is in it any more.
        let _ = std::fs::remove_file(place.path());
    }
    Ok(())
}

async fn unpack(
    containers: &Containers,
    image: &str,
    place: &SecretsPlace,
    entries: &[ArchiveEntry],
) -> Result<(), LaunchError> {
    let archive = pack(entries).map_err(|error| LaunchError::Secrets { reason: error.to_string() })?;
    let helper = Helper::create(containers, image, vec![place.root_mount()]).await?;
    let copied = containers.copy_in(&helper.id, INSIDE, archive).await;
    let removed = helper.remove().await;
    copied?;
    removed
}

/// A folder in memory. On another machine `/run` is one, as systemd and the Filesystem Hierarchy Standard have it.
fn root(containers: &Containers) -> Result<String, LaunchError> {
    let in_memory = |path: &str| statfs(Path::new(path)).is_ok_and(|found| IN_MEMORY.contains(&found.f_type));
    if !containers.engine().is_local() || in_memory("/run") {
        return Ok("/run/nextdeploy".to_owned());
    }
    if in_memory("/dev/shm") {
        return Ok("/dev/shm/nextdeploy".to_owned());
    }
    Err(LaunchError::Secrets { reason: "neither `/run` nor `/dev/shm` is a file system in memory".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> SecretsPlace {
        SecretsPlace { root: "/run/nextdeploy".into(), name: "shop-1-ab".into() }
    }

    #[test]
    fn only_the_group_of_the_app_may_read() {
        let secrets = [SecretFile { id: "API_KEY".into(), value: Secret::new(b"hush".to_vec()) }];
        let seen = |group| {
            let entries = place().entries(&secrets, group);
            let lines: Vec<String> =
                entries.iter().map(|e| format!("{} {:o} {}:{}", e.path, e.mode, e.user, e.group)).collect();
            lines.join(", ")
        };
        assert_eq!(seen(Some(0)), "secrets 700 0:0, secrets/shop-1-ab 750 0:0, secrets/shop-1-ab/API_KEY 440 0:0");
        assert_eq!(seen(Some(7)), "secrets 700 0:0, secrets/shop-1-ab 750 0:7, secrets/shop-1-ab/API_KEY 440 0:7");
        assert_eq!(seen(None), "secrets 700 0:0, secrets/shop-1-ab 755 0:0, secrets/shop-1-ab/API_KEY 444 0:0");
        assert!(!format!("{secrets:?}").contains("hush"));
    }

    #[test]
    fn a_label_names_a_folder_of_ours_or_nothing() {
        assert_eq!(SecretsPlace::of_label("/run/nextdeploy/secrets/shop-1-ab"), Some(place()));
        for bad in [
            "",
            "/etc/passwd",
            "/run/nextdeploy/secrets/",
            "/run/nextdeploy/secrets/a/b",
            "/run/nextdeploy/secrets/..",
            "/etc/secrets/x",
        ] {
            assert_eq!(SecretsPlace::of_label(bad), None, "{bad}");
        }
    }
}
