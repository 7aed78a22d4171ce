//! A deployment as `run` performs it: the plan for the containers that the app has now, and the plan carried out.

use std::path::PathBuf;

use super::app_containers::AppContainers;
use super::assets::copy_assets;
use super::error::LaunchError;
use super::launcher::{LaunchEvent, Launcher};
use super::plan::{DaemonMachine, LaunchInputs, LaunchPlan, MachineFacts, ReplacedContainer, app_name, plan_launch};
use super::replace::{Replaced, Replacement};
use super::secrets::SecretFile;
use crate::docker::RunDocument;
use crate::docker::{Containers, ImageFacts};
use crate::host::Cache;

#[derive(Debug, Clone)]
pub struct DeployOptions {
    /// Take the place of the container that the app has.
    pub replace: bool,
    pub replacement: Replacement,
    /// Folder of this machine for hashed assets, absolute.
    pub assets: Option<PathBuf>,
}

/// What is to be deployed, beside or in the place of what runs.
pub struct Deployment<'a> {
    pub plan: LaunchPlan,
    image: &'a ImageFacts,
    run: Option<&'a RunDocument>,
    app: AppContainers,
    options: &'a DeployOptions,
}

impl<'a> Deployment<'a> {
    /// Plans the container for this machine; [`machine`](LaunchInputs::machine) of `inputs` is not used.
    pub async fn plan(
        containers: &Containers,
        inputs: LaunchInputs<'a>,
        options: &'a DeployOptions,
    ) -> Result<Self, LaunchError> {
        let app = AppContainers::find(containers, &app_name(inputs.reference, inputs.image).value).await?;
        let present = app.present(containers).await?;
        // A proxy keeps its port, and serves the assets itself.
        let without_proxy = options.replacement.proxy.is_none();
        let is_local = containers.engine().is_local();
        let replaced = present.as_ref().filter(|_| options.replace && without_proxy);
        let machine = MachineFacts {
            replaces: replaced.map(|one| ReplacedContainer { name: &one.name, ports: &one.ports }),
            assets: options.assets.as_deref().filter(|_| without_proxy),
            daemon: if is_local { DaemonMachine::Local } else { DaemonMachine::Remote },
        };
        let plan = plan_launch(LaunchInputs { machine, ..inputs })?;
        Ok(Self { plan, image: inputs.image, run: inputs.run, app, options })
    }

    /// Copies the assets, and launches the container. `known` caches the documents of images.
    pub async fn carry_out(
        &self,
        launcher: &Launcher<'_>,
        secrets: &[SecretFile],
        known: &Cache,
    ) -> Result<Replaced, LaunchError> {
        if let Some(folder) = &self.options.assets {
            let files = match self.run {
                Some(run) => copy_assets(launcher.containers, &self.app, (self.image, run), folder, known).await?,
                None => 0,
            };
            (launcher.listener)(&LaunchEvent::AssetsCopied { files, folder: &folder.to_string_lossy() });
        }
        if self.options.replace {
            return Box::pin(launcher.replace(&self.plan, secrets, &self.options.replacement)).await;
        }
        Ok(Replaced::nothing(launcher.launch_alone(&self.plan, secrets).await?))
    }
}
