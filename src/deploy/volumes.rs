//! New volumes belong to the app: Docker gives them to root, unless the image has the folder.

use super::error::LaunchError;
use super::helper::Helper;
use super::plan::LaunchPlan;
use super::secrets::user_number;
use crate::docker::{Access, ArchiveContent, ArchiveEntry, ContainerName, Containers, Mount, pack};

/// In the helper container.
const INSIDE: &str = "/nextdeploy-volumes";
/// The group is 0, as of everything that the app may write in images of this program.
const MODE: u32 = 0o775;

/// Gives those of `made` to the app's user that the image has nothing for; they are empty.
pub(super) async fn hand_over(
    containers: &Containers,
    plan: &LaunchPlan,
    made: &[ContainerName],
) -> Result<(), LaunchError> {
    let volumes = handed_over(plan, made);
    if volumes.is_empty() {
        return Ok(());
    }
    let user = user_number(containers, &plan.image_id, &plan.app_user).await?;
    if user == 0 {
        return Ok(());
    }
    // By their number: a name may be longer than a path in an archive.
    let mount = |(number, name): (usize, &&ContainerName)| Mount::Volume {
        name: (*name).clone(),
        target: format!("{INSIDE}/{number}"),
        access: Access::ReadWrite,
    };
    let folder = |number: usize| {
        let (path, content) = (number.to_string(), ArchiveContent::Folder);
        ArchiveEntry { path, mode: MODE, user, group: 0, content }
    };
    let entries: Vec<ArchiveEntry> = (0..volumes.len()).map(folder).collect();
    let archive = pack(&entries).expect("numbers are short paths");
    let mounts = volumes.iter().enumerate().map(mount).collect();
    let helper = Helper::create(containers, &plan.image_id, mounts).await?;
    let copied = containers.copy_in(&helper.id, INSIDE, archive).await;
    let removed = helper.remove().await;
    copied?;
    removed
}

/// What other images have at a place is not known, and another file system (`driver`, `options`) may have owners of its own.
fn handed_over<'a>(plan: &LaunchPlan, made: &'a [ContainerName]) -> Vec<&'a ContainerName> {
    let Some(run) = &plan.run else { return Vec::new() };
    let (writable, cache) = (run.writable.as_deref().unwrap_or_default(), run.cache_folder());
    let in_image = |name: &ContainerName| {
        plan.mounts.iter().any(|mount| match &mount.value {
            Mount::Volume { name: mounted, target, .. } => {
                mounted == name && (writable.contains(target) || cache.as_ref() == Some(target))
            }
            _ => false,
        })
    };
    let is_plain = |name: &ContainerName| {
        plan.volumes.iter().any(|one| one.name == *name && one.driver == "local" && one.options.is_empty())
    };
    made.iter().filter(|name| is_plain(name) && !in_image(name)).collect()
}
