//! New volumes belong to the app: Docker gives them to root, unless the image has the folder.

use super::error::LaunchError;
use super::peek::Helper;
use super::plan::LaunchPlan;
use super::secrets::user_number;
use crate::container::{Access, ArchiveContent, ArchiveEntry, ContainerName, Containers, Mount, pack};

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
    let mount = |name: &&ContainerName| Mount::Volume {
        name: (*name).clone(),
        target: format!("{INSIDE}/{name}"),
        access: Access::ReadWrite,
    };
    let folder = |name: &&ContainerName| {
        let (path, content) = (name.to_string(), ArchiveContent::Folder);
        ArchiveEntry { path, mode: MODE, user, group: 0, content }
    };
    let entries: Vec<ArchiveEntry> = volumes.iter().map(folder).collect();
    let archive = pack(&entries).expect("names of volumes are short paths");
    let helper = Helper::create(containers, &plan.image_id, volumes.iter().map(mount).collect()).await?;
    let copied = containers.copy_in(&helper.id, INSIDE, archive).await;
    helper.remove().await?;
    Ok(copied?)
}

/// What other images have at a place is not known.
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
    made.iter().filter(|name| !in_image(name)).collect()
}
