//! Secrets as files: in memory of the daemon's machine, mounted read-only at `/run/secrets`.
//!
//! They are written through a container that is never started, so it works with daemons of other machines too, and they outlive a crash
//! or restart of the app. Nothing of them is in the container's configuration but the folder. Never writes a secret to a disk.
//!
//! Other users of the daemon's machine may write to `/dev/shm`. What they must not be able to do is to make the folder first, to put another
//! in its place, or to look into it. So each container has a folder of its own, whose name cannot be guessed, made by root with mode 0700
//! in a place that belongs to root, and that is sticky where others may write: there only root renames or removes it. In it is the
//! folder that is mounted, also with a name that cannot be guessed: memory is empty after a restart of the machine, when anybody may make
//! the outer folder, whose name was visible, but not one with the inner name, which the daemon mounts.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, fstatfs, open};

use super::error::LaunchError;
use super::helper_container::HelperContainer;
use super::plan::{AppUser, SECRETS_LABEL};
use crate::diagnostic::shown;
use crate::docker::{
    ArchiveContent, ArchiveEntry, ContainerError, Containers, FileState, Mount, MountAccess, Removal, helper_name, pack,
};
use crate::host;
use crate::secret::Secret;

/// Where the app finds them.
pub const SECRETS_FOLDER: &str = "/run/secrets";
/// `f_type` of file systems in memory (statfs(2)).
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
/// Where an image has its users.
const USERS: &str = "/etc/passwd";
const LONGEST_USERS: usize = 1024 * 1024;
/// In the helper container.
const INSIDE: &str = "/nextdeploy-machine";
/// Mode of the folder that holds the one that is mounted.
const OUTER: u32 = 0o700;

/// One secret with its value.
#[derive(Debug, Clone)]
pub struct SecretFile {
    /// Name of the file.
    pub id: String,
    pub value: Secret<Vec<u8>>,
}

/// The part of memory in which a folder is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemoryRoot {
    /// `/run`, where it is in memory (systemd): only root can write there.
    Run,
    /// Shared memory (`shm_open(3)`), where every user writes.
    Shm,
}

impl MemoryRoot {
    const ALL: [Self; 2] = [Self::Run, Self::Shm];

    /// Mounted in the helper container.
    fn root(self) -> &'static str {
        match self {
            Self::Run => "/run/nextdeploy",
            Self::Shm => "/dev/shm",
        }
    }
}

/// A folder of secrets on the daemon's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsFolder {
    memory: MemoryRoot,
    /// Below the memory; only root can read it.
    folder: String,
    /// In that folder; what is mounted.
    name: String,
}

impl SecretsFolder {
    const PREFIX: &str = "nextdeploy-";
    const DIGITS: usize = 32;

    /// A new folder for the container `name`.
    pub(super) fn choose(containers: &Containers, name: &str) -> Result<Self, LaunchError> {
        let folder = format!("{}{}", Self::PREFIX, host::random_word());
        Ok(Self { memory: memory(containers)?, folder, name: format!("{name}-{}", host::random_word()) })
    }

    /// The folder that a label names. Since images can set labels too, only paths that this program would choose are accepted.
    pub fn of_label(label: &str) -> Option<Self> {
        let is_word = |text: &str| text.len() == Self::DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        let (memory, path) = MemoryRoot::ALL
            .into_iter()
            .find_map(|memory| Some((memory, label.strip_prefix(memory.root())?.strip_prefix('/')?)))?;
        let (folder, name) = path.split_once('/')?;
        let (app, word) = name.rsplit_once('-')?;
        let fits = folder.strip_prefix(Self::PREFIX).is_some_and(is_word)
            && is_word(word)
            && !app.starts_with('.')
            && !app.contains('/');
        fits.then(|| Self { memory, folder: folder.to_owned(), name: name.to_owned() })
    }

    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.memory.root(), self.folder, self.name)
    }

    pub fn mount(&self) -> Mount {
        Mount::Bind { source: self.path(), target: SECRETS_FOLDER.to_owned(), access: MountAccess::ReadOnly }
    }

    /// The memory itself, as a helper container sees it.
    pub(super) fn root_mount(&self) -> Mount {
        let (source, target, access) = (self.memory.root().to_owned(), INSIDE.to_owned(), MountAccess::ReadWrite);
        match self.memory {
            // Made by the daemon when it is missing.
            MemoryRoot::Run => Mount::Folder { source, target, access },
            MemoryRoot::Shm => Mount::Bind { source, target, access },
        }
    }

    /// The outer folder belongs to root; what is inside, to the user of the app alone.
    fn entries(&self, secrets: &[SecretFile], user: u32) -> Vec<ArchiveEntry> {
        let folder =
            |path: String, mode, user| ArchiveEntry { path, mode, user, group: 0, content: ArchiveContent::Folder };
        let own = format!("{}/{}", self.folder, self.name);
        let mut entries = vec![folder(self.folder.clone(), OUTER, 0), folder(own.clone(), 0o500, user)];
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

/// Writes secrets for `user`. `image` is one that the daemon has. After a failure some may be there. The helper container names the folder
/// until another one does, and is to be removed then.
pub(super) async fn write_secrets<'a>(
    containers: &'a Containers,
    image: &str,
    place: &SecretsFolder,
    secrets: &[SecretFile],
    user: &AppUser,
) -> Result<HelperContainer<'a>, LaunchError> {
    let user = user_number(containers, image, user).await?;
    let archive = packed(&place.entries(secrets, user))?;
    let helper = helper_at(containers, image, place).await?;
    let written = async {
        check(containers, &helper, place, INSIDE, is_safe_root).await?;
        containers.copy_in(&helper.id, INSIDE, archive).await?;
        check(containers, &helper, place, &format!("{INSIDE}/{}", place.folder), is_own).await
    };
    match written.await {
        Ok(()) => Ok(helper),
        Err(error) => {
            let _ = helper.remove().await;
            Err(error)
        }
    }
}

/// Looks at a folder as the daemon has it.
async fn check(
    containers: &Containers,
    helper: &HelperContainer<'_>,
    place: &SecretsFolder,
    path: &str,
    is_right: fn(FileState) -> bool,
) -> Result<(), LaunchError> {
    let shown = path.replace(INSIDE, place.memory.root());
    let Some(found) = containers.file_state(&helper.id, path).await? else {
        return Err(LaunchError::Secrets { reason: format!("the daemon's machine has no `{shown}`") });
    };
    // The numbers of a daemon without root, or with a range of users of its own, are not those of its machine.
    let as_root = FileState { owner: 0, ..found };
    if is_right(found) || (is_right(as_root) && containers.maps_users().await?) {
        return Ok(());
    }
    let FileState { owner, mode, .. } = found;
    let reason = format!("other users of the daemon's machine can change `{shown}` (owner {owner}, mode {mode:04o})");
    Err(LaunchError::Secrets { reason })
}

/// Others cannot rename or remove what root makes in it.
fn is_safe_root(found: FileState) -> bool {
    const STICKY: u32 = 0o1000;
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    found.is_folder && found.owner == 0 && (found.mode & STICKY != 0 || found.mode & WRITABLE_BY_OTHERS == 0)
}

fn is_own(found: FileState) -> bool {
    found == FileState { is_folder: true, mode: OUTER, owner: 0 }
}

/// The number of a user of `image`.
pub(super) async fn user_number(containers: &Containers, image: &str, user: &AppUser) -> Result<u32, LaunchError> {
    let name = match user {
        AppUser::Number(number) => return Ok(*number),
        AppUser::Named(name) => name,
    };
    let helper = HelperContainer::create(containers, image, Vec::new()).await?;
    let read = containers.read_file(&helper.id, USERS, LONGEST_USERS).await;
    helper.remove().await?;
    let users = read?.unwrap_or_default();
    number_of(&String::from_utf8_lossy(&users), name).ok_or_else(|| LaunchError::Secrets {
        reason: format!("the image has no user `{}` in `{USERS}` to read them", shown(name)),
    })
}

/// passwd(5).
fn number_of(users: &str, name: &str) -> Option<u32> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?)
}

/// Removes them: an empty file takes the place of the folder, and goes too where the daemon is on this machine and this program is root.
pub async fn remove_secrets(containers: &Containers, image: &str, place: &SecretsFolder) -> Result<(), LaunchError> {
    let helper = helper_at(containers, image, place).await?;
    let emptied = empty(containers, &helper, place).await;
    let removed = helper.remove().await;
    emptied?;
    Ok(removed?)
}

/// Removes a container and its secrets. At any interruption, a container still names them.
pub async fn remove_with_secrets(
    containers: &Containers,
    container: &str,
    (labels, image): (&BTreeMap<String, String>, &str),
    removal: Removal,
) -> Result<(), ContainerError> {
    let place = labels.get(SECRETS_LABEL).and_then(|label| SecretsFolder::of_label(label));
    let helper = match &place {
        // Its image may be gone; the container is removed all the same.
        Some(place) => helper_at(containers, image, place).await.ok(),
        None => None,
    };
    let removed = containers.remove(container, removal).await;
    if let (Some(helper), Some(place)) = (helper, place) {
        if removed.is_ok() {
            // A retry would reach the same daemon.
            let _ = empty(containers, &helper, &place).await;
        }
        let _ = helper.remove().await;
    }
    removed
}

/// A helper container that sees the memory of `place`. Its label names the folder, so that a later run finds it if this one is killed.
async fn helper_at<'a>(
    containers: &'a Containers,
    image: &str,
    place: &SecretsFolder,
) -> Result<HelperContainer<'a>, ContainerError> {
    let mut spec = HelperContainer::spec(&helper_name(), image, vec![place.root_mount()]);
    spec.labels.insert(SECRETS_LABEL.to_owned(), place.path());
    // Podman reports all that it copies out as owned by the user of the container (seen with 4.3), so that modes are checked there,
    // and owners only where this machine sees them itself.
    spec.user = Some("0:0".to_owned());
    HelperContainer::from_spec(containers, spec).await
}

async fn empty(
    containers: &Containers,
    helper: &HelperContainer<'_>,
    place: &SecretsFolder,
) -> Result<(), LaunchError> {
    let content = ArchiveContent::File(Vec::new());
    let entry = ArchiveEntry { path: place.folder.clone(), mode: 0, user: 0, group: 0, content };
    containers.copy_in(&helper.id, INSIDE, packed(&[entry])?).await?;
    if containers.engine().is_local() {
        // Needs root. The file is empty by now.
        let _ = std::fs::remove_file(Path::new(place.memory.root()).join(&place.folder));
    }
    Ok(())
}

fn packed(entries: &[ArchiveEntry]) -> Result<Vec<u8>, LaunchError> {
    pack(entries).map_err(|error| LaunchError::Secrets { reason: error.to_string() })
}

/// On another machine `/dev/shm` is taken unseen for memory: it is what POSIX shared memory of Linux is made of (`shm_open(3)`), and `/run`
/// is on a disk where there is no systemd. Its owner is checked through the daemon in any case.
fn memory(containers: &Containers) -> Result<MemoryRoot, LaunchError> {
    if !containers.engine().is_local() {
        return Ok(MemoryRoot::Shm);
    }
    let run = Path::new("/run");
    let own = Path::new(MemoryRoot::Run.root());
    if is_memory_of_root(run) && state(run).is_some_and(|run| run.mode & 0o022 == 0) {
        let free = std::fs::symlink_metadata(own).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
        if free || state(own).is_some_and(is_safe_root) {
            return Ok(MemoryRoot::Run);
        }
    }
    if is_memory_of_root(Path::new(MemoryRoot::Shm.root())) {
        return Ok(MemoryRoot::Shm);
    }
    let reason =
        "neither `/run` nor `/dev/shm` is a file system in memory where only root can rename the files of root";
    Err(LaunchError::Secrets { reason: reason.to_owned() })
}

/// Through one handle, so that all answers are about one folder.
fn is_memory_of_root(path: &Path) -> bool {
    let Some(handle) = handle(path) else { return false };
    let in_memory = fstatfs(&handle).is_ok_and(|found| IN_MEMORY.contains(&found.f_type));
    in_memory && state_of(&handle).is_some_and(is_safe_root)
}

fn state(path: &Path) -> Option<FileState> {
    state_of(&handle(path)?)
}

fn state_of(handle: &OwnedFd) -> Option<FileState> {
    let found = fstat(handle).ok()?;
    Some(FileState { is_folder: true, mode: found.st_mode & 0o7777, owner: found.st_uid.into() })
}

/// A folder, and no link to one.
fn handle(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: &str = "0123456789abcdef0123456789abcdef";

    fn place() -> SecretsFolder {
        SecretsFolder { memory: MemoryRoot::Shm, folder: format!("nextdeploy-{WORD}"), name: format!("shop-1-{WORD}") }
    }

    #[test]
    fn only_the_user_of_the_app_may_read() {
        let secrets = [SecretFile { id: "API_KEY".into(), value: Secret::new(b"hush".to_vec()) }];
        let seen = |user| {
            let entries = place().entries(&secrets, user);
            let lines: Vec<String> =
                entries.iter().map(|e| format!("{} {:o} {}:{}", e.path, e.mode, e.user, e.group)).collect();
            lines.join(", ").replace(WORD, "W")
        };
        let inner = "nextdeploy-W/shop-1-W";
        assert_eq!(seen(0), format!("nextdeploy-W 700 0:0, {inner} 500 0:0, {inner}/API_KEY 400 0:0"));
        assert_eq!(seen(7), format!("nextdeploy-W 700 0:0, {inner} 500 7:0, {inner}/API_KEY 400 7:0"));
        assert!(!format!("{secrets:?}").contains("hush"));
    }

    #[test]
    fn a_folder_counts_where_root_alone_renames_what_is_in_it() {
        let state = |is_folder, mode, owner| FileState { is_folder, mode, owner };
        for (found, safe) in [
            (state(true, 0o1777, 0), true),
            (state(true, 0o755, 0), true),
            (state(true, 0o700, 0), true),
            (state(true, 0o777, 0), false),
            (state(true, 0o775, 0), false),
            (state(true, 0o1777, 1000), false),
            (state(true, 0o700, 1000), false),
            (state(false, 0o700, 0), false),
        ] {
            assert_eq!(is_safe_root(found), safe, "{found:?}");
        }
        assert!(is_own(state(true, 0o700, 0)));
        for other in [state(true, 0o700, 1000), state(true, 0o755, 0), state(true, 0o1700, 0), state(false, 0o700, 0)] {
            assert!(!is_own(other), "{other:?}");
        }
    }

    #[test]
    fn memory_is_looked_at_by_its_handle() {
        let Ok(shm) = tempfile::tempdir_in("/dev/shm") else { return };
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        };
        let folder = shm.path().join("folder");
        std::fs::create_dir(&folder).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        for (bits, safe) in [(0o755, true), (0o1777, true), (0o777, false), (0o775, false)] {
            mode(&folder, bits);
            assert_eq!(is_memory_of_root(&folder), safe && is_root, "{bits:o}");
        }
        mode(&folder, 0o700);
        let link = shm.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(!is_memory_of_root(&link) && !is_memory_of_root(&shm.path().join("missing")));
        if is_root {
            std::os::unix::fs::chown(&folder, Some(12345), None).unwrap();
            assert!(!is_memory_of_root(&folder), "it belongs to another user");
        }
    }

    #[test]
    fn a_name_is_a_number_of_the_image() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1000::/home/node:/bin/bash\nbroken\nodd:x:y:1::/:\n";
        let found = ["root", "node", "nobody", "broken", "odd", ""].map(|name| number_of(users, name));
        assert_eq!(found, [Some(0), Some(1000), None, None, None, None]);
    }

    #[test]
    fn a_label_names_a_folder_of_ours_or_nothing() {
        for memory in MemoryRoot::ALL {
            let place = SecretsFolder { memory, ..place() };
            assert_eq!(SecretsFolder::of_label(&place.path()), Some(place));
        }
        let (outer, inner) = (format!("nextdeploy-{WORD}"), format!("shop-{WORD}"));
        for bad in [
            String::new(),
            "/etc/passwd".into(),
            format!("/dev/shm/{outer}"),
            format!("/dev/shm/{outer}/"),
            format!("/dev/shm/{outer}/shop"),
            format!("/dev/shm/{outer}/{inner}/more"),
            format!("/dev/shm/{outer}/../{inner}"),
            format!("/dev/shm/nextdeploy/{inner}"),
            format!("/dev/shm/../etc/{outer}/{inner}"),
            format!("/home/user/{outer}/{inner}"),
            format!("/dev/shm/nextdeploy/secrets/{inner}"),
        ] {
            assert_eq!(SecretsFolder::of_label(&bad), None, "{bad}");
        }
    }
}
