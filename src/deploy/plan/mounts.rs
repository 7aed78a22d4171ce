//! What the container sees of disks and memory besides its image: its root, volumes, host folders and tmpfs.

use super::{DaemonMachine, LaunchInputs, default, naming};
use crate::diagnostic::Warning;
use crate::docker::{ContainerName, Mount, MountAccess, RootFilesystem, VolumeSpec};
use crate::docker::{RunDocument, RunMode};
use crate::origin::{Origin, Sourced};

/// Bytes for temporary files; they count as memory of the container.
const TEMPORARY: u64 = 64 * 1024 * 1024;

/// Read-only where it is known what the app writes to.
pub(super) fn root(inputs: LaunchInputs<'_>, warnings: &mut Vec<Warning>) -> Sourced<RootFilesystem> {
    let known = inputs.run.is_some_and(|run| run.writable.is_some() && run.mode != RunMode::Server);
    if let Some(root) = &inputs.config.root {
        if root.value == RootFilesystem::ReadOnly && !known {
            let message = "the folders that the app writes to are unknown: everything but /tmp is read-only";
            warnings.push(
                Warning::new("launch/read-only-guess", message).with_hint("mount a volume or tmpfs at each of them"),
            );
        }
        return root.clone();
    }
    if known {
        return Sourced::new(
            RootFilesystem::ReadOnly,
            Origin::Derived("the folders that the app writes to are known".to_owned()),
        );
    }
    let reason = match inputs.run {
        None => "nothing is known of the app",
        Some(run) if run.mode == RunMode::Server => "a server of the project's own may write anywhere",
        Some(_) => "the image does not say where the app writes",
    };
    Sourced::new(RootFilesystem::Writable, default(reason))
}

/// The folders that the app writes to belong to the group 0 in images of this program.
pub(super) fn warn_about_user(inputs: LaunchInputs<'_>, warnings: &mut Vec<Warning>) {
    let Some(user) = inputs.config.user.as_ref().filter(|_| inputs.run.is_some()) else { return };
    let in_group = match user.value.split_once(':') {
        Some((_, group)) => matches!(group, "0" | "root"),
        // A user without an entry in the image belongs to group 0.
        None => user.value == "root" || user.value.parse::<u32>().is_ok(),
    };
    if !in_group {
        let message = format!("the user `{}` is not in group 0 and cannot write the caches of the app", user.value);
        let own = user.value.split(':').next().unwrap_or_default();
        warnings.push(Warning::new("launch/user-cannot-write", message).with_hint(format!("set `user: '{own}:0'`")));
    }
}

/// What is configured, and what the app needs: its cache, assets of earlier versions, and in a read-only root the folders it writes to.
pub(super) fn mounts(inputs: LaunchInputs<'_>, app: &str, root: &Sourced<RootFilesystem>) -> Vec<Sourced<Mount>> {
    let mut mounts = inputs.config.mounts().cloned().collect::<Vec<_>>();
    let mut add = |mount: Mount, origin: Origin| {
        if mounts.iter().all(|known| known.value.target() != mount.target()) {
            mounts.push(Sourced::new(mount, origin));
        }
    };
    if let (Some(mount), DaemonMachine::Local) = (served_assets(inputs), inputs.machine.daemon) {
        add(mount, Origin::Flag("--assets".to_owned()));
    }
    let cache = inputs.run.and_then(RunDocument::cache_folder);
    if let Some((target, name)) = cache.zip(ContainerName::parse(&format!("{app}-cache")).ok()) {
        add(
            Mount::Volume { name, target, access: MountAccess::ReadWrite },
            default("optimised images and fetched data outlive the container"),
        );
    }
    if root.value == RootFilesystem::ReadOnly {
        let writable = inputs.run.and_then(|run| run.writable.as_deref()).unwrap_or_default();
        for target in writable {
            add(Mount::Unnamed { target: target.clone() }, default("Next.js writes pages that it renders again"));
        }
        add(
            Mount::Tmpfs { target: "/tmp".to_owned(), size: Some(TEMPORARY), mode: Some(0o1777), owner: None },
            default("temporary files in a read-only container"),
        );
    }
    mounts
}

/// The named volumes among `mounts`, each once.
pub(super) fn volumes(inputs: LaunchInputs<'_>, app: &str, mounts: &[Sourced<Mount>]) -> Vec<VolumeSpec> {
    let mut volumes: Vec<VolumeSpec> = Vec::new();
    for mount in mounts {
        let Mount::Volume { name, .. } = &mount.value else { continue };
        if volumes.iter().any(|known| known.name == *name) {
            continue;
        }
        let options = inputs.config.volume_options.get(name).cloned().unwrap_or_default();
        volumes.push(VolumeSpec {
            name: name.clone(),
            driver: options.driver.unwrap_or_else(|| "local".to_owned()),
            options: options.options,
            labels: naming::own_labels(app),
        });
    }
    volumes
}

/// The folder of assets in the place of the image's own.
fn served_assets(inputs: LaunchInputs<'_>) -> Option<Mount> {
    let (folder, run) = (inputs.machine.assets?, inputs.run?);
    let target = run.hashed_assets()?;
    let source = folder.join(run.base_path.trim_matches('/')).join("_next/static").to_str()?.to_owned();
    Some(Mount::Bind { source, target, access: MountAccess::ReadOnly })
}

pub(super) fn warn_about_remote_folders(
    inputs: LaunchInputs<'_>,
    mounts: &[Sourced<Mount>],
    warnings: &mut Vec<Warning>,
) {
    for mount in mounts {
        if let Mount::Bind { source, .. } = &mount.value {
            let message = format!("`{source}` is a folder of the daemon's machine, not of this one");
            warnings.push(Warning::new("launch/remote-folder", message));
        }
    }
    if let Some(folder) = inputs.machine.assets {
        let message =
            format!("the app runs on another machine and does not serve the assets in `{}`", folder.display());
        warnings.push(
            Warning::new("launch/remote-folder", message)
                .with_hint("serve the folder with a proxy, and pass `--proxy`"),
        );
    }
}
