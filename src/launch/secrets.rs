//! Secrets as files: in memory of the daemon's machine, mounted read-only at `/run/secrets`.
//!
//! They are written through a container that is never started, so it works with daemons of other machines too, and they outlive a crash
//! or restart of the app. Nothing of them is in the container's configuration but the folder. Never writes a secret to a disk.

use std::path::Path;

use rustix::fs::statfs;

use super::error::LaunchError;
use super::peek::Helper;
use super::plan::AppUser;
use crate::container::{Access, ArchiveContent, ArchiveEntry, Containers, Mount, pack};
use crate::diagnostic::shown;
use crate::host;
use crate::secret::Secret;

/// Where the app finds them.
pub const SECRETS_FOLDER: &str = "/run/secrets";
/// Label with the folder of the machine.
pub const SECRETS_LABEL: &str = "nextdeploy.secrets";
/// `f_type` of file systems in memory (statfs(2)).
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
/// Where an image has its users.
const USERS: &str = "/etc/passwd";
const LONGEST_USERS: usize = 1024 * 1024;
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
    pub(super) fn choose(containers: &Containers, name: &str) -> Result<Self, LaunchError> {
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

    /// The folder for all belongs to root; what is inside, to the user of the app alone.
    fn entries(&self, secrets: &[SecretFile], user: u32) -> Vec<ArchiveEntry> {
        let folder =
            |path: String, mode, user| ArchiveEntry { path, mode, user, group: 0, content: ArchiveContent::Folder };
        let own = format!("secrets/{}", self.name);
        let mut entries = vec![folder("secrets".to_owned(), 0o700, 0), folder(own.clone(), 0o500, user)];
        entries.extend(secrets.iter().map(|secret| ArchiveEntry {
            path: format!("{own}/{}", secret.id),
            mode: 0o400,
            user,
            group: 0,
            content: ArchiveContent::File(secret.value.expose().clone()),
        }));
        entries
    }
}

/// Writes secrets for `user`. `image` is one that the daemon has. After a failure some may be there.
pub async fn write_secrets(
    containers: &Containers,
    image: &str,
    place: &SecretsPlace,
    secrets: &[SecretFile],
    user: &AppUser,
) -> Result<(), LaunchError> {
    let user = user_number(containers, image, user).await?;
    unpack(containers, image, place, &place.entries(secrets, user)).await
}

/// The number of a user of `image`.
pub(super) async fn user_number(containers: &Containers, image: &str, user: &AppUser) -> Result<u32, LaunchError> {
    let name = match user {
        AppUser::Number(number) => return Ok(*number),
        AppUser::Named(name) => name,
    };
    let helper = Helper::create(containers, image, Vec::new()).await?;
    let read = containers.read_file(&helper.id, USERS, LONGEST_USERS).await;
    helper.remove().await?;
    let users = read?.unwrap_or_default();
    number_of(&String::from_utf8_lossy(&users), name).ok_or_else(|| LaunchError::Secrets {
        reason: format!("the image has no user `{}` in `{USERS}`, who would read them", shown(name)),
    })
}

/// passwd(5).
fn number_of(users: &str, name: &str) -> Option<u32> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?)
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

/// A folder in memory. On another machine `/dev/shm` is taken unseen: it is what POSIX shared memory of Linux is made of (`shm_open(3)`),
/// and `/run` is on a disk where there is no systemd.
fn root(containers: &Containers) -> Result<String, LaunchError> {
    let in_memory = |path: &str| statfs(Path::new(path)).is_ok_and(|found| IN_MEMORY.contains(&found.f_type));
    let is_local = containers.engine().is_local();
    if is_local && in_memory("/run") {
        return Ok("/run/nextdeploy".to_owned());
    }
    if !is_local || in_memory("/dev/shm") {
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
    fn only_the_user_of_the_app_may_read() {
        let secrets = [SecretFile { id: "API_KEY".into(), value: Secret::new(b"hush".to_vec()) }];
        let seen = |user| {
            let entries = place().entries(&secrets, user);
            let lines: Vec<String> =
                entries.iter().map(|e| format!("{} {:o} {}:{}", e.path, e.mode, e.user, e.group)).collect();
            lines.join(", ")
        };
        assert_eq!(seen(0), "secrets 700 0:0, secrets/shop-1-ab 500 0:0, secrets/shop-1-ab/API_KEY 400 0:0");
        assert_eq!(seen(7), "secrets 700 0:0, secrets/shop-1-ab 500 7:0, secrets/shop-1-ab/API_KEY 400 7:0");
        assert!(!format!("{secrets:?}").contains("hush"));
    }

    #[test]
    fn a_name_is_a_number_of_the_image() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/bash\nbroken\nodd:x:y:1::/:\n";
        let found = ["root", "node", "nobody", "broken", "odd", ""].map(|name| number_of(users, name));
        assert_eq!(found, [Some(0), Some(1000), None, None, None, None]);
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
