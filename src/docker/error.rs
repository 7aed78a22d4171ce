//! Why a daemon did not do what was asked of a container, network or volume.

use super::facts::InvalidField;
use super::swarm::SwarmRole;
use crate::diagnostic::{Diagnostic, ExitCode, printable, shown};
use crate::docker::connection::DaemonError;

#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// `kind` is `container`, `network`, `volume` or `image`.
    #[error("there is no {kind} `{}`", printable(name))]
    NotFound { kind: &'static str, name: String },
    #[error("`{}` is not of this program: container `{}` was made by another", printable(word), printable(name))]
    NotOurs { word: String, name: String },
    #[error("`{}` means several containers: {}", printable(word), printable(&names.join(", ")))]
    Ambiguous { word: String, names: Vec<String> },
    #[error("the name `{}` is in use by another container", printable(name))]
    NameInUse { name: String },
    #[error("port {port} of the machine is in use: {}", printable(reason))]
    PortInUse { port: String, reason: String },
    #[error("the daemon has no image `{}`", printable(image))]
    ImageMissing { image: String },
    #[error("the image `{}` has `{}` as `{}`, which has to be {}", printable(image), shown(&invalid.value), printable(&invalid.field), invalid.expected)]
    InvalidImage { image: String, invalid: InvalidField },
    #[error("there is no volume driver `{}`", printable(driver))]
    UnknownVolumeDriver { driver: String },
    /// What a bind mount begins with.
    #[error("the daemon's machine has no `{}`, which is to be mounted", printable(path))]
    NoBindSource { path: String },
    #[error("the daemon has no log driver `{}`", printable(driver))]
    UnknownLogDriver { driver: String },
    #[error("the log driver `{}` has no option `{}`", printable(driver), printable(option))]
    UnknownLogOption { driver: String, option: String },
    #[error("more processors are asked for than the daemon's machine has, which is {available}")]
    TooManyCpus { available: String },
    #[error("the service `{}` has no state before this one", printable(name))]
    NoPreviousState { name: String },
    #[error("the {kind} `{}` exists already, and is another: {difference}", printable(name))]
    Differs { kind: &'static str, name: String, difference: String },
    #[error("container `{}` does not run", printable(name))]
    NotRunning { name: String },
    #[error("container `{}` runs", printable(name))]
    Runs { name: String },
    #[error("the daemon refuses {doing} of `{}` in its state: {}", printable(name), printable(reason))]
    Conflict { doing: &'static str, name: String, reason: String },
    #[error("the daemon cannot start `{}`: {}", printable(name), printable(reason))]
    Start { name: String, reason: String },
    #[error("`{}` cannot be a service: {}", printable(name), match role { SwarmRole::Worker => "this daemon is a worker of a Swarm, and only managers know services", _ => "this daemon is in no Swarm" })]
    NoSwarm { name: String, role: SwarmRole },
    #[error("the daemon answered {doing} of `{}` with an error: {}", printable(name), printable(reason))]
    Answer { doing: &'static str, name: String, reason: String },
}

impl ContainerError {
    /// Tells it about the container as the user named it, where the daemon was asked by id.
    #[must_use]
    pub fn about(mut self, container: &str) -> Self {
        if let Self::NotFound { kind: "container", name }
        | Self::NotRunning { name }
        | Self::Runs { name }
        | Self::Conflict { name, .. }
        | Self::Start { name, .. }
        | Self::Answer { name, .. } = &mut self
        {
            container.clone_into(name);
        }
        self
    }
}

impl Diagnostic for ContainerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Daemon(error) => error.code(),
            Self::NotFound { .. } => "container/not-found",
            Self::NotOurs { .. } => "container/not-ours",
            Self::Ambiguous { .. } => "container/ambiguous",
            Self::NameInUse { .. } => "container/name-in-use",
            Self::PortInUse { .. } => "container/port-in-use",
            Self::ImageMissing { .. } => "container/image-missing",
            Self::InvalidImage { .. } => "container/invalid-image",
            Self::UnknownVolumeDriver { .. } => "container/volume-driver",
            Self::NoBindSource { .. } => "container/bind-source",
            Self::UnknownLogDriver { .. } | Self::UnknownLogOption { .. } => "container/log-driver",
            Self::TooManyCpus { .. } => "container/cpus",
            Self::NoPreviousState { .. } => "container/no-previous",
            Self::Differs { .. } => "container/differs",
            Self::NotRunning { .. } => "container/not-running",
            Self::Runs { .. } => "container/runs",
            Self::Conflict { .. } => "container/conflict",
            Self::Start { .. } => "container/start",
            Self::NoSwarm { .. } => "container/no-swarm",
            Self::Answer { .. } => "container/daemon",
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Daemon(error) => return error.hints(),
            Self::NotFound { kind: "container", .. } => "list what runs with `nextdeploy ps --all`",
            Self::NotFound { .. } => "check the name",
            Self::NotOurs { .. } => "use `docker` for it; what this program made is listed by `nextdeploy ps --all`",
            Self::Ambiguous { .. } => "give the whole name of one of them",
            Self::NameInUse { .. } => "replace it with `nextdeploy run --replace`, or give another `--name`",
            Self::PortInUse { .. } => "publish another port with `--publish`, or stop what listens there",
            Self::ImageMissing { .. } => "get it with `nextdeploy pull`, or build it with `nextdeploy build`",
            Self::InvalidImage { .. } => {
                "check where the image comes from; an image with a valid value has to be built"
            }
            Self::UnknownVolumeDriver { .. } => "install the driver's plugin on the daemon's machine, or use `local`",
            Self::NoBindSource { .. } => {
                "correct `volumes` in the document (or `--volume`), or make the folder there; a name without `/` is a volume"
            }
            Self::UnknownLogDriver { .. } => "correct `logging.driver` in the document, such as json-file or journald",
            Self::UnknownLogOption { .. } => "correct `logging.options` in the document",
            Self::TooManyCpus { .. } => "lower `cpus` in the document (or `--cpus`)",
            Self::NoPreviousState { .. } => {
                "it was deployed once, or went back already; deploy the image that you want: `nextdeploy run --swarm IMAGE`"
            }
            Self::Differs { .. } => "remove it, or give another name",
            Self::NotRunning { .. } => {
                "see why with `nextdeploy health` and `nextdeploy logs`, start it with `nextdeploy restart`"
            }
            Self::Runs { .. } => "stop it first with `nextdeploy stop`, or give `--force`",
            Self::Conflict { .. } => "look at its state with `nextdeploy ps --all`",
            Self::Start { reason, .. } if reason.contains("rlimit") => {
                "the machine allows fewer files or processes than Podman asks for: set `default_ulimits` in its `containers.conf`"
            }
            Self::Start { .. } => "check the command, mounts and limits that the message names",
            Self::NoSwarm { role: SwarmRole::Worker, .. } => "set `DOCKER_HOST` to a manager of the Swarm",
            Self::NoSwarm { .. } => "make it a Swarm with `docker swarm init`, or run a container without `--swarm`",
            Self::Answer { .. } => "check the daemon's log (`journalctl -u docker`)",
        };
        vec![hint.to_owned()]
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Daemon(error) => error.exit_code(),
            Self::NameInUse { .. }
            | Self::NotOurs { .. }
            | Self::Runs { .. }
            | Self::Ambiguous { .. }
            | Self::NotFound { .. }
            | Self::InvalidImage { .. }
            | Self::UnknownVolumeDriver { .. }
            | Self::NoBindSource { .. }
            | Self::UnknownLogDriver { .. }
            | Self::UnknownLogOption { .. }
            | Self::TooManyCpus { .. }
            | Self::NoPreviousState { .. }
            | Self::NoSwarm { .. }
            | Self::Differs { .. } => ExitCode::Usage,
            _ => ExitCode::Unhealthy,
        }
    }
}
